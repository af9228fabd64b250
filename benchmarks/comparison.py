"""Statistics of a comparison: means over domains and seeds with intervals, paired differences.

A replicate is one domain with one seed; all strategies share its exam, so differences are paired.
Intervals are 95 % t intervals over replicates, of ratios bootstrap intervals. Domains differ among
themselves more than seeds of one do, so there is a second interval: of seeds alone, the domains
taken as they are.
"""

import itertools
import math
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from benchmarks.cells import Row

Interval = dict[str, Any]  # `mean`, `low`, `high`, `replicates`; `seeds`: `mean`, `low`, `high`
Replicate = tuple[str, int]  # domain and seed
Equivalent = dict[str, float | None]  # `mean`, `low`, `high`, `replicates`
Curve = list[tuple[float, float]]  # of (samples or tokens, accuracy), rising in the first
RESAMPLES = 2000


def interval(values: Sequence[float]) -> Interval:
    """Return the mean with its 95 % t interval, which one value does not have."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return {"mean": mean, "low": None, "high": None, "replicates": len(values)}
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    width = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return {"mean": mean, "low": mean - width, "high": mean + width, "replicates": len(values)}


def over_replicates(values: Mapping[Replicate, float]) -> Interval:
    """Return the `interval` over replicates, and as `seeds` that of `of_seeds`."""
    by_domain: dict[str, list[float]] = defaultdict(list)
    for (domain, _), value in values.items():
        by_domain[domain].append(value)
    return interval(list(values.values())) | {"seeds": of_seeds(list(by_domain.values()))}


def of_seeds(by_domain: Sequence[Sequence[float]]) -> dict[str, float] | None:
    """Return the mean over fixed domains, from values of seeds on each, with its 95 % interval.

    A stratified mean with one variance for all domains (Cochran, Sampling Techniques, 1977,
    chapter 5). None where a domain has one seed only.
    """
    if any(len(values) < 2 for values in by_domain):
        return None
    mean = fmean(fmean(values) for values in by_domain)
    freedom = sum(len(values) - 1 for values in by_domain)
    squares = sum(float(np.var(values)) * len(values) for values in by_domain)
    error = math.sqrt(squares / freedom * sum(1 / len(values) for values in by_domain))
    width = float(stats.t.ppf(0.975, freedom)) * error / len(by_domain)
    return {"mean": mean, "low": mean - width, "high": mean + width}


def crossed(values: ArrayLike) -> Interval:
    """Return the mean of values by seed and question, with a 95 % interval over both.

    Seeds and questions are drawn anew together (the pigeonhole bootstrap: Owen, Annals of Applied
    Statistics, 2007), which errs to the wide side; of one seed, only the questions are.

    Args:
        values: a line for each seed, with a value for each question, in the same order.
    """
    whole, rng = np.asarray(values, dtype=float), np.random.default_rng(0)
    seeds, questions = whole.shape
    drawn = [
        whole[rng.integers(seeds, size=seeds)][:, rng.integers(questions, size=questions)].mean()
        for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(drawn, (2.5, 97.5))
    return {
        "mean": float(whole.mean()),
        "low": float(low),
        "high": float(high),
        "replicates": seeds,
    }


def table(rows: Iterable[Row]) -> dict[str, dict[str, Row]]:
    """Return by strategy and size: accuracy with its interval, and means of what it took."""
    # A strategy with a run for each size has the untouched student in each; it counts once.
    cells: dict[str, dict[int, dict[Replicate, Row]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        cells[row["strategy"]][row["n"]][row["domain"], row["seed"]] = row
    return {
        strategy: {
            str(n): over_replicates({key: row["accuracy"] for key, row in replicates.items()})
            | {
                key: float(np.mean([row.get(key, 0) for row in replicates.values()]))
                for key in (
                    "learnt",
                    "samples",
                    "data_tokens",
                    "seen_tokens",
                    "steps",
                    "asked",
                    "answers",
                )
            }
            for n, replicates in sorted(by_size.items())
        }
        for strategy, by_size in cells.items()
    }


def differences(
    rows: Iterable[Row], one: str, two: str, of: str = "accuracy"
) -> dict[str, Interval]:
    """Return by size the paired difference, `one` minus `two`, of accuracy or another measure."""
    by_pair: dict[tuple[str, int, int], dict[str, float]] = defaultdict(dict)
    for row in rows:
        if row["n"]:
            by_pair[row["domain"], row["seed"], row["n"]][row["strategy"]] = row[of]
    by_size: dict[int, dict[Replicate, float]] = defaultdict(dict)
    for (domain, seed, n), values in by_pair.items():
        if one in values and two in values:
            by_size[n][domain, seed] = values[one] - values[two]
    return {str(n): over_replicates(pairs) for n, pairs in sorted(by_size.items())}


def curve(rows: Iterable[Row], strategy: str, by: str) -> Curve:
    """Return a strategy's mean accuracies against the means of `by`, a pair for each size.

    Sizes that only some replicates have are left out: means of different replicates make no curve.
    So is the untouched student, which has no place on a log scale.

    Args:
        by: "n", "samples" or a kind of tokens.
    """
    by_size: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        if row["strategy"] == strategy and row["n"]:
            by_size[row["n"]].append(row)
    most = max(map(len, by_size.values()), default=0)
    return [
        (fmean(row[by] for row in replicates), fmean(row["accuracy"] for row in replicates))
        for _, replicates in sorted(by_size.items())
        if len(replicates) == most
    ]


def needed(accuracy: float, along: Curve) -> float:
    """Return how much of a strategy reaches an accuracy, on a log scale between its sizes.

    0 where its least size is better, infinity where none of its sizes gets there.
    """
    tried = [(amount, value) for amount, value in along if amount > 0]
    if tried and accuracy < tried[0][1]:
        return 0.0
    low, worse = 0.0, 0.0
    for high, better in tried:
        if better == accuracy:
            return high
        if better > accuracy:
            part = (accuracy - worse) / (better - worse)
            return math.exp(math.log(low) + part * (math.log(high) - math.log(low)))
        low, worse = high, better
    return math.inf


def equivalents(rows: Sequence[Row], other: str, by: str) -> dict[str, Equivalent]:
    """Return by size of the adversarial strategy how much of another equals one of its own.

    0 as in `needed`, and None for its infinity. The interval is a percentile bootstrap over
    replicates: both ends of a single one are None.
    """
    replicates = defaultdict(list)
    for row in rows:
        if row["strategy"] in ("adversarial", other):
            replicates[row["domain"], row["seed"]].append(row)
    groups = list(replicates.values())
    ratios = _ratios(groups, other, by)
    rng = random.Random(0)
    drawn = [
        _ratios(rng.choices(groups, k=len(groups)), other, by)
        for _ in range(RESAMPLES if len(groups) > 1 else 0)
    ]
    return {
        n: {"mean": _finite(value)}
        | _ends([resampled[n] for resampled in drawn if n in resampled])
        | {"replicates": len(groups)}
        for n, value in ratios.items()
    }


def _ratios(groups: Iterable[list[Row]], other: str, by: str) -> dict[str, float]:
    """Return by size what of another strategy equals an amount of the adversarial one, over it."""
    rows = list(itertools.chain(*groups))
    along, adversarial = curve(rows, other, by), curve(rows, "adversarial", by)
    sizes = curve(rows, "adversarial", "n")
    if not along:
        return {}
    return {
        str(round(n)): needed(accuracy, along) / amount
        for (amount, accuracy), (n, _) in zip(adversarial, sizes, strict=True)
        if amount
    }


def _ends(drawn: Sequence[float]) -> dict[str, float | None]:
    if not drawn:
        return {"low": None, "high": None}
    low, high = np.percentile(drawn, (2.5, 97.5), method="nearest")  # infinities cannot be mixed
    return {"low": _finite(low), "high": _finite(high)}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def at_equal_answers(
    rows: Sequence[Row], one: str, two: str, amounts: Sequence[int]
) -> dict[str, Interval]:
    """Return by number of expert answers the paired difference of accuracy, `one` minus `two`.

    Accuracies are read on straight lines between a strategy's sizes, the untouched student's at no
    answer; replicates whose runs did not ask for so many have no place there.
    """
    lines: dict[str, dict[Replicate, dict[float, float]]] = {one: {}, two: {}}
    for row in rows:
        if row["strategy"] in lines:
            line = lines[row["strategy"]].setdefault((row["domain"], row["seed"]), {})
            line[row.get("answers", 0)] = row["accuracy"]
    found: dict[str, Interval] = {}
    for amount in amounts:
        pairs: dict[Replicate, float] = {}
        for replicate in lines[one].keys() & lines[two].keys():
            values = []
            for line in (lines[one][replicate], lines[two][replicate]):
                asked, accuracies = zip(*sorted(line.items()), strict=True)
                if asked[-1] >= amount:
                    values.append(float(np.interp(amount, asked, accuracies)))
            if len(values) == 2:
                pairs[replicate] = values[0] - values[1]
        if pairs:
            found[str(amount)] = over_replicates(dict(sorted(pairs.items())))
    return found


def at_equal_tokens(rows: Sequence[Row]) -> dict[str, dict[str, Interval]]:
    """Return how far the adversarial strategy is above each other one at as many trained tokens.

    By strategy and size: the paired difference, and the `seen_tokens` of the other's training. The
    adversarial accuracy is read on the straight line between two of its sizes, or between the
    untouched student and the first; beyond the last it is that of the last, from fewer tokens.
    """
    adversarial: dict[Replicate, dict[float, float]] = defaultdict(dict)
    for row in rows:
        if row["strategy"] == "adversarial":
            adversarial[row["domain"], row["seed"]][row["seen_tokens"]] = row["accuracy"]
    gaps: dict[tuple[str, int], dict[Replicate, float]] = defaultdict(dict)
    tokens: dict[tuple[str, int], list[float]] = defaultdict(list)
    for row in rows:
        replicate, cell = (row["domain"], row["seed"]), (row["strategy"], row["n"])
        if row["strategy"] == "adversarial" or not row["n"] or replicate not in adversarial:
            continue
        seen, accuracies = zip(*sorted(adversarial[replicate].items()), strict=True)
        reached = float(np.interp(row["seen_tokens"], seen, accuracies))
        gaps[cell][replicate] = reached - row["accuracy"]
        tokens[cell].append(row["seen_tokens"])
    by_strategy: dict[str, dict[str, Interval]] = defaultdict(dict)
    for (strategy, n), pairs in sorted(gaps.items()):
        seen_mean = {"seen_tokens": fmean(tokens[strategy, n])}
        by_strategy[strategy][str(n)] = over_replicates(pairs) | seen_mean
    return dict(by_strategy)
