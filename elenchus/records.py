"""The vocabulary: every record that a run makes, as frozen pydantic models.

A record's id is derived from its content, so writing a record twice is writing it once, which makes
resuming exact. Records refer to one another by id, and hold no time of day.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from statistics import fmean, pvariance
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from elenchus.reasons import Code
from elenchus.redaction import redacted, without_known

CHARS_A_TOKEN = 4  # about, of English; used where there is no tokenizer
PAGE_BREAK = "\f"  # stands between the pages of a document's text
Sort = Literal[
    "rule", "definition", "mechanism", "cause", "procedure", "figure", "exception", "comparison",
    "precedent",
]  # fmt: skip
Form = Literal["", "yes-no", "choice", "number", "list", "phrase", "judgement"]
GUESSABLE: tuple[Form, ...] = ("yes-no", "choice")  # a right result may be luck
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

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with some fields changed, which computes an id of its own."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("id", None)  # pydantic copies what was computed, too
        return copied


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

    `title` and `date` are those of the document, "" where they are unknown.

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
    title: str = ""
    date: str = ""

    @cached_property
    def id(self) -> str:
        """Return the id, which is computed from source, headings and text alone."""
        return f"{self.prefix}-{digest(json.dumps((self.source, self.heading, self.text)))}"


class Citation(BaseModel):
    # Models are shown this docstring as part of a schema: another one makes their calls anew.
    """An exact substring of a passage, given as the ground of an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    passage_id: str
    quote: str


class Point(Record):
    """Something that the documents say and that can be asked about; coverage counts points.

    Attributes:
        sort: whether it is a rule, a mechanism, a figure, and so on.
        statement: what it says, in a sentence.
        grounds: quotes that state it, in one passage or several.
        kinds: of question that it can carry.
    """

    prefix = "o"
    sort: Sort
    statement: str
    topic: str
    grounds: tuple[Citation, ...]
    kinds: tuple[str, ...]

    @property
    def passage_ids(self) -> tuple[str, ...]:
        """The passages that state it, each once, in order."""
        return tuple(dict.fromkeys(ground.passage_id for ground in self.grounds))


class Seed(Record):
    """The start of one examination: a point, a kind of question, a draw of the examiner.

    Attributes:
        partner_ids: further points that the question may join to the first.
        asked: the questions already put on this point, in exam and training alike, which the
            examiner must not repeat.
        failed, passed: questions of the topic that the student could not and could answer.
        fresh: whether neither an earlier round nor an earlier seed asks about the point.
        persona, format: who asks, and in what form.
        wanted: the answer that a question of yes or no should have, so that they are balanced.
        predictor_id: what says before the expert is asked whether the student will fail; "" for
            none, so that the expert is asked always.
        complaint_id: the complaint of a user whose question comes first; "" where the examiner
            writes it. Left out of the JSON then, so that ids are what they were before it.
    """

    prefix = "s"
    point_id: str
    kind: str
    round: int
    variation: int
    partner_ids: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    fresh: bool = False
    persona: str = ""
    format: str = ""
    wanted: Literal["", "yes", "no"] = ""
    predictor_id: str = ""
    complaint_id: str = Field(default="", exclude_if=lambda text: not text)


class Question(Record):
    """A question and its origin; `parent_id` is the question that it revises.

    `difference` and `guidance` are what the examiner said of the answers to that one, and of how
    to ask on (the paper's feedback and guidance).
    """

    prefix = "q"
    text: str
    kind: str
    exam: bool
    point_id: str
    passage_ids: tuple[str, ...]
    round: int
    call_id: str
    parent_id: str | None = None
    difference: str = ""
    guidance: str = ""


class Answer(BaseModel):
    """An expert's or a student's answer to a question; `sample` numbers repeated answers.

    Attributes:
        text: as a student is to give it; explanation and result in the domain's form.
        explanation, result, form: an expert's, apart; a student's are in the text.
        rubric: checks that decide whether another answer is as good, where it is a judgement.
        likelihood: mean log-likelihood of a token, where the model tells it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    text: str
    explanation: str = ""
    result: str = ""
    form: Form = ""
    rubric: tuple[str, ...] = ()
    citations: tuple[Citation, ...] = ()
    abstained: bool = False
    sample: int = 0
    call_id: str
    tokens: int
    likelihood: float | None = None


class Gold(BaseModel):
    """The right answer to a question, as a grader compares others with it.

    Attributes:
        text: explanation and result in the domain's form; the result alone where people wrote it.
        quotes: what the documents say, where the answer cites them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    text: str
    result: str
    form: Form = ""
    rubric: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ()


class Verdict(BaseModel):
    """A grader's comparison of a student's answers with the right one.

    Attributes:
        grades: of each answer; result and reason decide.
        results: whether its result alone is right.
        gap: 1 minus the mean score, in [0, 1].
        spread: variance of the scores: highest where the student is right by turns.
        critiques: what each answer shows of what the student believes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    grades: tuple[Grade, ...]
    results: tuple[bool, ...]
    gap: float
    spread: float
    missed: str
    critiques: tuple[str, ...] = ()
    call_id: str


def verdict(
    grades: Sequence[Grade],
    missed: str = "",
    call_id: str = "",
    results: Sequence[bool] | None = None,
    critiques: Sequence[str] = (),
) -> Verdict:
    """Return the verdict on answers with these grades, with gap and spread computed.

    Without `results`, those of correct answers alone are right.
    """
    scores = [SCORES[grade] for grade in grades]
    right = [grade == "correct" for grade in grades] if results is None else results
    return Verdict(
        grades=tuple(grades),
        results=tuple(right),
        gap=1 - fmean(scores),
        spread=pvariance(scores),
        missed=missed,
        critiques=tuple(critiques),
        call_id=call_id,
    )


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

    `question_id` is the question that was being asked, if any, `passage_ids` those that its expert
    was shown, or that it was written from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    code: Code
    detail: str = ""
    raw: str
    question_id: str | None = None
    passage_ids: tuple[str, ...] = ()


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


class Retrieval(Record):
    """The passages that a search returned for a query, best first, as the expert was given them."""

    prefix = "r"
    query: str
    passage_ids: tuple[str, ...]


class Failure(Record):
    """A model call whose answer could not be used, however often it was asked again.

    What a server said of it may echo the key.
    """

    prefix = "f"
    role: str
    task: str
    code: Code
    detail: Annotated[str, AfterValidator(redacted)]
    raw: Annotated[str, AfterValidator(without_known)]
    call_id: str
