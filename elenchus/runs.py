"""Run folders: `runs/DOMAIN/RUN-ID/`, each written by one run alone.

`run.yaml` says how the run was made, and is written last when the folder is made; `result.json` is
written last when the run is finished. A lock file keeps two processes off one run.
"""

import contextlib
import datetime
import errno
import hashlib
import json
import os
import secrets
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import yaml
from filelock import FileLock, Timeout

from elenchus import postgres, templates
from elenchus.config import CommonConfig
from elenchus.errors import UserError
from elenchus.ledger_sqlite import DAMAGED
from elenchus.loading import merged
from elenchus.postgres import Place
from elenchus.results import Result
from elenchus.strict_yaml import read_own

PACKAGES = ("elenchus", "langgraph", "langchain-core", "chromadb", "torch", "transformers", "peft")
PAGE = 65_536  # bytes; with less than this free, any failure is taken for a full disk
FREE_BYTES = 300_000_000  # a demonstration run with its checkpoints takes about a tenth of it
HASH = "sha256"  # of all that stands above it in a run.yaml
LOCK_FAULT = "cannot be opened: remove it, once no process works on the run"
RunState = Literal["running", "finished", "interrupted"]


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def ledger(self) -> Path | Place:
        address = postgres.mark(self.path).get("database")
        return Place(self.id, address) if address else self.path / "ledger.sqlite"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints.sqlite"

    @property
    def dataset(self) -> Path:
        return self.path / "dataset"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    def adapter(self, round_: int) -> Path:
        """Return the folder of the adapter that a round trains."""
        return self.path / "adapters" / f"round-{round_}"

    def command(self, verb: str, more: str = "") -> str:
        """Return the command line that does `verb` to this run, from the present folder."""
        return command(verb, [self], more)

    @property
    def lock(self) -> Path:
        return self.path / "run.lock"

    def manifest(self) -> dict[str, Any]:
        """Read `run.yaml`.

        Raises:
            UserError: it is not as it was written: half of it would be a run with other settings.
        """
        path = self.path / "run.yaml"
        try:
            with path.open(encoding="utf-8", errors="replace", newline="") as file:
                text, mark, written = file.read().partition(f"{HASH}: ")
        except (FileNotFoundError, IsADirectoryError):
            text = mark = written = ""
        if not mark or hashlib.sha256(text.encode()).hexdigest() != written.strip():
            fault = "damaged, or an earlier version wrote it" if path.is_file() else "missing"
            raise UserError(
                f"{path} is {fault}: restore it from a backup; "
                "its settings stand in the domain.yaml, and "
                f"`elenchus launch DOMAIN --reuse {self.id}` pays no call again"
            )
        tree: dict[str, Any] = read_own(text)
        return tree

    def set_budget(self, changes: dict[str, Any]) -> None:
        """Change caps of the run; they must be valid."""
        self._write_manifest(merged(self.manifest(), {"config": {"budget": changes}}))

    def set_corpus(self, fingerprint: str) -> None:
        """Take the documents as they are now."""
        self._write_manifest(self.manifest() | {"corpus": fingerprint})

    def _write_manifest(self, manifest: dict[str, Any]) -> None:
        text = yaml.safe_dump(manifest, sort_keys=False)
        digest = hashlib.sha256(text.encode()).hexdigest()
        write_atomic(self.path / "run.yaml", f"{text}{HASH}: {digest}\n")

    def set_together(self, runs: "Sequence[RunFolder]", budget: dict[str, Any]) -> None:
        """Note the runs that this one was launched with, itself included, and their common caps."""
        below = [run.path.relative_to(self.path.parent.parent).as_posix() for run in runs]
        self._write_manifest(self.manifest() | {"together": {"runs": below, "budget": budget}})

    def together(self) -> "list[RunFolder]":
        """Return the runs that this one was launched with, itself included; none for one alone."""
        below = self.manifest().get("together", {}).get("runs", [])
        return [RunFolder(self.path.parent.parent / path) for path in below]

    def shared_budget(self) -> dict[str, Any]:
        """Return the caps on all runs that this one was launched with, together.

        Each of them has them in its run.yaml. The first that is there counts: a kill may have come
        while they were changed.
        """
        first = next((run for run in self.together() if run.path.is_dir()), self)
        caps: dict[str, Any] = first.manifest().get("together", {}).get("budget", {})
        return caps

    def updates(self) -> "RunFolder | None":
        """Return the run that this one goes on from, where it is an update."""
        earlier = self.manifest().get("updates")
        return RunFolder(self.path.parent / earlier) if earlier else None

    def reuses(self) -> "RunFolder | None":
        """Return the run whose calls this one takes over, such as the one that it goes on from."""
        path = self.manifest().get("reuses")
        return RunFolder(Path(path)) if path else self.updates()

    def domain_folder(self) -> Path:
        """Return the folder that paths in the configuration are below."""
        carried = self.path / postgres.CARRIED
        return carried if carried.is_dir() else Path(self.manifest()["domain_folder"])

    def placed(self, config: dict[str, Any]) -> dict[str, Any]:
        """Return the run's settings, with an index of its own where it came from a database."""
        if not (self.path / postgres.CARRIED).is_dir():
            return config
        return merged(config, {"retrieval": {"index": str((self.path / "index").resolve())}})

    def changed(self) -> list[str]:
        """Name the packages and prompts that are not what they were at the launch."""
        then = self.manifest()
        now = {"versions": versions(), "prompts": prompt_hashes(self.domain_folder())}
        return [
            name
            for part, values in now.items()
            for name in sorted(values.keys() | then[part].keys())
            if values.get(name) != then[part].get(name)
        ]

    def state(self) -> RunState:
        """Tell what became of the run."""
        if self.result.exists():
            return "finished"
        with contextlib.suppress(OSError):  # we may not write in the folder, so nor does a run
            try:
                FileLock(self.lock).acquire(timeout=0).lock.release()
            except Timeout:
                return "running"
        place = self.ledger
        return "running" if isinstance(place, Place) and place.is_held() else "interrupted"

    def has_damaged_lock(self) -> bool:
        """Tell whether something stands where the lock file belongs that cannot be locked."""
        if not os.path.lexists(self.lock):
            return False
        is_ours = self.lock.is_file() and os.access(self.lock, os.R_OK | os.W_OK)
        return not is_ours and os.access(self.path, os.W_OK)

    @contextlib.contextmanager
    def locked(self, patience: float = 1) -> Iterator[None]:
        """Hold the run for this process; UserError when another has it for `patience` seconds.

        Patience is needed since `state` holds a run for an instant, too.
        """
        try:
            lock = FileLock(self.lock).acquire(timeout=patience)
        except Timeout as error:
            raise UserError(f"run {self.id} is in use by another process; wait for it") from error
        except OSError as error:
            if not self.has_damaged_lock():
                raise
            raise UserError(f"run {self.id}: {self.lock.name} {LOCK_FAULT}") from error
        with lock, self._held():
            yield

    def _held(self) -> contextlib.AbstractContextManager[None]:
        """Hold a run of a database, against other machines; one with files needs no more."""
        place = self.ledger
        if isinstance(place, Path):
            return contextlib.nullcontext()
        return place.held(self.path, lambda: (self.domain_folder(), self.manifest()["config"]))

    def remove(self) -> None:
        """Remove all that there is of the run."""
        place = self.ledger
        if isinstance(place, Place):
            place.forget()
        shutil.rmtree(self.path)


