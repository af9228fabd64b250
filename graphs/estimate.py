"""What estimates of all methods are made of: `elenchus launch --dry-run`.

Documents are read and split, prompts are measured; no model is asked.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from agents.prompting import Subject
from elenchus.config import CommonConfig
from elenchus.errors import UserError
from elenchus.ledger import Spent
from elenchus.questions import JOINING
from elenchus.records import CHARS_A_TOKEN, Document, Passage
from elenchus.sections import ModelConfig
from models.backend import backend
from models.prices import Prices
from retrieval.index import contents

LOOK_UPS = 0.04  # further searches for an answer
REFERENCES = 0.4  # of retrieval.references that are found
SOUND = 0.95  # of the questions, whose first answer rests on true quotes and decides them
# Characters. They are means of what a strong chat model wrote about five articles on attacks on
# blockchains: 274 questions, 120 answers written to teach, and 370 replies through prompts like
# ours. The built-in models write less of most.
QUESTION, ANSWER, QUOTES = 140, 280, 143  # an answer: 191 of explanation, 88 of result
CITED = 1.8  # quotes in an answer
ANSWER_KEYS = 190  # of an expert's reply beside answer and quotes: keys, and ids of passages
STUDENT = 209  # an answer of SmolLM2-135M to these questions
SENTENCE = 130  # one of a student that reads no more than the question
POINTS, POINT = 1.4, 400  # points of a passage, of 1200 characters at most; and one in a reply
STATEMENT = 150  # what a point says
CRITIQUE, MISSED = 190, 100  # a grader's reply: of each answer, and on the whole
YES = 40  # a reply that something holds, with hardly a reason
TAG = 30  # a block's tags with their attributes
ASKING = 360  # meaning of the kind, persona, format and the like, with their tags
SEEN = 4.0  # questions that the examiner is shown with a point: asked, failed and passed ones


class Use(NamedTuple):
    """What a role will use; `usd` is None where its model has no price."""

    role: str
    model: str
    calls: int
    tokens_read: int
    tokens_written: int
    usd: float | None


class Step(NamedTuple):
    """Calls of one task, and the characters that each of them reads and writes."""

    role: str
    task: str
    calls: float
    read: float
    written: float

    def times(self, count: float) -> "Step":
        """Return the same task, done so many times as often."""
        return self._replace(calls=self.calls * count)


class Measure:
    """Measures what the calls of a domain read and write, from its prompts and passages.

    Args:
        passage: mean characters of a passage with its tags.
    """

    def __init__(self, config: CommonConfig, folder: Path, passage: float) -> None:
        self._config, self.folder, self.passage = config, folder, passage
        self._subject = Subject.of(config, folder)

    def template(self, role: str, task: str) -> int:
        """Return the characters of a prompt before the documents are filled in."""
        return template(self._subject, role, task)

    def step(self, role: str, task: str, calls: float, blocks: float, written: float) -> Step:
        """Return a task whose calls read its template, and so many characters of blocks."""
        return Step(role, task, calls, self.template(role, task) + blocks, written)

    def survey(self, passages: float) -> Step:
        """Return the survey of so many passages."""
        return self.step("examiner", "survey", passages, self.passage, POINTS * POINT)

    def propose(self, questions: float) -> Step:
        """Return the writing of questions, some of which join points."""
        return self.step("examiner", "propose", questions, self._task, QUESTION + YES)

    def revise(self, questions: float, samples: int, steps: int) -> list[Step]:
        """Return the revision of questions, in one call or in three."""
        shown = self._task + QUESTION + ANSWER + samples * (self.student + TAG) + 3 * TAG
        said = STATEMENT
        last = self.step("examiner", "revise", questions, shown, QUESTION + 2 * said + 2 * YES)
        if steps == 1:
            return [last]
        first = self.step("examiner", "feedback", questions, shown, said)
        second = self.step("examiner", "guide", questions, shown + said, said)
        return [first, second, last._replace(read=last.read + 2 * said)]

    def answer(self, answers: float, task: str = "answer") -> Step:
        """Return answers of the expert, with what it looks up."""
        shown = self._config.retrieval.passages + REFERENCES * self._config.retrieval.references
        blocks = QUESTION + TAG + shown * self.passage
        written = ANSWER + QUOTES + ANSWER_KEYS
        return self.step("expert", task, answers * (1 + LOOK_UPS), blocks, written)

    def confirm(self, questions: float) -> list[Step]:
        """Return what answers that would be accepted must pass: see `graphs.checks.unconfirmed`."""
        checks, asked = self._config.checks, QUESTION + TAG
        steps = []
        if checks.guess:
            steps.append(self.step("grader", "guess", questions, asked, YES / 2))
        if checks.support:
            blocks = asked + CITED * self.passage + ANSWER
            steps.append(self.step("grader", "support", questions, blocks, YES))
        further = self._config.expert.samples - 1
        if checks.agree and further:
            steps.append(self.answer(questions * further))
            if not self._alike:
                both = 2 * questions * further  # in both orders
                blocks = asked + 2 * (ANSWER + TAG)
                steps.append(self.step("grader", "agree", both, blocks, YES))
        return steps

    def grade(self, calls: float, answers: int) -> Step:
        """Return the grading of so many answers at once."""
        gold = QUESTION + ANSWER + QUOTES + (2 + CITED) * TAG
        written = MISSED + answers * CRITIQUE
        return self.step("grader", "grade", calls, gold + answers * (self.student + TAG), written)

    def compare(self, calls: float, answers: float) -> Step:
        """Return the search for contradictions among so many answers at once."""
        blocks = answers * (QUESTION + ANSWER + TAG)
        return self.step("grader", "consistent", calls, blocks, YES)

    def reading(self, examples: float) -> list[Step]:
        """Return answers of the student with passages before the question, and their grades."""
        blocks = QUESTION + CITED * self.passage
        read = self.step("student", "read", examples, blocks, self.student)
        return [read, self.grade(examples, 1)]

    def asked(self, answers: float) -> Step:
        """Return answers of the student; one that is small reads nothing but the question."""
        system = self.template("student", "answer") if self._whole else 0
        return Step("student", "answer", answers, system + QUESTION, self.student)

    def question(self) -> list[Step]:
        """Return what one question takes that the expert answers, as those of an exam are."""
        return [self.propose(1), self.answer(1), *self.confirm(SOUND)]

    @property
    def student(self) -> int:
        """Characters of an answer of the student."""
        return STUDENT if self._whole else SENTENCE

    @property
    def _whole(self) -> bool:
        return backend(self._config.student.model).reads_system

    @property
    def _alike(self) -> bool:
        """Whether two answers of the expert are the same, so that nobody compares them."""
        expert = self._config.expert
        return backend(expert.model).constant and not expert.options

    @property
    def _task(self) -> float:
        """Characters of what a question is written from."""
        kinds = self._subject.surveyed
        joining = sum(kind in JOINING for kind in kinds) / len(kinds)
        points = 1 + joining * self._config.questions.partners
        return points * (self.passage + STATEMENT + 2 * TAG) + ASKING + SEEN * QUESTION


def used(steps: Iterable[Step], models: Mapping[str, ModelConfig], prices: Prices) -> list[Use]:
    """Return what the roles use together, in the order of `models`."""
    listed = list(steps)
    return [
        _use(role, settings, [step for step in listed if step.role == role], prices)
        for role, settings in models.items()
    ]


def use(
    role: str, settings: ModelConfig, calls: float, read: float, written: float, prices: Prices
) -> Use:
    """Return the use of so many calls of so many characters each, read and written."""
    return _use(role, settings, [Step(role, "", calls, read, written)], prices)


def paid(spent: Iterable[Spent], prices: Prices) -> list[Use]:
    """Return what was used, by role and model."""
    return [
        Use(
            role,
            model,
            calls,
            read,
            written,
            prices.usd(model, read, written) if prices.known(model) else None,
        )
        for role, model, calls, read, written in spent
    ]


def template(subject: Subject, role: str, task: str) -> int:
    """Return the characters of a domain's prompt, with what the domain fills in.

    What only a call fills is counted as it stands.
    """
    form = subject.form
    kinds = "\n".join(f"  - `{kind}`: {text}" for kind, text in subject.surveyed.items())
    filled = {"form": form.shown, "unstated": form.unstated, "kinds": kinds}
    return len(subject.templates[f"{role}/{task}"].shown(subject.settings | filled))


def corpus(config: CommonConfig, folder: Path) -> tuple[list[Document], list[Passage], float]:
    """Return documents, passages, and the mean characters of a passage with its tags.

    Raises:
        UserError: there is no passage, or the sources cannot be used.
    """
    documents, passages = contents(config, folder)
    if not passages:
        raise UserError(f"corpus.sources: nothing but headings in the documents of {folder}")
    return documents, passages, passage_length(passages)


def passage_length(passages: Iterable[Passage]) -> float:
    """Return the mean characters of a passage with its tags."""
    return fmean(
        len(p.text) + len(p.title) + len(p.date) + len(" > ".join(p.heading)) + 80 for p in passages
    )


def _use(role: str, settings: ModelConfig, steps: Iterable[Step], prices: Prices) -> Use:
    listed = list(steps)
    calls = sum(step.calls for step in listed)
    into = round(sum(step.calls * step.read for step in listed) / CHARS_A_TOKEN)
    out = round(sum(step.calls * step.written for step in listed) / CHARS_A_TOKEN)
    usd = prices.usd(settings.model, into, out) if prices.known(settings.model) else None
    return Use(role, settings.model, round(calls), into, out, usd)
