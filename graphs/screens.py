"""What the final screens and the cards of all methods share."""

from collections.abc import Mapping

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from elenchus.printing import printable
from elenchus.results import Estimate, ExamResult, Result, RunVerdict
from elenchus.runs import RunFolder

EXAM_NAMES = {
    "held-out": "held-out exam",
    "untaught": "points not taught",
    "general": "general (forgetting)",
    "hand": "hand-written exam",
}
COMMONEST = "always the commonest"  # answer: what that would score
STYLES = {"better": "green", "worse": "red", "not to be trusted": "red"}


def say_verdict(console: Console, verdict: RunVerdict | None) -> None:
    """Print the verdict with its reasons, which lead a screen."""
    console.print()
    if verdict is None:
        return
    console.print(f"Verdict: {verdict.word}", style=f"bold {STYLES.get(verdict.word, '')}".strip())
    for reason in verdict.reasons:
        console.print(Padding(Text(printable(reason)), (0, 0, 0, 2)))
    console.print()


def say_results(console: Console, exams: Mapping[str, ExamResult | None]) -> None:
    """Print, in a smaller line, the shares of right results whatever the reason that was given."""
    parts = []
    for exam, name in EXAM_NAMES.items():
        taken = exams.get(exam)
        if taken is not None and taken.results_before is not None:
            after = f" -> {share(taken.results_after)}" if taken.results_after else ""
            parts.append(f"{name} {share(taken.results_before)}{after}")
    if parts:
        said = f"Right results, whatever the reason: {'; '.join(parts)}."
        console.print(said, style="dim", markup=False)


def share(estimate: Estimate | float | None) -> str:
    """Return a share as a percentage; a dash where it is not known."""
    if estimate is None:
        return "–"
    return f"{estimate:.1%}" if isinstance(estimate, float) else estimate.as_share()


def usage(result: Result) -> str:
    """Return what a run took, for the end of a sentence."""
    took = f"{result.calls:,} calls, {result.tokens:,} tokens, {result.seconds:.0f} s"
    return took + (" since it was last resumed." if result.resumed else ".")


def say_where(console: Console, run: RunFolder, places: dict[str, str]) -> None:
    """Print where things lie, below the run folder; the report, too, with which a run ends."""
    places = places | {"report": "report.html"}
    width = max(map(len, places)) + 2
    for name, place in places.items():
        path = f"{run.path.as_posix()}/{place}"
        console.print(f"{name:<{width}}{path}", markup=False, soft_wrap=True)


def say_commands(console: Console, commands: dict[str, str]) -> None:
    """Print what can be done next, with the reason."""
    console.print("\nNext:")
    for command, why in commands.items():
        console.print(f"  {command:<46} {why}", markup=False, soft_wrap=True)
