"""The verdict on classifiers: which mix to take."""

import numpy as np
import pytest

from elenchus.config import VerdictConfig
from graphs.classification.evaluate import BASELINE, UNTRAINED, Evaluation
from graphs.classification.verdict import decide
from training import metrics

LIMITS = VerdictConfig()
LABELS = ["ham"] * 120 + ["spam"] * 80
STUDENT = "some:student"


def evaluation(
    mix: str, right: float, model: str = BASELINE, count: int = 200, after: int = 0
) -> Evaluation:
    """A classifier that is right in so many of the test messages, after some that it has wrong."""
    hits = np.roll(np.arange(count) < round(right * count), after)
    gold = np.array([label == "spam" for label in LABELS[:count]], dtype=np.int64)
    decided = np.where(hits, gold, 1 - gold)
    return Evaluation(
        mix=mix,
        model=model,
        samples=0 if mix == UNTRAINED else 80,
        metrics=metrics.measure(gold, np.eye(2)[decided], ["ham", "spam"]),
        right=tuple(hits.tolist()),
    )


def decided(*evaluations: Evaluation, labels: list[str] = LABELS) -> tuple[str, str, list[str]]:
    """The word, the mix to take, and the reasons."""
    verdict, take = decide(evaluations, labels, LIMITS)
    return verdict.word, take.mix if take else "", verdict.reasons


@pytest.mark.parametrize(
    ("synthetic", "hybrid", "word", "mix"),
    [
        (0.90, 0.95, "worse", "real"),  # neither is as good as 97.5 % with the real ones alone
        (0.90, 0.97, "no difference", "real"),
        (0.90, 1.00, "better", "hybrid"),
        (1.00, 0.99, "better", "synthetic"),
    ],
)
def test_synthetic_messages_are_taken_where_they_help_beyond_chance(
    synthetic: float, hybrid: float, word: str, mix: str
) -> None:
    found = decided(
        evaluation("real", 0.975), evaluation("synthetic", synthetic), evaluation("hybrid", hybrid)
    )
    assert found[:2] == (word, mix)
    assert len(found[2]) == 3 and found[2][0].startswith("Take ")
    assert found[2][1].startswith("The synthetic messages alone against the real messages alone: ")


def test_a_gain_beyond_chance_is_before_a_larger_one_that_may_be_none() -> None:
    real, sure = evaluation("real", 0.9), evaluation("hybrid", 0.925)
    found = decided(real, evaluation("synthetic", 0.93, after=14), sure)
    assert found[:2] == ("better", "hybrid")
    assert "it may be nothing" in found[2][1]


def test_the_model_that_is_right_most_often_decides() -> None:
    students = [evaluation(mix, 0.6, STUDENT) for mix in ("real", "synthetic")]
    found = decide(
        [*students, evaluation("real", 0.9), evaluation("synthetic", 0.7)], LABELS, LIMITS
    )
    assert found[1] is not None and (found[1].mix, found[1].model) == ("real", BASELINE)
    found = decide([*students, evaluation("real", 0.5)], LABELS, LIMITS)
    assert found[1] is not None and found[1].model == STUDENT


def test_without_real_messages_the_untouched_student_is_the_measure() -> None:
    untouched = evaluation(UNTRAINED, 0.5, STUDENT)
    word, mix, reasons = decided(untouched, evaluation("synthetic", 0.8, STUDENT))
    assert (word, mix) == ("better", "synthetic")
    assert "against the student before any training: +30.0" in reasons[1]


def test_without_a_student_it_is_the_commonest_class() -> None:
    word, mix, reasons = decided(evaluation("synthetic", 0.6))
    assert (word, mix) == ("no difference", "synthetic")
    assert "against always saying ham: +0.0" in reasons[1]
    assert decided(evaluation("real", 0.95))[:2] == ("better", "real")


def test_a_few_test_messages_tell_nothing() -> None:
    few = [evaluation("real", 0.5, count=19), evaluation("hybrid", 1.0, count=19)]
    word, mix, reasons = decided(*few, labels=LABELS[:19])
    assert (word, mix) == ("not to be trusted", "hybrid")
    assert reasons[0].startswith("19 test messages are too few")


def test_without_a_classifier_there_is_nothing_to_trust() -> None:
    word, mix, reasons = decided(evaluation(UNTRAINED, 0.5, STUDENT))
    assert (word, mix) == ("not to be trusted", "")
    assert "there is no classifier" in reasons[0]


def test_rows_of_metrics_hold_no_single_messages() -> None:
    assert "right" not in evaluation("real", 0.9).model_dump(mode="json")
