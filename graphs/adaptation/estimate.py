"""What a run of examinations will use, before anything is paid for.

How often questions are accepted or revised, and how long answers are, is not known beforehand: the
shares below are those of the demonstration, and other domains and models differ.
"""

from pathlib import Path
from typing import NamedTuple

from graphs.adaptation.config import AdaptationTree
from graphs.estimate import (
    ANSWER,
    GRADING,
    LOOK_UPS,
    QUESTION,
    QUOTES,
    Use,
    corpus,
    retrieved,
    template,
    use,
)
from graphs.exams import SPARE
from graphs.hand_exam import read_hand_exam
from models.backend import backend
from models.prices import Prices

ACCEPTED = 0.93  # of the examinations
TURNS = 1.15  # questions in an examination
KEPT = 0.85  # of the answers in the general exam that training leaves as they were


class Work(NamedTuple):
    """How often each thing will be done."""

    surveys: float
    first: float  # first questions, of examinations and of the exam
    revised: float
    taught: float  # questions that an examination puts to the student
    exam_answers: float  # of the student, in all exams
    kept: float  # answers in exams that were given before: none is graded twice
    compared: float  # questions whose answers by the expert are compared with each other


def estimate(config: AdaptationTree, folder: Path) -> list[Use]:
    """Return by role what a run of the domain in `folder` will use.

    Raises:
        UserError: the documents or the exam written by hand cannot be used.
    """
    documents, passages, passage = corpus(config, folder)
    hand = config.exam.hand
    by_hand = len(read_hand_exam(folder / hand, documents)) if hand else 0
    work = _work(config, len(passages), by_hand)
    answers = (work.first + work.revised) * config.expert.samples * (1 + LOOK_UPS)
    to_examiner = (
        work.surveys * (template("examiner", "survey") + passage)
        + work.first * (template("examiner", "propose") + passage + 3 * QUESTION)
        + work.revised * (template("examiner", "revise") + passage + 4 * QUESTION)
    )
    examined = work.surveys + work.first + work.revised
    to_expert = template("expert", "answer") + QUESTION + retrieved(config) * passage
    to_grader = template("grader", "grade") + QUESTION + 2 * ANSWER
    whole = backend(config.student.model).reads_system
    to_student = QUESTION + (template("student", "answer") if whole else 0)
    graded = work.exam_answers - work.kept + work.taught + work.compared
    answered = work.exam_answers + work.taught * config.student.samples
    prices = Prices(config.models)
    return [
        use("expert", config.expert, answers, to_expert, ANSWER + QUOTES, prices),
        use("examiner", config.examiner, examined, to_examiner / examined, QUESTION, prices),
        use("grader", config.grader, graded, to_grader, GRADING, prices),
        use("student", config.student, answered, to_student, ANSWER, prices),
    ]


def _work(config: AdaptationTree, passages: int, by_hand: int) -> Work:
    sizes, exam = config.sizes, config.exam
    examinations = config.dataset.candidates * sizes[-1] / ACCEPTED
    rounds = len(sizes) if config.training.enabled else 0
    known = backend(config.student.model).general(config.student)
    general = exam.general if known else 0
    turns = TURNS if config.examination.max_turns > 1 else 1.0
    first, revised = exam.questions * SPARE + examinations, examinations * (turns - 1)
    # Of answers that differ.
    same = backend(config.expert.model).constant and not config.expert.options
    return Work(
        surveys=passages,
        first=first,
        revised=revised,
        taught=examinations * turns if config.examination.sighted else 0,
        exam_answers=(rounds + 1) * exam.questions + (1 + (rounds > 0)) * (general + by_hand),
        kept=KEPT * general if rounds else 0,
        compared=first + revised if config.expert.samples > 1 and not same else 0,
    )
