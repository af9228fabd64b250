"""The command line: launch, resume, update, corpus, select, runs, trace, new, doctor, bench."""

import gc
import importlib
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from elenchus import __version__, domains, runs
from elenchus.cli import corpus, options
from elenchus.cli import select as selecting
from elenchus.errors import Interrupted, NothingLoaded, RunStopped, UserError
from elenchus.loading import as_change, merged
from elenchus.printing import printable
from elenchus.results import Result, RunRow, run_row
from graphs.config import DomainConfig, load

app = typer.Typer(
    help="Adapt a small model to a domain by questioning it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
RunsOption = Annotated[
    Path, typer.Option("--runs", envvar="ELENCHUS_RUNS", help="folder of all runs")
]
RUNS = Path("runs")
app.add_typer(corpus.app, name="corpus")
app.command()(selecting.select)
COMPARISONS = ("efficiency", "ablations", "legalbench", "indicators", "selection", "passages")


@app.command()
def launch(
    domain: Annotated[str, typer.Argument(help="a name below domains/, or a folder")],
    changes: options.Changes = None,
    profile: options.Profile = None,
    reuse: Annotated[
        str | None, typer.Option(help="an earlier run, whose model calls are not made again")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only estimate calls, tokens and cost")
    ] = False,
    root: RunsOption = RUNS,
    as_json: options.Json = False,
) -> None:
    """Adapt the student of a domain, in a new run."""
    path = domains.find(domain)
    config = load(path, profile, changes)
    earlier = runs.find(root, reuse) if reuse else None
    if dry_run:
        _show_estimate(config, path.parent, as_json)
        return
    from elenchus.cli.screen import Screen
    from graphs import runner as graph

    screen = Screen(quiet=as_json)
    result = graph.launch(config, path.parent, root, profile, screen, earlier)
    _finish(result, root, as_json)


@app.command()
def resume(
    run: Annotated[str, typer.Argument(help="a run's id, or the start of it")],
    budget: Annotated[
        list[str] | None, typer.Option(help="cap=value, for instance usd=20; repeatable")
    ] = None,
    root: RunsOption = RUNS,
    as_json: options.Json = False,
) -> None:
    """Go on with an interrupted run, exactly where it stopped."""
    folder = runs.find(root, run)
    caps = merged(*map(as_change, budget or []))
    from elenchus.cli.screen import Screen
    from graphs import runner as graph

    _finish(graph.resume(folder, Screen(quiet=as_json), caps), root, as_json)


@app.command()
def update(
    run: Annotated[str, typer.Argument(help="a finished run's id, or the start of it")],
    root: RunsOption = RUNS,
    as_json: options.Json = False,
) -> None:
    """After documents changed: examine what changed, keep the rest, and train again."""
    earlier = runs.find(root, run)
    from elenchus.cli.screen import Screen
    from graphs import runner as graph

    _finish(graph.update(earlier, root, Screen(quiet=as_json)), root, as_json)


@app.command("runs")
def list_runs(root: RunsOption = RUNS, as_json: options.Json = False) -> None:
    """All runs, with their figures."""
    rows = [_row(run) for run in runs.listed(root)]
    if as_json:
        print(json.dumps([row.model_dump() for row in rows]))
        return
    table = Table(box=None)
    for column in ("id", "domain", "state", "before", "after", "gain", "examples", "calls"):
        table.add_column(column, no_wrap=True)
    for row in rows:
        interval = row.interval
        table.add_row(
            row.id,
            row.domain,
            row.state,
            *(f"{share:.1%}" if share is not None else "–" for share in (row.before, row.after)),
            f"[{100 * interval[0]:+.0f}, {100 * interval[1]:+.0f}]" if interval else "–",
            *(str(count if count is not None else "–") for count in (row.examples, row.calls)),
        )
    console = Console(highlight=False, markup=False)
    # Rather wider than the terminal than without the end of an id, which other commands want.
    unbounded = console.options.update(max_width=1000)
    console.width = max(console.width, console.measure(table, options=unbounded).maximum)
    console.print(table if rows else f"no runs below {root} yet")


@app.command("trace")
def trace_run(
    run: Annotated[str, typer.Argument(help="a run's id, or the start of it")],
    record: Annotated[
        str | None, typer.Argument(help="an examination's id, a synthetic message's, a passage's")
    ] = None,
    root: RunsOption = RUNS,
    as_json: options.Json = False,
) -> None:
    """What the agents did: all examinations, messages or passages, or one of them whole."""
    from elenchus.ledger import Ledger
    from graphs.methods import method_of
    from graphs.trace import one_record

    folder = runs.find(root, run)
    if not folder.ledger.exists():
        raise UserError(f"run {folder.id} stopped before it asked anything: nothing to show")
    ledger = Ledger(folder.ledger, read_only=True)
    trace = method_of(folder.manifest()["config"]["method"]).trace
    try:
        if record is None:
            rows = trace.overview(ledger, folder.id)
            print(json.dumps(rows)) if as_json else trace.show_overview(ledger, rows, folder)
            return
        shown = one_record(ledger, record, trace.RECORD)
        if as_json:
            print(json.dumps(trace.as_json(ledger, shown), ensure_ascii=False))
        else:
            trace.show(ledger, shown)
    finally:
        ledger.close()


@app.command()
def new(name: Annotated[str, typer.Argument(help="lower-case letters, digits, dashes")]) -> None:
    """Write a commented domain.yaml for documents of your own."""
    path = domains.new(name)
    print(f"{path} is ready. Put documents into {path.parent / 'documents'}, or name them:")
    print(f"  elenchus corpus add {name} FOLDER")
    print(f"  elenchus launch {name}")


@app.command()
def doctor(root: RunsOption = RUNS, as_json: options.Json = False) -> None:
    """What is installed, what is missing, and how to get it."""
    import dataclasses

    from elenchus.cli.doctor import examine

    findings = examine(root)
    if as_json:
        print(json.dumps([dataclasses.asdict(f) for f in findings]))
    else:
        print(f"elenchus {__version__}, Python {sys.version.split()[0]}, {sys.platform}")
        for finding in findings:
            mark = "!!" if finding.remedy else "ok"
            print(f"{mark}  {finding.what:<16} {finding.found}")
            if finding.remedy:
                print(f"    {finding.remedy}")
    if any(finding.remedy for finding in findings):
        raise typer.Exit(1)


@app.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
def bench(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help=f"which comparison: {', '.join(COMPARISONS)}")],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="its own options; --help lists them")
    ] = None,
) -> None:
    """Measure what the method is worth against others, and what its parts are worth."""
    if name in ("--help", "-h"):
        print(context.get_help())
        return
    if name not in COMPARISONS:
        raise UserError(f"there is no comparison {name!r}; there are: {', '.join(COMPARISONS)}")
    compare = importlib.import_module(f"benchmarks.{name}").main
    raise typer.Exit(compare(arguments or []))


