"""Draws the curves of a comparison: accuracy against samples, and against tokens."""

from pathlib import Path
from typing import Any

from benchmarks import comparison, strategies
from benchmarks.cells import Row


def draw(rows: list[Row], path: Path) -> None:
    """Draw two panels: samples of each strategy in rounds, and data tokens of all.

    Bands are of 95 %, of seeds alone where each domain has more than one. A size that only some
    replicates have is a hollow mark by itself: other replicates make no curve with it.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams.update({"svg.hashsalt": "elenchus", "svg.fonttype": "none"})
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True, layout="tight")
    table = comparison.table(strategies.families(rows))
    # A strategy has one colour in both panels; texts, which are in one only, come last.
    for place, name in enumerate(sorted(table, key=lambda name: name in strategies.TEXTS)):
        cells = [cell for n, cell in table[name].items() if n != "0"]
        most = max((cell["replicates"] for cell in cells), default=0)
        fewer = [cell for cell in cells if cell["replicates"] < most]
        cells = [cell for cell in cells if cell["replicates"] == most]
        if name not in strategies.TEXTS:
            _curve(left, cells, fewer, "samples", name, f"C{place}")
        _curve(right, cells, fewer, "data_tokens", name, f"C{place}")
    left.set(xscale="log", xlabel="samples", ylabel="right answers, held-out exam")
    left.set_xticks(sizes := sorted({row["n"] for row in rows if row["n"]}), map(str, sizes))
    left.minorticks_off()
    right.set(xscale="log", xlabel="tokens of the data")
    right.xaxis.set_major_formatter("{x:,.0f}")
    left.legend(fontsize=8, frameon=False)
    right.legend(fontsize=8, frameon=False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _curve(
    axes: Any, cells: list[Row], fewer: list[Row], along: str, name: str, colour: str
) -> None:
    """Draw one strategy: a line with its band, and hollow marks for sizes of fewer replicates."""
    amounts = [cell[along] for cell in cells]
    means = [cell["mean"] for cell in cells]
    axes.plot(amounts, means, marker="o", markersize=3, label=name, color=colour)
    # One replicate has no band, and a band of one size is a line.
    bands = [cell["seeds"] or cell for cell in cells]
    low, high = (
        [band["mean"] if band[end] is None else band[end] for band in bands]
        for end in ("low", "high")
    )
    for cell in fewer:
        axes.plot(cell[along], cell["mean"], "o", markersize=5, color=colour, fillstyle="none")
    axes.fill_between(amounts, low, high, alpha=0.15, color=colour)
    if len(cells) == 1:
        axes.vlines(amounts, low, high, color=colour)
