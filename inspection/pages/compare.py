"""Two runs side by side: figures, settings that differ, and exams paired on the same questions."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from elenchus.errors import UserError
from inspection import sittings
from inspection.pages.library import Library, Opened
from inspection.pages.rendering import page

SHOWN = 60  # items that differ, at most


def compared(request: Request) -> Response:
    """Show two runs, given in the address as `a` and `b`: DOMAIN/ID."""
    library: Library = request.app.state.library
    names = [request.query_params.get(name, "") for name in ("a", "b")]
    choices = [f"{run.row.domain}/{run.row.id}" for run in library.listed(0.0)]
    context: dict[str, Any] = {"names": names, "choices": choices, "title": "Compare two runs"}
    if not all(names):
        return page(request, "compare.html", runs=[], **context)
    opened = [library.open(*_parts(name)) for name in names]
    exam = request.query_params.get("exam", "")
    pairs = _paired(*opened)
    there = [pair.exam for pair in pairs]
    exam = exam if exam in there else (there or [""])[0]
    changed = [
        one
        for pair in pairs
        if pair.exam == exam
        for one in pair.items
        if one.change in ("learnt", "lost")
    ]
    return page(
        request,
        "compare.html",
        runs=opened,
        pairs=pairs,
        exam=exam,
        changed=changed[:SHOWN],
        more=max(0, len(changed) - SHOWN),
        figures=_figures(opened),
        settings=_settings(*(run.run.manifest["config"] for run in opened)),
        **context,
    )


def _parts(name: str) -> tuple[str, str]:
    domain, _, run = name.partition("/")
    return domain, run


def _paired(first: Opened, second: Opened) -> list[sittings.Paired]:
    """Return each exam that both runs have; UserError where one cannot be read."""
    both = [(run.run.exam_items, run.run.scores) for run in (first, second)]
    names = [{item.exam for item in items} for items, _ in both]
    return [
        sittings.paired(both[0], both[1], exam)
        for exam in sittings.EXAMS
        if exam in names[0] and exam in names[1]
    ]


def _figures(runs: list[Opened]) -> list[tuple[str, list[Any]]]:
    """Return figures of both results, by name; None where a run has none."""
    results = []
    for run in runs:
        try:
            results.append(run.run.result)
        except UserError:
            results.append(None)
    names = {
        "examples": "Examples",
        "examinations": "Examinations",
        "accepted": "Accepted",
        "points_covered": "Points covered",
        "rounds": "Rounds",
        "calls": "Calls",
        "tokens": "Tokens",
        "seconds": "Seconds",
    }
    rows = [(label, [getattr(r, name, None) for r in results]) for name, label in names.items()]
    return [row for row in rows if any(value is not None for value in row[1])]


def _settings(first: Any, second: Any, prefix: str = "") -> list[tuple[str, Any, Any]]:
    """Return the settings that differ, as dotted keys with both values."""
    if not (isinstance(first, dict) and isinstance(second, dict)):
        return [] if first == second else [(prefix, first, second)]
    return [
        row
        for name in sorted(first.keys() | second.keys())
        for row in _settings(
            first.get(name), second.get(name), f"{prefix}.{name}" if prefix else str(name)
        )
    ]
