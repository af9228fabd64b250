"""Numbers, ids and words as pages and reports show them, and the curves of a run's trainings."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from elenchus.reasons import SENTENCES
from elenchus.results import Estimate
from inspection.pages import texts

DASH = "–"
WORDS = {"better": "good", "worse": "bad", "not to be trusted": "warn"}
STATES = {"running": "live", "interrupted": "warn", "unreadable": "bad"}
GRADES = {"correct": "good", "partial": "warn", "incorrect": "bad", "abstained": "bad"}


def count(number: float | None) -> str:
    """Return a number with commas."""
    return DASH if number is None else f"{number:,.0f}"


def share(value: float | Estimate | None) -> str:
    """Return a share as a percentage."""
    if value is None:
        return DASH
    return f"{value.value if isinstance(value, Estimate) else value:.1%}"


def counted(number: int, noun: str) -> str:
    """Return a number of things: 1 question, 2 questions."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def gap(value: float | None) -> str:
    """Return a gap, a spread or the like with two digits."""
    return DASH if value is None else f"{value:.2f}"


def usd(value: float | None) -> str:
    """Return a cost."""
    if value is None:
        return DASH
    return f"${value:,.2f}" if value >= 0.01 or not value else f"${value:.4f}"


def minutes(seconds: float | None) -> str:
    """Return a time as a person says it."""
    if seconds is None:
        return DASH
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def short(record_id: str) -> str:
    """Return the beginning of an id, by which a person knows it again."""
    return texts.visible(record_id)[:10]


def curves(run: Path) -> list[tuple[str, list[float]]]:
    """Return the losses of each training of a run, by the name of its adapter."""
    found = []
    for path in sorted((run / "adapters").glob("*/curve.json")):
        try:
            steps = json.loads(path.read_text(encoding="utf-8"))
            losses = [float(step["loss"]) for step in steps if "loss" in step]
        except (OSError, ValueError, TypeError):
            continue
        if len(losses) > 1:
            found.append((path.parent.name, losses))
    return found


FILTERS: dict[str, Any] = {
    "line": texts.line,
    "prose": texts.prose,
    "visible": texts.visible,
    "count": count,
    "counted": counted,
    "share": share,
    "gap": gap,
    "usd": usd,
    "minutes": minutes,
    "short": short,
    "segment": lambda text: quote(str(text), safe=""),
}
GLOBALS: dict[str, Any] = {
    "sentence": lambda code: SENTENCES.get(code, code),
    "tone": lambda word: WORDS.get(word) or STATES.get(word) or GRADES.get(word) or "",
    "share": share,
    "count": count,
    "gap": gap,
}
