"""Runs in a PostgreSQL database: their ledgers, checkpoints and files, in the schema `elenchus`.

Such a run can be resumed on any machine that reaches the database. This file is what all commands
read; what needs psycopg (extra `postgres`) is in the others, and imported where it is used.
"""

import os
import re
from dataclasses import dataclass
from importlib import util
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from elenchus.errors import UserError

VARIABLE = "ELENCHUS_DATABASE"
EXTRA = "pip install -e '.[postgres]'"
NEEDED = ("psycopg", "langgraph.checkpoint.postgres")
FORM = f"--database and {VARIABLE} take postgresql://USER@HOST/NAME"


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


def _is_installed(name: str) -> bool:
    try:
        return util.find_spec(name) is not None
    except ModuleNotFoundError:  # the package that it would be in
        return False
