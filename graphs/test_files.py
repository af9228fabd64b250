"""What tests of the user's own came to, as files of a run: tests/NAME.json, and a diagram.

Files of later versions may hold more; one that is damaged is passed over when runs are shown.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from elenchus import runs
from elenchus.own_tests import TestConfig
from elenchus.results import TestResult
from elenchus.runs import RunFolder

FOLDER = "tests"


class Kept(BaseModel):
    """A tests/NAME.json: the settings of a test, and what it came to."""

    model_config = ConfigDict(frozen=True)
    version: Literal[1] = 1
    run: str
    name: str
    settings: TestConfig
    result: TestResult


def write(run: RunFolder, name: str, settings: TestConfig, result: TestResult) -> Path:
    """Write a test's file, in place of an earlier one, and its diagram where labels were weighed.

    Returns:
        The path of the file.
    """
    folder = run.path / FOLDER
    folder.mkdir(exist_ok=True)
    kept = Kept(run=run.id, name=name, settings=settings, result=result)
    runs.write_atomic(path := folder / f"{name}.json", kept.model_dump_json(indent=2) + "\n")
    sure = {who: sat for who, sat in result.models.items() if sat.reliability}
    if sure:
        from training.diagrams import reliability  # brings matplotlib

        reliability(folder / f"{name}.svg", [_panel(name, who, sat) for who, sat in sure.items()])
    return path


def kept(run: Path, name: str) -> Kept | None:
    """Return the file of a test; None where there is none that can be read."""
    try:
        return Kept.model_validate_json((run / FOLDER / f"{name}.json").read_bytes())
    except (OSError, ValidationError):
        return None


def all_kept(run: Path) -> dict[str, TestResult]:
    """Return what all tests of a run folder came to, by name."""
    return {one.name: one.result for one in _files(run)}


def _files(run: Path) -> Iterator[Kept]:
    for path in sorted((run / FOLDER).glob("*.json")):
        if found := kept(run, path.stem):
            yield found


def _panel(name: str, who: str, sitting: Any) -> dict[str, Any]:
    """Return a panel as `training.diagrams.reliability` draws it."""
    bins = [
        {"low": b.low, "high": b.high, "count": b.count, "accuracy": {"value": b.accuracy}}
        for b in sitting.reliability
    ]
    return {"mix": name, "model": who, "metrics": {"bins": bins}}
