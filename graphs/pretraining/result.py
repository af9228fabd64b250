"""What a run of continued pre-training came to."""

from elenchus.reasons import Code
from elenchus.results import Estimate, Value
from graphs.adaptation.result import AdaptationResult


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


class PretrainingResult(AdaptationResult):
    """A `result.json` of passages; `examples` counts them.

    Attributes:
        explanations: paragraphs that hold up, of so many `problems`.
        refused: texts and rows of which nothing was kept, by the code of the reason.
    """

    stages: list[Stage]
    problems: int
    explanations: int
    passages_written: int
    refused: dict[Code, int]
