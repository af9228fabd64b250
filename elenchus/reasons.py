"""Reasons why something was not used: a code that programs compare, and a detail for people.

Records keep both; `sentence` puts them together for a reader. Reports count codes.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Literal, Protocol

Code = Literal[
    # A question is put to nobody.
    "repeats", "not-alone", "likely-known",
    # An expert's answer cannot be trained on.
    "undecided", "decided", "unexplained", "false-citation", "one-sided", "unsupported",
    "disagreement", "gives-answer", "guessable", "other-language", "contradicts", "other-result",
    # Nothing is to be gained.
    "known", "unsuited", "written-before", "near-exam", "copies-test", "source-copies-test",
    "unusable-row",
    # A model's reply could not be used.
    "examiner-failed", "expert-failed", "grader-failed", "student-failed", "author-failed",
    "unparsable", "unusable", "false-quote", "refused",
]  # fmt: skip
SENTENCES: dict[Code, str] = {
    "repeats": "the question repeats an earlier one",
    "not-alone": "the question does not stand on its own",
    "likely-known": "the student is predicted to know it",
    "undecided": "the documents do not decide it",
    "decided": "the documents decide it, though it was to be a question that they do not",
    "false-citation": "a citation does not hold",
    "unexplained": "the answer gives no reason",
    "one-sided": "the answer rests on one point where it should join two",
    "unsupported": "what the answer cites does not support it",
    "disagreement": "the expert's answers disagree with one another",
    "gives-answer": "the question contains its answer",
    "guessable": "the wording of the question gives the answer away",
    "other-language": "it is in another language",
    "contradicts": "its answer contradicts another one about the same point",
    "other-result": "it comes to another result than the gold answer",
    "known": "the student knows it",
    "unsuited": "the student's answers are not as `examination.acceptance` wants them",
    "written-before": "it was written before",
    "near-exam": "it is too near an exam question",
    "copies-test": "it copies a test problem",
    "source-copies-test": "a part of the documents copies a test problem",
    "unusable-row": "a row of a task is left out",
    "examiner-failed": "the examiner's reply could not be used",
    "expert-failed": "the expert's reply could not be used",
    "grader-failed": "the grader's reply could not be used",
    "student-failed": "the student's reply could not be used",
    "author-failed": "the author's reply could not be used",
    "unparsable": "the reply is not the JSON that was asked for",
    "unusable": "the reply does not fit what was asked",
    "false-quote": "a quote does not occur in the passage",
    "refused": "the prompt was refused",
}
FAILED: dict[str, Code] = {
    "examiner": "examiner-failed",
    "expert": "expert-failed",
    "grader": "grader-failed",
    "student": "student-failed",
    "author": "author-failed",
}


class Reason(Protocol):
    """A record that says why."""

    @property
    def code(self) -> Code: ...

    @property
    def detail(self) -> str: ...


def sentence(reason: Reason) -> str:
    """Return a reason as a person reads it."""
    return ": ".join(filter(None, (SENTENCES[reason.code], reason.detail)))


def by_code(reasons: Iterable[Reason]) -> dict[Code, int]:
    """Count reasons by their code, the commonest first."""
    return dict(Counter(reason.code for reason in reasons).most_common())


def counted(counts: dict[Code, int]) -> str:
    """Return counts by code for a line of text."""
    return "; ".join(f"{count} × {SENTENCES[code]}" for code, count in counts.items())
