"""Draws the curve of a training, reliability diagrams of classifiers, and where messages lie."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elenchus.runs import write_atomic

Group = tuple[str, str, NDArray[np.floating[Any]]]  # class, kind, unit vectors
MARKS = {"real": "o", "synthetic": "x"}


def reliability(path: Path, evaluations: Sequence[Mapping[str, Any]]) -> None:
    """Draw a panel for each classifier: accuracy by confidence (Guo et al. 2017, figure 1).

    An evaluation has `mix`, `model` and, as JSON has them, `metrics` (`training.metrics.Metrics`).
    """
    from matplotlib.figure import Figure

    columns = min(4, len(evaluations))
    lines = -(-len(evaluations) // columns)
    figure = Figure(figsize=(3 * columns, 3 * lines), layout="tight")
    panels = figure.subplots(lines, columns, squeeze=False).flat
    for panel in panels[len(evaluations) :]:
        panel.axis("off")
    for panel, evaluation in zip(panels, evaluations, strict=False):
        bins = [b for b in evaluation["metrics"]["bins"] if b["count"]]
        panel.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
        panel.bar(
            [b["low"] for b in bins],
            [b["accuracy"]["value"] for b in bins],
            width=[b["high"] - b["low"] for b in bins],
            align="edge",
            alpha=0.6,
            edgecolor="black",
            linewidth=0.4,
        )
        panel.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability", ylabel="share right")
        title = _printable(f"{evaluation['mix']}\n{evaluation['model']}")
        panel.set_title(title, fontsize=9, parse_math=False)
    _save(figure, path)


def curve(path: Path, steps: Sequence[Mapping[str, float]]) -> None:
    """Draw loss and learning rate by step, and the loss of what is held out where it was read."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="tight")
    losses = figure.subplots()
    rates = losses.twinx()
    learnt, read = ([row for row in steps if name in row] for name in ("loss", "eval_loss"))
    numbers = [row["step"] for row in learnt]
    losses.plot(numbers, [row["loss"] for row in learnt], linewidth=1)
    held_out = [row["eval_loss"] for row in read]
    losses.plot([row["step"] for row in read], held_out, "o-", color="C1", linewidth=1)
    rates.plot(numbers, [row["learning_rate"] for row in learnt], color="grey", linewidth=0.8)
    losses.set(xlabel="step", ylabel="loss; held out (dots)" if read else "loss", ylim=(0, None))
    rates.set(ylabel="learning rate (grey)", ylim=(0, None))
    _save(figure, path)


def clusters(path: Path, groups: Sequence[Group]) -> None:
    """Draw all messages on the first two principal components of their vectors."""
    from matplotlib.figure import Figure
    from sklearn.decomposition import PCA

    together = np.concatenate([vectors for _, _, vectors in groups])
    figure = Figure(figsize=(7, 5), layout="tight")
    axes = figure.subplots()
    if len(together) > 1:
        plane = PCA(n_components=2, random_state=0).fit(together)
        colours = {label: n for n, label in enumerate(dict.fromkeys(g[0] for g in groups))}
        for label, kind, vectors in groups:
            places = plane.transform(vectors)
            axes.scatter(
                places[:, 0],
                places[:, 1],
                s=12,
                marker=MARKS[kind],
                color=f"C{colours[label] % 10}",
                alpha=0.9 if kind == "real" else 0.35,
                linewidths=0.6,
            )
    names = [_printable(f"{label}, {kind}") for label, kind, _ in groups]
    place: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1, 0.5)}
    legend = axes.legend(axes.collections, names, fontsize=6, frameon=False, **place)
    for text in legend.get_texts():
        text.set_parse_math(False)
    axes.set(xticks=[], yticks=[])
    _save(figure, path)


def _printable(text: str) -> str:
    """Return the text without characters that XML forbids."""
    return "".join(c for c in text if c == "\n" or c.isprintable())


def _save(figure: Any, path: Path) -> None:
    import matplotlib as mpl

    svg = io.StringIO()
    # Fixed, so that the same messages give the same file.
    with mpl.rc_context({"svg.hashsalt": "elenchus", "svg.fonttype": "none"}):
        figure.savefig(svg, format="svg", metadata={"Date": None})
    write_atomic(path, svg.getvalue())
