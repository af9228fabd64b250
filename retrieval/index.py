"""A domain's index: what its sources hold, catalogued, split and embedded, kept up to date.

An ingest has two parts. `read` extracts and splits what is new or changed, by content; `embed`
brings the store in line with it. Both stream, and either goes on where a kill left it.
"""

import hashlib
import os
from collections import Counter
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path, PurePath
from typing import Any

from filelock import FileLock

from elenchus.config import CommonConfig
from elenchus.errors import NothingLoaded
from elenchus.progress import Advance, unseen
from elenchus.records import Document, Passage, digest
from elenchus.runs import explained
from retrieval import chunking, corpora
from retrieval.catalogue import Catalogue
from retrieval.embedding import Embedder, located
from retrieval.formats import Refused, Unreadable
from retrieval.formats.apart import GB, Reader
from retrieval.store import BATCH, Store

VERSION = 4  # of extracting and splitting: another one makes all passages anew
REPEAT = "the same text as "  # and then which document
SHOWN = 3  # refusals named where nothing could be loaded


class Index:
    """The index of one domain. Its files are shared by all runs of it.

    Args:
        folder: the domain's, which paths of sources are relative to.
        keep: whether on disk; an estimate leaves nothing behind.
    """

    def __init__(self, config: CommonConfig, folder: Path, keep: bool = True) -> None:
        self._config, self._folder = config, folder
        embedding = located(config.retrieval.embedding)
        self._settings = f"{embedding} {config.corpus.passage_chars} {VERSION}"
        self.place = Path(config.retrieval.index) / config.domain
        self.name = f"{config.domain}-{digest(self._settings)}"
        self._lock: AbstractContextManager[Any] = nullcontext()
        if keep:
            with self._explained():
                self.place.mkdir(parents=True, exist_ok=True)
                self.catalogue = Catalogue(self.place / f"{self.name}.sqlite")
            self._lock = FileLock(self.place / "update.lock")
        else:
            self.catalogue = Catalogue(None)

    def close(self) -> None:
        """Close the catalogue."""
        self.catalogue.close()

    def store(self, embedder: Embedder) -> Store:
        """Open the passages' vectors. On a server, every catalogue has a collection of its own."""
        served = self._config.retrieval.chroma is not None
        name = f"{self.name}-{self.catalogue.identity()}" if served else self.name
        return Store(name, self.place, self._config.retrieval, embedder)

    def read(self, advance: Advance) -> Counter[str]:
        """Bring the catalogue in line with the sources.

        `advance` is told the documents looked at. Returns how many are `new`, `changed`, `same`,
        `refused` and `removed`.

        Raises:
            UserError: a source does not exist.
            NothingLoaded: none of them gave any text.
        """
        with self._lock:
            return self._read(advance)

    def take(self, advance: Advance) -> tuple[list[Document], list[Passage], int]:
        """Read, and return all documents and passages, and how many documents were refused.

        They are listed before another process may bring the catalogue in line with other sources.
        """
        with self._lock:
            counts = self._read(advance)
            documents, passages = self.catalogue.documents(), self.catalogue.passages()
            return list(documents), list(passages), counts["refused"]

    def embed(self, store: Store, advance: Advance) -> int:
        """Bring the store in line with the catalogue; return how many passages were embedded."""
        catalogue = self.catalogue
        with self._explained(), self._lock:
            if store.count() != catalogue.stored_count():
                catalogue.reconcile(store.ids())  # somebody changed it, or was killed
            if ids := catalogue.to_forget():
                store.delete(ids)
                catalogue.mark_forgotten()
            total, done = catalogue.unembedded_count(), 0
            while passages := catalogue.unembedded(BATCH):
                store.add(passages)
                catalogue.mark_embedded(p.id for p in passages)
                done += len(passages)
                advance(done, total)
            store.settle()
            return total

    def fingerprint(self) -> str:
        """Return what tells corpora apart: embedding, splitter, and every document's content."""
        return digest(" ".join((self._settings, *self.catalogue.document_ids())))

    def _read(self, advance: Advance) -> Counter[str]:
        counts: Counter[str] = Counter()
        corpus = self._config.corpus
        reader = Reader(int(corpus.expanded_mb * 1e6), corpus.read_seconds, corpus.read_gb * GB)
        with reader:
            reading = _Reading(self._config, self.catalogue, reader)
            for looked_at, item in enumerate(corpora.items(corpus, self._folder), 1):
                # What goes wrong in sources is not to be taken for trouble with the index.
                with self._explained():
                    outcome = reading.take(item)
                if outcome:
                    counts[outcome] += 1
                    advance(looked_at, None)
        with self._explained():
            counts["removed"] = self.catalogue.end_pass(reading.number)
        if not self.catalogue.count()["documents"]:
            raise NothingLoaded(self._nothing_loaded())
        return counts

    def _nothing_loaded(self) -> str:
        refused = [e for e in self.catalogue.entries() if e.reason is not None]
        why = "; ".join(f"{e.source}: {e.reason}" for e in refused[:SHOWN])
        more = f"; and {len(refused) - SHOWN} more" if len(refused) > SHOWN else ""
        paths = [source.path for source in self._config.corpus.sources if source.path is not None]
        places = ", ".join(os.path.normpath(self._folder / path) for path in paths)
        what = f"{why}{more}" if why else f"there is no file in {places}"
        return (
            f"corpus.sources: nothing could be loaded ({what}):"
            f" put documents there, or `elenchus corpus add {self._config.domain} FOLDER`"
        )

    def _explained(self) -> AbstractContextManager[None]:
        return explained(self.place, "--set retrieval.index")


