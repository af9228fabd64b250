"""The command line: each command is a file of its name beside this one."""

import gc
import io
import logging
import os
import sys
import warnings
from traceback import format_exception
from types import TracebackType

import typer

from elenchus.cli import (
    bench,
    chat,
    contamination,
    corpus,
    doctor,
    evaluate,
    export,
    inspect,
    launch,
    models,
    new,
    preview,
    prompts,
    push,
    report,
    resume,
    review,
    runs,
    select,
    serve,
    trace,
    update,
)
from elenchus.cli.options import Version
from elenchus.cli.usage import Group
from elenchus.errors import Interrupted, RunStopped, UserError
from elenchus.neighbours import check_neighbours
from elenchus.printing import printable
from elenchus.redaction import RedactingFormatter, redacted

app = typer.Typer(
    cls=Group,
    help="Adapt a small model to a domain by questioning it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    launch.launch,
    preview.preview,
    resume.resume,
    review.review,
    export.export,
    push.push,
    update.update,
    runs.runs,
    report.report,
    evaluate.evaluate,
    contamination.contamination,
    chat.chat,
    trace.trace,
    inspect.inspect,
    serve.serve,
    new.new,
):
    app.command()(command)
app.add_typer(corpus.app, name="corpus")
app.add_typer(models.app, name="models")
app.add_typer(prompts.app, name="prompts")
app.command()(select.select)
app.command()(doctor.doctor)
app.command(context_settings=bench.SETTINGS)(bench.bench)


@app.callback()
def root(version: Version = False) -> None:
    """Take the options that stand before a command."""


def program() -> None:
    """Run the command line as a process of its own, which Ctrl-C ends at once.

    All is kept by then; a thread that answers a batch would be waited for.
    """
    try:
        main()
    except SystemExit as ended:
        if ended.code != Interrupted.exit_code:
            raise
        if (ray := sys.modules.get("ray")) is not None:
            ray.shutdown()  # a cluster on this machine, whose processes would outlive this one
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(Interrupted.exit_code)


def main() -> None:
    """Run the command line: whatever ends a command early is said in one line."""
    settle_environment()
    sys.excepthook = _show_uncaught
    if logging.lastResort is not None:  # writes warnings and errors that nobody else takes
        logging.lastResort.setFormatter(RedactingFormatter())
    try:
        check_neighbours()
        app()
    except Interrupted as interrupted:
        _end(f"stopped; `{interrupted}` goes on", interrupted.exit_code)
    except RunStopped as stopped:
        _end(f"stopped: {stopped}", stopped.exit_code)
    except UserError as error:
        _end(str(error), error.exit_code)


def settle_environment() -> None:
    """Settle what must stand before any heavy import, in every process."""
    # Spinning OpenMP threads make two threads six to ten times slower beside any other job.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("LANGSMITH_TRACING", "false")
    # A run holds many objects; looking through them all for cycles as often as Python does by
    # default costs calls a second.
    gc.set_threshold(20_000, 20, 20)
    # Progress bars and warnings of libraries would break ours.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    warnings.filterwarnings("ignore", category=FutureWarning)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _show_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print an error that nobody foresaw, without the secrets that it may echo."""
    print(redacted("".join(format_exception(kind, error, trace))), end="", file=sys.stderr)


def _end(message: str, code: int) -> None:
    print(f"elenchus: {printable(message)}", file=sys.stderr)
    sys.exit(code)
