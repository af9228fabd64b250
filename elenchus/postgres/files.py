"""The files of runs, kept as rows, so that a machine that has only the database has them, too.

They are those of a run's folder, and those of its domain's that a run reads, which come to lie in
`domain/` below it on another machine. The documents are not among them: their passages are in the
ledger once they were read.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import psycopg
from filelock import FileLock, Timeout
from psycopg import Connection

from elenchus.errors import UserError
from elenchus.postgres import CARRIED, MARK, VARIABLE, Place, mark, without_password, write_mark
from elenchus.postgres.session import Session, common, holding

INDEX = "index"  # below a run's folder that came from the database
MANIFEST, RESULT = "run.yaml", "result.json"
LISTED = (MANIFEST, RESULT)
FIXED = "adapters"  # never changed once they are there: where they differ, they are damaged
LEFT = (MARK, "run.lock", "spans.jsonl", INDEX)  # of no use elsewhere
APART = ("corpus", "selection")  # sections of settings that name documents, not the run's files
LONGEST = 256  # characters of a file's name, for any system
PART = 16 * 2**20  # bytes of a row
RUN_TABLES = ("files", "records", "calls", "sent")
CHECKPOINTS = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")


class Listed(NamedTuple):
    """A run of the database, and the hashes of its files by path."""

    run: str
    domain: str
    files: dict[str, str]


class Files:
    """The files of one run, in its folder and in the database; only what differs is copied."""

    def __init__(self, folder: Path, session: Session) -> None:
        self._folder, self._session = folder, session
        self._noted = mark(folder)
        self._same: dict[str, str] = self._noted["files"]
        self._seen: dict[Path, tuple[int, int, str]] = {}  # size, time and hash of what was read

    def pull(self, there: dict[str, str]) -> None:
        """Copy out of the database what is newer in it, given the hashes of its files by path."""
        wanted = _wanted(there, self._noted)
        for name in sorted(wanted, key=lambda name: name == MANIFEST):  # it makes a folder a run
            here = self._hash(self._folder / _inside(name))
            if here != there[name] and self._is_newer(name, here, there[name]):
                self._download(name, there[name])
                here = there[name]
            if here == there[name]:
                self._same[name] = here
        self._remember()

    def push(self, more: dict[str, Path] | None = None) -> None:
        """Copy into the database what has changed in the folder, or was removed from it.

        Args:
            more: further files, of the domain's folder.
        """
        here = {**_present(self._folder), **(more or {})}
        changed = {
            name: path
            for name, path in here.items()
            if (found := self._hash(path)) is not None and found != self._same.get(name)
        }
        # A result that was removed is to be written anew.
        gone = RESULT in self._same and RESULT not in here
        if not (changed or gone):
            return
        put: dict[str, str] = {}

        def write(connection: Connection) -> None:
            with connection.transaction():  # of an adapter, all files are there or none
                for name, path in changed.items():
                    with contextlib.suppress(FileNotFoundError):  # it was there a moment ago
                        put[name] = self._put(connection, name, path)
                if gone:
                    _remove(connection, self._folder.name, RESULT)

        self._session.settle(write)
        self._same.update(put)
        if gone:
            del self._same[RESULT]
        self._remember()

    def _is_newer(self, name: str, here: str | None, there: str) -> bool:
        """Tell whether the database's file counts for more than the folder's, which is another.

        One that was only changed here, by hand or by the run, is the newer one.
        """
        if name.startswith(f"{FIXED}/"):
            return True
        if here is None and name == RESULT:
            return there != self._same.get(name)
        return here is None or here == self._same.get(name) or there != self._same.get(name)

    def _hash(self, path: Path) -> str | None:
        """Return the hash of a file; None where it is not there."""
        try:
            about = path.stat()
            known = self._seen.get(path)
            if known is None or known[:2] != (about.st_size, about.st_mtime_ns):
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                known = self._seen[path] = (about.st_size, about.st_mtime_ns, digest)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return known[2]

    def _put(self, connection: Connection, name: str, path: Path) -> str:
        """Put a file into the database, as it is now; return its hash."""
        with path.open("rb") as file:
            digest, part = hashlib.file_digest(file, "sha256").hexdigest(), 0
            file.seek(0)
            _remove(connection, self._folder.name, name)
            while (content := file.read(PART)) or part == 0:
                connection.execute(
                    "INSERT INTO elenchus.files VALUES (%s, %s, %s, %s, %b)",
                    (self._folder.name, name, part, digest, content),
                )
                part += 1
        return digest

    def _download(self, name: str, digest: str) -> None:
        """Put a file of the database into the folder, all of it or nothing."""
        path = self._folder / _inside(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial, found = path.with_name(path.name + ".partial"), hashlib.sha256()
        query = "SELECT content FROM elenchus.files WHERE (run, path, part) = (%s, %s, %s)"
        with partial.open("wb") as file:
            part = 0
            while content := self._session.content(query, (self._folder.name, name, part)):
                found.update(content)
                file.write(content)
                part += 1
            file.flush()
            os.fsync(file.fileno())
        if found.hexdigest() != digest:
            partial.unlink()
            raise UserError(
                f"{name} of run {self._folder.name} changed in the {self._session.name} while it "
                "was read, or is damaged there: try again"
            )
        partial.replace(path)

    def _remember(self) -> None:
        write_mark(self._folder, self._noted)


def register(address: str, folder: Path, domain_folder: Path, settings: dict[str, Any]) -> None:
    """Give a new run, whose folder is made, its place in the database.

    Raises:
        UserError: the database has a run of its id.
    """
    session, domain = common(address), folder.parent.name
    insert = "INSERT INTO elenchus.runs (id, domain) VALUES (%s, %s)"
    try:
        session.write(insert, (folder.name, domain))
    except psycopg.errors.UniqueViolation as error:
        raise UserError(
            f"the {session.name} has a run {folder.name} already: launch again, which gives "
            "another id"
        ) from error
    noted = {"database": without_password(address), "files": {}, "here": True}
    write_mark(folder, noted)
    Files(folder, session).push(of_domain(domain_folder, settings))


def forget(run: str, address: str) -> None:
    """Remove all that the database has of a run."""

    def remove(connection: Connection) -> None:
        with connection.transaction():
            for table in RUN_TABLES:
                connection.execute(f"DELETE FROM elenchus.{table} WHERE run = %s", (run,))
            for table in CHECKPOINTS:
                found = connection.execute("SELECT to_regclass(%s)", (f"elenchus.{table}",))
                if found.fetchone() != (None,):
                    connection.execute(f"DELETE FROM elenchus.{table} WHERE thread_id = %s", (run,))
            connection.execute("DELETE FROM elenchus.runs WHERE id = %s", (run,))

    common(address).settle(remove)


@contextlib.contextmanager
def held(
    folder: Path, place: Place, domain: Callable[[], tuple[Path, dict[str, Any]]]
) -> Iterator[None]:
    """Hold a run; its files are copied again before each checkpoint and at the end: see `Place`."""
    with holding(place.run, place.address) as session:
        files = Files(folder, session)
        for one in listed(session, place.run):
            files.pull(one.files)
        files.push(of_domain(*domain()))
        session.before_checkpoint = files.push
        try:
            yield
        finally:
            if not session.gone:
                files.push()


def listed(session: Session, run: str | None = None) -> list[Listed]:
    """Return all runs of a database with what lists show, or one of them with all its files."""
    condition, value = ("path = ANY(%s)", list(LISTED)) if run is None else ("run = %s", run)
    found: dict[str, Listed] = {}
    query = (
        "SELECT run, domain, path, sha256 FROM elenchus.files JOIN elenchus.runs ON id = run "
        f"WHERE part = 0 AND {condition}"
    )
    for name, domain, path, digest in session.query(query, (value,)):
        found.setdefault(name, Listed(name, domain, {})).files[path] = digest
    return [one for one in found.values() if MANIFEST in one.files]


def restore(root: Path, address: str, run: str | None = None) -> None:
    """Bring the runs of a database below `root` up to date: all as far as lists show them, or one.

    A run that this machine works on is left alone: what it has is newer.

    Raises:
        UserError: another run of that id, with a ledger of its own, is there.
    """
    session = common(address)
    for one in listed(session, run):
        folder = root / _inside(one.domain) / _inside(one.run)
        if (folder / MANIFEST).exists() and not (folder / MARK).exists():
            if run is None:
                continue  # the other one is listed
            raise UserError(
                f"run {run} below {root} has a ledger of its own, and the {session.name} has "
                f"another run of that id: choose another place with --runs, or unset {VARIABLE}"
            )
        noted = mark(folder) or {"database": without_password(address), "files": {}, "here": False}
        if noted["files"].items() >= one.files.items() and _has(folder, _wanted(one.files, noted)):
            continue
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / "run.lock").acquire(timeout=0):
                if not (folder / MARK).exists():
                    write_mark(folder, noted)
                Files(folder, session).pull(one.files)
        except Timeout:
            continue


def of_domain(folder: Path, settings: dict[str, Any]) -> dict[str, Path]:
    """Return the files of a domain's folder that its runs read beside the documents, by name.

    They are its domain.yaml, its prompts, and what the settings name in it.
    """
    named = [one for name, value in settings.items() if name not in APART for one in _texts(value)]
    paths = [folder / "domain.yaml", folder / "prompts"]
    for key, text in named:
        if _is_inside(text):
            paths += folder.glob(text) if key == "path" else [folder / text]
    found = [
        file
        for path in paths
        for file in ([path] if path.is_file() else path.rglob("*") if path.is_dir() else [])
        if file.is_file()
    ]
    # Of a run that came from the database, these are the same names again.
    return {f"{CARRIED}/{file.relative_to(folder).as_posix()}": file for file in found}


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield all texts of a setting, each with its key."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _texts(one, name)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one, key)


def _is_inside(text: str) -> bool:
    """Tell whether a text may name a file within a folder; most settings do not."""
    path = PurePosixPath(text)
    way_out = path.is_absolute() or ".." in path.parts or "\0" in text
    return bool(path.parts) and not way_out and len(text) < LONGEST


def _present(folder: Path) -> dict[str, Path]:
    """Return the files of a run's folder that other machines want, by name."""
    found: dict[str, Path] = {}
    for where, folders, files in os.walk(folder):
        here = Path(where)
        top = here == folder
        folders[:] = [f for f in folders if not f.endswith(".partial") and not (top and f in LEFT)]
        for name in files:
            if not (top and name in LEFT) and not name.endswith((".partial", ".lock")):
                path = here / name
                found[path.relative_to(folder).as_posix()] = path
    return found


def _inside(name: str) -> Path:
    """Return a path that the database names; UserError where it leads out of its folder."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name:
        raise UserError(f"the database names a file {name!r}, which is no file of a run: see to it")
    return Path(*path.parts)


def _wanted(names: Iterable[str], noted: dict[str, Any]) -> list[str]:
    """Return the files that belong into a folder: the domain's are elsewhere where it was made."""
    return [name for name in names if not (noted["here"] and name.startswith(f"{CARRIED}/"))]


def _has(folder: Path, names: Collection[str]) -> bool:
    return all((folder / _inside(name)).exists() for name in names)


def _remove(connection: Connection, run: str, name: str) -> None:
    connection.execute("DELETE FROM elenchus.files WHERE run = %s AND path = %s", (run, name))
