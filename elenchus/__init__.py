"""Elenchus: adapt a small model to a specialised domain by questioning it."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

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
