"""The final screen of a run of examinations: before and after, and what to do next."""

from rich.console import Console
from rich.table import Table

from elenchus.runs import RunFolder, option
from graphs.adaptation.result import AdaptationResult, KeptResult, UpdateResult
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


def show(result: AdaptationResult, run: RunFolder, console: Console) -> None:
    """Print the screen."""
    say_verdict(console, result.verdict)
    console.print(_exams(result))
    say_results(console, result.exams)
    say_tests(console, result.tests)
    if kept := result.kept:
        console.print(_kept(kept), markup=False)
    for exam, name in EXAM_NAMES.items():
        if (row := result.exams.get(exam)) is not None and row.ungraded:
            console.print(f"{name}: {row.ungraded} answers had no usable grade, left out.")
    console.print(
        f"{result.examples} examples from {result.examinations} examinations in "
        f"{result.rounds} {'round' if result.rounds == 1 else 'rounds'} cover "
        f"{result.points_covered} of {result.points} points; {usage(result)}"
    )
    if result.update:
        console.print(_update(result.update), markup=False)
    console.print(f"Stopped: {result.stopped}.\n", markup=False)
    adapter = {"adapter": f"{result.adapter}/"} if result.adapter else {}
    say_where(console, run, {"dataset": "dataset/"} | adapter)
    root = option(run.path.parent.parent)
    say_commands(
        console,
        {
            run.command("trace"): "what the agents asked and said",
            f"elenchus runs {root}": "all runs, with their figures",
            "elenchus new NAME": "a domain of your own",
        },
    )


def _exams(result: AdaptationResult) -> Table:
    """Return every exam before and after; where nothing was trained, before alone."""
    trained = bool(result.adapter)
    what = "before and after" if trained else "the student, not trained"
    table = Table(title=f"{result.domain}: {what}, closed book", title_justify="left", box=None)
    table.add_column("", no_wrap=True)
    columns = ("n", "before", "after", "gain, 95 % interval") if trained else ("n", "before")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    # Two lines of its head: the screen has 80 columns.
    table.add_column(COMMONEST, justify="right", max_width=10)
    for exam, name in EXAM_NAMES.items():
        if (row := result.exams.get(exam)) is None:
            continue
        cells = [name, str(row.questions), share(row.before)]
        if trained:
            cells += [share(row.after), row.gain.as_gain() if row.gain else "–"]
        table.add_row(*cells, share(row.constant))
    return table


def _kept(kept: KeptResult) -> str:
    """Say how likely the student's own answers of before still are."""
    change = kept.change
    return (
        f"Its own answers to {kept.prompts} further general prompts, log-likelihood a token: "
        f"{kept.before:.2f} -> {kept.after:.2f}, {change.value:+.2f} "
        f"[{change.low:+.2f}, {change.high:+.2f}]."
    )


def _update(update: UpdateResult) -> str:
    """Return what moved since the run that this one goes on from."""
    lines = [
        f"Since {update.run}: {update.passages_gone} passages gone, {update.passages_new} new; "
        f"{update.examples_kept} examples kept, {update.examples_retired} retired; "
        f"{update.questions_retired} exam questions retired."
    ]
    both = {"new passages": update.new_passages, "other passages": update.other_passages}
    for what, exam in both.items():
        if exam:
            after = f" -> {share(exam.after)}" if exam.after else ""
            lines.append(
                f"{exam.questions} questions on {what}: {share(exam.before)}{after} right."
            )
    return "\n".join(lines)
