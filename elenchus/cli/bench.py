"""`elenchus bench`: the comparisons of benchmarks/."""

import importlib
from typing import Annotated

import typer

from elenchus.errors import UserError

COMPARISONS = (
    "efficiency", "ablations", "legalbench", "indicators", "selection", "passages", "fuzz",
    "kills", "inspection", "evaluation", "exports", "serving", "scale", "capacity",
    "students", "gpu",
)  # fmt: skip
# Each comparison has options of its own, and its own --help.
SETTINGS = {"ignore_unknown_options": True, "help_option_names": []}


def bench(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help=f"which comparison: {', '.join(COMPARISONS)}")],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="its own options; --help lists them")
    ] = None,
) -> None:
    """Measure the method, its parts, and what kills, broken input and large runs do to a run."""
    if name in ("--help", "-h"):
        print(context.get_help())
        return
    if name not in COMPARISONS:
        raise UserError(f"there is no comparison {name!r}; there are: {', '.join(COMPARISONS)}")
    compare = importlib.import_module(f"benchmarks.{name}").main
    raise typer.Exit(compare(arguments or []))
