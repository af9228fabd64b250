"""Draws how sure classifiers are against how often they are right, and where messages lie."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = dict[str, Any]
Group = tuple[str, str, NDArray[np.floating[Any]]]  # class, kind, unit vectors
MARKS = {"real": "o", "synthetic": "x"}


def reliability(path: Path, rows: Sequence[Row]) -> None:
    """A panel for each classifier: accuracy by confidence (Guo et al. 2017, figure 1)."""
    plt = _pyplot()
    columns = min(4, len(rows))
    lines = -(-len(rows) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(3 * columns, 3 * lines), squeeze=False, layout="tight"
    )
    for panel in axes.flat[len(rows) :]:
        panel.axis("off")
    for panel, row in zip(axes.flat, rows, strict=False):
        bins = [b for b in row["metrics"]["bins"] if b["count"]]
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
        panel.set_title(_plain(f"{row['mix']}\n{row['model']}"), fontsize=9, parse_math=False)
    _save(plt, figure, path)


def clusters(path: Path, groups: Sequence[Group]) -> None:
    """All messages on the first two principal components of their vectors."""
    from sklearn.decomposition import PCA

    plt = _pyplot()
    together = np.concatenate([vectors for _, _, vectors in groups])
    figure, axes = plt.subplots(figsize=(7, 5), layout="tight")
    if len(together) > 1:
        flat = PCA(n_components=2, random_state=0).fit(together)
        colours = {label: n for n, label in enumerate(dict.fromkeys(g[0] for g in groups))}
        for label, kind, vectors in groups:
            places = flat.transform(vectors)
            axes.scatter(
                places[:, 0],
                places[:, 1],
                s=12,
                marker=MARKS[kind],
                color=f"C{colours[label] % 10}",
                alpha=0.9 if kind == "real" else 0.35,
                linewidths=0.6,
            )
    names = [_plain(f"{label}, {kind}") for label, kind, _ in groups]
    place: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1, 0.5)}
    legend = axes.legend(axes.collections, names, fontsize=6, frameon=False, **place)
    for text in legend.get_texts():
        text.set_parse_math(False)
    axes.set(xticks=[], yticks=[])
    _save(plt, figure, path)


def _plain(text: str) -> str:
    """Without what no XML may hold."""
    return "".join(c for c in text if c == "\n" or c.isprintable())


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    # Fixed, so that the same messages give the same file.
    mpl.rcParams.update({"svg.hashsalt": "elenchus", "svg.fonttype": "none"})
    from matplotlib import pyplot

    return pyplot


def _save(plt: Any, figure: Any, path: Path) -> None:
    whole = path.with_name(path.name + ".partial")
    figure.savefig(whole, format="svg", metadata={"Date": None})
    plt.close(figure)
    whole.replace(path)
