"""Prints what comparisons found: shares in percent, with their intervals."""

from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.cells import MANY


def wide() -> Console:
    """A console whose tables are not broken where they are written to a file."""
    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=200)


def show(found: dict[str, Any]) -> None:
    """Print the comparison: accuracy by strategy and size, differences, the headline numbers."""
    console, most = wide(), found["replicates"]
    console.print(_shares("right, %", found["table"], most))
    console.print(_asked(found["table"]))
    against = found["adversarial_minus"]
    console.print(_shares("adversarial minus", against, most, "+"))
    if of_seeds := _of_seeds(against):
        console.print(_shares("seeds alone", of_seeds, most, "+"))
    console.print(_shares("of what was failed before", found["learnt_minus"], most, "+"))
    console.print(_shares("at as many tokens of training", found["equal_tokens"], most, "+"))
    console.print(_by_samples(found["right_by_samples"]))
    for n, times in found["random_per_adversarial"].items():
        console.print(f"random samples for one of {n} adversarial ones: {_times(times)}")
    for n, times in found["paraphrase_tokens_per_adversarial_token"].items():
        tokens = f"tokens of paraphrase for one token of {n} adversarial samples"
        console.print(f"{tokens}: {_times(times)}")
    for line in [*_short(found["rows"]), *(f"missed: {line}" for line in found["missed"])]:
        console.print(line)


def _shares(name: str, cells: dict[str, dict[str, Any]], most: int, sign: str = "") -> Table:
    """A line for each strategy, a column for each size; says where replicates are fewer."""
    sizes = sorted({int(n) for by_size in cells.values() for n in by_size})
    shown = Table(name, *(f"n = {n}" for n in sizes), box=None)
    for strategy, by_size in cells.items():
        shown.add_row(strategy, *(_share(by_size.get(str(n)), most, sign) for n in sizes))
    return shown


def _share(cell: dict[str, Any] | None, most: int, sign: str) -> str:
    if cell is None or cell.get("replicates", most) == most:
        return percent(cell, sign)
    return f"{percent(cell, sign)} of {cell['replicates']}"


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


def _short(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each size that a strategy did not reach; texts have no samples to count."""
    return [
        f"{row['domain']}, seed {row['seed']}: {row['strategy']} has {row['samples']} samples, "
        f"not {row['n']}"
        for row in rows
        if row["samples"] < row["n"] and " x" not in row["strategy"]
    ]


def _of_seeds(against: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Differences with the interval of seeds alone, where they have one."""
    return {
        name: found
        for name, by_size in against.items()
        if (found := {n: cell["seeds"] for n, cell in by_size.items() if cell["seeds"]})
    }


def _by_samples(found: dict[str, dict[str, float]]) -> Table:
    counts = sorted({samples for shares in found.values() for samples in shares})
    heads = [f"{n} or more" if n == str(MANY) else n for n in counts]
    shown = Table("right, %, by samples on the point", *heads, box=None)
    for strategy, shares in found.items():
        shown.add_row(strategy, *(f"{100 * shares[n]:.1f}" if n in shares else "" for n in counts))
    return shown


def _times(found: dict[str, float | None]) -> str:
    """A ratio, and its interval where there is one. None is more than was tried, 0 less."""
    mean, low, high = (
        "more than was tried" if end is None else f"{end:.3g}" if end else "fewer than were tried"
        for end in (found["mean"], found["low"], found["high"])
    )
    return mean if found["replicates"] == 1 or low == high else f"{mean} [{low}, {high}]"


def percent(cell: dict[str, Any] | None, sign: str = "") -> str:
    """Mean and interval of a cell of shares, in percent; nothing for no cell."""
    if cell is None:
        return ""
    known = [key for key in ("mean", "low", "high") if cell[key] is not None]
    mean, *ends = (format(100 * cell[key], f"{sign}.1f") for key in known)
    return f"{mean} [{', '.join(ends)}]" if ends else mean
