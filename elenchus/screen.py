"""What a person sees of a run: bars while it works, and the table at its end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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
from rich.table import Table
from rich.text import Text

from elenchus import runs
from elenchus.printing import printable

EXAM_NAMES = {
    "held-out": "held-out exam, closed book",
    "general": "general exam (forgetting)",
    "hand": "hand-written exam, closed book",
}


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.0f}/s" if task.speed else "", style="dim")


class Screen:
    """Progress on standard error: bars on a terminal, nothing but findings elsewhere."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[Any]:
        """A stage under way; yields the function that moves its bar."""
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
        self._console.print(f"  {printable(text)}", style="dim", markup=False)


def show_result(result: dict[str, Any], run_path: str, console: Console | None = None) -> None:
    """The final screen: before and after, where things lie, what to do next."""
    console = console or Console(highlight=False, width=80)
    console.print()
    console.print(_exams(result))
    for exam, name in EXAM_NAMES.items():
        if (row := result["exams"][exam]) is not None and row["ungraded"]:
            console.print(f"{name}: {row['ungraded']} answers had no usable grade, left out.")
    console.print(
        f"{result['examples']} examples from {result['examinations']} examinations in "
        f"{result['rounds']} {'round' if result['rounds'] == 1 else 'rounds'} cover "
        f"{result['points_covered']} of {result['points']} points; "
        f"{result['calls']:,} calls, {result['tokens']:,} tokens, {result['seconds']:.0f} s"
        + (" since it was last resumed." if result["resumed"] else ".")
    )
    if update := result.get("update"):
        console.print(_update(update), markup=False)
    console.print(f"Stopped: {result['stopped']}.\n", markup=False)
    console.print(f"dataset  {run_path}/dataset/", markup=False, soft_wrap=True)
    if result["adapter"]:
        console.print(f"adapter  {run_path}/{result['adapter']}/", markup=False, soft_wrap=True)
    console.print("\nNext:")
    run = runs.RunFolder(Path(run_path))
    for command, why in (
        (run.command("trace"), "what the agents asked and said"),
        (f"elenchus runs {runs.option(run.path.parent.parent)}", "all runs, with their figures"),
        ("elenchus new NAME", "a domain of your own"),
    ):
        console.print(f"  {command:<46} {why}", markup=False, soft_wrap=True)


def show_classifiers(result: dict[str, Any], run_path: str, console: Console | None = None) -> None:
    """The final screen of a run that makes classifiers: every one on the real test messages."""
    console = console or Console(highlight=False, width=80)
    console.print()
    console.print(_classifiers(result))
    for line in result["notes"]:
        console.print(printable(line), markup=False)
    console.print(
        f"{result['examples']} synthetic messages kept of {result['written']}; "
        f"{result['calls']:,} calls, {result['tokens']:,} tokens, {result['seconds']:.0f} s"
        + (" since it was last resumed." if result["resumed"] else ".")
    )
    console.print(f"Stopped: {result['stopped']}.\n", markup=False)
    trained = any(row["model"] == result["student"] for row in result["classifiers"])
    places = [("messages", "dataset"), ("report", "report.md")]
    for name, place in [*places, *([("classifiers", "classifiers")] if trained else [])]:
        console.print(f"{name:<12} {run_path}/{place}", markup=False, soft_wrap=True)
    _trace(run_path, "what the agents wrote, and what was left out", console)


def show_stages(result: dict[str, Any], run_path: str, console: Console | None = None) -> None:
    """The final screen of a run that goes on with pre-training: every exam after every stage."""
    console = console or Console(highlight=False, width=80)
    console.print()
    console.print(_stages(result))
    console.print(
        f"{result['passages_written']} passages from {result['explanations']} paragraphs on "
        f"{result['problems']} problems; {result['calls']:,} calls, {result['tokens']:,} tokens, "
        f"{result['seconds']:.0f} s" + (" since it was last resumed." if result["resumed"] else ".")
    )
    console.print(f"Stopped: {result['stopped']}.\n", markup=False)
    for name, place in (("passages", "dataset"), ("student", result["adapter"])):
        console.print(f"{name:<12} {run_path}/{place}/", markup=False, soft_wrap=True)
    _trace(run_path, "the passages, and what was refused", console)


