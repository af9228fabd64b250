"""What the classification graph remembers between steps; all else is in the ledger."""

from typing_extensions import TypedDict


class ClassificationState(TypedDict, total=False):
    """Checkpointed after every step.

    Attributes:
        round: the last round in which messages were generated, from 1; 0 before the first.
        stopped: why no further round follows, "" while one does.
    """

    round: int
    stopped: str
