"""What the adaptation graph and its examinations remember between steps."""

import operator
from typing import Annotated

from typing_extensions import TypedDict

from elenchus.records import Question, Rejection, Turn
from graphs.state import MeasuredState


class AdaptationState(MeasuredState, total=False):
    """The outer loop's; see `MeasuredState` for what it shares with other graphs.

    Attributes:
        seed_ids: what the round examines next.
        more: how many further examinations the round needs; 0 when it has enough.
        failed, fresh: for each round, how many fresh questions the student failed, and of how many.
    """

    seed_ids: list[str]
    more: int
    failed: Annotated[list[int], operator.add]
    fresh: Annotated[list[int], operator.add]


def failure_shares(state: AdaptationState) -> list[float]:
    """Return, for each round, the share of fresh questions that the student failed."""
    rounds = zip(state.get("failed", []), state.get("fresh", []), strict=True)
    return [failed / fresh for failed, fresh in rounds]


class SeedState(TypedDict):
    """What one branch of the fan-out is sent."""

    seed_id: str
    adapter: str


class ExaminationState(TypedDict, total=False):
    """The inner loop's. Not checkpointed: every call is cached, so redoing it costs nothing.

    Attributes:
        flat: turns since the gap last widened.
        taken: whether the newest turn is to be accepted, if it is confirmed.
        shown: ids of the passages that the expert was given for the newest question, if any.
    """

    seed_id: str
    adapter: str
    question: Question
    turns: list[Turn]
    flat: int
    taken: bool
    shown: list[str]
    accepted_turn_id: str
    rejection: Rejection


class Nothing(TypedDict):
    """What an examination hands back to the outer loop: all of it is in the ledger."""
