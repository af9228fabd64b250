"""The records of runs that write task-oriented passages."""

from elenchus.reasons import Code
from elenchus.records import Citation, Record


class Problem(Record):
    """A problem to write about: a row of a task, or one written about a point of the documents.

    `place` says where it comes from: train.jsonl#12, or the point's id. `answer` is the gold one.
    `bare` is the question without what stands in every question of its task. A `test` problem is
    what the student is judged on.
    """

    prefix = "m"
    task: str
    question: str
    answer: str
    place: str
    bare: str
    test: bool = False


class Explanation(Record):
    """A paragraph on one problem, with its answer, that holds up against gold and citations."""

    prefix = "h"
    problem_id: str
    text: str
    citations: tuple[Citation, ...]
    passage_ids: tuple[str, ...]
    call_id: str


class Refusal(Record):
    """Why nothing was kept of a text about some problems, with the text as it came."""

    prefix = "z"
    problem_ids: tuple[str, ...]
    code: Code
    detail: str = ""
    raw: str


class TaskPassage(Record):
    """A passage about several problems: a paragraph on each, and what they share.

    `text` is the whole of it. `closing` and `call_id` are "" where no closing paragraph was asked
    for.
    """

    prefix = "j"
    problem_ids: tuple[str, ...]
    explanation_ids: tuple[str, ...]
    closing: str
    text: str
    call_id: str
