"""How what roles use is shown: in an estimate, and after a preview."""

from collections.abc import Sequence
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


def total(uses: "Sequence[Use]", cap: float | None) -> str:
    """Return what the roles cost together, against the run's cap; "" where nothing costs."""
    costs = [use.usd for use in uses]
    if not any(costs):
        return ""
    together = sum(cost for cost in costs if cost is not None)
    unpriced = ", and what has no price" if None in costs else ""
    over = ""
    if cap is not None and together > cap:
        over = f": over budget.usd={cap:g}, where the run would stop, to be resumed"
    return f"Together {together:.2f} USD{unpriced}{over}."
