"""What a run of continued pre-training came to."""

from elenchus.reasons import Code
from elenchus.results import Estimate, ExamResult, Result, Value


class Stage(Value):
    """A stage of the training; the first is the untouched student, which nothing was trained for.

    `exams` compares each exam after the stage with the untouched student.
    """

    stage: str
    tokens: int | None
    steps: int | None
    exams: dict[str, ExamResult | None]

    def accuracy(self, exam: str) -> Estimate | None:
        """Return the share right in an exam after the stage; None without grades."""
        taken = self.exams[exam]
        return (taken.after or taken.before) if taken else None


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
