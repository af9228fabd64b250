"""Examples by hand as samples to train on: alone, with a teacher that has the passages, and pairs.

The passages of a question are the paragraphs that hold what is quoted. Right is, without a judge,
an answer that is likelier than each of three other answers to questions on the same document, or
where there are fewer, on any.
"""

import json
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import AliasChoices, BaseModel, Field, ValidationError, model_validator

from agents.prompting import Subject, flat
from agents.student import prompted, reading
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.loading import read_text
from elenchus.records import Message, Passage
from models.pretrained import Precision
from training.encoding import Sample
from training.likelihood import likelihoods

OTHERS = 3  # answers to other questions that a right one is compared with
Likely = tuple[NDArray[np.float64], NDArray[np.bool_]]


class Cited(BaseModel):
    """What an example rests on; without a quote, somewhere in the document."""

    document: str
    quote: str = ""


class Line(BaseModel):
    """A line of a file of examples, or of an exam."""

    question: str
    explanation: str = ""
    result: str = Field(validation_alias=AliasChoices("result", "answer"))
    citations: list[Cited] = []
    document: str = ""
    quote: str = ""

    @model_validator(mode="before")
    @classmethod
    def _of_a_run(cls, row: Any) -> Any:
        match row:
            case {"prompt": [*_, {"content": question}], "completion": [{"content": answer}]}:
                return {"question": question, "result": answer}
        return row


class Lesson(NamedTuple):
    """A question with its answer: the `result` alone, and the `whole` that is learnt."""

    question: str
    result: str
    whole: str
    document: str
    passages: list[Passage]

    def asked(self, subject: Subject) -> tuple[Message, ...]:
        """Return the prompt without passages."""
        return prompted(subject, self.question).messages

    def read(self, subject: Subject, answer: str = "") -> tuple[Message, ...]:
        """Return the prompt with the passages before it, and an answer where it is shown."""
        return reading(subject, self.question, self.passages, answer).messages


class Base(NamedTuple):
    """A model's folder, and in which precision it is trained and asked."""

    folder: Path
    precision: Precision


def lessons(file: Path, documents: dict[str, list[str]], subject: Subject) -> list[Lesson]:
    """Read lessons with their passages: examples, questions of an exam, or a run's dataset.

    Args:
        documents: the paragraphs of each, by its name.

    Raises:
        UserError: there is no such file, a line is none of these, or cites a document that is not
            there.
    """
    lines = read_text(file).splitlines()
    made = []
    for number, line in enumerate(lines, 1):
        try:
            made.append(_lesson(Line.model_validate_json(line), documents, subject))
        except ValidationError as error:
            raise UserError(f"{file}, line {number}: {error.errors()[0]['loc']} is missing or "
                            "no text") from error  # fmt: skip
        except KeyError as error:
            raise UserError(f"{file}, line {number}: there is no document {error}") from error
    return made


def of_run(run: Path) -> list[Lesson]:
    """Read the examples that a run trained on, with the passages that its expert cited.

    Raises:
        UserError: there is no finished run in the folder.
    """
    dataset, made = run / "dataset" / "train.jsonl", []
    if not dataset.exists():
        raise UserError(f"{run} is not the folder of a run that has made its dataset")
    ledger = Ledger(run / "ledger.sqlite", read_only=True)
    for line in dataset.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        passages = [ledger.get(Passage, one) for one in row["provenance"]["passage_ids"]]
        document = passages[0].source if passages else ""
        result, whole = row["provenance"]["result"], row["completion"][0]["content"]
        made.append(Lesson(row["prompt"][-1]["content"], result, whole, document, passages))
    ledger.close()
    return made


def _lesson(line: Line, documents: dict[str, list[str]], subject: Subject) -> Lesson:
    cited = line.citations or (
        [Cited(document=line.document, quote=line.quote)] if line.document else []
    )
    passages = {p.id: p for one in cited for p in _quoted(one, documents)}
    document = cited[0].document if cited else ""  # of what the documents do not say
    whole = subject.form.text(line.explanation, line.result) if line.explanation else line.result
    return Lesson(line.question, line.result, whole, document, list(passages.values()))


def likely(
    base: Base,
    taught: Sequence[Lesson],
    prompt: Callable[[Lesson], tuple[Message, ...]],
    adapter: Path | None = None,
) -> Likely:
    """Return how likely the right results are, a token, and whether others are less so.

    Raises:
        UserError: there are too few answers to compare with.
    """
    rng = random.Random("students")
    asked = []
    for lesson in taught:
        near = [other for other in taught if other.document == lesson.document]
        others = _other_results(lesson, near)
        if len(others) < OTHERS:  # a run may have few examples of a document
            others = _other_results(lesson, taught)
        if len(others) < OTHERS:
            raise UserError(f"there have to be {OTHERS + 1} different answers at least")
        answers = [lesson.result, *rng.sample(others, OTHERS)]
        asked += [Sample(prompt(lesson), answer) for answer in answers]
    odds = np.array(likelihoods(base.folder, asked, adapter, base.precision))
    odds = odds.reshape(len(taught), OTHERS + 1)
    return odds[:, 0], odds[:, 0] > odds[:, 1:].max(axis=1)


def _other_results(lesson: Lesson, among: Sequence[Lesson]) -> list[str]:
    """Return the results of others, each once, in their order."""
    return [result for result in dict.fromkeys(o.result for o in among) if result != lesson.result]


def alone(taught: Sequence[Lesson], subject: Subject) -> list[Sample]:
    """Return the examples as they are."""
    return [Sample(lesson.asked(subject), lesson.whole) for lesson in taught]


def right_reading(base: Base, taught: Sequence[Lesson], subject: Subject) -> list[str]:
    """Return the questions that the untouched student is right about with the passages."""
    cited = [lesson for lesson in taught if lesson.passages]
    _, right = likely(base, cited, lambda lesson: lesson.read(subject))
    return [lesson.question for lesson, is_right in zip(cited, right, strict=True) if is_right]


def with_teacher(
    taught: Sequence[Lesson], subject: Subject, known: Collection[str]
) -> list[Sample]:
    """Return the examples, those with a known question with a teacher that has the passages."""
    return [
        replace(sample, teacher=lesson.read(subject, lesson.whole))
        if lesson.question in known
        else sample
        for lesson, sample in zip(taught, alone(taught, subject), strict=True)
    ]


def pairs(taught: Sequence[Lesson], subject: Subject, wrong: Sequence[str]) -> list[Sample]:
    """Return each example to be preferred to the student's own answer, where that is another."""
    return [
        replace(sample, rejected=answer)
        for lesson, sample, answer in zip(taught, alone(taught, subject), wrong, strict=True)
        if answer and flat(lesson.result).casefold() not in flat(answer).casefold()
    ]


def _quoted(cited: Cited, documents: dict[str, list[str]]) -> list[Passage]:
    """Return the paragraphs of a document that hold a quote."""
    name, quote = cited.document, flat(cited.quote)
    holding = [text for text in documents[name] if quote and quote in flat(text)]
    return [
        Passage(document_id=name, source=name, start=0, end=len(text), heading=(), text=text,
                title=name)
        for text in holding
    ]  # fmt: skip
