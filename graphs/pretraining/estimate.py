"""What a run of `method: passages` will use, before anything is paid for.

How many paragraphs hold up is not known beforehand: all of them, here.
"""

import math
from pathlib import Path
from statistics import fmean

from elenchus.sections import ModelConfig
from graphs import own_estimate
from graphs.estimate import ANSWER, QUESTION, Measure, Use, corpus, used
from graphs.exams import SPARE
from graphs.general import sizes
from graphs.pretraining.config import PretrainingTree
from graphs.pretraining.graph import SPARE as SPARE_GROUPS
from graphs.pretraining.problems import split_shots
from graphs.pretraining.stages import stage_names, texts_learnt
from graphs.pretraining.tasks import collect, matcher
from models.prices import Prices

CLOSING = 400  # characters of a paragraph on what problems share


def estimate(config: PretrainingTree, folder: Path) -> list[Use]:
    """Return by role what a run of the domain in `folder` will use.

    Raises:
        UserError: the documents or the tasks cannot be used.
    """
    _, passages, passage = corpus(config, folder)
    measure = Measure(config, folder, passage)
    problems, tests, question, answer, shots = _asked(config, folder)
    wanted = config.passages.count if "passages" in texts_learnt(config) else 0
    explained = min(problems, math.ceil(SPARE_GROUPS * wanted) * config.passages.problems)
    untaught = 0 if config.tasks else math.ceil(config.questions.untaught * tests)
    written = (tests + untaught) * SPARE + (problems if wanted else 0)
    asked = 0 if config.tasks else written
    closed = wanted if config.passages.enlightenment else 0
    general, judged, replayed = sizes(config, folder, config.pretraining.replay)
    sittings = 1 + len(stage_names(config))
    exam_answers = sittings * (tests + untaught + general)
    matched = sittings * (general - judged)
    graded = (exam_answers - matched + explained) * _graded_by_model(config)
    pairs = config.passages.problems * (question + answer)
    shown = shots * (question + answer)
    student = measure.asked(exam_answers + replayed)
    steps = [
        *(step.times(asked) for step in measure.question()),
        measure.answer(explained, "explain"),
        measure.step("author", "compare", closed, pairs, CLOSING),
        *(
            []
            if config.tasks
            else [measure.survey(min(len(passages), config.questions.surveyed or len(passages)))]
        ),
        measure.grade(graded, 1),
        student._replace(read=student.read - QUESTION + question + shown),
        *own_estimate.taken(config, measure, 2),
    ]
    models: dict[str, ModelConfig] = {
        "expert": config.expert,
        "author": config.expert,
        **({} if config.tasks else {"examiner": config.examiner}),
        "grader": config.grader,
        "student": config.student,
    }
    return used(steps, models, Prices(config.models))


def _graded_by_model(config: PretrainingTree) -> float:
    """Return the share of tasks whose answers a model grades."""
    return fmean(matcher(task) is None for task in config.tasks.values()) if config.tasks else 1.0


def _asked(config: PretrainingTree, folder: Path) -> tuple[int, int, float, float, int]:
    """Return how many problems are written about, and how many tests there are.

    Then the mean characters of a question and of its answer, and the solved ones before each test.
    """
    if not config.tasks:
        return config.passages.written, config.exam.questions, QUESTION, ANSWER, 0
    shots = config.pretraining.shots
    collected = collect(config.tasks, folder, config.seed)
    train, _ = split_shots(collected, shots)
    question = fmean(len(problem.question) for problem in collected.test)
    answer = fmean(len(problem.answer) for problem in collected.test)
    return len(train), len(collected.test), question, max(answer, ANSWER), shots
