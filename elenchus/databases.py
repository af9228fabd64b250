"""SQLite files looked at from outside: whether they are whole, without changing them."""

import contextlib
import sqlite3
from pathlib import Path


def fault(path: Path) -> str:
    """Say in a line what is wrong with an SQLite file that is there; "" where nothing is."""
    if not path.exists():
        return ""
    if not path.is_file():
        return "is no file"
    try:
        with contextlib.closing(_to_read(path)) as db:
            ((said, *_), *_) = db.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.DatabaseError as error:
        return f"is damaged ({error})"
    return "" if said == "ok" else f"is damaged ({said.splitlines()[-1]})"


def value(path: Path, query: str) -> int:
    """Return a number out of a file; 0 where the file, or a table in it, is not there or whole."""
    try:
        with contextlib.closing(_to_read(path)) as db:
            return int(db.execute(query).fetchone()[0])
    except sqlite3.DatabaseError:
        return 0


def _to_read(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
