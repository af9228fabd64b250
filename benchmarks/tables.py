"""Prints what comparisons found: shares in percent, with their intervals."""

from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.cells import MANY


def wide() -> Console:
    """Return a console whose tables are not broken where they are written to a file."""
    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=200)


def show(figures: dict[str, Any]) -> None:
    """Print the comparison: accuracy by strategy and size, differences, the headline numbers."""
    console, most = wide(), figures["replicates"]
    console.print(_shares("right, %", figures["table"], most))
    console.print(_asked(figures["table"]))
    against = figures["adversarial_minus"]
    console.print(_shares("adversarial minus", against, most, "+"))
    if of_seeds := _of_seeds(against):
        console.print(_shares("seeds alone", of_seeds, most, "+"))
    console.print(_shares("of what was failed before", figures["learnt_minus"], most, "+"))
    console.print(_shares("at as many tokens of training", figures["equal_tokens"], most, "+"))
    for where, cells in _by_answers(figures["equal_answers"]).items():
        console.print(_shares(where, cells, most, "+"))
    console.print(_by_samples(figures["right_by_samples"]))
    for n, times in figures["random_per_adversarial"].items():
        console.print(f"random samples for one of {n} adversarial ones: {_times(times)}")
    for n, times in figures["paraphrase_tokens_per_adversarial_token"].items():
        tokens = f"tokens of paraphrase for one token of {n} adversarial samples"
        console.print(f"{tokens}: {_times(times)}")
    for line in [*_short(figures["rows"]), *(f"missed: {line}" for line in figures["missed"])]:
        console.print(line)


def _shares(name: str, cells: dict[str, dict[str, Any]], most: int, sign: str = "") -> Table:
    """Return a line a strategy and a column a size; a cell tells where replicates are fewer."""
    sizes = sorted({int(n) for by_size in cells.values() for n in by_size})
    table = Table(name, *(f"n = {n}" for n in sizes), box=None)
    for strategy, by_size in cells.items():
        table.add_row(strategy, *(_share(by_size.get(str(n)), most, sign) for n in sizes))
    return table


def _share(cell: dict[str, Any] | None, most: int, sign: str) -> str:
    if cell is None or cell.get("replicates", most) == most:
        return percent(cell, sign)
    return f"{percent(cell, sign)} of {cell['replicates']}"


def _asked(cells: dict[str, dict[str, Any]]) -> Table:
    """Return what samples cost: the questions that the expert answered."""
    asked = {
        name: {int(n): cell["asked"] for n, cell in by_size.items() if cell["asked"]}
        for name, by_size in cells.items()
    }
    sizes = sorted({n for by_size in asked.values() for n in by_size})
    table = Table("questions to the expert", *(f"n = {n}" for n in sizes), box=None)
    for name, counts in asked.items():
        if counts:
            table.add_row(name, *(f"{counts[n]:.0f}" if n in counts else "" for n in sizes))
    return table


def _short(rows: list[dict[str, Any]]) -> list[str]:
    """Return a line for each size that a strategy missed; texts have no samples to count."""
    return [
        f"{row['domain']}, seed {row['seed']}: {row['strategy']} has {row['samples']} samples, "
        f"not {row['n']}"
        for row in rows
        if row["samples"] < row["n"] and " x" not in row["strategy"]
    ]


def _of_seeds(against: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the differences with the interval of seeds alone, where they have one."""
    return {
        name: seeds
        for name, by_size in against.items()
        if (seeds := {n: cell["seeds"] for n, cell in by_size.items() if cell["seeds"]})
    }


def _by_answers(equal: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the tables at equal answers of the expert, by their heads: of all, and by domain."""
    name = "frugal minus, at n answers of the expert"
    whole = {rival: cells for rival, cells in equal.items() if not rival.endswith(" only")}
    parts = {where: cells for where, cells in equal.items() if where.endswith(" only") and cells}
    return ({name: whole} if whole else {}) | {f"{name}: {w}": cells for w, cells in parts.items()}


def _by_samples(by_strategy: dict[str, dict[str, float]]) -> Table:
    """Return the shares right by strategy and by samples on the question's point."""
    counts = sorted({samples for shares in by_strategy.values() for samples in shares})
    heads = [f"{n} or more" if n == str(MANY) else n for n in counts]
    table = Table("right, %, by samples on the point", *heads, box=None)
    for strategy, shares in by_strategy.items():
        table.add_row(strategy, *(f"{100 * shares[n]:.1f}" if n in shares else "" for n in counts))
    return table


def _times(ratio: dict[str, float | None]) -> str:
    """Format a ratio, and its interval if it has one. None is more than was tried, 0 less."""
    mean, low, high = (
        "more than was tried" if end is None else f"{end:.3g}" if end else "fewer than were tried"
        for end in (ratio["mean"], ratio["low"], ratio["high"])
    )
    return mean if ratio["replicates"] == 1 or low == high else f"{mean} [{low}, {high}]"


def percent(cell: dict[str, Any] | None, sign: str = "") -> str:
    """Format the mean and interval of a cell of shares, in percent; nothing for no cell."""
    if cell is None:
        return ""
    shares = [cell[key] for key in ("mean", "low", "high") if cell[key] is not None]
    mean, *ends = (format(100 * share, f"{sign}.1f") for share in shares)
    return f"{mean} [{', '.join(ends)}]" if ends else mean
