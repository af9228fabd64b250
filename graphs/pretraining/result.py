"""What a run of continued pre-training came to."""

from elenchus.reasons import Code
from elenchus.results import Estimate, Result, Value


class StageExam(Value):
    """An exam after a stage; `gain` is the paired one on the untouched student, None for that.

    `kinds` holds the share right by kind of question, or by task.
    """

    questions: int
    ungraded: int
    accuracy: Estimate
    gain: Estimate | None
    kinds: dict[str, float]


class Stage(Value):
    """A stage of the training, and its exams by name; the first is the untouched student.

    `tokens` and `steps` are None where nothing was trained.
    """

    stage: str
    tokens: int | None
    steps: int | None
    exams: dict[str, StageExam | None]


class PretrainingResult(Result):
    """A `result.json` of passages; `examples` counts them.

    Attributes:
        passages: of the documents; `points` are those that problems were written about.
        problems: that passages could be about; `explanations` are paragraphs that hold up.
        refused: texts and rows that were not used, by the code of the reason.
        adapter: of the last stage, a path below the run folder.
    """

    stages: list[Stage]
    passages: int
    points: int
    problems: int
    explanations: int
    passages_written: int
    refused: dict[Code, int]
    adapter: str
