"""What a person sees of a run while it works: bars and findings on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from elenchus.printing import printable


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.0f}/s" if task.speed else "", style="dim")


class Screen:
    """Progress on standard error: bars on a terminal, nothing but findings elsewhere."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[Any]:
        """See `elenchus.progress.Progress.stage`."""
        with Progress(
            TextColumn("{task.description:<44}"),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            console=self._console,
            disable=not self._console.is_terminal,
        ) as progress:
            task = progress.add_task(name, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)

    def say(self, text: str) -> None:
        """See `elenchus.progress.Progress.say`."""
        self._console.print(f"  {printable(text)}", style="dim", markup=False)
