"""Run folders: `runs/DOMAIN/RUN-ID/`, made once, never written into by another run.

`run.yaml` says how the run was made and is written last when a folder is made; `result.json` is
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
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import yaml
from filelock import FileLock, Timeout

from elenchus.config import CommonConfig
from elenchus.errors import UserError
from elenchus.loading import merged
from elenchus.results import Result

PACKAGES = ("elenchus", "langgraph", "langchain-core", "chromadb", "torch", "transformers", "peft")
PAGE = 65_536  # bytes; with less than this free, whatever fails fails for want of room
FREE_BYTES = 300_000_000  # a demonstration run with its checkpoints takes about a tenth of it
RunState = Literal["running", "finished", "interrupted"]


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def ledger(self) -> Path:
        return self.path / "ledger.sqlite"

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
        return self.path / "adapters" / f"round-{round_}"

    def command(self, verb: str, more: str = "") -> str:
        """The command line that does `verb` to this run, from the present folder."""
        parts = ("elenchus", verb, self.id, more, option(self.path.parent.parent))
        return " ".join(part for part in parts if part)

    def manifest(self) -> dict[str, Any]:
        tree: dict[str, Any] = yaml.safe_load((self.path / "run.yaml").read_text(encoding="utf-8"))
        return tree

    def set_budget(self, changes: dict[str, Any]) -> None:
        """Change caps of the run, which were found to be valid."""
        manifest = self.manifest()
        manifest["config"] = merged(manifest["config"], {"budget": changes})
        write_atomic(self.path / "run.yaml", yaml.safe_dump(manifest, sort_keys=False))

    def set_corpus(self, fingerprint: str) -> None:
        """The run takes the documents as they are now."""
        write_atomic(
            self.path / "run.yaml",
            yaml.safe_dump(self.manifest() | {"corpus": fingerprint}, sort_keys=False),
        )

    def updates(self) -> "RunFolder | None":
        """The run that this one goes on from, where it is an update."""
        earlier = self.manifest().get("updates")
        return RunFolder(self.path.parent / earlier) if earlier else None

    def reuses(self) -> "RunFolder | None":
        """The run whose calls this one takes over; one that it goes on from is such a run."""
        path = self.manifest().get("reuses")
        return RunFolder(Path(path)) if path else self.updates()

    def domain_folder(self) -> Path:
        return Path(self.manifest()["domain_folder"])

    def changed(self) -> list[str]:
        """Packages and prompts that are not what they were when the run was launched."""
        then, now = self.manifest(), {"versions": versions(), "prompts": prompt_hashes()}
        return [
            name
            for part, values in now.items()
            for name in sorted(values.keys() | then[part].keys())
            if values.get(name) != then[part].get(name)
        ]

    def state(self) -> RunState:
        if self.result.exists():
            return "finished"
        try:
            with self.locked(patience=0):
                return "interrupted"
        except UserError:
            return "running"
        except OSError:  # the folder is not ours to write in; then no run of ours is in it
            return "interrupted"

    @contextlib.contextmanager
    def locked(self, patience: float = 1) -> Iterator[None]:
        """Hold the run for this process; UserError when another has it for `patience` seconds.

        A look at the state holds it for an instant.
        """
        lock = FileLock(self.path / "run.lock")
        try:
            lock.acquire(timeout=patience)
        except Timeout as error:
            raise UserError(f"run {self.id} is in use by another process; wait for it") from error
        try:
            yield
        finally:
            lock.release()


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
        updates: the run that it goes on from, for changed documents.
        reuses: the folder of a run whose calls it takes over.
        own_sources: its sources are not those that the domain.yaml names, but were given with it.

    Raises:
        UserError: the place cannot be written to, or the disk is nearly full.
    """
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
            "prompts": prompt_hashes(),
            "config": config.model_dump(mode="json", exclude={"profiles"}),
        }
        write_atomic(path / "run.yaml", yaml.safe_dump(manifest, sort_keys=False))
    return RunFolder(path)


def option(root: Path) -> str:
    """What a command needs to find the runs below `root`; "" where it looks there anyway."""
    usual = Path(os.environ.get("ELENCHUS_RUNS", "runs"))
    if root == usual:
        return ""
    return f'--runs "{root}"' if " " in str(root) else f"--runs {root}"


def listed(root: Path) -> list[RunFolder]:
    """All runs below `root`, oldest first."""
    return [
        RunFolder(p.parent) for p in sorted(root.glob("*/*/run.yaml"), key=lambda p: p.parent.name)
    ]


def find(root: Path, run_id: str) -> RunFolder:
    """The run of this id, or of an unambiguous start of it; UserError when there is none."""
    runs = listed(root)
    found = [run for run in runs if run.id == run_id] or [
        run for run in runs if run.id.startswith(run_id)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"several runs start with {run_id!r}; give more of the id")
    last = f"; the last one is {runs[-1].id}" if runs else "; there is none yet"
    listing = f"elenchus runs {option(root)}".strip()
    raise UserError(f"no run {run_id!r} below {root}{last} (`{listing}` lists them)")


def write_atomic(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old one or the new one, never half of one."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def write_json(path: Path, value: Any) -> None:
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_result(path: Path, result: Result) -> None:
    """Write a `result.json`: its existence means that the run is finished."""
    write_atomic(path, result.model_dump_json(indent=2) + "\n")


@contextlib.contextmanager
def explained(
    place: Path, option: str = "--runs", also: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Turn the refusals of a disk into one message with the remedy.

    Args:
        option: what chooses the place.
        also: what else a library raises for a full disk.
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
        raise


def _is_full(error: Exception, place: Path) -> bool:
    """Whether an error comes from a full disk, or the disk has no room for a page any more."""
    if isinstance(error, OSError):  # there is no quota on Windows
        return error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return True
    there = next(p for p in (place, *place.absolute().parents) if p.exists())
    return f"os error {errno.ENOSPC})" in str(error) or shutil.disk_usage(there).free < PAGE


def versions() -> dict[str, str]:
    """Installed versions of the packages that decide a run's outcome."""
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def prompt_hashes() -> dict[str, str]:
    """SHA-256 of every prompt template, by its path."""
    folder = Path(__file__).resolve().parent.parent / "prompts"
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob("*/*.md"))
    }
