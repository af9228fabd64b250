"""`elenchus trace`: what the agents of a run asked and said."""

import json
from typing import Annotated

import typer

from elenchus.cli import options
from elenchus.errors import UserError


def trace(
    run: options.Run,
    record: Annotated[
        str | None, typer.Argument(help="any id, or the start of one: of a question, a call, …")
    ] = None,
    root: options.Root = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Show what the agents did: all examinations, messages or passages, or whatever has an id.

    What is a part of an examination is shown with the whole of it.
    """
    from elenchus import runs
    from elenchus.ledger import Ledger
    from graphs.methods import method_of
    from graphs.trace import as_json as entry_as_json
    from graphs.trace import find, show, whole

    folder = runs.find(root, run)
    if not folder.ledger.exists():
        raise UserError(f"run {folder.id} stopped before it asked anything: nothing to show")
    ledger = Ledger(folder.ledger, read_only=True)
    shower = method_of(folder.manifest()["config"]["method"]).trace
    try:
        if record is None:
            rows = shower.overview(ledger, folder.id)
            print(json.dumps(rows)) if as_json else shower.show_overview(ledger, rows, folder)
            return
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
    finally:
        ledger.close()
