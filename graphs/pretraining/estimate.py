"""What a run of `method: passages` will use, before anything is paid for.

How many paragraphs hold up is not known beforehand: all of them, here.
"""

import math
from pathlib import Path
from statistics import fmean

from elenchus.errors import UserError
from graphs.adaptation.estimate import (
    ANSWER,
    GRADING,
    LOOK_UPS,
    QUESTION,
    QUOTES,
    REFERENCES,
    Use,
    template,
    use,
)
from graphs.config import DomainConfig
from graphs.exams import SPARE
from graphs.pretraining.graph import SPARE as SPARE_GROUPS
from graphs.pretraining.problems import split_shots
from graphs.pretraining.stages import learnt, stages
from graphs.pretraining.tasks import collect
from models.prices import Prices
from retrieval.index import contents

CLOSING = 400  # characters of a paragraph on what problems share


def estimate(config: DomainConfig, folder: Path) -> list[Use]:
    """By role, what a run of the domain in `folder` will use.

    Raises:
        UserError: the documents or the tasks cannot be used.
    """
    _, passages = contents(config, folder)
    if not passages:
        raise UserError(f"corpus.sources: nothing but headings in the documents of {folder}")
    passage = fmean(len(p.text) + len(" > ".join(p.heading)) + 60 for p in passages)
    found = (config.retrieval.passages + REFERENCES * config.retrieval.references) * passage
    problems, tests, question, answer, shots = _asked(config, folder)
    written = not config.tasks
    asked = problems if "passages" in learnt(config) else 0
    first = config.exam.questions * SPARE + asked if written else 0
    sittings = 1 + len(stages(config))
    general = config.exam.general if config.student.model == "builtin:nano" else 0
    sat = sittings * (tests + general)
    matched = sum(task.how != "grader" for task in config.tasks.values())
    by_grader = 1 - matched / len(config.tasks) if config.tasks else 1
    wanted = config.passages.count if "passages" in learnt(config) else 0
    explained = min(problems, math.ceil(SPARE_GROUPS * wanted) * config.passages.problems)
    answers = first * config.expert.samples + explained
    prices, joined = Prices(config.models), wanted if config.passages.enlightenment else 0
    asking = template("expert", "explain") + question + found
    pairs = config.passages.problems * (question + answer)
    uses = [
        use("expert", config.expert, answers * (1 + LOOK_UPS), asking, answer + QUOTES, prices),
        use(
            "author", config.expert, joined, template("author", "compare") + pairs, CLOSING, prices
        ),
    ]
    if written:
        surveyed = len(passages) + first
        reading = template("examiner", "propose") + passage
        uses.append(use("examiner", config.examiner, surveyed, reading, QUESTION, prices))
    graded = (sat + explained) * by_grader
    to_grader = template("grader", "grade") + question + 2 * answer
    to_student = question + shots * (question + answer)
    return [
        *uses,
        use("grader", config.grader, graded, to_grader, GRADING, prices),
        use("student", config.student, sat, to_student, answer, prices),
    ]


def _asked(config: DomainConfig, folder: Path) -> tuple[int, int, float, float, int]:
    """Problems to write about and to be judged on; characters of each and of its answer; shots."""
    if not config.tasks:
        return config.passages.written, config.exam.questions, QUESTION, ANSWER, 0
    shots = config.pretraining.shots
    read = collect(config.tasks, folder, config.seed)
    own, _ = split_shots(read, shots)
    question = fmean(len(problem.question) for problem in read.test)
    answer = fmean(len(problem.answer) for problem in read.test)
    return len(own), len(read.test), question, max(answer, ANSWER), shots
