"""Finds damage in what a run left, before anything goes on from it."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock
from pydantic import ValidationError

from elenchus import databases
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.ledger_sqlite import BEGUN
from elenchus.outcomes import Adapter
from elenchus.postgres import Place
from elenchus.results import Result
from elenchus.runs import LOCK_FAULT, RunFolder
from graphs.classification.records import Classifier
from models.weights import weights_hash
from retrieval import seals

_RESTORE = "restore it from a backup; all records of the run are in it"
_SETTINGS = ("adapter_config.json", "config.json")
_UNREADABLE = (
    "SELECT COUNT(*) FROM records WHERE NOT json_valid(body)",
    "SELECT COUNT(*) FROM calls WHERE NOT json_valid(request) OR instr(response, char(0))",
)


class Damage(NamedTuple):
    """A part of a run that is not as it was left, and what helps."""

    part: str
    fault: str
    remedy: str


def check_whole(run: RunFolder) -> None:
    """Check that nothing of a run is damaged or missing; UserError names the first that is."""
    for part, fault, remedy in damages(run):
        raise UserError(f"run {run.id}: {part} {fault}: {remedy}")


def check_finished(run: RunFolder) -> None:
    """Check that a run is finished and whole; UserError otherwise."""
    if not run.result.exists():
        raise UserError(f"run {run.id} is not finished: `{run.command('resume')}` first")
    check_whole(run)


def check_ledger(run: RunFolder) -> None:
    """Check that what a run asked and noted can be read; UserError where it cannot."""
    if fault := _ledger_fault(run):
        raise UserError(f"run {run.id}: {run.ledger.name} {fault}: {_RESTORE}")


@contextlib.contextmanager
def reading(run: RunFolder) -> Iterator[None]:
    """Say that the ledger is damaged, beforehand or where what is done in this context fails so.

    Beforehand its pages are looked at, and not each text in them, which would take seconds.

    Raises:
        UserError: it is, or there is none yet.
    """
    if isinstance(run.ledger, Path) and (fault := databases.fault(run.ledger)):
        raise UserError(f"run {run.id}: {run.ledger.name} {fault}: {_RESTORE}")
    try:
        yield
    except (UserError, ValueError, KeyError, sqlite3.DatabaseError):
        check_ledger(run)
        if not run.ledger.exists():
            raise UserError(
                f"run {run.id} stopped before it asked anything: nothing to show"
            ) from None
        raise


def damages(run: RunFolder) -> Iterator[Damage]:
    """Yield what is damaged or missing of a run.

    Raises:
        UserError: its `run.yaml` is, without which nothing else can be known.
    """
    manifest = run.manifest()
    if run.has_damaged_lock():
        fault, _, remedy = LOCK_FAULT.partition(": ")
        yield Damage(run.lock.name, fault, remedy)
    again = f"`elenchus launch {manifest['config']['domain']} --reuse {run.id}` begins anew, and "
    again += "pays no call again"
    if isinstance(run.ledger, Path):
        yield from _of_files(run, run.ledger, again)
    else:
        yield from _of_database(run, run.ledger, again)
    yield from _index(run.placed(manifest["config"]))
    if run.result.exists() and not _is_result(run.result):
        yield Damage(
            run.result.name, "is damaged", f"remove it; `{run.command('resume')}` writes it anew"
        )


def _of_files(run: RunFolder, file: Path, again: str) -> Iterator[Damage]:
    """Yield what is damaged of a run whose ledger and checkpoints are files."""
    if of_ledger := _ledger_fault(run):
        yield Damage(file.name, of_ledger, _RESTORE)
    if of_checkpoints := databases.fault(run.checkpoints):
        yield Damage(run.checkpoints.name, of_checkpoints, again)
    elif not (of_ledger or _checkpoints(run)) and _application(file) == BEGUN:
        yield Damage(run.checkpoints.name, "is missing or empty", again)
    if not of_ledger and databases.value(file, "SELECT COUNT(*) FROM records"):
        yield from _weights(run, again)


def _of_database(run: RunFolder, place: Place, again: str) -> Iterator[Damage]:
    """Yield what is missing of a run in a database; the server looks after its own files."""
    from elenchus.postgres.ledger import lost_its_checkpoints

    if lost_its_checkpoints(place):
        yield Damage("its checkpoints", "are missing from the database", again)
    if place.exists():
        yield from _weights(run, again)


def _ledger_fault(run: RunFolder) -> str:
    """Say what is wrong with a run's ledger; "" where nothing is, or it has not begun one."""
    file = run.ledger
    if not isinstance(file, Path):
        return "" if file.exists() or not run.result.exists() else "is empty"
    if fault := databases.fault(file):
        return fault
    if not databases.value(file, "SELECT COUNT(*) FROM sqlite_master"):
        was_there = run.result.exists() or _checkpoints(run)
        return f"is {'empty' if file.exists() else 'missing'}" if was_there else ""
    # SQLite does not look at what its pages hold: one of zeros may be a part of a text.
    if any(databases.value(file, query) for query in _UNREADABLE):
        return "is damaged (it holds what cannot be read)"
    return ""


def _checkpoints(run: RunFolder) -> int:
    return databases.value(run.checkpoints, "SELECT COUNT(*) FROM checkpoints")


def _application(file: Path) -> int:
    return databases.value(file, "PRAGMA application_id")


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
        elif not _has_settings(folder):
            yield Damage(one.path, "has no settings", f"restore it from a backup, or {again}")


def _has_settings(folder: Path) -> bool:
    """Tell whether the settings beside weights, without which these load as others, are whole."""
    files = [file for name in _SETTINGS if (file := folder / name).is_file()]
    try:
        return bool(files and [json.loads(file.read_bytes()) for file in files])
    except ValueError:
        return False


def _index(config: dict[str, Any]) -> Iterator[Damage]:
    """Yield what is damaged of the domain's index, which its runs share."""
    place = Path(config["retrieval"]["index"]) / config["domain"]
    remedy = f"remove the folder {place}; it is made anew"
    for file in sorted(place.glob("*.sqlite")):
        if fault := databases.fault(file):
            yield Damage(f"index {file}", fault, remedy)
    if place.is_dir() and config["retrieval"]["chroma"] is None and (found := _vectors(place)):
        yield Damage(f"index {found[0]}", found[1], remedy)


def _vectors(place: Path) -> tuple[Path, str] | None:
    """Return a file of an index's vectors that is damaged; no other process stores any now."""
    try:
        held = FileLock(place / "store.lock").acquire()
    except OSError:  # a folder of somebody else's, which may be read all the same
        return seals.damaged(place)
    with held:
        return seals.damaged(place)


def _is_result(path: Path) -> bool:
    try:
        Result.model_validate_json(path.read_bytes())
    except (ValidationError, OSError):
        return False
    return True
