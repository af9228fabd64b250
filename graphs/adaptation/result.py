"""What a run of examinations came to."""

from elenchus.reasons import Code
from elenchus.results import Estimate, ExamResult, Result, Value


class UpdateResult(Value):
    """What moved since the run that this one goes on from."""

    run: str
    passages_gone: int
    passages_new: int
    examples_kept: int
    examples_retired: int
    questions_retired: int
    new_passages: ExamResult | None
    other_passages: ExamResult | None


class KeptResult(Value):
    """What is left of what the student said of itself before, to prompts that are not replayed.

    `before` and `after` are mean log-likelihoods of a token of its untouched answers.
    """

    prompts: int
    before: float
    after: float
    change: Estimate


class ReviewResult(Value):
    """What people decided on the examples of a dataset.

    `wrong` estimates the share of examples that are not as they should be; None where nobody looked
    at any that were drawn at random (`sampled`), nor at all of them.
    """

    examples: int
    accepted: int
    corrected: int
    rejected: int
    sampled: int
    wrong: Estimate | None
    reviewers: list[str]


class AdaptationResult(Result):
    """A `result.json` of examinations, or of texts beside them.

    Attributes:
        accuracy_by_round: on the held-out exam; None where it has no questions or no grades.
        readable_passages: passages with at least one point.
        rejected: examinations that gave nothing, by the code of the reason.
        of_full_points, unbalanced, contradicted: candidates left out, since their point had enough
            examples, their result was too common, or another answer contradicts them.
        points_covered: points that some example of the dataset is about.
        adapter: path below the run folder; "" where the run trained none.
    """

    accuracy_by_round: list[float | None]
    failure_share_by_round: list[float]
    passages: int
    readable_passages: int
    points: int
    examinations: int
    accepted: int
    rejected: dict[Code, int]
    candidates: int
    near_duplicates: int
    near_exam: int
    too_long: int
    of_full_points: int = 0
    unbalanced: int = 0
    contradicted: int = 0
    nearest_exam_similarity: float | None
    points_covered: int
    adapter: str
    kept: KeptResult | None = None
    review: ReviewResult | None = None
    update: UpdateResult | None
