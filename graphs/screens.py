"""What the final screens of all methods share."""

from rich.console import Console

from elenchus.results import Result
from elenchus.runs import RunFolder

EXAM_NAMES = {
    "held-out": "held-out exam, closed book",
    "general": "general exam (forgetting)",
    "hand": "hand-written exam, closed book",
}


def usage(result: Result) -> str:
    """Return what a run took, for the end of a sentence."""
    took = f"{result.calls:,} calls, {result.tokens:,} tokens, {result.seconds:.0f} s"
    return took + (" since it was last resumed." if result.resumed else ".")


def say_where(console: Console, run: RunFolder, places: dict[str, str]) -> None:
    """Print where things lie, below the run folder."""
    width = max(map(len, places)) + 2
    for name, place in places.items():
        path = f"{run.path.as_posix()}/{place}"
        console.print(f"{name:<{width}}{path}", markup=False, soft_wrap=True)


def say_commands(console: Console, commands: dict[str, str]) -> None:
    """Print what can be done next, with the reason."""
    console.print("\nNext:")
    for command, why in commands.items():
        console.print(f"  {command:<46} {why}", markup=False, soft_wrap=True)