def create(
    root: Path,
    config: CommonConfig,
    domain_folder: Path,
    profile: str | None,
    corpus: str,
    updates: str | None = None,
    reuses: Path | None = None,
    own_sources: bool = False,
) -> RunFolder:
    """Make the folder of a new run below `root`.

    Args:
        corpus: the fingerprint of its documents.
        updates: the id of the run that it goes on from.
        reuses: the folder of a run whose calls it takes over.
        own_sources: whether its sources are others than the domain.yaml names.

    Raises:
        UserError: the place cannot be written to, or the disk is nearly full.
    """
    register = postgres.registration()
    now = datetime.datetime.now(datetime.UTC)
    path = root / config.domain / f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    with explained(root):
        path.mkdir(parents=True)
        free = shutil.disk_usage(path).free
        if free < FREE_BYTES:
            path.rmdir()
            raise UserError(
                f"only {free / 1e6:.0f} MB are free at {root}; a run wants "
                f"{FREE_BYTES / 1e6:.0f} MB: make room, or choose another disk with --runs"
            )
        (path / "adapters").mkdir()
        manifest = {
            "run": path.name,
            "started": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "domain_folder": str(domain_folder.resolve()),
            "profile": profile,
            "corpus": corpus,
            "own_sources": own_sources,
            "updates": updates,
            "reuses": None if reuses is None else str(reuses),
            "python": sys.version.split()[0],
            "versions": versions(),
            "prompts": prompt_hashes(domain_folder),
            "config": config.model_dump(mode="json", exclude={"profiles"}),
        }
        RunFolder(path)._write_manifest(manifest)
        try:
            register(path, domain_folder, RunFolder(path).manifest()["config"])
        except UserError:
            shutil.rmtree(path)
            raise
    return RunFolder(path)


