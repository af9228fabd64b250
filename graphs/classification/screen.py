"""The final screen of a run that makes classifiers: each of them on the real test messages."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from elenchus.printing import printable
from elenchus.runs import RunFolder
from graphs.classification.result import ClassificationResult
from graphs.screens import say_commands, say_verdict, say_where, usage


def show(result: ClassificationResult, run: RunFolder, console: Console) -> None:
    """Print the screen."""
    say_verdict(console, result.verdict)
    console.print(_classifiers(result))
    for note in result.notes:
        console.print(printable(note), markup=False)
    console.print(f"{result.examples} synthetic messages kept of {result.written}; {usage(result)}")
    console.print(f"Stopped: {result.stopped}.\n", markup=False)
    trained = any(row.model == result.student for row in result.classifiers)
    places = {"messages": "dataset", "report": "report.md"}
    say_where(console, run, places | ({"classifiers": "classifiers"} if trained else {}))
    say_commands(console, {run.command("trace"): "what the agents wrote, and what was left out"})


def _classifiers(result: ClassificationResult) -> Table:
    test = f"{result.test} real test messages, {len(result.classes)} classes"
    table = Table(box=None, padding=(0, 2, 0, 0), title_justify="left")
    table.title = f"{result.domain}: {test}"
    for name in ("trained on", "model"):
        table.add_column(name, no_wrap=True)
    for name in ("accuracy, 95 %", "macro F1", "Brier", "ECE"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in result.classifiers:
        measured = row.metrics
        low, high = 100 * measured.accuracy.low, 100 * measured.accuracy.high
        estimates = (measured.f1, measured.brier, measured.calibration_error)
        table.add_row(
            f"{row.samples} {row.mix}" if row.samples else "nothing",
            Text(printable(row.model)),  # a folder's name may look like markup
            f"{measured.accuracy.as_share()} [{low:.1f}, {high:.1f}]",
            *("–" if estimate is None else f"{estimate.value:.3f}" for estimate in estimates),
        )
    return table