def contents(config: CommonConfig, folder: Path) -> tuple[list[Document], list[Passage]]:
    """Return the documents and passages of a domain as an ingest would; nothing is kept.

    Raises:
        UserError: as in `Index.read`.
    """
    with closing(Index(config, folder, keep=False)) as index:
        documents, passages, _ = index.take(unseen)
        return documents, passages


class _Reading:
    """One pass over the sources: puts each thing that they hold into the catalogue."""

    def __init__(self, config: CommonConfig, catalogue: Catalogue, reader: Reader) -> None:
        self.number = catalogue.begin_pass()
        self._config, self._catalogue, self._reader = config, catalogue, reader
        self._files: dict[str, Path | None] = {}  # by the name of a document
        self._repeated_names: Counter[str] = Counter()
        self._texts: dict[str, str] = {}  # by the hash of a text, the first document that has it

    def take(self, item: corpora.Item) -> str:
        """Return what became of it: new, changed, same or refused; "" for a file met before."""
        source, file = item.source, item.path if isinstance(item, corpora.File) else None
        if source in self._files:
            if file is not None and file == self._files[source]:
                return ""  # a file may be named by two sources
            self._repeated_names[source] += 1
            name = f"{source} (again, {self._repeated_names[source] + 1})"
            return self._refuse(name, "another document has this name")
        self._files[source] = file
        if isinstance(item, Refused):
            return self._refuse(source, item.reason)
        if isinstance(item, Document) and not _is_unicode(item):
            return self._refuse(source, "it holds half a character (a lone surrogate)")
        try:
            return self._read(item)
        except Unreadable as error:
            return self._refuse(source, str(error))

    def _read(self, item: corpora.File | Document) -> str:
        raw = self._raw(item)
        encoding = item.encoding if isinstance(item, corpora.File) else None
        content = hashlib.sha256(raw + (encoding or "").encode()).hexdigest()
        before = self._catalogue.known(item.source)
        if before is not None and before.content == content:
            if before.words in self._texts:
                return self._refuse_repeat(item.source, content, before.words)
            if before.accepted:
                self._texts[before.words] = item.source
                self._catalogue.mark_seen(item.source, self.number)
                return "same"
        document = self._document(item, raw)
        words = digest(document.text)
        if words in self._texts:
            return self._refuse_repeat(item.source, content, words)
        self._texts[words] = item.source
        passages = chunking.split(document, self._config.corpus.passage_chars)
        self._catalogue.put(document, passages, content, self.number)
        return "changed" if before is not None and before.accepted else "new"

    def _raw(self, item: corpora.File | Document) -> bytes:
        """Return what tells whether a source has changed."""
        if isinstance(item, Document):
            return "\0".join((item.source, item.title, item.text)).encode()
        most = self._config.corpus.file_mb
        try:
            if (size := item.path.stat().st_size) > most * 1e6:
                raise Unreadable(f"{size / 1e6:,.0f} MB, and corpus.file_mb allows {most:,.0f}")
            return item.path.read_bytes()
        except OSError as error:
            raise Unreadable(str(error.strerror)) from error

    def _document(self, item: corpora.File | Document, raw: bytes) -> Document:
        if isinstance(item, Document):
            if not item.text.strip():
                raise Unreadable("there is no text in it")
            return item
        text, left_out = self._reader.read(item.path.name, raw, item.encoding)
        for part in left_out:
            self._refuse(f"{item.source}#{part.source}", part.reason)
        title = chunking.title(text) or PurePath(item.source).stem
        return Document(source=item.source, title=title, text=text)

    def _refuse(self, source: str, reason: str, content: str = "", words: str = "") -> str:
        self._catalogue.refuse(_escaped(source), _escaped(reason), self.number, content, words)
        return "refused"

    def _refuse_repeat(self, source: str, content: str, words: str) -> str:
        """Refuse a document that says what another one, met before, says."""
        return self._refuse(source, f"{REPEAT}{self._texts[words]}", content, words)


def _is_unicode(document: Document) -> bool:
    return all(_escaped(t) == t for t in (document.source, document.title, document.text))


def _escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
