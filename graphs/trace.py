"""What traces of all methods share: finding a record by its id, and labelled paragraphs."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from elenchus.errors import UserError
from elenchus.ledger import AnyRecord, Ledger
from elenchus.printing import printable
from elenchus.runs import RunFolder

WIDTH = 80


def one_record(ledger: Ledger, prefix: str, kind: type[AnyRecord]) -> AnyRecord:
    """Return the record of this id, or start of an id; UserError when there is not just one."""
    matching = ledger.find(kind, prefix)
    if len(matching) != 1:
        name = kind.__name__.lower()
        count = f"no {name} starts" if not matching else f"{len(matching)} {name}s start"
        raise UserError(f"{count} with {prefix!r}; `elenchus trace RUN --json` lists them")
    return matching[0]


def say(console: Console, who: str, text: str, style: str = "") -> None:
    """Print one labelled paragraph."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=9)
    grid.add_column()
    # As a text: what models and documents say may look like markup.
    grid.add_row(Text(who, style="bold"), Text(printable(text), style=style))
    console.print(grid)


def say_next(console: Console, run: RunFolder, record_id: str) -> None:
    """Print the command that shows one of the records whole."""
    command = run.command("trace", record_id[:10])
    console.print(f"\nOne of them whole: {command}", markup=False, soft_wrap=True)
