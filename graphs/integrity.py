"""Finds damage in what a run left, before anything goes on from it."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from elenchus.errors import UserError
from elenchus.ledger import BEGUN, Ledger
from elenchus.outcomes import Adapter
from elenchus.results import Result
from elenchus.runs import RunFolder
from graphs.classification.records import Classifier
from models.weights import weights_hash


class Damage(NamedTuple):
    """A part of a run that is not as it was left, and what helps."""

    part: str
    fault: str
    remedy: str


def check_whole(run: RunFolder) -> None:
    """Check that nothing of a run is damaged or missing; UserError names the first that is."""
    for part, fault, remedy in damages(run):
        raise UserError(f"run {run.id}: {part} {fault}: {remedy}")


def check_ledger(run: RunFolder) -> None:
    """Check that the calls of a run can be read; UserError where its ledger is damaged."""
    if fault := _fault(run.ledger):
        raise UserError(f"run {run.id}: {run.ledger.name} {fault}: restore it from a backup")


def damages(run: RunFolder) -> Iterator[Damage]:
    """Yield what is damaged or missing of a run.

    Raises:
        UserError: its `run.yaml` is, without which nothing else can be known.
    """
    manifest = run.manifest()
    if run.lock.is_dir():
        yield Damage(run.lock.name, "is a folder", "remove it")
    begun = _value(run.checkpoints, "SELECT COUNT(*) FROM checkpoints")
    fault = _fault(run.ledger) or ("" if run.ledger.exists() or not begun else "is missing")
    if fault:
        yield Damage(
            run.ledger.name, fault, "restore it from a backup; all records of the run are in it"
        )
    again = f"`elenchus launch {manifest['config']['domain']} --reuse {run.id}` begins anew, and "
    again += "pays no call again"
    if fault_ := _fault(run.checkpoints):
        yield Damage(run.checkpoints.name, fault_, again)
    elif not (fault or begun) and _value(run.ledger, "PRAGMA application_id") == BEGUN:
        yield Damage(run.checkpoints.name, "is missing or empty", again)
    if not fault and _value(run.ledger, "SELECT COUNT(*) FROM records"):
        yield from _weights(run, again)
    yield from _index(manifest["config"])
    if run.result.exists() and not _is_result(run.result):
        yield Damage(
            run.result.name, "is damaged", f"remove it; `{run.command('resume')}` writes it anew"
        )


def _weights(run: RunFolder, again: str) -> Iterator[Damage]:
    with contextlib.closing(Ledger(run.ledger, read_only=True)) as ledger:
        made: list[Adapter | Classifier] = [*ledger.all(Adapter), *ledger.all(Classifier)]
    earlier = run.updates()  # whose adapters an update takes over while it goes on
    for one in made:
        folder = run.path / one.path
        if not folder.is_dir() and earlier is not None:
            folder = earlier.path / one.path
        if not folder.is_dir():
            yield Damage(one.path, "is missing", f"restore it from a backup, or {again}")
        elif weights_hash(folder) != one.sha256:
            yield Damage(one.path, "has other weights", f"restore it from a backup, or {again}")


def _index(config: dict[str, Any]) -> Iterator[Damage]:
    """Yield what is damaged of the domain's index, which its runs share."""
    place = Path(config["retrieval"]["index"]) / config["domain"]
    for file in sorted(place.rglob("*.sqlite*")):
        if file.suffix in (".sqlite", ".sqlite3") and (fault := _fault(file)):
            yield Damage(f"index {file}", fault, f"remove the folder {place}; it is made anew")


def _is_result(path: Path) -> bool:
    try:
        Result.model_validate_json(path.read_bytes())
    except (ValidationError, OSError):
        return False
    return True


def _fault(path: Path) -> str:
    """Say what is wrong with an SQLite file that is there; "" where nothing is."""
    if not path.exists():
        return ""
    try:
        with contextlib.closing(_to_read(path)) as db:
            ((said, *_), *_) = db.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.DatabaseError as error:
        return f"is damaged ({error})"
    return "" if said == "ok" else f"is damaged ({said})"


def _value(path: Path, query: str) -> int:
    """Return a number out of a file; 0 where the file, or a table in it, is not there or whole."""
    try:
        with contextlib.closing(_to_read(path)) as db:
            return int(db.execute(query).fetchone()[0])
    except sqlite3.DatabaseError:
        return 0


def _to_read(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
