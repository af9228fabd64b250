"""The records of `method: passages`: problems, paragraphs, passages, and what was refused."""

from elenchus.ledger import Ledger
from elenchus.reasons import Code
from elenchus.records import Citation, Record


class Problem(Record):
    """A problem to write about: a row of a task, or one written about a point of the documents.

    `place` says where it comes from: train.jsonl#12, or the point's id. `answer` is the gold one.
    `bare` is the question without what every question of its task repeats. A `test` problem is one
    of the held-out exam.
    """

    prefix = "m"
    task: str
    question: str
    answer: str
    place: str
    bare: str
    test: bool = False


class Explanation(Record):
    """A paragraph on one problem that cites passages and comes to the gold answer."""

    prefix = "h"
    problem_id: str
    text: str
    citations: tuple[Citation, ...]
    passage_ids: tuple[str, ...]
    call_id: str


class Refusal(Record):
    """A text about problems that was not used, and why.

    `raw` is the reply that decided it, the paragraph of a document that was left out, or the number
    of a task's rows that were. `passage_ids` are those that whoever wrote the reply was shown.
    `question` is the one that became no problem, of the kind `task`; "" where it is about problems.
    """

    prefix = "z"
    problem_ids: tuple[str, ...]
    code: Code
    detail: str = ""
    raw: str
    task: str = ""
    question: str = ""
    passage_ids: tuple[str, ...] = ()


class TaskPassage(Record):
    """A passage about several problems: a paragraph on each, and what they share.

    `text` is all of it. `closing` and `call_id` are "" where no closing paragraph was wanted.
    """

    prefix = "j"
    problem_ids: tuple[str, ...]
    explanation_ids: tuple[str, ...]
    closing: str
    text: str
    call_id: str


def explained(ledger: Ledger, passage: TaskPassage) -> list[tuple[Problem, Explanation]]:
    """Return the problems of a passage, each with its paragraph."""
    problems = (ledger.get(Problem, i) for i in passage.problem_ids)
    paragraphs = (ledger.get(Explanation, i) for i in passage.explanation_ids)
    return list(zip(problems, paragraphs, strict=True))
