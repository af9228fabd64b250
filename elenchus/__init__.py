"""Elenchus: adapt a small model to a specialised domain by questioning it."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspection.reading import Run

__version__ = "0.1.0"


def read_run(path: "str | Path") -> "Run":
    """Open a run folder to read it, be the run under way, interrupted or finished.

    Raises:
        UserError: the folder holds no run.
    """
    # By its name: this floor stands below the one that reads whole runs.
    run: Run = importlib.import_module("inspection.reading").Run(path)
    return run


def launch(
    domain: "str | Path",
    *,
    profile: str | None = None,
    runs: "str | Path" = "runs",
    **settings: Any,
) -> "Run":
    """Adapt the student of a domain in a new run, as `elenchus launch` does, and return the run.

        run = elenchus.launch("market", profile="quick", adaptation={"examples": [40]})

    It may be called in a notebook. What it is doing is printed on standard error.

    Args:
        domain: a name below domains/, a folder, or a domain.yaml.
        profile: a named set of changes in the domain.yaml.
        runs: the folder of all runs.
        settings: sections of the domain.yaml, or parts of them, in place of what stands there.

    Raises:
        UserError: something given cannot be used, which is said before anything is asked.
        RunStopped: the budget is used up, a server is gone, or a person is waited for.
    """
    program = importlib.import_module("elenchus.cli.from_python")
    run: Run = program.launch(str(domain), profile, Path(runs), settings)
    return run
