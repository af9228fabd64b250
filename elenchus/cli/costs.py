"""How what roles use is shown: in an estimate, and after a preview."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from graphs.estimate import Use

COLUMNS = ("role", "model", "calls", "tokens read", "tokens written", "USD")


def show_uses(console: "Console", uses: "Sequence[Use]") -> None:
    """Print a row for each role; the console must read no markup."""
    from elenchus.cli.screen import show_table, table

    rows = (
        (
            use.role,
            use.model,
            *(f"{count:,}" for count in (use.calls, use.tokens_read, use.tokens_written)),
            "no price known" if use.usd is None else f"{use.usd:.2f}",
        )
        for use in uses
    )
    show_table(console, table(COLUMNS, rows, right=COLUMNS[2:]))


def total(uses: "Sequence[Use]", caps: Mapping[str, float | None], several: bool = False) -> str:
    """Return what the roles use together, against the caps on it.

    "" where nothing costs and no cap is passed, unless the roles are those of several domains.
    """
    costs = [use.usd for use in uses]
    used = {
        "calls": sum(use.calls for use in uses),
        "tokens": sum(use.tokens_read + use.tokens_written for use in uses),
        "usd": sum(cost for cost in costs if cost is not None),
    }
    passed = [
        f"budget.{name}={cap:.12g}"
        for name, amount in used.items()
        if (cap := caps.get(name)) is not None and amount > cap
    ]
    said = [f"{used['calls']:,} calls, {used['tokens']:,} tokens"] if passed or several else []
    if any(costs):
        said.append(f"{used['usd']:.2f} USD" + (", and what has no price" * (None in costs)))
    over = f": over {' and '.join(passed)}, where the run would stop, to be resumed" * bool(passed)
    return f"Together {', '.join(said)}{over}." if said else ""
