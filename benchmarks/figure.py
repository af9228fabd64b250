"""Draws the curves of a comparison: accuracy against samples, and against tokens."""

from pathlib import Path
from typing import Any

from benchmarks import comparison
from benchmarks.comparison import Row


def draw(rows: list[Row], path: Path) -> None:
    """Two panels with bands of 95 %: samples of each strategy in rounds, and data tokens of all."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams.update({"svg.hashsalt": "elenchus", "svg.fonttype": "none"})
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True, layout="tight")
    texts = {r["strategy"] for r in rows if " x" in r["strategy"]}
    for name, means in comparison.table(rows).items():
        cells = [cell for n, cell in means.items() if n != "0"]
        if name not in texts:
            _curve(left, cells, "samples", name)
    for name, cells in _families(rows, texts).items():
        _curve(right, cells, "data_tokens", name)
    left.set(xscale="log", xlabel="samples", ylabel="right answers, held-out exam")
    right.set(xscale="log", xlabel="tokens of the data")
    left.legend(fontsize=8, frameon=False)
    right.legend(fontsize=8, frameon=False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _families(rows: list[Row], texts: set[str]) -> dict[str, list[Row]]:
    """Cells by rising tokens; the multiples of a text strategy are one curve."""
    found: dict[str, list[Row]] = {}
    for name, means in comparison.table(rows).items():
        family = name.rpartition(" x")[0] if name in texts else name
        found.setdefault(family, []).extend(cell for n, cell in means.items() if n != "0")
    return {name: sorted(some, key=lambda c: c["data_tokens"]) for name, some in found.items()}


def _curve(axes: Any, cells: list[Row], along: str, name: str) -> None:
    amounts = [cell[along] for cell in cells]
    axes.plot(amounts, [cell["mean"] for cell in cells], marker="o", markersize=3, label=name)
    low, high = ([cell[end] for cell in cells] for end in ("low", "high"))
    axes.fill_between(amounts, low, high, alpha=0.15)
