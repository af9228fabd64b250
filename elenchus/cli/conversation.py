"""A talk on the terminal: two answers side by side as they are written, and the commands within."""

import asyncio
import contextlib
import io
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from elenchus.errors import UserError
from elenchus.printing import in_line, printable

if TYPE_CHECKING:
    from elenchus.records import Passage
    from graphs.chatting import Consulted, Hears, Talk

WIDE = 90  # columns of a terminal from which two answers stand side by side
PAUSE = 0.08  # seconds between two pictures of answers that are being written
SHOWN = 400  # characters of a passage
HELP = """/expert       the expert's answer to the last question, with what it cites; it is paid for
/passages     what the expert would be shown for the last question
/keep [NOTE]  keep the last question, as the adapted student was wrong: the next run asks it
/help         this
/quit         end, as Ctrl-D does; Ctrl-C ends an answer"""


def screen() -> Console:
    """Return where a talk is shown; what is no terminal gets its lines unbroken."""
    whole = not sys.stdout.isatty()
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=whole)


def converse(talk: "Talk", lines: Iterable[str], console: Console, by_hand: bool = True) -> None:
    """Answer lines, each a question or a command, until there are no more.

    Args:
        by_hand: whether a person types them; then Ctrl-C ends an answer, and else the talk.
    """
    with asyncio.Runner() as runner:
        try:
            for line in lines:
                try:
                    if not _heeded(talk, line.strip(), console, runner):
                        return
                except KeyboardInterrupt:
                    if not by_hand:
                        raise
                    console.print(Text("(ended)", style="dim"))
        finally:
            runner.run(talk.close())


def typed(prompt: str, console: Console) -> Iterator[str]:
    """Yield the lines that a person types, or another program writes, to the end of the input."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    if sys.stdin.isatty():
        with contextlib.suppress(ImportError):  # Windows has another way to edit a line
            import readline  # noqa: F401
    while True:
        try:
            yield input(prompt if sys.stdin.isatty() else "")
        except EOFError:
            if sys.stdin.isatty():
                console.print()  # whatever comes next stands on a line of its own
            return
        except KeyboardInterrupt:
            if not sys.stdin.isatty():  # nobody is there to type /quit
                raise
            console.print("\n/quit or Ctrl-D ends")


def _heeded(talk: "Talk", line: str, console: Console, runner: asyncio.Runner) -> bool:
    """Do what a line asks for, or say why that cannot be; False to end the talk."""
    command, _, rest = line.partition(" ")
    if command == "/quit":
        return False
    try:
        if not line:
            console.print("type a question, or /help")
        elif not line.startswith("/"):
            ask(talk, line, console, runner)
        elif command == "/help":
            console.print(Text(HELP))
        elif command == "/expert":
            _show_expert(console, runner.run(talk.expert()))
        elif command == "/passages":
            _show_passages(console, runner.run(talk.passages()))
        elif command == "/keep":
            console.print(Text(kept(talk, rest)))
        else:
            raise UserError(f"there is no command {command}: /help lists them")
    except UserError as error:
        console.print(Text(printable(str(error)), style="red"))
    return True


def ask(talk: "Talk", question: str, console: Console, runner: asyncio.Runner) -> None:
    """Have the students answer a question, and show it."""
    with shown(talk.names, console) as hears:
        runner.run(talk.answer(printable(question), hears))


def kept(talk: "Talk", note: str) -> str:
    """Keep the last question; return what becomes of it."""
    point, _ = talk.keep(printable(note))
    run = talk.run
    return (
        f"kept; it is about: {printable(' '.join(point.statement.split()))}\n"
        f"The next run asks it: {run.command('update')}, or elenchus launch with --reuse {run.id}"
    )


@contextlib.contextmanager
def shown(names: Sequence[str], console: Console) -> "Iterator[Hears]":
    """Show answers as they are written; where nobody looks on, once they are."""
    texts = [""] * len(names)

    def hears(n: int, text: str) -> None:
        texts[n] = text

    if not console.is_terminal:
        try:
            yield hears
        finally:
            for name, text in zip(names, texts, strict=True):
                console.print(Text(f"{name}:\n{_said(text)}\n"))
        return
    with Live(console=console, auto_refresh=False) as live:
        drawn = time.monotonic()

        def draws(n: int, text: str) -> None:
            nonlocal drawn
            hears(n, text)
            if (now := time.monotonic()) - drawn >= PAUSE:
                drawn = now
                live.update(picture(names, texts, console.width), refresh=True)

        try:
            yield draws
        finally:
            live.update(picture(names, texts, console.width), refresh=True)


def picture(names: Sequence[str], texts: Sequence[str], width: int) -> RenderableType:
    """Return answers under their names: beside each other where there is room, else in turn.

    Args:
        width: of the terminal, in columns.
    """
    heads = [Text(name, style="bold") for name in names]
    # As texts: what models say may look like markup.
    bodies = [Text(_said(text)) for text in texts]
    if width < WIDE or len(names) == 1:
        parts = zip(heads, bodies, strict=True)
        return Group(*(part for pair in parts for part in (*pair, Text(""))))
    grid = Table.grid(padding=(0, 4, 0, 0), expand=True)
    for _ in names:
        grid.add_column(ratio=1)
    grid.add_row(*heads)
    grid.add_row(*bodies)
    return Group(grid, Text(""))


def _said(text: str) -> str:
    return printable(text) or "(nothing)"


def _show_expert(console: Console, consulted: "Consulted") -> None:
    """Print the expert's answer with what it cites, and what it cost."""
    answer, passages, fault, paid = consulted
    by_id = {passage.id: passage for passage in passages}
    _say(console, answer.text, "bold")
    if answer.abstained:
        _say(console, "(the passages that were found do not decide it)")
    for citation in answer.citations:
        passage = by_id.get(citation.passage_id)
        where = place(passage) if passage else citation.passage_id
        _say(console, f"“{citation.quote}”\n  {where}", "dim")
    if fault:
        _say(console, f"Not to be relied on: {fault}", "red")
    _say(console, f"({paid})\n", "dim")


def _show_passages(console: Console, passages: "Sequence[Passage]") -> None:
    """Print the beginning of each passage that was found, the best first."""
    for number, passage in enumerate(passages, 1):
        _say(console, f"{number}. {place(passage)}")
        _say(console, f"{in_line(passage.text, SHOWN)}\n", "dim")


def place(passage: "Passage") -> str:
    """Return the document and the headings that a passage stands under."""
    return " > ".join(dict.fromkeys((passage.title or passage.source, *passage.heading)))


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(printable(text), style=style))


def silent(names: Sequence[str]) -> Callable[[int, str], None]:
    """Return a reader who shows nothing, for output that a program reads."""
    return lambda n, text: None
