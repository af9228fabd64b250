"""Prints what comparisons found: shares in percent, with their intervals."""

from typing import Any

from rich.console import Console
from rich.table import Table


def wide() -> Console:
    """A console whose tables are not broken where they are written to a file."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=200)


def show(found: dict[str, Any]) -> None:
    """Print the comparison: accuracy by strategy and size, differences, the headline numbers."""
    console = wide()
    console.print(_accuracies(found["table"]))
    console.print(_asked(found["table"]))
    console.print(_differences("adversarial minus", found["adversarial_minus"]))
    if of_seeds := _of_seeds(found["adversarial_minus"]):
        console.print(_differences("seeds alone", of_seeds))
    console.print(_differences("of what was failed before", found["learnt_minus"]))
    console.print(_by_samples(found["right_by_samples"]))
    for n, times in found["random_per_adversarial"].items():
        console.print(f"one of {n} adversarial samples is worth {_times(times)} random ones")
    for n, times in found["paraphrase_tokens_per_adversarial_token"].items():
        console.print(
            f"one token of {n} adversarial samples is worth {_times(times)} of paraphrase"
        )
    for line in found["missed"]:
        console.print(f"missed: {line}")


def _accuracies(cells: dict[str, dict[str, Any]]) -> Table:
    sizes = sorted({int(n) for by_size in cells.values() for n in by_size})
    shown = Table("right, %", *(f"n = {n}" for n in sizes), box=None)
    for strategy, by_size in cells.items():
        shown.add_row(strategy, *(percent(by_size.get(str(n))) for n in sizes))
    return shown


def _asked(cells: dict[str, dict[str, Any]]) -> Table:
    """What samples cost: the questions that the expert answered."""
    asked = {
        name: {int(n): cell["asked"] for n, cell in by_size.items() if cell["asked"]}
        for name, by_size in cells.items()
    }
    sizes = sorted({n for by_size in asked.values() for n in by_size})
    shown = Table("questions to the expert", *(f"n = {n}" for n in sizes), box=None)
    for name, counts in asked.items():
        if counts:
            shown.add_row(name, *(f"{counts[n]:.0f}" if n in counts else "" for n in sizes))
    return shown


def _differences(name: str, against: dict[str, dict[str, Any]]) -> Table:
    sizes = sorted({int(n) for by_size in against.values() for n in by_size})
    shown = Table(name, *(f"n = {n}" for n in sizes), box=None)
    for strategy, by_size in against.items():
        shown.add_row(strategy, *(percent(by_size.get(str(n)), "+") for n in sizes))
    return shown


def _of_seeds(against: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Differences with the interval of seeds alone, where they have one."""
    return {
        name: found
        for name, by_size in against.items()
        if (found := {n: cell["seeds"] for n, cell in by_size.items() if cell["seeds"]})
    }


def _by_samples(found: dict[str, dict[str, float]]) -> Table:
    counts = sorted({samples for shares in found.values() for samples in shares})
    shown = Table("right, %, by samples on the point", *counts, box=None)
    for strategy, shares in found.items():
        shown.add_row(strategy, *(f"{100 * shares[n]:.1f}" if n in shares else "" for n in counts))
    return shown


def _times(found: dict[str, float | None]) -> str:
    """A ratio with its interval. None is more than was tried, 0 less."""
    mean, low, high = (
        "more than was tried" if end is None else f"{end:.3g}" if end else "fewer than were tried"
        for end in (found["mean"], found["low"], found["high"])
    )
    return mean if found["low"] == found["high"] else f"{mean} [{low}, {high}]"


def percent(cell: dict[str, Any] | None, sign: str = "") -> str:
    """Mean and interval of a cell of shares, in percent; nothing for no cell."""
    if cell is None:
        return ""
    known = [key for key in ("mean", "low", "high") if cell[key] is not None]
    mean, *ends = (format(100 * cell[key], f"{sign}.1f") for key in known)
    return f"{mean} [{', '.join(ends)}]" if ends else mean
