"""`elenchus trace`: what the agents of a run asked and said."""

import json
from typing import Annotated

import typer

from elenchus.cli import options
from elenchus.errors import UserError


def trace(
    run: options.Run,
    record: Annotated[
        str | None, typer.Argument(help="an examination's id, a synthetic message's, a passage's")
    ] = None,
    root: options.Root = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Show what the agents did: all examinations, messages or passages, or one of them whole."""
    from elenchus import runs
    from elenchus.ledger import Ledger
    from graphs.methods import method_of
    from graphs.trace import one_record

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
        shown = one_record(ledger, record, shower.RECORD)
        if as_json:
            print(json.dumps(shower.as_json(ledger, shown), ensure_ascii=False))
        else:
            shower.show(ledger, shown)
    finally:
        ledger.close()
