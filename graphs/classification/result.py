"""What a run that makes classifiers came to."""

from elenchus.results import Estimate, Result, Value


class MainMetrics(Value):
    """The measures that are shown; metrics.json has them all."""

    accuracy: Estimate
    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate | None
    brier: Estimate
    calibration_error: Estimate
    roc_auc: Estimate | None
    pr_auc: Estimate | None


class ClassifierRow(Value):
    """A classifier on the real test messages; the untouched student has learnt 0 samples."""

    mix: str
    model: str
    samples: int
    metrics: MainMetrics


class Take(Value):
    """The classifier to take: what it is trained on, and which model it is."""

    mix: str
    model: str


class Diversity(Value):
    """How varied messages are: shares of distinct words and pairs, and Self-BLEU.

    None where they have too few words.
    """

    distinct_1: float | None
    distinct_2: float | None
    self_bleu: float | None


class ClassificationResult(Result):
    """A `result.json` of classifiers.

    Attributes:
        train, validation, test: real messages of each split.
        rows_left_out: rows of the tables that are no messages, and why.
        real_left_out, left_out: real and synthetic messages that were left out, by reason.
        written: synthetic messages in all; `examples` of them were kept.
        indicators: the paragraph of each class.
        lost: indicators that merging lost, and that were added again.
        retained: of "real" and "synthetic" messages, the share that deduplication alone keeps, by
            the threshold of the cosine.
        notes: what a reader of the table must know.
        take: the classifier that the verdict says to take; None where none was made, and in results
            of earlier versions.
    """

    classes: list[str]
    student: str
    train: int
    validation: int
    test: int
    rows_left_out: list[str]
    real_left_out: dict[str, int]
    written: int
    left_out: dict[str, int]
    indicators: dict[str, str]
    lost: list[str]
    diversity: dict[str, Diversity]
    retained: dict[str, dict[str, float]]
    classifiers: list[ClassifierRow]
    notes: list[str]
    take: Take | None = None
