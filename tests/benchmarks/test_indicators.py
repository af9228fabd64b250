"""The figures that the comparison of classifiers computes from its rows."""

from typing import Any

from benchmarks import indicators
from benchmarks.indicators import WITH_ALL


def row(set_up: str, mix: str, seed: int, accuracy: float) -> dict[str, Any]:
    measured = dict.fromkeys(indicators.MEASURES, accuracy)
    named = {"strategy": set_up, "mix": mix, "model": "nano", "n": 20, "seed": seed}
    return {**named, "samples": 10, **measured}


def test_differences_are_paired_by_seed() -> None:
    rows = [
        row(set_up, mix, seed, base + 0.1 * seed)
        for set_up, mix, base in (
            (WITH_ALL, "real", 0.5),
            (WITH_ALL, "hybrid", 0.6),
            (WITH_ALL, "untrained", 0.2),
            ("no indicators", "hybrid", 0.55),
            ("no indicators", "untrained", 0.2),
        )
        for seed in range(3)
    ]
    figures = indicators.report(rows)
    assert round(figures["hybrid_minus_real"]["nano"]["20"]["mean"], 6) == 0.1
    cell = figures["worth"]["no indicators"]["hybrid"]["nano"]["20"]
    # Seeds differ by far more than set-ups do, and yet the interval is narrow.
    assert round(cell["mean"], 6) == 0.05 and cell["high"] - cell["low"] < 1e-6
    assert set(figures["worth"]["no indicators"]) == {"hybrid"}
    assert figures["table"][WITH_ALL]["real"]["nano"]["20"]["accuracy"]["replicates"] == 3
