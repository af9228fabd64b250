"""Lists of examinations: all, searched and filtered; and those that gave nothing, by the reason."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from elenchus.records import Examination, Passage
from inspection import rows
from inspection.pages.library import Opened
from inspection.pages.rendering import opened, page
from inspection.rows import Selection

COLUMNS = {
    "round": "round",
    "kind": "kind",
    "topic": "topic",
    "turns": "turns",
    "gap": "gap",
    "spread": "spread",
    "tokens": "tokens",
    "usd": "cost",
}
RANGES = {"gap": "Gap", "spread": "Spread", "tokens": "Tokens", "usd": "Cost, USD"}
PAGE = 20  # rejections, each with its passages


def listed(request: Request) -> Response:
    """Show the examinations that the address selects."""
    run = opened(request)
    selection = Selection.of(request.query_params)
    index = run.indexed(_needed(selection))
    found = rows.select(index, selection) if index else rows.Listed([], 0, 1, 1)
    return page(
        request,
        "examinations.html",
        opened=run,
        title="Examinations",
        selection=selection,
        facets=rows.facets(index) if index else {},
        found=found,
        columns=COLUMNS,
        ranges=RANGES,
        chosen=filters(selection),
        words=rows.words(selection.q),
        live=run.run.state == "running" or (index is not None and not index.ready("calls")),
        indexing=index is not None and not index.ready("calls"),
    )


def rejected(request: Request) -> Response:
    """Show the examinations that gave nothing, with question, passages and reply, by the reason."""
    run = opened(request)
    selection = Selection.of(request.query_params).model_copy(update={"outcome": "rejected"})
    index = run.indexed(_needed(selection))
    codes = rows.facets(index)["code"] if index else []
    found = rows.select(index, selection, PAGE) if index else rows.Listed([], 0, 1, 1)
    ledger = run.run.ledger
    details = [_rejection(run, row) for row in found.rows] if ledger else []
    return page(
        request,
        "rejections.html",
        opened=run,
        title="Rejections",
        selection=selection,
        codes=codes,
        found=found,
        details=details,
        live=False,
    )


def filters(selection: Selection) -> list[tuple[str, dict[str, str]]]:
    """Return each filter of a selection in words, with the query of the address without it."""
    names = {"q": "text", "usd_from": "cost from", "usd_to": "cost to"}
    return [
        (
            f"{names.get(name, name.replace('_', ' '))}: {value}",
            selection.query(**{name: _none(name)}),
        )
        for name, value in selection.filters.items()
    ]


def _none(name: str) -> Any:
    return Selection.model_fields[name].default


def _needed(selection: Selection) -> str:
    """Return the pass of the index that a selection needs most."""
    costly = ("model", "tokens_from", "tokens_to", "usd_from", "usd_to")
    if selection.sort in ("tokens", "usd") or any(
        getattr(selection, name) not in ("", None) for name in costly
    ):
        return "calls"
    return "texts" if selection.q else "rows"


def _rejection(run: Opened, row: rows.Row) -> dict[str, Any]:
    """Return a rejected examination with what decided it."""
    ledger = run.run.ledger
    assert ledger is not None
    rejection = ledger.get(Examination, row.id).rejection
    assert rejection is not None  # the row says so
    passages = []
    for i in rejection.passage_ids:
        try:
            passages.append(ledger.get(Passage, i))
        except KeyError:  # of documents that an update no longer has
            continue
    return {"row": row, "rejection": rejection, "passages": passages}