def main() -> None:
    """Entry point: one message and exit code 2 for bad input (1 where no document could be loaded),
    3 for a run that must stop, 130 for Ctrl-C."""
    settle_environment()
    try:
        _check_neighbours()
        app()
    except RunStopped as stopped:
        print(f"elenchus: stopped: {printable(str(stopped))}", file=sys.stderr)
        sys.exit(3)
    except UserError as error:
        print(f"elenchus: {printable(str(error))}", file=sys.stderr)
        sys.exit(1 if isinstance(error, NothingLoaded) else 2)
    except Interrupted as stopped:
        print(f"elenchus: stopped; `{stopped}` goes on", file=sys.stderr)
        sys.exit(130)


def _show_estimate(config: DomainConfig, folder: Path, as_json: bool) -> None:
    from graphs.methods import method_of

    uses = method_of(config.method).estimate(config, folder)
    if as_json:
        print(json.dumps([use._asdict() for use in uses]))
        return
    table = Table(box=None)
    for column in ("role", "model", "calls", "tokens read", "tokens written", "USD"):
        table.add_column(column, justify="left" if column in ("role", "model") else "right")
    for use in uses:
        cost = "no price known" if use.usd is None else f"{use.usd:.2f}"
        amounts = (f"{n:,}" for n in (use.calls, use.tokens_read, use.tokens_written))
        table.add_row(use.role, use.model, *amounts, cost)
    console = Console(highlight=False, markup=False)
    console.print(table)
    if any(use.usd for use in uses):
        console.print(_total([use.usd for use in uses], config.budget.usd))
    console.print("An estimate for a run that goes to its last round; nothing was asked or paid.")


def _total(costs: list[float | None], cap: float | None) -> str:
    """What the roles cost together, and whether the run's cap is enough for it."""
    total = sum(cost for cost in costs if cost is not None)
    others = ", and what has no price" if None in costs else ""
    over = f": over budget.usd={cap:g}, where the run would stop, to be resumed"
    return f"Together {total:.2f} USD{others}{over if cap is not None and total > cap else ''}."


def _finish(result: Result, root: Path, as_json: bool) -> None:
    path = root / result.domain / result.run
    if as_json:
        print(json.dumps(result.model_dump(mode="json") | {"path": path.as_posix()}))
        return
    from graphs.methods import method_of

    console = Console(highlight=False, width=80)
    method_of(result.method).report(result, runs.RunFolder(path), console)


def _row(run: runs.RunFolder) -> RunRow:
    state = run.state()
    finished = None
    if state == "finished":
        finished = Result.model_validate_json(run.result.read_text(encoding="utf-8"))
    return run_row(run.id, run.path.parent.name, state, finished)


def settle_environment() -> None:
    """Settings that must stand before any heavy import, in every process."""
    # Spinning OpenMP threads make two threads six to ten times slower beside any other job.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("LANGSMITH_TRACING", "false")
    # Examinations under way are many objects; to look through them all for cycles as often as
    # Python does by itself costs calls a second.
    gc.set_threshold(20_000, 20, 20)
    # Libraries' own bars and warnings would break ours.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    warnings.filterwarnings("ignore", category=FutureWarning)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _check_neighbours() -> None:
    """Another distribution's top-level `agents` would be imported in silence; say so instead."""
    from importlib import util

    home = Path(__file__).resolve().parent.parent.parent
    for name in ("models", "agents", "graphs", "retrieval", "training", "offline"):
        spec = util.find_spec(name)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin is None or origin.parent.parent != home:
            raise UserError(
                f"the package {name!r} is not Elenchus's own but {origin}: install Elenchus into "
                "an environment of its own"
            )


if __name__ == "__main__":
    main()
