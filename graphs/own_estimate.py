"""What the user's own tests will use: see `graphs/estimate.py`."""

from statistics import fmean

from agents.prompting import Subject
from elenchus.config import CommonConfig
from evaluation.reading import read
from graphs.estimate import Measure, Step

JUDGED = ("rubric", "judge")  # by the grader, one call an answer


def taken(config: CommonConfig, measure: Measure, sittings: int) -> list[Step]:
    """Return the student's answers in so many sittings of every test, and their grades.

    Labels are weighed without a call.

    Raises:
        UserError: a test cannot be read.
    """
    subject = Subject.of(config, measure.folder)
    steps: list[Step] = []
    for name, test in config.tests.items():
        if test.score == "choice":
            continue
        items = read(name, test, measure.folder, subject, config.seed).items
        length = fmean(sum(len(m.content) for m in item.prompt) for item in items)
        answers = sittings * len(items)
        steps.append(Step("student", "answer", answers, length, measure.student))
        if test.score in JUDGED:
            grade = measure.grade(answers, 1)
            steps.append(grade._replace(read=grade.read + length))
    return steps
