"""Metrics: they agree with scikit-learn, intervals hold, and nothing undefined has a number."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from elenchus.results import Estimate
from training.metrics import BINS, BY_CLASS, MACRO, Metrics, decide, measure, paired_difference

Task = tuple[np.ndarray, np.ndarray, list[str]]


def task(seed: int, count: int, classes: int, steps: int, skill: float = 0.5) -> Task:
    """Messages with probabilities in whole parts of `steps`, so that there are ties."""
    rng = np.random.default_rng(seed)
    gold = rng.integers(classes, size=count)
    hunch = np.full((count, classes), (1 - skill) / classes) + skill * np.eye(classes)[gold]
    parts = np.array([rng.multinomial(steps, rng.dirichlet(3 * row)) for row in hunch])
    return gold, parts / steps, [f"class {n}" for n in range(classes)]


TASKS = st.builds(
    task, st.integers(0, 10**6), st.integers(1, 40), st.integers(2, 5), st.sampled_from([1, 4, 50])
)


def same(estimate: Estimate | None, expected: float | None) -> bool:
    if estimate is None or expected is None:
        return estimate is None and expected is None
    return estimate.value == pytest.approx(expected, abs=1e-9)


def sure(value: float) -> Estimate:
    """Return an estimate without any doubt."""
    return Estimate(value=value, low=value, high=value)


@settings(max_examples=40)
@given(TASKS)
def test_decisions_agree_with_scikit_learn(example: Task) -> None:
    gold, probabilities, names = example
    measured = measure(gold, probabilities, names)
    decided, numbers = decide(probabilities), list(range(len(names)))
    assert same(measured.accuracy, reference.accuracy_score(gold, decided))
    expected = reference.confusion_matrix(gold, decided, labels=numbers)
    assert np.array_equal(measured.confusion, expected)
    scores = np.array(
        reference.precision_recall_fscore_support(
            gold, decided, labels=numbers, zero_division=np.nan
        )[:3]
    )
    for place, name in enumerate(("precision", "recall", "f1")):
        values = [None if np.isnan(v) else float(v) for v in scores[place]]
        of_classes = [getattr(measured.classes[n], name) for n in names]
        assert all(map(same, of_classes, values))
        assert same(getattr(measured, name), None if None in values else float(np.mean(values)))
    for i, name in enumerate(names):
        one = measured.classes[name]
        assert (one.gold, one.decided) == (expected[i].sum(), expected[:, i].sum())
        wrong = (one.decided - expected[i, i]) / len(gold)
        missed = (one.gold - expected[i, i]) / len(gold)
        assert same(one.false_positives, wrong) and same(one.false_negatives, missed)


@settings(max_examples=40)
@given(TASKS)
def test_rankings_agree_with_scikit_learn(example: Task) -> None:
    gold, probabilities, names = example
    measured = measure(gold, probabilities, names)
    for i, name in enumerate(names):
        is_gold, scores = gold == i, probabilities[:, i]
        both = is_gold.any() and not is_gold.all()
        roc = reference.roc_auc_score(is_gold, scores) if both else None
        pr = reference.average_precision_score(is_gold, scores) if is_gold.any() else None
        assert same(measured.classes[name].roc_auc, roc) and same(measured.classes[name].pr_auc, pr)


@settings(max_examples=40)
@given(TASKS)
def test_probabilities_agree_with_scikit_learn(example: Task) -> None:
    gold, probabilities, names = example
    measured = measure(gold, probabilities, names)
    brier = reference.brier_score_loss(
        np.eye(len(names))[gold], probabilities, scale_by_half=len(names) == 2
    )
    assert same(measured.brier, brier)
    filled = [b for b in measured.bins if b.count]
    gaps = [b.count * abs(b.accuracy.value - b.confidence) for b in filled]
    assert same(measured.calibration_error, sum(gaps) / len(gold))
    assert sum(b.count for b in filled) == len(gold)
    assert all(b.low - 1e-9 <= b.confidence <= b.high + 1e-9 for b in filled)


@settings(max_examples=20)
@given(TASKS, st.randoms(use_true_random=False))
def test_order_of_messages_and_of_classes_does_not_matter(example: Task, random) -> None:
    gold, probabilities, names = example
    probabilities = probabilities + 1e-6 * np.arange(len(names))  # no ties for the first class
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    rows = random.sample(range(len(gold)), len(gold))
    columns = random.sample(range(len(names)), len(names))
    one = measure(gold, probabilities, names)
    other = measure(
        np.argsort(columns)[gold[rows]], probabilities[rows][:, columns],
        [names[c] for c in columns],
    )  # fmt: skip
    for name in ("accuracy", "brier", "calibration_error", *MACRO):
        mine, yours = getattr(one, name), getattr(other, name)
        assert same(mine, yours and yours.value)
    for label in names:
        for name in BY_CLASS:
            mine, yours = getattr(one.classes[label], name), getattr(other.classes[label], name)
            assert same(mine, yours and yours.value)


@given(st.integers(2, 5), st.integers(1, 4))
def test_a_perfect_classifier(classes: int, times: int) -> None:
    gold = np.repeat(np.arange(classes), times)
    measured = measure(gold, np.eye(classes)[gold], [str(n) for n in range(classes)])
    for name in ("accuracy", *MACRO):
        assert getattr(measured, name) == sure(1)
    assert measured.brier == measured.calibration_error == sure(0)
    assert [b.count for b in measured.bins] == [0] * (BINS - 1) + [len(gold)]


def test_a_constant_classifier() -> None:
    gold = np.array([0, 0, 1, 2])
    measured = measure(gold, np.tile([0.5, 0.3, 0.2], (4, 1)), ["a", "b", "c"])
    assert measured.accuracy.value == measured.classes["a"].precision.value == 0.5
    assert measured.roc_auc.value == 0.5
    assert measured.pr_auc.value == pytest.approx((0.5 + 0.25 + 0.25) / 3)
    assert measured.precision is None and measured.classes["b"].precision is None
    assert measured.recall.value == pytest.approx(1 / 3)
    assert measured.calibration_error.value == 0


def test_an_absent_class_has_no_areas() -> None:
    gold, probabilities, names = task(0, 20, 3, 50)
    measured = measure(np.where(gold == 2, 0, gold), probabilities, names)
    assert measured.classes["class 2"].roc_auc is measured.classes["class 2"].pr_auc is None
    assert measured.classes["class 2"].recall is None
    assert measured.roc_auc is measured.pr_auc is measured.recall is None
    assert measured.classes["class 0"].roc_auc is not None


def test_a_threshold_is_on_the_first_class() -> None:
    gold = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.6, 0.4], [0.9, 0.1], [0.7, 0.3], [0.2, 0.8]])
    measured = measure(gold, probabilities, ["relevant", "other"], threshold=0.7)
    assert decide(probabilities, 0.7).tolist() == [1, 0, 0, 1]
    assert measured.confusion == ((1, 1), (1, 1))
    assert measured.brier.value == pytest.approx((0.16 + 0.01 + 0.49 + 0.04) / 4)
    assert measured.calibration_error == measure(gold, probabilities, ["a", "b"]).calibration_error
    with pytest.raises(ValueError, match="two classes"):
        decide(np.full((1, 3), 1 / 3), 0.5)


def test_a_top_probability_on_an_edge_is_in_the_bin_below() -> None:
    measured = measure(np.array([0]), np.array([[0.6, 0.4]]), ["a", "b"])  # 9 of 15
    assert [i for i, b in enumerate(measured.bins) if b.count] == [8]


def test_intervals_hold_the_value_and_the_truth() -> None:
    covered = 0
    for seed in range(40):
        gold, probabilities, names = task(seed, 150, 2, 50)
        measured = measure(gold, probabilities, names, seed=seed)
        for name in ("accuracy", "brier", *MACRO):
            estimate = getattr(measured, name)
            assert estimate.low <= estimate.value <= estimate.high
        covered += measured.accuracy.low <= 0.844 <= measured.accuracy.high
    assert covered >= 33


def test_a_seed_gives_one_result_ready_for_json() -> None:
    example = task(1, 60, 4, 50)
    measured = measure(*example, seed=3)
    assert measured == measure(*example, seed=3)
    assert measured.brier != measure(*example, seed=4).brier
    text = measured.model_dump_json()
    assert Metrics.model_validate_json(text) == measured
    assert json.loads(text, parse_constant=pytest.fail)["messages"] == 60


@pytest.mark.parametrize(
    ("gold", "probabilities", "names", "reason"),
    [
        ([], np.zeros((0, 2)), ["a", "b"], "need messages"),
        ([0], [[1.0]], ["a"], "two classes"),
        ([0], [[1.0, 0.0]], ["a", "b", "c"], "one column a class"),
        ([0], [[1.0, 0.0]], ["a", "a"], "named apart"),
        ([2], [[1.0, 0.0]], ["a", "b"], "no class"),
        ([0], [[0.9, 0.0]], ["a", "b"], "sum of 1"),
        ([0], [[float("nan"), 1.0]], ["a", "b"], "sum of 1"),
    ],
)
def test_what_does_not_match_is_refused(gold, probabilities, names, reason) -> None:
    with pytest.raises(ValueError, match=reason):
        measure(np.array(gold, dtype=int), np.array(probabilities), names)


def test_a_paired_difference_is_of_single_messages() -> None:
    before = [True] * 75 + [False] * 25
    after = [True] * 70 + [False] * 5 + [True] * 15 + [False] * 10
    found = paired_difference(before, after)
    assert found == paired_difference(before, after)
    assert found.value == pytest.approx(0.1)
    # 15 messages won and 5 lost of 100: the standard error is about 4.4 points.
    assert (found.low, found.high) == (
        pytest.approx(0.014, abs=0.02),
        pytest.approx(0.186, abs=0.02),
    )
    assert paired_difference(after, before).value == pytest.approx(-0.1)
    assert paired_difference(before, before) == sure(0)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_its_interval_holds_it(pairs: list[tuple[bool, bool]]) -> None:
    before, after = zip(*pairs, strict=True)
    found = paired_difference(before, after)
    assert -1 <= found.low <= found.value <= found.high <= 1
