"""`elenchus trace`: what the agents of a run asked and said."""

import json
import sys
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from elenchus.cli import options
from elenchus.errors import UserError

if TYPE_CHECKING:
    from elenchus.ledger import Ledger
    from elenchus.runs import RunFolder
    from graphs.method import Trace

PAGE = 50  # examinations on a terminal at once
Rows = list[dict[str, Any]]


def trace(
    run: options.Run,
    record: Annotated[
        str | None, typer.Argument(help="any id, or the start of one: of a question, a call, …")
    ] = None,
    outcome: Annotated[
        str | None, typer.Option(help="accepted, rejected, or the code of a rejection")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="kind of question")] = None,
    topic: Annotated[str | None, typer.Option(help="words of the topic")] = None,
    search: Annotated[str | None, typer.Option(help="words in any of the texts")] = None,
    since: Annotated[str | None, typer.Option(help="an id: what was made after it")] = None,
    page: Annotated[int, typer.Option(min=1, help="of a long list on a terminal")] = 1,
    root: options.Root = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Show what the agents did: all examinations, messages or passages, or whatever has an id.

    What is a part of an examination is shown with the whole of it.
    """
    from elenchus import runs
    from elenchus.ledger import Ledger
    from graphs.integrity import reading
    from graphs.methods import method_of

    folder = runs.find(root, run)
    shower = method_of(folder.manifest()["config"]["method"]).trace
    with reading(folder), closing(Ledger(folder.ledger, read_only=True)) as ledger:
        if record is not None:
            _show_one(ledger, shower, record, as_json)
            return
        rows = shower.overview(ledger, folder.id)
        rows = _where(rows, {"outcome": outcome, "kind": kind, "topic": topic})
        if search is not None:
            rows = _holding(rows, folder, search, shower)
        if since is not None:
            rows = _after(rows, ledger, since, shower)
        if as_json:
            print(json.dumps(rows))
        else:
            shower.show_overview(ledger, _paged(rows, page, shower), folder)


def _show_one(ledger: "Ledger", shower: "Trace", record: str, as_json: bool) -> None:
    """Show what an id names, with the examination, message or passage that it is a part of."""
    from graphs.trace import as_json as entry_as_json
    from graphs.trace import find, show, whole

    found = find(ledger, record)
    made = whole(ledger, found, shower.RECORD)
    itself = made is not None and made.id == found.entry.id
    if as_json:
        parts = {} if itself else entry_as_json(found)
        parts |= {} if made is None else shower.as_json(ledger, made)
        print(json.dumps(parts, ensure_ascii=False))
        return
    if not itself:
        show(found)
    if made is not None:
        if not itself:
            print()
        shower.show(ledger, made)


def _where(rows: Rows, wanted: Mapping[str, str | None]) -> Rows:
    """Return the rows with these values; a topic need only hold the words.

    Raises:
        UserError: the rows have no such column.
    """
    for name, value in wanted.items():
        if value is None:
            continue
        if rows and name not in rows[0]:
            raise UserError(f"--{name} is of examinations; these have {', '.join(rows[0])}")
        rows = [row for row in rows if _is(row[name], name, value)]
    return rows


def _is(held: str, name: str, value: str) -> bool:
    if name == "topic":
        return all(word in held.casefold() for word in value.casefold().split())
    if (name, value) == ("outcome", "rejected"):
        return held not in ("accepted", "kept")
    return held == value


def _holding(rows: Rows, folder: "RunFolder", text: str, shower: "Trace") -> Rows:
    """Return the rows whose texts hold all these words, or words that begin so."""
    import threading

    from elenchus.records import Examination
    from inspection import rows as examinations
    from inspection.index import Index
    from models.prices import Prices

    if shower.RECORD is not Examination:
        words = text.casefold().split()
        held = (json.dumps(row, ensure_ascii=False).casefold() for row in rows)
        return [row for row, line in zip(rows, held, strict=True) if all(w in line for w in words)]
    index = Index(folder.ledger, Prices({}))
    try:
        index.refresh("texts", threading.TIMEOUT_MAX)
        listed = examinations.select(index, examinations.Selection(q=text), size=sys.maxsize)
    finally:
        index.close()
    found = {row.id for row in listed.rows}
    return [row for row in rows if row["examination"] in found]


def _after(rows: Rows, ledger: "Ledger", prefix: str, shower: "Trace") -> Rows:
    """Return the rows of what was written after something."""
    from graphs.trace import find

    later = ledger.later(shower.RECORD, find(ledger, prefix).entry.id)
    return [row for row in rows if later.intersection(map(str, row.values()))]


def _paged(rows: Rows, page: int, shower: "Trace") -> Rows:
    """Return a page of the rows, and say so; all of them where no person reads them."""
    from elenchus.records import Examination

    pages = max(1, -(-len(rows) // PAGE))
    if shower.RECORD is not Examination or pages == 1 or not sys.stdout.isatty():
        return rows
    page = min(page, pages)
    more = f"; --page {page + 1} shows more" if page < pages else ""
    print(f"page {page} of {pages}, {len(rows)} in all{more}")
    return rows[(page - 1) * PAGE : page * PAGE]