def command(verb: str, runs: Sequence[RunFolder], more: str = "") -> str:
    """Return the command line that does `verb` to runs of one folder, from the present one."""
    ids = " ".join(run.id for run in runs)
    parts = ("elenchus", verb, ids, more, option(runs[0].path.parent.parent))
    return " ".join(part for part in parts if part)


def option(root: Path) -> str:
    """Return the option that leads a command to the runs below `root`; "" where none is needed."""
    usual = Path(os.environ.get("ELENCHUS_RUNS", "runs"))
    if root == usual:
        return ""
    return f'--runs "{root}"' if " " in str(root) else f"--runs {root}"


def listed(root: Path) -> list[RunFolder]:
    """Return all runs below `root`, those of a database included, oldest first."""
    with explained(root):
        postgres.restore(root)
    # A run without its run.yaml is listed, too, by what it asked: it can be mended.
    parts = ("run.yaml", "ledger.sqlite")
    folders = {path.parent for part in parts for path in root.glob(f"*/*/{part}")}
    return sorted(map(RunFolder, folders), key=lambda run: run.id)


def find(root: Path, run_id: str) -> RunFolder:
    """Return the run of this id, or of an unambiguous start of it; UserError if there is none."""
    runs = listed(root)
    matching = [run for run in runs if run.id.startswith(run_id)]
    matching = [run for run in matching if run.id == run_id] or matching
    if len(matching) == 1:
        return _restored(matching[0])
    if matching:
        raise UserError(f"several runs start with {run_id!r}; give more of the id")
    last = f"; the last one is {runs[-1].id}" if runs else "; there is none yet"
    listing = f"elenchus runs {option(root)}".strip()
    raise UserError(f"no run {run_id!r} below {root}{last} (`{listing}` lists them)")


def _restored(run: RunFolder) -> RunFolder:
    """Return a run once all its files are there, and those of the run that it goes on from."""
    with explained(run.path):
        postgres.restore(run.path.parent.parent, run.id)
    if isinstance(run.ledger, Place) and (earlier := run.updates()):
        _restored(earlier)
    return run


def write_atomic(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old one or the new one, never half of one."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, all of it or nothing."""
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_result(path: Path, result: Result) -> None:
    """Write a `result.json`: its existence means that the run is finished."""
    write_atomic(path, result.model_dump_json(indent=2) + "\n")


@contextlib.contextmanager
def explained(
    place: Path, option: str = "--runs", also: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Turn what a disk refuses into a UserError with the remedy.

    Args:
        option: the option of the command line that chooses the place.
        also: further exceptions that a library raises for a full disk.
    """
    refusals: tuple[type[Exception], ...] = (OSError, sqlite3.Error, *also)
    try:
        yield
    except refusals as error:
        if _is_full(error, place):
            raise UserError(
                f"the disk of {place} is full: make room, then launch again or, where "
                "`elenchus runs` lists the run, go on with `elenchus resume`"
            ) from error
        if isinstance(error, PermissionError | NotADirectoryError | FileExistsError) or (
            isinstance(error, OSError) and error.errno == errno.EROFS
        ):
            raise UserError(
                f"cannot write to {place} ({error.strerror}); choose another place with {option}"
            ) from error
        if getattr(error, "sqlite_errorcode", None) in DAMAGED:
            raise UserError(
                f"a file in {place} is damaged ({error}): `elenchus doctor RUN` says which of a "
                "run's; a damaged index can be removed, and is made anew"
            ) from error
        raise


def _is_full(error: Exception, place: Path) -> bool:
    """Tell whether an error comes from a full disk, or the disk has no room for a page any more."""
    if isinstance(error, OSError):  # there is no quota on Windows
        return error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return True
    present = next(p for p in (place, *place.absolute().parents) if p.exists())
    return f"os error {errno.ENOSPC})" in str(error) or shutil.disk_usage(present).free < PAGE


def versions() -> dict[str, str]:
    """Return the installed versions of the packages that decide a run's outcome."""
    installed = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    return installed


def prompt_hashes(domain_folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every template that runs of a domain use, by its path."""
    return templates.hashes(templates.of_domain(domain_folder))
