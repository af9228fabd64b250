"""A baseline that classifiers of messages must beat: words and their parts, no neural net."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import calibration
from training.classifier import Task
from training.config import ClassifierConfig

INVERSE_PENALTY = 10.0  # with the usual 1, it is as often right but far less sure


class Baseline:
    """TF-IDF of words and of characters within words, and logistic regression."""

    def __init__(self, pipeline: Any, labels: tuple[str, ...]) -> None:
        self._pipeline, self.labels = pipeline, labels

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """See `Classifying.probabilities`."""
        if not texts:
            return np.zeros((0, len(self.labels)))
        probabilities: NDArray[np.float64] = self._pipeline.predict_proba(list(texts))
        return probabilities


def baseline(task: Task, config: ClassifierConfig) -> Baseline:
    """Fit the baseline: it costs a second and reads no meaning.

    Raises:
        ValueError: a class has no message to learn from.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    truth = task.truth(task.learn)
    calibration.class_weights(truth, len(task.labels))
    # A sign is a word too, so that a text of emoji has one.
    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    weights = "balanced" if config.class_weights else None
    regression = LogisticRegression(C=INVERSE_PENALTY, class_weight=weights, max_iter=1000)
    pipeline = make_pipeline(make_union(words, characters), regression)
    pipeline.fit([message.text for message in task.learn], truth)
    return Baseline(pipeline, task.labels)
