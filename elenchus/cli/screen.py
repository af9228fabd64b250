"""What a person sees: bars and findings on standard error while work goes on, then a table."""

import json
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from rich.console import Console, JustifyMethod
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from elenchus.printing import printable
from elenchus.progress import Advance, Pace, per_time
from elenchus.results import Result
from elenchus.runs import RunFolder
from graphs.methods import method_of

WIDEST = 10_000  # characters of a line that no terminal bounds


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(per_time(task.fields["pace"].rate(time.monotonic())), style="dim")


class _Left(ProgressColumn):
    def render(self, task: Task) -> Text:
        left = task.fields["pace"].left(time.monotonic(), task.total)
        return Text("" if left is None else f"{timedelta(seconds=round(left))} left", style="dim")


class Screen:
    """Progress on standard error: bars on a terminal, nothing but findings elsewhere.

    Stages of several runs may be under way at once: their bars stand below one another, and the
    last state of one that has ended stays above them.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._lock = threading.Lock()
        self._bars: Progress | None = None  # while a stage is under way

    @contextmanager
    def stage(self, name: str) -> Iterator[Advance]:
        """See `elenchus.progress.Progress.stage`."""
        pace = Pace(time.monotonic())
        with self._lock:
            if self._bars is None:
                self._bars = self._begun()
            bars = self._bars
            task = bars.add_task(name, total=None, pace=pace)

        def advance(done: int, total: int | None) -> None:
            pace.report(time.monotonic(), done)
            bars.update(task, completed=done, total=total)

        try:
            yield advance
        finally:
            with self._lock:
                self._end(bars, task)

    def _begun(self) -> Progress:
        """Show bars; there are none yet."""
        bars = Progress(
            TextColumn("{task.description:<44}"),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            _Left(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        bars.start()
        return bars

    def _end(self, bars: Progress, task: TaskID) -> None:
        """Leave the bar of a stage that has ended where it is, or above those that have not."""
        if len(bars.tasks) == 1:
            bars.stop()
            self._bars = None
            return
        if not bars.disable:
            (ended,) = (one for one in bars.tasks if one.id == task)
            self._console.print(bars.make_tasks_table([ended]))
        bars.remove_task(task)

    def say(self, text: str) -> None:
        """See `elenchus.progress.Progress.say`."""
        self._console.print(f"  {printable(text)}", style="dim", markup=False)


def table(
    columns: Sequence[str], rows: Iterable[Iterable[object]], right: Collection[str] = ()
) -> Table:
    """Return a table without lines, a row a line, with the columns in `right` aligned to the right.

    `show_table` prints it.
    """
    shown = Table(box=None)
    for name in columns:
        number = name in right  # which is never cut: names are, to make room
        justify: JustifyMethod = "right" if number else "left"
        shown.add_column(name, justify=justify, overflow="ellipsis", no_wrap=number)
    for row in rows:
        cells = (" ".join(printable(str(cell)).split()) for cell in row)
        shown.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in cells))
    return shown


def show_table(console: Console, shown: Table, whole: bool = False) -> None:
    """Print a table as wide as the terminal, with an ellipsis where a name is cut.

    What a file or a program reads is `whole`; so is what other commands want, such as ids.
    """
    if whole or not console.is_terminal:
        unbounded = console.options.update(max_width=WIDEST)
        console = Console(
            file=console.file,
            width=max(console.width, console.measure(shown, options=unbounded).maximum),
        )
    console.print(shown)


def finish(result: Result, root: Path, as_json: bool) -> None:
    """Print what a run that has just ended came to, and write its report.

    In this order: a report that cannot be written, on a full disk, keeps nobody from the result.
    """
    from inspection import report

    show_result(result, root, as_json)
    report.write(RunFolder(root / result.domain / result.run))


def show_result(result: Result, root: Path, as_json: bool) -> None:
    """Print what a finished run came to, as its method shows it."""
    run = RunFolder(root / result.domain / result.run)
    if as_json:
        print(json.dumps(result.model_dump(mode="json") | {"path": run.path.as_posix()}))
    else:
        console = Console(highlight=False, width=80)
        method_of(result.method).report(result, run, console)
        if result.verdict is not None:  # last, too, since long screens scroll
            console.print(f"\nVerdict: {result.verdict.word}, run {result.run}", markup=False)
