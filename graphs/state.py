"""What graphs that measure a student remember: ids, counters and paths, never texts."""

import operator
from typing import Annotated

from typing_extensions import TypedDict


class MeasuredState(TypedDict, total=False):
    """Checkpointed after every step. All else is in the ledger, under these ids.

    Attributes:
        round: the round or stage under way, from 1; 0 before the first.
        accuracies: on the held-out exam, before the first round and after each.
        adapter: the newest, a path below the run folder; "" for the untouched student.
        first, start: the round and the adapter to begin with; 0 and "" but for an update.
        dataset_id: the newest dataset, where one was chosen.
        stopped: why the loop ended, "" while it goes on.
    """

    round: int
    accuracies: Annotated[list[float], operator.add]
    adapter: str
    first: int
    start: str
    dataset_id: str
    stopped: str


def trained_rounds(state: MeasuredState) -> int:
    """Return the last round that ended in an adapter; a later one may have stopped before."""
    return state.get("first", 0) + len(state["accuracies"]) - 1


def is_trained(state: MeasuredState) -> bool:
    """Tell whether the run trained an adapter of its own."""
    return state["adapter"] != state.get("start", "")
