"""The vocabulary: every record that a run makes, as frozen pydantic models.

A record's id is derived from its content, so writing a record twice is writing it once, which makes
resuming exact. Records refer to one another by id, and hold no time of day.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from statistics import fmean
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from elenchus.reasons import Code

QuestionKind = Literal["recall", "apply", "except", "multi", "counter"]
CHARS_A_TOKEN = 4  # about, of English; used where there is no tokenizer
PAGE_BREAK = "\f"  # stands between the pages of a document's text
KINDS: tuple[QuestionKind, ...] = ("recall", "apply", "except", "multi", "counter")
Style = Literal["training", "exam"]
Grade = Literal["correct", "partial", "incorrect", "abstained"]
# A right result from a wrong rule ("partial") is mostly luck, so it scores little.
SCORES: dict[Grade, float] = {"correct": 1.0, "partial": 0.25, "incorrect": 0.0, "abstained": 0.0}


def digest(text: str) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Record(BaseModel):
    """Base of all records: frozen, closed, with an id that starts with the prefix of its kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    prefix: ClassVar[str]

    @cached_property
    def id(self) -> str:
        """Return the id, which is computed from the content."""
        return f"{self.prefix}-{digest(self.model_dump_json())}"


class Document(Record):
    """One reference text, as extracted. `source` is its path below the domain's folder."""

    prefix = "d"
    source: str
    title: str
    text: str

    def page(self, place: int) -> int | None:
        """Return the page, from 1, of a character; None where there are no pages."""
        return self.text.count(PAGE_BREAK, 0, place) + 1 if PAGE_BREAK in self.text else None


class Passage(Record):
    """A piece of a document: `document.text[start:end] == text`, in characters.

    Where a document changes, its other passages keep their ids, and so does all that was made from
    them.
    """

    prefix = "p"
    document_id: str
    source: str
    start: int
    end: int
    heading: tuple[str, ...]
    text: str

    @cached_property
    def id(self) -> str:
        """Return the id, which is computed from source, headings and text alone."""
        return f"{self.prefix}-{digest(json.dumps((self.source, self.heading, self.text)))}"


class Point(Record):
    """One norm that a passage states and that can be asked about; coverage counts points."""

    prefix = "o"
    passage_id: str
    quote: str
    topic: str
    kinds: tuple[QuestionKind, ...]


class Seed(Record):
    """The start of one examination: a point, a kind of question, a draw of the examiner.

    `asked` holds the questions already put on this point, which the examiner must not repeat;
    `fresh` says that neither an earlier round nor an earlier seed asks about the point.
    """

    prefix = "s"
    point_id: str
    kind: QuestionKind
    round: int
    variation: int
    asked: tuple[str, ...] = ()
    fresh: bool = False


class Question(Record):
    """A question and its origin; `parent_id` is the question that it revises."""

    prefix = "q"
    text: str
    kind: QuestionKind
    style: Style
    point_id: str
    passage_ids: tuple[str, ...]
    round: int
    call_id: str
    parent_id: str | None = None


class Citation(BaseModel):
    # Models are shown this docstring as part of a schema: another one makes their calls anew.
    """An exact substring of a passage, given as the ground of an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    passage_id: str
    quote: str


class Answer(BaseModel):
    """An expert's or a student's answer to a question; `sample` numbers repeated answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    text: str
    citations: tuple[Citation, ...] = ()
    abstained: bool = False
    sample: int = 0
    call_id: str
    tokens: int


class Verdict(BaseModel):
    """A grader's comparison. `gap` is 1 minus the student's mean score, in [0, 1]."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    grades: tuple[Grade, ...]
    gap: float
    missed: str
    critique: str
    call_id: str


def verdict(grades: Sequence[Grade], missed: str, critique: str, call_id: str) -> Verdict:
    """Return the verdict on answers with these grades, with the gap computed."""
    gap = 1 - fmean(SCORES[grade] for grade in grades)
    return Verdict(grades=tuple(grades), gap=gap, missed=missed, critique=critique, call_id=call_id)


class Turn(Record):
    """One exchange: a question, the expert's and the student's answers, and the verdict.

    `student` is empty and `verdict` None where the student was not asked.
    """

    prefix = "t"
    question: Question
    expert: tuple[Answer, ...]
    student: tuple[Answer, ...]
    verdict: Verdict | None

    @property
    def gap(self) -> float | None:
        """Return the verdict's gap; None without a verdict."""
        return self.verdict.gap if self.verdict else None


