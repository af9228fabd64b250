"""What a corpus holds: its documents and passages, and what was refused, in one SQLite file.

The catalogue says what is to be embedded and what is to go, so an ingest that was killed goes on
where it was.
"""

import contextlib
import json
import secrets
import sqlite3
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from elenchus.ledger_sqlite import LOCK_SECONDS
from elenchus.records import Document, Passage, digest
from retrieval.words import language_of

SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    source TEXT PRIMARY KEY, content TEXT NOT NULL, words TEXT NOT NULL, id TEXT NOT NULL,
    title TEXT NOT NULL, text TEXT, language TEXT NOT NULL, reason TEXT, seen INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS passages (
    id TEXT PRIMARY KEY, source TEXT NOT NULL, document_id TEXT NOT NULL, start INTEGER NOT NULL,
    end INTEGER NOT NULL, heading TEXT NOT NULL, text TEXT NOT NULL,
    embedded INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS passages_by_source ON passages (source, start);
CREATE INDEX IF NOT EXISTS passages_to_embed ON passages (embedded, length(text));
CREATE TABLE IF NOT EXISTS gone (id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS identity (id TEXT PRIMARY KEY);
"""
_DOCUMENTS = "SELECT source, title, text FROM documents WHERE text IS NOT NULL"
_PASSAGE = "document_id, source, start, end, heading, text"


class Known(NamedTuple):
    """What is known of a source: hashes of its raw content and of its text, and whether it is in.

    `content` and `words` are "" for what was refused, other than for repeating another's text.
    """

    content: str
    words: str
    accepted: bool


class Entry(NamedTuple):
    """A line of `elenchus corpus list`. `reason` says why a document was refused."""

    source: str
    title: str
    language: str
    characters: int
    passages: int
    reason: str | None


class Catalogue:
    """Typed access to the file. Not shared between threads."""

    def __init__(self, path: Path | None) -> None:
        """Open the file, or for None a catalogue in memory."""
        self._db = sqlite3.connect(
            path or ":memory:", timeout=LOCK_SECONDS, check_same_thread=False, isolation_level=None
        )
        # SQLite does not wait for others that switch a new file to WAL at the same moment.
        with FileLock(f"{path}.lock") if path else contextlib.nullcontext():
            self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def identity(self) -> str:
        """Return an id that no other catalogue of the same domain and settings has."""
        with self._transaction():
            row = self._db.execute("SELECT id FROM identity").fetchone()
            if row is None:
                row = (secrets.token_hex(4),)
                self._db.execute("INSERT INTO identity VALUES (?)", row)
        return str(row[0])

    def begin_pass(self) -> int:
        """Return the number of a new pass over the sources, to be ended by `end_pass`."""
        return int(self._value("SELECT COALESCE(MAX(seen), 0) + 1 FROM documents"))

    def end_pass(self, number: int) -> int:
        """Take out what a pass did not meet; return how many documents that were."""
        unmet = self._db.execute(
            "SELECT source, text IS NOT NULL FROM documents WHERE seen < ?", (number,)
        ).fetchall()
        for source, _ in unmet:
            with self._transaction():
                self._drop_passages(source)
                self._db.execute("DELETE FROM documents WHERE source = ?", (source,))
        return sum(accepted for _, accepted in unmet)

    def known(self, source: str) -> Known | None:
        """Return what is known of a source; None for a new one."""
        row = self._db.execute(
            "SELECT content, words, text IS NOT NULL FROM documents WHERE source = ?", (source,)
        ).fetchone()
        return Known(row[0], row[1], bool(row[2])) if row else None

    def mark_seen(self, source: str, number: int) -> None:
        """Note that a pass met a source that is as it was, and with it what it lacks."""
        self._db.execute(
            "UPDATE documents SET seen = ?1 WHERE source = ?2 "
            "OR text IS NULL AND substr(source, 1, length(?2) + 1) = ?2 || '#'",
            (number, source),
        )

    def put(
        self, document: Document, passages: Sequence[Passage], content: str, number: int
    ) -> None:
        """Write a new or changed document; passages that it had before, and has, stay embedded."""
        ids = {p.id for p in passages}
        with self._transaction():
            self._drop_passages(document.source, but=ids)
            self._write(
                document.source, content, digest(document.text), document.id, document.title,
                document.text, language_of(document.text), None, number,
            )  # fmt: skip
            self._db.executemany(
                f"INSERT INTO passages (id, {_PASSAGE}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT "
                "DO UPDATE SET document_id = excluded.document_id, start = excluded.start, "
                "end = excluded.end",
                [
                    (p.id, p.document_id, p.source, p.start, p.end, json.dumps(p.heading), p.text)
                    for p in passages
                ],
            )
            self._each("DELETE FROM gone WHERE id = ?", ids)

    def refuse(
        self, source: str, reason: str, number: int, content: str = "", words: str = ""
    ) -> None:
        """Write down a source that gives no document, with the reason."""
        with self._transaction():
            self._drop_passages(source)
            self._write(source, content, words, "", "", None, "", reason, number)

    def documents(self) -> Iterator[Document]:
        """Yield all documents, by source."""
        for source, title, text in self._db.execute(f"{_DOCUMENTS} ORDER BY source"):
            yield Document(source=source, title=title, text=text)

    def document(self, source: str) -> Document | None:
        """Return a document; None where the source gave none."""
        name = unicodedata.normalize("NFC", source)
        row = self._db.execute(f"{_DOCUMENTS} AND source = ?", (name,)).fetchone()
        return Document(source=row[0], title=row[1], text=row[2]) if row else None

    def document_ids(self) -> list[str]:
        """Return the ids of all documents, by source."""
        return self._ids("SELECT id FROM documents WHERE text IS NOT NULL ORDER BY source")

    def passages(self, source: str | None = None) -> Iterator[Passage]:
        """Yield all passages, or those of a document, in reading order."""
        yield from self._passages("(?1 IS NULL OR source = ?1) ORDER BY source, start", source)

    def unembedded(self, count: int) -> list[Passage]:
        """Return passages to embed, `count` at most.

        They are of like length, which costs least; the longest come first, so that the time left is
        never more than it seems.
        """
        return list(self._passages("embedded = 0 ORDER BY length(text) DESC LIMIT ?1", count))

    def unembedded_count(self) -> int:
        """Return how many passages are to be embedded."""
        return int(self._value("SELECT COUNT(*) FROM passages WHERE embedded = 0"))

    def stored_count(self) -> int:
        """Return how many passages a store has that this catalogue alone has filled."""
        gone = "(SELECT COUNT(*) FROM gone)"
        return int(self._value(f"SELECT COUNT(*) + {gone} FROM passages WHERE embedded = 1"))

    def mark_embedded(self, ids: Iterable[str]) -> None:
        """Note that the store has these passages."""
        with self._transaction():
            self._each("UPDATE passages SET embedded = 1 WHERE id = ?", ids)

    def reconcile(self, stored: set[str]) -> None:
        """Note that the store has just these passages: what it lacks, and what it is to forget."""
        known = set(self._ids("SELECT id FROM passages"))
        with self._transaction():
            self._db.execute("UPDATE passages SET embedded = 0")
            self._each("UPDATE passages SET embedded = 1 WHERE id = ?", stored & known)
            self._db.execute("DELETE FROM gone")
            self._each("INSERT INTO gone VALUES (?)", stored - known)

    def to_forget(self) -> list[str]:
        """Return the ids of passages that the store is to forget."""
        return self._ids("SELECT id FROM gone ORDER BY id")

    def mark_forgotten(self) -> None:
        """Note that the store has forgotten them."""
        self._db.execute("DELETE FROM gone")

    def entries(self) -> list[Entry]:
        """Return a line for every document and everything refused, by source."""
        return [
            Entry(*row)
            for row in self._db.execute(
                "SELECT source, title, language, COALESCE(length(text), 0), (SELECT COUNT(*) FROM "
                "passages WHERE passages.source = documents.source), reason FROM documents "
                "ORDER BY source"
            )
        ]

    def count(self) -> Counter[str]:
        """Return how many `documents`, `passages`, and sources `refused` there are."""
        return Counter(
            documents=int(self._value("SELECT COUNT(text) FROM documents")),
            passages=int(self._value("SELECT COUNT(*) FROM passages")),
            refused=int(self._value("SELECT COUNT(*) FROM documents WHERE text IS NULL")),
        )

    def _passages(self, where: str, value: Any) -> Iterator[Passage]:
        rows = self._db.execute(f"SELECT {_PASSAGE} FROM passages WHERE {where}", (value,))
        for document_id, source, start, end, heading, text in rows:
            yield Passage(
                document_id=document_id, source=source, start=start, end=end,
                heading=tuple(json.loads(heading)), text=text,
            )  # fmt: skip

    def _write(self, *values: Any) -> None:
        slots = ", ".join("?" * len(values))
        self._db.execute(f"INSERT OR REPLACE INTO documents VALUES ({slots})", values)

    def _drop_passages(self, source: str, but: AbstractSet[str] = frozenset()) -> None:
        rows = self._db.execute("SELECT id FROM passages WHERE source = ?", (source,))
        dropped = [i for (i,) in rows.fetchall() if i not in but]
        self._each("DELETE FROM passages WHERE id = ?", dropped)
        self._each("INSERT OR IGNORE INTO gone VALUES (?)", dropped)

    def _each(self, statement: str, ids: Iterable[str]) -> None:
        self._db.executemany(statement, [(i,) for i in ids])

    def _ids(self, query: str) -> list[str]:
        return [i for (i,) in self._db.execute(query)]

    def _value(self, query: str) -> Any:
        return self._db.execute(query).fetchone()[0]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._db:  # commits, or rolls back whatever the error
            self._db.execute("BEGIN IMMEDIATE")
            yield
