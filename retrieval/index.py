"""A domain's index: what its sources hold, catalogued, split and embedded, kept up to date.

An ingest has two parts. `read` extracts and splits what is new or changed, by content; `embed`
brings the store in line with it. Both stream, and either goes on where a kill left it.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path, PurePath
from typing import Any

from filelock import FileLock

from elenchus.config import CommonConfig
from elenchus.errors import NothingLoaded
from elenchus.records import Document, Passage, digest
from elenchus.runs import explained
from retrieval import corpora
from retrieval.catalogue import Catalogue
from retrieval.chunking import split
from retrieval.embedding import Embedder, located
from retrieval.formats import Refused, Unreadable, extract
from retrieval.store import BATCH, Store

VERSION = 2  # of extracting and splitting: another one makes all passages anew
Progress = Callable[[int, int | None], None]


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
        if keep:
            with explained(self.place, "--set retrieval.index"):
                self.place.mkdir(parents=True, exist_ok=True)
                self.catalogue = Catalogue(self.place / f"{self.name}.sqlite")
            self._lock: AbstractContextManager[Any] = FileLock(self.place / "update.lock")
        else:
            self.catalogue, self._lock = Catalogue(None), nullcontext()

    def close(self) -> None:
        self.catalogue.close()

    def store(self, embedder: Embedder) -> Store:
        """The passages' vectors. On a server, every catalogue has a collection of its own."""
        served = self._config.retrieval.chroma is not None
        name = f"{self.name}-{self.catalogue.identity()}" if served else self.name
        return Store(name, self.place, self._config.retrieval, embedder)

    def read(self, progress: Progress) -> Counter[str]:
        """Bring the catalogue in line with the sources.

        `progress` is told the documents looked at. Returns how many are `new`, `changed`, `same`,
        `refused` and `removed`.

        Raises:
            UserError: a source does not exist.
            NothingLoaded: none of them gave any text.
        """
        with self._lock:
            return self._read_some(progress)

    def take(self, progress: Progress) -> tuple[list[Document], list[Passage], int]:
        """As `read`, but returns all documents and passages, and how many were refused.

        They are listed before another process may bring the catalogue in line with other sources.
        """
        with self._lock:
            counts = self._read_some(progress)
            documents, passages = self.catalogue.documents(), self.catalogue.passages()
            return list(documents), list(passages), counts["refused"]

    def embed(self, store: Store, progress: Callable[[int, int], None]) -> int:
        """Bring the store in line with the catalogue; how many passages had to be embedded."""
        catalogue = self.catalogue
        with explained(self.place, "--set retrieval.index"), self._lock:
            if store.count() != catalogue.to_hold():
                catalogue.reconcile(store.ids())  # somebody changed it, or was killed
            if gone := catalogue.gone():
                store.delete(gone)
                catalogue.forgotten()
            total, done = catalogue.to_embed(), 0
            while passages := catalogue.unembedded(BATCH):
                store.add(passages)
                catalogue.set_embedded([p.id for p in passages])
                done += len(passages)
                progress(done, total)
            return total

    def fingerprint(self) -> str:
        """What tells corpora apart: embedding, splitter, and the content of every document."""
        return digest(" ".join((self._settings, *self.catalogue.ids())))

    def _read_some(self, progress: Progress) -> Counter[str]:
        counts = self._read(progress)
        if not self.catalogue.count()["documents"]:
            raise NothingLoaded(self._nothing())
        return counts

    def _read(self, progress: Progress) -> Counter[str]:
        counts: Counter[str] = Counter()
        number = self.catalogue.begin()
        again: Counter[str] = Counter()
        met: dict[str, Path | None] = {}  # by the name of a document, its file
        words: dict[str, str] = {}  # by the hash of a text, the first document that has it
        for looked_at, found in enumerate(corpora.found(self._config.corpus, self._folder), 1):
            file = found.path if isinstance(found, corpora.File) else None
            if found.source in met:
                if file is not None and file == met[found.source]:
                    continue  # a file may be named by two sources
                again[found.source] += 1
                name = f"{found.source} (again, {again[found.source] + 1})"
                found = Refused(name, "another document has this name")
            else:
                met[found.source] = file
            # What goes wrong in sources is not to be taken for trouble with the index.
            with explained(self.place, "--set retrieval.index"):
                counts[self._take(found, number, words)] += 1
            progress(looked_at, None)
        with explained(self.place, "--set retrieval.index"):
            counts["removed"] = self.catalogue.end(number)
        return counts

    def _take(self, found: corpora.Found, number: int, words: dict[str, str]) -> str:
        """Put one thing that a source held into the catalogue; what became of it."""
        catalogue, source = self.catalogue, found.source
        if isinstance(found, Document) and not _is_unicode(found):
            found = Refused(source, "it holds half a character (a lone surrogate)")
        if isinstance(found, Refused):
            catalogue.refuse(_escaped(source), _escaped(found.reason), number)
            return "refused"
        try:
            raw = self._content(found)
            encoding = found.encoding if isinstance(found, corpora.File) else None
            content = hashlib.sha256(raw + (encoding or "").encode()).hexdigest()
            before = catalogue.known(source)
            if before is not None and before.content == content:
                if before.kept and before.words not in words:
                    words[before.words] = source
                    catalogue.keep(source, number)
                    return "same"
                if before.words in words:
                    return self._repeated(source, content, before.words, number, words)
            document = self._document(found, raw)
        except Unreadable as error:
            catalogue.refuse(source, str(error), number)
            return "refused"
        if (own := digest(document.text)) in words:
            return self._repeated(source, content, own, number, words)
        words[own] = source
        passages = split(document, self._config.corpus.passage_chars)
        catalogue.put(document, passages, content, number)
        return "changed" if before is not None and before.kept else "new"

    def _repeated(
        self, source: str, content: str, own: str, number: int, words: dict[str, str]
    ) -> str:
        """A document that says what another one, met before, says."""
        reason = f"the same text as {words[own]}"
        self.catalogue.refuse(source, reason, number, content, own)
        return "refused"

    def _content(self, found: corpora.File | Document) -> bytes:
        """What says whether a source has changed."""
        if isinstance(found, Document):
            return "\0".join((found.source, found.title, found.text)).encode()
        most = self._config.corpus.file_mb
        try:
            if (size := found.path.stat().st_size) > most * 1e6:
                raise Unreadable(f"{size / 1e6:,.0f} MB, and corpus.file_mb allows {most:,.0f}")
            return found.path.read_bytes()
        except OSError as error:
            raise Unreadable(str(error.strerror)) from error

    def _document(self, found: corpora.File | Document, content: bytes) -> Document:
        if isinstance(found, Document):
            if not found.text.strip():
                raise Unreadable("there is no text in it")
            return found
        expanded = int(self._config.corpus.expanded_mb * 1e6)
        text = extract(found.path.name, content, expanded, found.encoding)
        return Document(
            source=found.source, title=_title(text) or PurePath(found.source).stem, text=text
        )

    def _nothing(self) -> str:
        refused = [e for e in self.catalogue.entries() if e.reason is not None]
        why = "; ".join(f"{e.source}: {e.reason}" for e in refused[:3])
        more = f"; and {len(refused) - 3} more" if len(refused) > 3 else ""
        places = [source.path for source in self._config.corpus.sources if source.path is not None]
        looked = ", ".join(os.path.normpath(self._folder / place) for place in places)
        what = f"{why}{more}" if why else f"there is no file in {looked}"
        return (
            f"corpus.sources: nothing could be loaded ({what}):"
            f" put documents there, or `elenchus corpus add {self._config.domain} FOLDER`"
        )


def contents(config: CommonConfig, folder: Path) -> tuple[list[Document], list[Passage]]:
    """The documents and passages of a domain, as an ingest would find them; nothing is kept.

    Raises:
        UserError: as in `Index.read`.
    """
    index = Index(config, folder, keep=False)
    try:
        documents, passages, _ = index.take(lambda done, total: None)
        return documents, passages
    finally:
        index.close()


def _is_unicode(document: Document) -> bool:
    return all(_escaped(t) == t for t in (document.source, document.title, document.text))


def _escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _title(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return first.lstrip("#").strip() if first.startswith("#") else ""
