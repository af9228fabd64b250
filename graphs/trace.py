"""What traces of all methods share: finding what an id names, and labelled paragraphs."""

import json
from collections import Counter
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from elenchus.errors import UserError
from elenchus.ledger import AnyRecord, Entry, Ledger
from elenchus.printing import printable
from elenchus.runs import RunFolder

WIDTH = 80
SHOWN = 8  # records that use another one, named and looked through at most


class Found(NamedTuple):
    """What an id names: a record or a call, as the ledger holds it, and what refers to it."""

    entry: Entry
    used_by: list[Entry]


def find(ledger: Ledger, prefix: str) -> Found:
    """Return what has this id, or a start of it; UserError where there is not just one."""
    entries = ledger.entries(prefix)
    if len(entries) != 1:
        several = ", ".join(entry.id for entry in entries[:3])
        count = "nothing has an id that starts" if not entries else f"{len(entries)} ids start"
        more = f": {several}, …; give more of it" if entries else ""
        raise UserError(f"{count} with {prefix!r}{more}; `elenchus trace RUN --json` lists ids")
    entry = entries[0]
    return Found(entry, [other for other in _users(ledger, entry) if other.id != entry.id])


def whole(ledger: Ledger, found: Found, kind: type[AnyRecord]) -> AnyRecord | None:
    """Return the record of a kind that something is, or is a part of; None where there is no one.

    A question is in a turn, and that in an examination; a passage is in many.
    """
    name = kind.__name__
    if found.entry.kind == name:
        return ledger.get(kind, found.entry.id)
    ids = {entry.id for entry in found.used_by if entry.kind == name}
    ids |= {i for key, i in found.entry.body.items() if key == f"{name.lower()}_id"}
    if not ids and len(found.used_by) <= SHOWN:
        above = [entry for user in found.used_by for entry in _users(ledger, user)]
        ids = {entry.id for entry in above if entry.kind == name}
    return ledger.get(kind, ids.pop()) if len(ids) == 1 else None


def as_json(found: Found) -> dict[str, Any]:
    """Return a record or a call with what refers to it."""
    entry = found.entry
    users = [{"kind": user.kind, "id": user.id} for user in found.used_by]
    return {"kind": entry.kind, "record": entry.body | {"id": entry.id}, "used_by": users}


def show(found: Found) -> None:
    """Print a record or a call, field by field, and what refers to it."""
    console = Console(width=WIDTH, highlight=False)
    entry = found.entry
    console.print(f"{entry.kind} {entry.id}", style="bold", markup=False)
    for key, value in entry.body.items():
        if key in ("request", "prompt"):  # the messages of a call, which keeps them as JSON
            for message in json.loads(value) if isinstance(value, str) else value:
                say(console, message["role"], message["content"], style="dim")
        elif value not in (None, "", [], {}):
            say(console, key.replace("_", " "), _text(value))
    counts = Counter(user.kind for user in found.used_by)
    if counts:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
        ids = [user.id for user in found.used_by[:SHOWN]]
        more = ", …" if len(found.used_by) > SHOWN else ""
        say(console, "used by", f"{kinds}: {', '.join(ids)}{more}", style="dim")


def say(console: Console, who: str, text: str, style: str = "") -> None:
    """Print one labelled paragraph."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=max(9, len(who)))
    grid.add_column()
    # As a text: what models and documents say may look like markup.
    grid.add_row(Text(who, style="bold"), Text(printable(text), style=style))
    console.print(grid)


def say_next(console: Console, run: RunFolder, record_id: str) -> None:
    """Print the command that shows one of the records whole."""
    command = run.command("trace", record_id[:10])
    console.print(f"\nOne of them whole: {command}", markup=False, soft_wrap=True)


def _users(ledger: Ledger, entry: Entry) -> list[Entry]:
    """Return the records that name an entry, or hold it as it stands."""
    return ledger.mentioning(entry.id, entry.text)


def _text(value: Any) -> str:
    """Return a field as a text: names in a line, other values as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return json.dumps(
        value, ensure_ascii=False, indent=2 if isinstance(value, list | dict) else None
    )
