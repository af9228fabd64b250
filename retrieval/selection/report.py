"""What a selection tells of itself: how much from where, how sure, and what lies around the cut."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from elenchus.printing import plain
from retrieval.selection.calibration import BINS, LOWEST, WIDTH, Calibration, bins
from retrieval.selection.choosing import AROUND, Chosen, Kept, named
from retrieval.selection.config import SelectionTree
from retrieval.selection.shards import SHOWN, Shard

STEPS = 10  # of the histogram of scores
SHOWN_CHARS = 300  # of an example's text
Report = dict[str, Any]
_NAMES = {"linear": "linear classifier", "dsir": "DSIR a token"}


def made(
    config: SelectionTree,
    all_shards: Sequence[Shard],
    counts: Sequence[dict[str, Any]],
    calibration: Calibration,
    chosen: Chosen,
) -> Report:
    """The report as one JSON value.

    Shares and scores are of 1, sizes in MB of text, speed in MB for a second of processor time.
    """
    names = named(all_shards, counts)
    scores = calibration.score(np.array([kept.margin for kept in chosen.kept]))
    size = sum(c["bytes"] for c in counts) / 1e6
    seconds = sum(c["seconds"] for c in counts)
    return {
        "domain": config.domain,
        "method": config.selection.method,
        "documents": sum(c["documents"] for c in counts),
        "texts": int(calibration.counts.sum()),
        "tokens_in_all": int(calibration.tokens.sum()),
        "mb": round(size, 3),
        "mb_per_second_per_core": round(size / seconds, 1) if seconds else None,
        "share": round(calibration.share, 5),
        "cut": _cut(config, calibration, chosen),
        "selected": len(chosen.kept),
        "tokens": chosen.tokens,
        "precision": round(float(scores.mean()), 3) if len(scores) else None,
        "sources": _sources(all_shards, counts, chosen),
        "histogram": _histogram(calibration, chosen),
        "left_out": _left_out(counts, chosen, names),
        "ratings": chosen.ratings,
        "above": [_shown(k, calibration, names) for k in chosen.kept[-AROUND:]],
        "below": [_shown(k, calibration, names) for k in chosen.below],
    }


def as_text(report: Report) -> str:
    """The report to read, as Markdown."""
    cut = report["cut"]
    of = f"{report['precision']:.1%}" if report["precision"] is not None else "–"
    lines = [
        f"# Text selected for {report['domain']}",
        "",
        f"{report['selected']:,} texts with about {report['tokens']:,} tokens, of "
        f"{report['texts']:,} texts ({report['mb']:,.1f} MB), by the "
        f"{_NAMES[report['method']]}.",
        "",
        f"- Of the domain, as estimated: {report['share']:.2%} of the corpus, {of} of what is "
        "selected.",
        f"- The cut: score {cut['score']:.3f}, margin {cut['margin']:.2f}, {cut['why']}.",
        "",
        *_table("From where", ("source", "texts", "selected", "tokens"), report["sources"]),
        *_table("Scores", ("from", "to", "texts", "selected"), report["histogram"]),
        *_table("Left out", ("why", "count", "examples"), report["left_out"]),
    ]
    if report["unreadable"]:
        lines += _table("Files that could not be read", ("source", "reason"), report["unreadable"])
    if ratings := report["ratings"]:
        lines += [
            "## Educational value",
            "",
            f"{ratings['used']} of {ratings['asked']} ratings could be used, {ratings['mean']} in "
            f"the mean; correlation of estimates with ratings held out: {ratings['correlation']}.",
            "",
        ]
    lines += _examples("The last that are selected", report["above"])
    lines += _examples("The first below the cut", report["below"])
    return "\n".join(lines)


def _cut(config: SelectionTree, calibration: Calibration, chosen: Chosen) -> dict[str, Any]:
    """The least margin that is selected, or that would have been."""
    settings, least = config.selection, config.selection.least_precision
    low = calibration.cut(least, None)
    margin = chosen.kept[-1].margin if chosen.full and chosen.kept else LOWEST + low * WIDTH
    if chosen.full:
        why = f"where the budget of {settings.tokens:,} tokens is full"
    elif low == BINS:
        most = float(calibration.precision().max())
        why = (
            f"since nothing reaches the precision of {least:g} (the best text is "
            f"estimated at {most:.2f}): set selection.precision lower"
        )
    else:
        why = f"where the precision of {least:g} ends" if least else "all of the corpus is in"
    score = float(calibration.scores[bins(np.array([margin]))[0]])
    return {"margin": round(margin, 4), "score": round(score, 4), "why": why}


def _sources(
    all_shards: Sequence[Shard], counts: Sequence[dict[str, Any]], chosen: Chosen
) -> list[Report]:
    found: dict[str, Counter[str]] = {}
    for shard, counted in zip(all_shards, counts, strict=True):
        own = found.setdefault(shard.name, Counter(texts=0, selected=0, tokens=0))
        own["texts"] += counted["documents"]
    for kept in chosen.kept:
        own = found[all_shards[kept.key[0]].name]
        own["selected"] += 1
        own["tokens"] += kept.tokens
    return [{"source": name, **own} for name, own in found.items()]


def _histogram(calibration: Calibration, chosen: Chosen) -> list[Report]:
    def steps(scores: Any, weights: Any) -> Any:
        place = np.minimum((scores * STEPS).astype(int), STEPS - 1)
        return np.bincount(place, weights=weights, minlength=STEPS).astype(int).tolist()

    scores = calibration.score(np.array([kept.margin for kept in chosen.kept]))
    texts, selected = steps(calibration.scores, calibration.counts), steps(scores, None)
    return [
        {"from": n / STEPS, "to": (n + 1) / STEPS, "texts": texts[n], "selected": selected[n]}
        for n in range(STEPS)
    ]


def _left_out(counts: Sequence[dict[str, Any]], chosen: Chosen, names: Any) -> list[Report]:
    whole, examples = Counter(chosen.left_out), {}
    for why, shown in chosen.examples.items():
        examples[why] = [f"{names(key)}: {text}" for key, text in shown]
    for counted in counts:
        whole.update(counted["left_out"])
        for why, some in counted["examples"].items():
            examples[why] = [*examples.get(why, []), *some][:SHOWN]
    return [{"why": w, "count": n, "examples": examples[w]} for w, n in whole.most_common()]


def _shown(kept: Kept, calibration: Calibration, names: Any) -> Report:
    score = float(calibration.score(np.array([kept.margin]))[0])
    return {
        "source": names(kept.key),
        "score": round(score, 4),
        "margin": round(kept.margin, 3),
        "text": kept.text[:SHOWN_CHARS],
    }


def _table(title: str, columns: Sequence[str], rows: Sequence[Report]) -> list[str]:
    lines = [f"## {title}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    lines += ["| " + " | ".join(_cell(row[c]) for c in columns) + " |" for row in rows]
    return [*(lines if rows else [*lines[:2], "Nothing."]), ""]


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(_cell(one) for one in value)
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return plain(" ".join(text.split()))


def _examples(title: str, shown: Sequence[Report]) -> list[str]:
    lines = [f"## {title}", ""]
    for example in shown:
        text = _cell(example["text"])
        score, margin = example["score"], example["margin"]
        lines.append(f"- {score:.3f} (margin {margin:.2f}), {_cell(example['source'])}: {text}")
    return [*lines, *([] if shown else ["None."]), ""]
