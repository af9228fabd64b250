"""The vector store: a Chroma collection, in a folder or on a server.

Vectors are always ours, so Chroma never fetches an embedder; its telemetry is off.
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import chromadb
import httpx
from chromadb.config import Settings
from chromadb.errors import ChromaError, InternalError
from filelock import FileLock

from elenchus.config import RetrievalConfig
from elenchus.errors import UserError
from elenchus.progress import Advance
from elenchus.records import Passage
from elenchus.runs import explained
from retrieval import seals
from retrieval.embedding import Embedder

BATCH = 1024  # passages embedded and added at a time: many are of like length, which costs least
IDS = 5000  # a request


class Store:
    """Passages with their vectors: one collection for a domain, an embedding and a splitter.

    Args:
        name: of the collection.
        folder: of the domain's index; the lock of a collection on a server lies there.

    Raises:
        UserError: the folder cannot be written to, or no Chroma answers at the address.
    """

    def __init__(
        self, name: str, folder: Path, config: RetrievalConfig, embedder: Embedder
    ) -> None:
        self.name = name
        self._folder, self._config, self._embedder = folder, config, embedder
        self._last_count, self._counted_at = 0, -math.inf
        with explained(folder, "--set retrieval.index"):
            folder.mkdir(parents=True, exist_ok=True)
        # Two processes that make the same folder's tables at once would be in each other's way.
        self._lock = FileLock(folder / "store.lock")
        with self._refusals(), self._lock:
            if config.chroma is None and (found := seals.damaged(folder)):
                raise UserError(f"{found[0]} {found[1]}: {_anew(folder)}")
            self._client: Any = _client(folder, config)
            self._collection = self._client.get_or_create_collection(
                name, configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
            )

    def close(self) -> None:
        """Release the files, so that the folder can be moved or deleted on any system."""
        self._client.close()

    def settle(self) -> None:
        """Note that all vectors are stored: files that change from now on are damaged."""
        if self._config.chroma is None and not seals.is_sealed(self._folder):
            with self._refusals(), self._lock:
                # A search brings the files in line with what a kill left beside them.
                if (one := self._collection.get(limit=1, include=["embeddings"]))["ids"]:
                    self._collection.query(query_embeddings=one["embeddings"], n_results=1)
                seals.seal(self._folder)

    def hold(self, passages: Sequence[Passage], advance: Advance) -> None:
        """Add those of the passages that are missing: a run may want what a document once said."""
        stored = self.ids()
        missing = sorted((p for p in passages if p.id not in stored), key=lambda p: -len(p.text))
        for start in range(0, len(missing), BATCH):
            self.add(missing[start : start + BATCH])
            advance(min(start + BATCH, len(missing)), len(missing))
        self.settle()

    def add(self, passages: Sequence[Passage]) -> None:
        """Embed passages and store them; those that are there are written anew."""
        # The headings say what a passage is about, often in the words of a question.
        texts = ["\n".join((" > ".join(p.heading), p.text)) for p in passages]
        vectors = self._embedder.encode(texts)
        with self._changing():
            self._collection.upsert(
                ids=[p.id for p in passages],
                embeddings=vectors,
                metadatas=[{"document_id": p.document_id, "source": p.source} for p in passages],
            )

    def delete(self, ids: Sequence[str]) -> None:
        """Forget passages; those that are not there are passed over."""
        with self._changing():
            for start in range(0, len(ids), IDS):
                self._collection.delete(ids=list(ids[start : start + IDS]))

    def ids(self) -> set[str]:
        """Return the ids of all passages stored."""
        with self._refusals():
            return set(self._collection.get(include=[])["ids"])

    def count(self) -> int:
        """Return how many passages are stored."""
        with self._refusals():
            return int(self._collection.count())

    def vectors(self, ids: Sequence[str]) -> dict[str, Any]:
        """Return the vectors, (dimensions,) each, of passages that are stored, by id."""
        with self._refusals():
            rows = self._collection.get(ids=list(ids), include=["embeddings"])
        return dict(zip(rows["ids"], rows["embeddings"], strict=True))

    def nearest(
        self,
        query: str,
        count: int,
        among: Sequence[str],
        source: str | None = None,
        named: bool = False,
    ) -> dict[str, float] | None:
        """Return the passages of `among` nearest to a query with their cosines, nearest first.

        None where not all of `among` are stored.

        Args:
            count: passages at most.
            source: the document that they are to be of; any, where none is given.
            named: whether as many passages are stored as `among` has, but others.
        """
        vectors: Any = self._embedder.query(query)[None]
        with self._refusals():
            stored = self._recent_count()
            if stored < len(among):
                return None
            try:
                answer: Any = self._collection.query(
                    query_embeddings=vectors,
                    n_results=min(count, len(among)),
                    # Naming all ids is slow; where no others are stored, it is not needed.
                    ids=list(among) if named or stored > len(among) else None,
                    where=None if source is None else {"source": source},
                    include=["distances"],
                )
            except InternalError:  # what Chroma says where a named id is not stored
                if named:
                    raise
                return None
        pairs = zip(answer["ids"][0], answer["distances"][0], strict=True)
        return {passage_id: 1 - float(distance) for passage_id, distance in pairs}

    def _recent_count(self) -> int:
        """Return how many passages are stored, asked once a second: it takes a search's time."""
        now = time.monotonic()
        if now - self._counted_at >= 1:
            self._last_count, self._counted_at = int(self._collection.count()), now
        return self._last_count

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Keep other processes from storing anything meanwhile."""
        with self._refusals(), self._lock:
            self._counted_at = -math.inf
            if self._config.chroma is None:
                seals.unseal(self._folder)
            yield

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turn a server that is gone, or a disk that is full, into a message with the remedy."""
        if self._config.chroma is None:
            try:
                with explained(self._folder, "--set retrieval.index", (ChromaError,)):
                    yield
            except InternalError as error:  # no file is at fault that can be looked at
                raise UserError(
                    f"the vectors in {self._folder} cannot be read ({error}): {_anew(self._folder)}"
                ) from error
            return
        try:
            yield
        # Its client gives a ValueError for whatever keeps it from connecting.
        except (httpx.HTTPError, ChromaError, ValueError) as error:
            raise UserError(
                f"retrieval.chroma: {self._config.chroma} does not answer as a Chroma server "
                f"({error}); start one with `chroma run --path FOLDER --port PORT`"
            ) from error


def _anew(folder: Path) -> str:
    return f"remove the folder {folder}; the index is made anew"


def _client(folder: Path, config: RetrievalConfig) -> Any:
    settings = Settings(anonymized_telemetry=False)
    if config.chroma is None:
        return chromadb.PersistentClient(str(folder), settings=settings)
    address = urlsplit(config.chroma)
    return chromadb.HttpClient(
        host=address.hostname or "",
        port=address.port or (443 if address.scheme == "https" else 80),
        ssl=address.scheme == "https",
        settings=settings,
        tenant=config.tenant,
        database=config.database,
    )
