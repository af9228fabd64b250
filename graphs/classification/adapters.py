"""The cards of classifiers, each beside its weights."""

from graphs import model_cards
from graphs.classification.records import Classifier
from graphs.classification.result import ClassificationResult, MainMetrics
from graphs.model_cards import UNKNOWN, Learning, Outcome
from graphs.services import Services

MEASURES = {
    "accuracy": "accuracy",
    "precision": "macro precision",
    "recall": "macro recall",
    "f1": "macro F1",
    "brier": "Brier score",
    "calibration_error": "expected calibration error",
    "roc_auc": "macro ROC AUC",
    "pr_auc": "macro average precision",
}
LEARNT = {
    "real": "real messages alone",
    "synthetic": "synthetic messages alone, which a model wrote from indicators of each class",
    "hybrid": "real messages, and synthetic ones that a model wrote from indicators of each class",
}


def write_card(run: Services, classifier: Classifier, outcome: Outcome = UNKNOWN) -> None:
    """Write the card of a classifier."""
    own = {
        "messages": f"{classifier.samples:,}",
        "class_weights": run.config.classifier.class_weights,
        "temperature": f"{classifier.temperature:.3f}",
        "threshold_of_the_first_class": classifier.threshold,
        "replay_for_each_example": None,
        "precision_of_the_base": "float32",
    }
    learnt = Learning(
        f"It learnt to tell {len(classifier.labels)} classes of messages from "
        f"{classifier.samples:,} messages: {LEARNT[classifier.mix]}. Its probabilities were "
        "calibrated on real messages, whatever it learnt from.",
        model_cards.settings(run, classifier.steps, 0, "", **own),
    )
    folder = run.folder.path / classifier.path
    model_cards.write(run, folder, learnt, outcome, classifier.labels)


def write_cards(run: Services, result: ClassificationResult) -> None:
    """Write the card of each classifier, now that all were measured."""
    measured = {row.mix: row.metrics for row in result.classifiers if row.model == result.student}
    for classifier in run.ledger.all(Classifier):
        measures = _shown(measured[classifier.mix]) if classifier.mix in measured else {}
        outcome = Outcome(verdict=result.verdict, last=True, measures=measures)
        write_card(run, classifier, outcome)


def _shown(metrics: MainMetrics) -> model_cards.Measures:
    return {name: getattr(metrics, field) for field, name in MEASURES.items()}
