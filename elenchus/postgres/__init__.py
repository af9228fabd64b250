"""Runs in a PostgreSQL database: their ledgers, checkpoints and files, in the schema `elenchus`.

Such a run can be resumed on any machine that reaches the database. This file is what all commands
read; what needs psycopg (extra `postgres`) is in the others, and imported where it is used.
"""

import functools
import json
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from elenchus.errors import UserError

VARIABLE = "ELENCHUS_DATABASE"
MARK = "database.json"  # in a run's folder: the database, and what was last the same in both
CARRIED = "domain"  # below a run's folder: its domain's files, where they came from the database
EXTRA = "pip install -e '.[postgres]'"
NEEDED = ("psycopg", "langgraph.checkpoint.postgres")
FORM = f"--database and {VARIABLE} take an address of PostgreSQL, such as postgresql://HOST/NAME"


@dataclass(frozen=True)
class Place:
    """Where a run's ledger is, in the place of a file's path.

    `stored` is the database's address without a password, as the run's folder has it; the one that
    the environment names counts for more, since machines may reach one server by different names.
    """

    run: str
    stored: str

    @property
    def name(self) -> str:
        """What messages call it."""
        return "its ledger in the database"

    @property
    def address(self) -> str:
        """Return the address to open, which may hold a password."""
        return configured() or self.stored

    def is_held(self) -> bool:
        """Tell whether any process, on whatever machine, has the run."""
        from elenchus.postgres.session import is_held

        return is_held(self.run, self.address)

    def held(
        self, folder: Path, domain: Callable[[], tuple[Path, dict[str, Any]]]
    ) -> AbstractContextManager[None]:
        """Hold the run for this process, and keep its files equal on both sides.

        Args:
            folder: the run's.
            domain: tells of the domain's folder and the settings, once the run's files are there.

        Raises:
            UserError: another process has it, or the database cannot be used or does not have it.
        """
        from elenchus.postgres.files import held

        return held(folder, self, domain)

    def forget(self) -> None:
        """Remove all that the database has of the run."""
        from elenchus.postgres.files import forget

        forget(self.run, self.address)

    def __str__(self) -> str:
        return f"the ledger of run {self.run} in the database"

    def exists(self) -> bool:
        """Tell whether anything was asked or noted yet."""
        from elenchus.postgres.ledger import has_begun

        return has_begun(self)


def configured() -> str | None:
    """Return the address of the database that new runs are kept in; None for files.

    Raises:
        UserError: it is none of PostgreSQL, or the packages for it are missing.
    """
    address = os.environ.get(VARIABLE, "").strip()
    return checked(address) if address else None


def checked(address: str) -> str:
    """Return an address that is one of PostgreSQL; see `configured`."""
    scheme = re.match(r"([A-Za-z][\w+.-]*):", address)
    if not re.match(r"postgres(ql)?://", address):
        given = f"this is one of {scheme[1]!r}" if scheme else "this is no address"
        raise UserError(f"{FORM}; {given}")
    try:
        urlsplit(address).port  # noqa: B018 - it is read here, and may be no number
    except ValueError as error:
        raise UserError(f"{FORM}; a password's / ? # @ : % are written as %2F and so on") from error
    missing = [name for name in NEEDED if not _is_installed(name)]
    if missing:
        raise UserError(f"a run in PostgreSQL needs {missing[0]}: {EXTRA}")
    return address


def opened() -> str | None:
    """Return the address of the database that new runs are kept in, once it is open.

    Raises:
        UserError: it cannot be opened, or used.
    """
    if address := configured():
        from elenchus.postgres.session import common

        common(address)
    return address


def use(address: str) -> None:
    """Have this process, and those that it starts, keep new runs in a database; in files for ""."""
    os.environ[VARIABLE] = checked(address) if address else ""


def registration() -> Callable[[Path, Path, dict[str, Any]], None]:
    """Return what gives a new run its place in the database, once that is open; see `opened`.

    It takes the run's folder, the domain's, and the settings. Without a database it does nothing.
    """
    address = opened()
    if address is None:
        return lambda *_: None
    from elenchus.postgres.files import register

    return functools.partial(register, address)


def restore(root: Path, run: str | None = None) -> None:
    """Have the runs of the database, where one is configured, below `root`.

    Args:
        run: the one that is wanted whole; of all others, what lists show is enough.
    """
    if address := configured():
        from elenchus.postgres.files import restore

        restore(root, address, run)


def without_password(address: str) -> str:
    """Return an address as it may be written down."""
    parts = urlsplit(address)
    user, mark, host = parts.netloc.rpartition("@")
    kept = [(k, v) for k, v in parse_qsl(parts.query) if "password" not in k]
    query = urlencode(kept, quote_via=quote, safe="/")
    netloc = user.partition(":")[0] + mark + host
    plain = urlunsplit((parts.scheme, netloc, parts.path, query, ""))
    # urllib leaves out the slashes before an empty host.
    return plain if "://" in plain else plain.replace(":", "://", 1)


def mark(folder: Path) -> dict[str, Any]:
    """Return what a run's folder says of its database; nothing where its ledger is a file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        found: dict[str, Any] = json.loads((folder / MARK).read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UserError(
            f"{folder / MARK} is damaged: remove the folder, and `elenchus runs` has it again from "
            f"the database that {VARIABLE} names"
        ) from error
    return found


def write_mark(folder: Path, noted: dict[str, Any]) -> None:
    """Note in a run's folder what `mark` returns.

    Args:
        noted: `database`, its address without a password; `files`, the hashes by path of those that
            are the same in both; `here`, whether the run was launched on this machine.
    """
    path = folder / MARK
    partial = path.with_name(MARK + ".partial")
    partial.write_text(json.dumps(noted, indent=1) + "\n", "utf-8")
    partial.replace(path)


def _is_installed(name: str) -> bool:
    try:
        return util.find_spec(name) is not None
    except ModuleNotFoundError:  # the package that it would be in
        return False
