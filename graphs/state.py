"""What the graphs remember between steps: ids, counters and paths, never texts."""

import operator
from typing import Annotated, TypedDict

from elenchus.records import Question, Rejection, Turn


class AdaptationState(TypedDict, total=False):
    """Checkpointed after every step. All else is in the ledger, under these ids.

    Attributes:
        round: the outer round under way, from 1; 0 before the first.
        seed_ids: what the round examines next.
        more: how many further examinations the round needs; 0 when it has enough.
        failed, fresh: for each round, how many fresh questions the student failed, and of how many.
        accuracies: on the held-out exam, before the first round and after each.
        dataset_id, adapter: the newest; `adapter` is a path below the run folder.
        first, start: the round and the adapter to begin with; 0 and "" but for an update.
        stopped: why the loop ended, "" while it goes on.
    """

    round: int
    seed_ids: list[str]
    more: int
    failed: Annotated[list[int], operator.add]
    fresh: Annotated[list[int], operator.add]
    accuracies: Annotated[list[float], operator.add]
    dataset_id: str
    adapter: str
    first: int
    start: str
    stopped: str


def failure_shares(state: AdaptationState) -> list[float]:
    """For each round, the share of fresh questions that the student failed."""
    rounds = zip(state.get("failed", []), state.get("fresh", []), strict=True)
    return [failed / fresh for failed, fresh in rounds]


def trained_rounds(state: AdaptationState) -> int:
    """The last round that ended in an adapter; a later one may have stopped before."""
    return state.get("first", 0) + len(state["accuracies"]) - 1


def is_trained(state: AdaptationState) -> bool:
    """Whether the run trained an adapter of its own."""
    return state["adapter"] != state.get("start", "")


class IndicatorState(TypedDict, total=False):
    """Of the graph that makes classifiers. All else is in the ledger.

    Attributes:
        round: how often messages were asked for.
        stopped: why no more messages are asked for, "" while some are.
    """

    round: int
    stopped: str


class SeedState(TypedDict):
    """What one branch of the fan-out is sent."""

    seed_id: str
    adapter: str


class ExaminationState(TypedDict, total=False):
    """The inner loop's. Not checkpointed: every call is cached, so redoing it costs nothing.

    `flat` counts turns since the gap last widened.
    """

    seed_id: str
    adapter: str
    question: Question
    turns: Annotated[list[Turn], operator.add]
    flat: int
    accepted_turn_id: str
    rejection: Rejection