def _trace(run_path: str, why: str, console: Console) -> None:
    command = runs.RunFolder(Path(run_path)).command("trace")
    console.print(f"\nNext:\n  {command:<46} {why}", markup=False, soft_wrap=True)


def _stages(result: dict[str, Any]) -> Table:
    """Share right in every exam, and the gain on the untouched student, by stage."""
    title = f"{result['domain']}: right answers after each stage"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("after", no_wrap=True)
    table.add_column("tokens seen", justify="right", no_wrap=True)
    exams = [exam for exam in EXAM_NAMES if result["stages"][0][exam] is not None]
    for exam in exams:
        asked = result["stages"][0][exam]["questions"]
        table.add_column(f"{exam}, n={asked}", justify="right", no_wrap=True)
    for row in result["stages"]:
        cells = [row["stage"], f"{row['tokens']:,}" if "tokens" in row else "–"]
        for exam in exams:
            if (sat := row[exam]) is None:
                cells.append("–")
                continue
            gain = f" ({100 * sat['gain']['value']:+.1f})" if sat["gain"] else ""
            cells.append(f"{sat['accuracy']['value']:.1%}{gain}")
        table.add_row(*cells)
    return table


def _classifiers(result: dict[str, Any]) -> Table:
    """Every classifier on the real test messages."""
    title = (
        f"{result['domain']}: {result['test']} real test messages, {len(result['classes'])} classes"
    )
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("trained on", "model"):
        table.add_column(name, no_wrap=True)
    for name in ("accuracy, 95 %", "macro F1", "Brier", "ECE"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in result["classifiers"]:
        found = row["metrics"]
        accuracy = found["accuracy"]
        low, high = (100 * accuracy[end] for end in ("low", "high"))
        table.add_row(
            f"{row['samples']} {row['mix']}" if row["samples"] else "nothing",
            Text(printable(row["model"])),  # a folder's name may look like markup
            f"{accuracy['value']:.1%} [{low:.1f}, {high:.1f}]",
            *(f"{found[key]['value']:.3f}" if found[key] else "–"
              for key in ("f1", "brier", "calibration_error")),
        )  # fmt: skip
    return table


def _update(update: dict[str, Any]) -> str:
    """What moved since the run that this one goes on from."""
    lines = [
        f"Since {update['run']}: {update['passages_gone']} passages gone, "
        f"{update['passages_new']} new; {update['examples_kept']} examples kept, "
        f"{update['examples_retired']} retired; {update['questions_retired']} exam questions "
        "retired."
    ]
    for key, what in (("new_passages", "new passages"), ("other_passages", "other passages")):
        if exam := update[key]:
            after = f" -> {_share(exam['after'])}" if exam["after"] else ""
            questions = f"{exam['questions']} questions on {what}"
            lines.append(f"{questions}: {_share(exam['before'])}{after} right.")
    return "\n".join(lines)


def _exams(result: dict[str, Any]) -> Table:
    """Every exam before and after; where nothing was trained, before alone."""
    trained = bool(result["adapter"])
    what = "before and after" if trained else "the student, not trained"
    table = Table(title=f"{result['domain']}: {what}", title_justify="left")
    table.add_column("")
    for name in ("n", "before", "after", "gain, 95 % interval")[: 4 if trained else 2]:
        table.add_column(name, justify="right")
    for exam, name in EXAM_NAMES.items():
        if (row := result["exams"][exam]) is None:
            continue
        cells = [name, str(row["questions"]), _share(row["before"])]
        if trained:
            cells += [_share(row["after"]), _gain(row["gain"])]
        table.add_row(*cells)
    return table


def _share(found: dict[str, float] | None) -> str:
    return "–" if found is None else f"{found['value']:.1%}"


def _gain(found: dict[str, float] | None) -> str:
    if found is None:
        return "–"
    value, low, high = (100 * found[key] for key in ("value", "low", "high"))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"
