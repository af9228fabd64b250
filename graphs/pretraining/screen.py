"""The final screen of a pre-training: every exam after every stage, and what to do next."""

from rich.console import Console
from rich.table import Table

from elenchus.runs import RunFolder
from graphs.pretraining.result import PretrainingResult, Stage
from graphs.screens import (
    COMMONEST,
    EXAM_NAMES,
    say_commands,
    say_results,
    say_verdict,
    say_where,
    share,
    usage,
)
from graphs.test_screens import say_tests


def show(result: PretrainingResult, run: RunFolder, console: Console) -> None:
    """Print the screen."""
    say_verdict(console, result.verdict)
    console.print(_stages(result))
    say_results(console, result.exams)
    say_tests(console, result.tests)
    console.print(
        f"{result.passages_written} passages from {result.explanations} paragraphs on "
        f"{result.problems} problems; {usage(result)}"
    )
    console.print(f"Stopped: {result.stopped}.\n", markup=False)
    say_where(console, run, {"passages": "dataset/", "student": f"{result.adapter}/"})
    say_commands(console, {run.command("trace"): "the passages, and what was refused"})


def _stages(result: PretrainingResult) -> Table:
    """Return the share right in every exam, with the gain on the untouched student, by stage."""
    title = f"{result.domain}: right answers after each stage"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("after", no_wrap=True)
    table.add_column("tokens seen", justify="right", no_wrap=True)
    untouched = result.stages[0].exams
    exams = {name: exam for name in EXAM_NAMES if (exam := untouched.get(name)) and exam.questions}
    for name, exam in exams.items():
        table.add_column(f"{name}, n={exam.questions}", justify="right", no_wrap=True)
    for stage in result.stages:
        tokens = "–" if stage.tokens is None else f"{stage.tokens:,}"
        table.add_row(stage.stage, tokens, *(_share(stage, exam) for exam in exams))
    constants = [exam.constant for exam in exams.values()]
    if any(constant is not None for constant in constants):
        table.add_row(COMMONEST, "–", *map(share, constants))
    return table


def _share(stage: Stage, exam: str) -> str:
    if (accuracy := stage.accuracy(exam)) is None:
        return "–"
    taken = stage.exams[exam]
    gain = f" ({100 * taken.gain.value:+.1f})" if taken and taken.gain else ""
    return accuracy.as_share() + gain
