"""The vector store: a Chroma collection, in a folder or on a server.

Vectors are always ours, so Chroma never fetches an embedder; its telemetry is off.
"""

import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
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
from elenchus.records import Passage
from elenchus.runs import explained
from retrieval.embedding import Embedder

BATCH = 1024  # passages embedded and added at a time: many are of like length, which costs least
MANY = 5000  # ids a request
Progress = Callable[[int, int], None]


class Store:
    """Passages with their vectors: one collection for a domain, an embedding and a splitter.

    Args:
        name: of the collection.
        folder: of the domain's index; what a server holds has its lock there.

    Raises:
        UserError: the folder cannot be written to, or no Chroma answers at the address.
    """

    def __init__(
        self, name: str, folder: Path, config: RetrievalConfig, embedder: Embedder
    ) -> None:
        self._folder, self._config, self._embedder = folder, config, embedder
        self._held, self._looked = 0, -math.inf
        with explained(folder, "--set retrieval.index"):
            folder.mkdir(parents=True, exist_ok=True)
        # Two processes that make the same folder's tables at once would be in each other's way.
        self._lock = FileLock(folder / "store.lock")
        with self._refusals(), self._lock:
            self._client: Any = _client(folder, config)
            self._collection = self._client.get_or_create_collection(
                name, configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
            )

    def close(self) -> None:
        """Release the files, so that the folder can be moved or deleted on any system."""
        self._client.close()

    def hold(self, passages: Sequence[Passage], progress: Progress) -> None:
        """Add those of the passages that are not there; a run may want what a document once said.

        `progress` is told the passages done and to do.
        """
        held = self.ids()
        new = sorted((p for p in passages if p.id not in held), key=lambda p: -len(p.text))
        for start in range(0, len(new), BATCH):
            self.add(new[start : start + BATCH])
            progress(min(start + BATCH, len(new)), len(new))

    def add(self, passages: Sequence[Passage]) -> None:
        """Embed passages and hold them; those that are there are written anew."""
        # The headings say what a passage is about, often in the words of a question.
        texts = ["\n".join((" > ".join(p.heading), p.text)) for p in passages]
        vectors = self._embedder.encode(texts)
        with self._refusals(), self._lock:
            self._looked = -math.inf
            self._collection.upsert(
                ids=[p.id for p in passages],
                embeddings=vectors,
                metadatas=[{"document_id": p.document_id, "source": p.source} for p in passages],
            )

    def delete(self, ids: Sequence[str]) -> None:
        """Forget passages; those that are not there are passed over."""
        with self._refusals(), self._lock:
            self._looked = -math.inf
            for start in range(0, len(ids), MANY):
                self._collection.delete(ids=list(ids[start : start + MANY]))

    def ids(self) -> set[str]:
        with self._refusals():
            return set(self._collection.get(include=[])["ids"])

    def count(self) -> int:
        with self._refusals():
            return int(self._collection.count())

    def vectors(self, ids: Sequence[str]) -> dict[str, Any]:
        """The vectors of passages that are held, by id."""
        with self._refusals():
            found = self._collection.get(ids=list(ids), include=["embeddings"])
        return dict(zip(found["ids"], found["embeddings"], strict=True))

    def nearest(
        self,
        query: str,
        count: int,
        among: Sequence[str],
        source: str | None = None,
        named: bool = False,
    ) -> dict[str, float] | None:
        """Those passages of `among`, all of them held, that are nearest to a query, with cosines.

        Nearest first. None where too few are held; `named` where as many are held, but others.
        `source` leaves those of one document.
        """
        vectors: Any = self._embedder.query(query)[None]
        with self._refusals():
            held = self._counted()
            if held < len(among):
                return None
            try:
                found: Any = self._collection.query(
                    query_embeddings=vectors,
                    n_results=min(count, len(among)),
                    # Naming all ids is slow; where no others are held, it is not needed.
                    ids=list(among) if named or held > len(among) else None,
                    where=None if source is None else {"source": source},
                    include=["distances"],
                )
            except InternalError:  # what Chroma says where a named id is not held
                if named:
                    raise
                return None
        pairs = zip(found["ids"][0], found["distances"][0], strict=True)
        return {passage_id: 1 - float(distance) for passage_id, distance in pairs}

    def _counted(self) -> int:
        """Passages held, looked up once a second: it takes as long as a search."""
        now = time.monotonic()
        if now - self._looked >= 1:
            self._held, self._looked = int(self._collection.count()), now
        return self._held

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """A server that is gone, or a disk that is full, told with the remedy."""
        if self._config.chroma is None:
            with explained(self._folder, "--set retrieval.index", (ChromaError,)):
                yield
            return
        try:
            yield
        # Its client gives a ValueError for whatever keeps it from connecting.
        except (httpx.HTTPError, ChromaError, ValueError) as error:
            raise UserError(
                f"retrieval.chroma: {self._config.chroma} does not answer as a Chroma server "
                f"({error}); start one with `chroma run --path FOLDER --port PORT`"
            ) from error


def _client(folder: Path, config: RetrievalConfig) -> Any:
    settings = functools.partial(Settings, anonymized_telemetry=False)
    if config.chroma is None:
        return chromadb.PersistentClient(str(folder), settings=settings())
    address = urlsplit(config.chroma)
    return chromadb.HttpClient(
        host=address.hostname or "",
        port=address.port or (443 if address.scheme == "https" else 80),
        ssl=address.scheme == "https",
        settings=settings(),
        tenant=config.tenant,
        database=config.database,
    )
