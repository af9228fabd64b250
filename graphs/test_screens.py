"""Tests of the user's own on a terminal: all of a run in one table, or one with all its models."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from elenchus.printing import printable
from elenchus.results import TestResult, TestSitting
from graphs.screens import COMMONEST, share

LONGEST = 20  # characters of a name in a table


def say_tests(console: Console, tests: Mapping[str, TestResult]) -> None:
    """Print a row for each test, before and after; nothing where there are none."""
    if not tests:
        return
    trained = any(taken.after for taken in tests.values())
    shown = Table(title="Tests of your own", title_justify="left", box=None)
    shown.add_column("", no_wrap=True)
    columns = ("n", "before", "after", "gain, 95 % interval", "p") if trained else ("n", "before")
    for column in columns:
        shown.add_column(column, justify="right", no_wrap=True)
    shown.add_column(COMMONEST, justify="right", max_width=10)
    for name, taken in tests.items():
        before, after = taken.before, taken.after
        cells = [str(taken.questions), share(before.accuracy if before else None)]
        if trained:
            cells += [share(after.accuracy if after else None), *_against(after)]
        shown.add_row(_name(name), *cells, share(taken.chance))
    console.print()
    console.print(shown)
    for name, taken in tests.items():
        if said := left_out(taken):
            console.print(f"{name}: {said}.", style="dim", markup=False)


def show_test(console: Console, name: str, taken: TestResult) -> None:
    """Print how every model did on a test, by all measures that have a meaning."""
    title = f"{name}: {taken.questions} questions, score: {taken.score}"
    shown = Table(title=Text(title), title_justify="left", box=None, padding=(0, 1, 0, 0))
    shown.add_column("", no_wrap=True, overflow="ellipsis", max_width=LONGEST)
    sittings = list(taken.models.values())
    balanced = any(one.balanced for one in sittings)
    compared = any(one.gain for one in sittings)
    sure = any(one.brier is not None for one in sittings)
    for column, wanted in (
        ("accuracy", True), ("balanced", balanced), ("gain, 95 % interval", compared),
        ("p", compared), ("Brier", sure), ("ECE", sure),
    ):  # fmt: skip
        if wanted:
            shown.add_column(column, justify="right", no_wrap=True)
    for who, one in taken.models.items():
        cells = [share(one.accuracy)]
        cells += [share(one.balanced)] if balanced else []
        cells += _against(one) if compared else []
        cells += [_number(one.brier), _number(one.calibration_error)] if sure else []
        shown.add_row(_name(who), *cells)
    if taken.chance is not None:
        even = [share(1 / sum(count > 0 for count in taken.labels.values()))] if balanced else []
        shown.add_row(COMMONEST, share(taken.chance), *even, style="dim")
    console.print()
    console.print(shown)
    if said := left_out(taken):
        console.print(f"{said[0].upper()}{said[1:]}.", style="dim", markup=False)


def left_out(taken: TestResult) -> str:
    """Say what of a test is not in its figures; "" where all of it is."""
    parts = {
        "questions seen in training are left out": taken.leaked,
        "questions have no grade": taken.ungraded,
        "rows cannot be asked": taken.left_out,
    }
    return "; ".join(f"{count} {said}" for said, count in parts.items() if count)


def _against(sitting: TestSitting | None) -> list[str]:
    """Return the cells of gain and p; dashes where there is nothing to compare with."""
    if sitting is None or sitting.gain is None:
        return ["–", "–"]
    return [sitting.gain.as_gain(), _number(sitting.p)]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _name(name: str) -> Text:
    return Text(printable(name), overflow="ellipsis", no_wrap=True)
