"""What a run will use, before anything is paid for: `elenchus launch --dry-run`.

Documents are read and split, prompts are measured; no model is asked. How often questions are
accepted or revised, and how long answers are, is not known beforehand: the shares below are those
of the demonstration, and other domains and models differ.
"""

from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from agents.prices import Prices
from agents.prompting import render
from elenchus.config import DomainConfig, ModelConfig
from elenchus.errors import UserError
from elenchus.records import CHARS_A_TOKEN
from graphs.exams import SPARE, read_hand_exam
from retrieval.index import contents

ACCEPTED = 0.93  # of the examinations
TURNS = 1.15  # questions in an examination
LOOK_UPS = 0.04  # further searches for an answer
REFERENCES = 0.4  # of retrieval.references that are found
KEPT = 0.85  # of the answers in the general exam that training leaves as they were
QUESTION, ANSWER, QUOTES, GRADING = 110, 130, 270, 180  # characters


class Use(NamedTuple):
    """What a role will use; `usd` is None where its model has no price."""

    role: str
    model: str
    calls: int
    tokens_read: int
    tokens_written: int
    usd: float | None


class Work(NamedTuple):
    """How often each thing will be done."""

    surveys: float
    first: float  # first questions, of examinations and of the exam
    revised: float
    taught: float  # questions that an examination puts to the student
    sat: float  # questions of exams that the student sits
    kept: float  # answers in exams that were given before: none is graded twice
    compared: float  # questions whose answers by the expert are compared with each other


def estimate(config: DomainConfig, folder: Path) -> list[Use]:
    """By role, what a run of the domain in `folder` will use.

    Raises:
        UserError: the documents or the exam written by hand cannot be used, or the run is not
            one of examinations.
    """
    if config.method != "examination":
        raise UserError(f"no estimate is known for method: {config.method}")
    documents, passages = contents(config, folder)
    if not passages:
        raise UserError(f"corpus.sources: nothing but headings in the documents of {folder}")
    # With its tags, as prompts hold it.
    passage = fmean(len(p.text) + len(" > ".join(p.heading)) + 60 for p in passages)
    hand = config.exam.hand
    by_hand = len(read_hand_exam(folder / hand, documents)) if hand else 0
    work = _work(config, len(passages), by_hand)
    found = config.retrieval.passages + REFERENCES * config.retrieval.references
    answers = (work.first + work.revised) * config.expert.samples * (1 + LOOK_UPS)
    to_examiner = (
        work.surveys * (template("examiner", "survey") + passage)
        + work.first * (template("examiner", "propose") + passage + 3 * QUESTION)
        + work.revised * (template("examiner", "revise") + passage + 4 * QUESTION)
    )
    examined = work.surveys + work.first + work.revised
    to_expert = template("expert", "answer") + QUESTION + found * passage
    to_grader = template("grader", "grade") + QUESTION + 2 * ANSWER
    # The built-in student reads the question alone.
    builtin = config.student.model == "builtin:nano"
    to_student = QUESTION + (0 if builtin else template("student", "answer"))
    graded = work.sat - work.kept + work.taught + work.compared
    answered = work.sat + work.taught * config.student.samples
    prices = Prices(config.models)
    return [
        use("expert", config.expert, answers, to_expert, ANSWER + QUOTES, prices),
        use("examiner", config.examiner, examined, to_examiner / examined, QUESTION, prices),
        use("grader", config.grader, graded, to_grader, GRADING, prices),
        use("student", config.student, answered, to_student, ANSWER, prices),
    ]


def _work(config: DomainConfig, passages: int, by_hand: int) -> Work:
    sizes, exam = config.sizes, config.exam
    examinations = config.dataset.candidates * sizes[-1] / ACCEPTED
    rounds = len(sizes) if config.training.enabled else 0
    general = exam.general if config.student.model == "builtin:nano" else 0  # no other has one
    turns = TURNS if config.examination.max_turns > 1 else 1.0
    first, revised = exam.questions * SPARE + examinations, examinations * (turns - 1)
    # Of answers that differ; without options the reader says the same each time.
    same = config.expert.model == "builtin:reader" and not config.expert.options
    return Work(
        surveys=passages,
        first=first,
        revised=revised,
        taught=examinations * turns if config.examination.sighted else 0,
        sat=(rounds + 1) * exam.questions + (1 + (rounds > 0)) * (general + by_hand),
        kept=KEPT * general if rounds else 0,
        compared=first + revised if config.expert.samples > 1 and not same else 0,
    )


def use(
    role: str, settings: ModelConfig, calls: float, read: float, written: float, prices: Prices
) -> Use:
    """So many calls of so many characters each, read and written."""
    into, out = (round(calls * chars / CHARS_A_TOKEN) for chars in (read, written))
    usd = prices.usd(settings.model, into, out) if prices.known(settings.model) else None
    return Use(role, settings.model, round(calls), into, out, usd)


def template(role: str, task: str) -> int:
    """Characters of a prompt before anything is filled in."""
    sent = render(role, task, "", title="x" * 40, language="English").messages
    return sum(len(message.content) for message in sent)
