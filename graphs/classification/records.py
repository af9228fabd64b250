"""The records of runs that make classifiers of messages."""

from typing import Literal

from elenchus.records import Record

Split = Literal["train", "validation", "test"]


class RealMessage(Record):
    """A message that people wrote, with its class. `place` says where it stands: train.csv#12.

    `date` is ISO, in UTC where the table names a zone, "" where the table has none.
    """

    prefix = "l"
    text: str
    label: str
    split: Split
    place: str
    date: str = ""


class SyntheticMessage(Record):
    """A message that the author wrote for a class, shown the real ones of a group.

    `round` counts the requests for more, from 1; `number` is its place in the reply.
    """

    prefix = "y"
    text: str
    label: str
    example_ids: tuple[str, ...]
    round: int
    number: int
    call_id: str


class IndicatorList(Record):
    """Ideas that tell messages of a class from others, as one model lists them."""

    prefix = "b"
    label: str
    model: str
    ideas: tuple[str, ...]
    call_id: str


class Indicators(Record):
    """All lists of a class, merged into one paragraph.

    `lost` holds the ideas that the merging model left out even when reminded of them; they were
    added to the paragraph as they stand. `approved` ones were read by a person.
    """

    prefix = "n"
    label: str
    text: str
    list_ids: tuple[str, ...]
    lost: tuple[str, ...]
    approved: bool


class Removal(Record):
    """A message that is left out, with the reason, and the one that it is too near to, if any.

    A row of a table that is no message has no `message_id`; `detail` says which and why.
    """

    prefix = "v"
    message_id: str
    reason: Literal[
        "row", "empty", "too long", "duplicate", "name", "near real", "near test",
        "near duplicate", "label", "not needed",
    ]  # fmt: skip
    detail: str = ""
    near_id: str = ""
    similarity: float | None = None


class Classifier(Record):
    """A trained classifier: where it lies in the run folder, and what it was trained on.

    `mix` is "real", "synthetic" or "hybrid"; `temperature` divides its logits; `threshold` is the
    least probability of the first class in a task of two classes.
    """

    prefix = "k"
    mix: str
    path: str
    sha256: str
    labels: tuple[str, ...]
    samples: int
    steps: int
    temperature: float
    threshold: float | None
