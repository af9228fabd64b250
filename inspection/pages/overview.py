"""The page of one run: how far it is or what it came to, what it covers, what it costs."""

import datetime
from typing import Any

import yaml
from starlette.requests import Request
from starlette.responses import Response

from elenchus.errors import UserError
from graphs import leaks
from inspection import figures
from inspection.pages import formatting
from inspection.pages.library import Opened
from inspection.pages.rendering import opened, page

TOPICS = 12  # of the least covered, beside the page with all


def shown(request: Request) -> Response:
    """Show one run; one under way is shown anew every two seconds."""
    run = opened(request)
    manifest = run.run.manifest
    state = run.run.state
    result, fault = None, ""
    try:
        result = run.run.result
    except UserError as error:
        fault = str(error)
    try:
        found = _found(run, state == "running")
    except UserError as error:
        found, fault = {}, str(error)
    accuracies = getattr(result, "accuracy_by_round", None) or found.get("accuracies", [])
    return page(
        request,
        "overview.html",
        opened=run,
        title=f"Run {run.run.id}",
        up="/runs",
        manifest=manifest,
        settings=yaml.safe_dump(manifest["config"], sort_keys=False, allow_unicode=True),
        state=state,
        result=result,
        figures=result.model_dump(mode="json") if result else {},
        fault=fault,
        live=state == "running" or not found.get("counted", True),
        took=_seconds(run, state),
        found=found,
        accuracies=accuracies,
        most_topics=TOPICS,
        contamination=leaks.kept(run.run.folder.path),
        curves=formatting.curves(run.run.folder.path),
    )


def _found(run: Opened, running: bool) -> dict[str, Any]:
    """Return what the ledger shows by now; nothing where there is none yet."""
    index = run.indexed("calls")
    ledger = run.run.ledger
    if index is None or ledger is None:
        return {}
    try:
        settings: Any = run.run.settings
    except UserError:
        settings = None
    used = figures.usage(index)
    calls, tokens = sum(u.calls for u in used), sum(u.read + u.written for u in used)
    rounds = figures.by_round(index)
    examinations = sum(r.examinations for r in rounds)
    costs = [u.usd for u in used]
    topics = figures.topics(index)
    return {
        "kinds": ledger.kinds(),
        "stages": figures.stages(ledger, index, settings),
        "rounds": rounds,
        "topics": topics,
        "covered": figures.covered(index),
        "usage": used,
        "calls": calls,
        "tokens": tokens,
        "usd": None if None in costs else sum(c for c in costs if c is not None),
        "caps": figures.caps(settings.budget, ledger.spent(), run.run.prices, _since(run))
        if settings
        else [],
        "rate": run.rate(calls, tokens, examinations) if running else None,
        "counted": index.ready("calls"),
        "accuracies": figures.accuracies(ledger),
    }


def _since(run: Opened) -> float | None:
    """Return the seconds since a run was launched, while nobody knows of a later resume."""
    try:
        started = datetime.datetime.fromisoformat(str(run.run.manifest["started"]))
    except (KeyError, ValueError):
        return None
    return (datetime.datetime.now(datetime.UTC) - started).total_seconds()


def _seconds(run: Opened, state: str) -> float | None:
    """Return how long a run took, or has been going."""
    if state == "running":
        return _since(run)
    try:
        result = run.run.result
    except UserError:
        return None
    return result.seconds if result else None
