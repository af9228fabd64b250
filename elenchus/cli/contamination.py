"""`elenchus contamination`: which items of a run's tests it saw in training, or in its corpus."""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from elenchus.cli import options

if TYPE_CHECKING:
    from rich.console import Console

    from evaluation.leaks import Contamination, LeakedPair, TestLeaks

LONGEST = 160  # characters of a text on the screen

Strict = Annotated[bool, typer.Option("--strict", help="exit code 1 where anything leaks")]
Pairs = Annotated[int, typer.Option(min=0, help="of the worst pairs of each test to print")]


def contamination(
    run: options.Run,
    strict: Strict = False,
    pairs: Pairs = 3,
    root: options.Root = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Look for a run's tests in its training examples and in its corpus.

    The whole report, with all texts, is contamination.json in the run folder.
    """
    from rich.console import Console

    from elenchus import runs
    from elenchus.ledger import Ledger
    from graphs import leaks
    from graphs.config import of_run
    from graphs.integrity import reading
    from retrieval.embedding import Embedder

    folder = runs.find(root, run)
    config = of_run(folder)
    with reading(folder), closing(Ledger(folder.ledger, read_only=True)) as ledger:
        found = leaks.look(folder, ledger, Embedder(config.retrieval.embedding))
    if as_json:
        print(found.model_dump_json())
    else:
        console = Console(highlight=False)
        _show(console, found, pairs)
        console.print((folder.path / leaks.NAME).as_posix(), markup=False, soft_wrap=True)
    if strict and found.leaks:
        typer.echo(f"elenchus: {_said(found)}", err=True)
        raise typer.Exit(1)


def _said(found: "Contamination") -> str:
    """Return in one line what leaks."""
    parts = [
        f"{name}: {len(test.examples)} of {test.items} in training examples, "
        f"{len(test.corpus)} in the corpus"
        for name, test in found.tests.items()
        if test.examples or test.corpus
    ]
    return f"items of tests were seen: {'; '.join(parts)}"


def _show(console: "Console", found: "Contamination", pairs: int) -> None:
    """Print a line for each test, how sure the threshold is, and the worst pairs."""
    from elenchus.cli.screen import show_table, table

    columns = ("test", "items", "in examples", "in corpus", "by words", "by embedding", "cosine")
    rows = [
        (name, test.items, len(test.examples), len(test.corpus), _by(test, "words"),
         _by(test, "embedding"), "–" if test.threshold is None else f"{test.threshold:.3f}")
        for name, test in found.tests.items()
    ]  # fmt: skip
    show_table(console, table(columns, rows, right=columns[1:]))
    console.print(
        f"Compared with {found.examples:,} training examples and {found.corpus:,} documents."
    )
    for name, test in found.tests.items():
        _tell(console, name, test)
        for pair in test.worst(pairs):
            _print(console, pair)


def _by(test: "TestLeaks", way: str) -> str:
    """Return how many items leak so, into examples and into the corpus."""
    return " + ".join(str(ways.get(way, 0)) for ways in test.ways.values())  # type: ignore[call-overload]


def _tell(console: "Console", name: str, test: "TestLeaks") -> None:
    from elenchus.printing import printable

    if test.threshold is None:
        return
    if not test.calibrated:
        said = "too little tells copies from innocents, so the cosine is a high one"
    else:
        said = (
            f"from this cosine on, {test.recall:.0%} of {test.copies} planted copies are found "
            f"({test.either:.0%} with words), {test.precision:.0%} of what is found are copies"
        )
    console.print(f"{printable(name)}: {said}.", style="dim", markup=False)


def _print(console: "Console", pair: "LeakedPair") -> None:
    from elenchus.printing import in_line, printable

    score = f"{pair.score:.0f} words in a row" if pair.way == "words" else f"cosine {pair.score}"
    where = f", {printable(pair.where)}" if pair.where else ""
    console.print(f"  {score}: {pair.item} in {pair.seen}{where}", markup=False, soft_wrap=True)
    for text in (pair.item_text, pair.seen_text[pair.start :]):
        console.print(f"    {in_line(printable(text), LONGEST)}", markup=False, soft_wrap=True)
