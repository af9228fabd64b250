"""Trains the classifiers of a run, and evaluates each on the real test messages."""

from typing import Literal

import numpy as np
from pydantic import Field

from elenchus.progress import Advance
from elenchus.results import Value
from graphs.classification import adapters, screening
from graphs.classification.records import Classifier
from graphs.services import Services
from models.backend import weights
from models.weights import weights_hash
from training import baseline, calibration, encoding, metrics
from training import classifier as classifiers
from training.classifier import Classifying
from training.dataset import write_rows

Mix = Literal["real", "synthetic", "hybrid"]
UNTRAINED = "untrained"  # stands where a mix does
BASELINE = "TF-IDF, logistic"  # regression: words and parts of words, no neural network


class Evaluation(Value):
    """All measures of a classifier on the real test messages: a row of metrics.json.

    `right` tells of each message whether its class was decided rightly; it is no part of the row.
    """

    mix: str
    model: str
    samples: int
    metrics: metrics.Metrics
    right: tuple[bool, ...] = Field(exclude=True)


def task_of(run: Services, mix: Mix) -> classifiers.Task:
    """Return what a mix learns from; calibration is on real messages, whatever the mix."""
    ledger = run.ledger
    real = screening.real_messages(ledger, "train") if mix != "synthetic" else []
    synthetic = screening.synthetic_messages(ledger) if mix != "real" else []
    validation = screening.real_messages(ledger, "validation")
    return classifiers.Task(tuple(screening.labels(run)), [*real, *synthetic], validation)


def lacking(run: Services, mix: Mix) -> list[str]:
    """Return the classes of which a mix has no message: without one, nothing is trained on it."""
    task = task_of(run, mix)
    present = {message.label for message in task.learn}
    return [label for label in task.labels if label not in present]


def train(run: Services, mix: Mix, advance: Advance) -> Classifier:
    """Train and calibrate the classifier of a mix; one that is finished is taken as it is."""
    config, task = run.config, task_of(run, mix)
    out = run.folder.path / "classifiers" / mix
    least = max(config.training.least_steps, config.classifier.least_steps)
    training = config.training.model_copy(update={"least_steps": least})
    out.parent.mkdir(exist_ok=True)
    if out.exists():
        card = classifiers.card(out)
    else:
        base = weights(config.student)
        card = classifiers.train(base, task, training, config.classifier, config.seed, out, advance)
    made = Classifier(
        mix=mix,
        path=out.relative_to(run.folder.path).as_posix(),
        sha256=weights_hash(out),
        labels=task.labels,
        samples=len(task.learn),
        steps=encoding.steps(len(task.learn), training),
        temperature=card.temperature,
        threshold=card.threshold,
    )
    adapters.write_card(run, made)
    return made


def evaluate(run: Services, advance: Advance) -> list[Evaluation]:
    """Evaluate the untouched student, then for each mix a trained one and the baseline.

    One after another, since a student may be large. Without training there are baselines alone.
    """
    config, student = run.config, run.config.student.model
    evaluations: list[Evaluation] = []

    def measure(
        classifier: Classifying, mix: str, model: str, samples: int, threshold: float | None
    ) -> None:
        name = f"{mix}-{'baseline' if model == BASELINE else 'student'}"
        measured, right = _measured(run, name, classifier, threshold)
        evaluations.append(
            Evaluation(mix=mix, model=model, samples=samples, metrics=measured, right=right)
        )
        advance(len(evaluations), None)

    if config.training.enabled:
        base = weights(config.student)
        untouched = classifiers.untrained(base, tuple(screening.labels(run)))
        if untouched is not None:
            measure(untouched, UNTRAINED, student, 0, None)
        del untouched  # before the next one is loaded
    trained = {one.mix: one for one in run.ledger.all(Classifier)}
    for mix in config.classifier.mixes:
        if lacking(run, mix):
            continue
        task = task_of(run, mix)
        samples = len(task.learn)
        if mix in trained:
            tuned = classifiers.load(run.folder.path / trained[mix].path, base)
            measure(tuned, mix, student, samples, tuned.card.threshold)
            del tuned
        fitted = baseline.baseline(task, config.classifier)
        measure(fitted, mix, BASELINE, samples, _threshold(fitted, task, run))
    return evaluations


def _measured(
    run: Services, name: str, classifier: Classifying, threshold: float | None
) -> tuple[metrics.Metrics, tuple[bool, ...]]:
    """Measure a classifier on the real test messages, and write its predictions.

    The second value tells of each message whether its class was decided rightly.
    """
    test = screening.real_messages(run.ledger, "test")
    labels = screening.labels(run)
    gold = np.array([labels.index(message.label) for message in test])
    probabilities = classifier.probabilities([message.text for message in test])
    rows = [
        {"message_id": message.id, "label": message.label}
        | {"probabilities": dict(zip(labels, map(float, row.round(6)), strict=True))}
        for message, row in zip(test, probabilities, strict=True)
    ]
    write_rows(run.folder.path / "predictions" / f"{name}.jsonl", rows)
    right = metrics.decide(probabilities, threshold) == gold
    return metrics.measure(gold, probabilities, labels, threshold), tuple(right.tolist())


def _threshold(classifier: Classifying, task: classifiers.Task, run: Services) -> float | None:
    """Return the best threshold on validation messages, as a trained classifier has one.

    None for more than two classes, and without such messages.
    """
    if len(task.labels) > 2 or not task.validation:
        return None
    probabilities = classifier.probabilities([message.text for message in task.validation])
    measure = run.config.classifier.threshold
    return calibration.threshold(probabilities, task.truth(task.validation), measure)
