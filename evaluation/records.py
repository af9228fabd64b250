"""The records of a user's own tests: what is asked, and how a model did on it."""

from typing import ClassVar

from elenchus.own_tests import Scoring
from elenchus.records import Message, Record

BASE = ""  # the model of a score: the untouched student; else an adapter's path, or provider:model


class TestItem(Record):
    """One row of a test, with all that its score depends on.

    Attributes:
        test: the name of the test.
        place: of the row: test.tsv#12.
        prompt: as it is asked.
        asked: the row's own words, without what all rows have in common.
        answer: the right one; "" where a rubric alone decides.
        rubric: what an answer must do.
        labels: what there is to choose from; () where answers are free.
        relative, absolute: how far off a number may be.
    """

    __test__: ClassVar[bool] = False  # pytest would take the class for a test of ours
    prefix = "ti"
    test: str
    place: str
    prompt: tuple[Message, ...]
    asked: str
    answer: str
    score: Scoring
    rubric: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    relative: float = 0.0
    absolute: float = 0.0


class TestScore(Record):
    """How a model did on an item.

    Attributes:
        model: see `BASE`.
        answer: what it said; the likeliest label where labels were weighed.
        given: the label that the answer comes to, "" for none of them.
        likelihoods: of each label, in the item's order: the sum of its tokens' log-likelihoods.
        call_id: of the grader's call, else of the answer's; "" where labels were weighed.
    """

    __test__: ClassVar[bool] = False
    prefix = "ts"
    test: str
    item_id: str
    model: str
    answer: str
    given: str
    right: bool
    likelihoods: tuple[float, ...] = ()
    call_id: str = ""


class UnusableRow(Record):
    """A row of a test's table that cannot be asked, and the reason."""

    prefix = "ur"
    test: str
    place: str
    reason: str