class Rejection(BaseModel):
    """The reason why an examination gave no example, with the raw text that decided it.

    `question_id` is the question that was being asked, if any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    code: Code
    detail: str = ""
    raw: str
    question_id: str | None = None


class Examination(Record):
    """All turns on one seed, in order, and the outcome: an accepted turn or a rejection."""

    prefix = "e"
    seed_id: str
    round: int
    turn_ids: tuple[str, ...]
    accepted_turn_id: str | None = None
    rejection: Rejection | None = None


class Message(BaseModel):
    """One message of a chat."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    role: Literal["system", "user", "assistant"]
    content: str


class Example(Record):
    """A training sample in chat form.

    `weight` is the gap with which it was accepted, or 1 where the student was not asked.
    """

    prefix = "x"
    prompt: tuple[Message, ...]
    completion: str
    question_id: str
    turn_id: str
    examination_id: str
    point_id: str
    passage_ids: tuple[str, ...]
    kind: QuestionKind
    round: int
    weight: float


class Text(Record):
    """A text written from passages, to be learnt as it stands; `task` is the author's."""

    prefix = "w"
    task: str
    text: str
    passage_ids: tuple[str, ...]
    call_id: str


class Dataset(Record):
    """The compact set chosen after a round: ids of its examples, and counts of what it omits."""

    prefix = "c"
    round: int
    example_ids: tuple[str, ...]
    candidates: int
    near_duplicates: int
    near_exam: int
    too_long: int
    nearest_exam_similarity: float


class ExamItem(Record):
    """One question of an exam with its gold answer.

    `exam` is "held-out" (written by the examiner, answered by the expert), "general" (abilities
    that the model had before) or "hand" (written by people, with the passage that decides it).
    """

    prefix = "i"
    exam: Literal["held-out", "general", "hand"]
    kind: str
    prompt: tuple[Message, ...]
    gold: str
    point_id: str | None = None
    passage_ids: tuple[str, ...] = ()
    call_ids: tuple[str, ...] = ()


class Score(Record):
    """The student's grade on one exam item after a round (0: the untouched student)."""

    prefix = "g"
    item_id: str
    exam: str
    round: int
    answer: str
    grade: Grade
    call_id: str


class Adapter(Record):
    """A trained LoRA: its path in the run folder, and its training.

    `previous` is the path of the adapter that the training began with, "" for the untouched
    student; `dataset_id` is "" where texts were learnt; `tokens` counts every token as often as it
    was seen, replay included.
    """

    prefix = "a"
    round: int
    path: str
    sha256: str
    previous: str
    dataset_id: str
    steps: int
    tokens: int


class Update(Record):
    """The link from a run to the finished one that it goes on from, after documents changed.

    `round` is the last one of the earlier run, `adapter` the path of its last adapter. `kept` and
    `retired` are ids of its examples: those that cite only passages that are still there, in order,
    and the others. `examples_a_point` is its ratio, which the new passages should reach.
    """

    prefix = "u"
    run: str
    round: int
    adapter: str
    passages_gone: tuple[str, ...]
    passages_new: tuple[str, ...]
    kept: tuple[str, ...]
    retired: tuple[str, ...]
    items_retired: int
    examples_a_point: float


class Retrieval(Record):
    """The passages that a search returned for a query, best first, as the expert was given them."""

    prefix = "r"
    query: str
    passage_ids: tuple[str, ...]


class Failure(Record):
    """A model call whose answer could not be used, however often it was asked again."""

    prefix = "f"
    role: str
    task: str
    code: Code
    detail: str
    raw: str
    call_id: str
