"""Launches a run from Python."""

from pathlib import Path
from typing import Any

from elenchus import domains
from elenchus.cli.main import settle_environment
from elenchus.cli.screen import Screen
from elenchus.runs import RunFolder
from graphs import runner
from graphs.config import load
from inspection import report
from inspection.reading import Run


def launch(domain: str, profile: str | None, root: Path, settings: dict[str, Any]) -> Run:
    """See `elenchus.launch`."""
    settle_environment()
    path = domains.find(domain)
    config = load(path, profile, settings=settings)
    result = runner.launch(config, path.parent, root, profile, Screen())
    folder = RunFolder(root / result.domain / result.run)
    report.write(folder)
    return Run(folder.path)
