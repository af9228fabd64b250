"""The vector store: a Chroma collection on disk, brought up to date by content.

Vectors are always ours, so Chroma never fetches an embedder; its telemetry is off.
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import chromadb
from chromadb.config import Settings
from chromadb.errors import ChromaError
from filelock import FileLock

from elenchus.records import Document, Passage, digest
from elenchus.runs import explained
from retrieval.chunking import split
from retrieval.embedding import Embedder

BATCH = 256  # passages embedded and added at a time


class Store:
    """Passages with their vectors. One collection an embedding model and splitter setting."""

    def __init__(self, folder: Path, embedder: Embedder, passage_chars: int) -> None:
        self._refusals = functools.partial(
            explained, folder, "--set retrieval.index", (ChromaError,)
        )
        self._lock = FileLock(folder / "update.lock")
        self._embedder = embedder
        self._passage_chars = passage_chars
        with self._refusals():
            folder.mkdir(parents=True, exist_ok=True)
        # Two processes that make the same folder's tables at once would be in each other's way.
        with self._refusals(), self._lock:
            self._client: Any = chromadb.PersistentClient(
                str(folder), settings=Settings(anonymized_telemetry=False)
            )
            self._collection = self._client.get_or_create_collection(
                f"passages-{digest(f'{embedder.name} {passage_chars}')}",
                configuration={"hnsw": {"space": "cosine"}},
                embedding_function=None,
            )

    def close(self) -> None:
        """Release the files, so that the folder can be moved or deleted on any system."""
        self._client.close()

    def update(
        self, documents: Sequence[Document], progress: Callable[[int, int], None]
    ) -> list[Passage]:
        """Split the documents and hold their passages; unchanged ones are not embedded again.

        `progress` is told the passages done and to do. Returns all passages in reading order.
        """
        passages = [p for document in documents for p in split(document, self._passage_chars)]
        self.hold(passages, progress)
        return passages

    def hold(self, passages: Sequence[Passage], progress: Callable[[int, int], None]) -> None:
        """Add those of the passages that are not there. None is ever deleted: runs of one domain
        share the store, and an earlier one may still want what a document said then."""
        with self._refusals(), self._lock:
            stored = set(self._collection.get(include=[])["ids"])
            new = [p for p in passages if p.id not in stored]
            for start in range(0, len(new), BATCH):
                self._add(new[start : start + BATCH])
                progress(min(start + BATCH, len(new)), len(new))

    def nearest(self, query: str, count: int, among: Sequence[str]) -> dict[str, float]:
        """Those passages of `among`, all of them held, that are nearest to a query, with cosines.

        Nearest first.
        """
        vectors: Any = self._embedder.query(query)[None]
        found = self._collection.query(
            query_embeddings=vectors,
            n_results=min(count, len(among)),
            # Naming all ids is slow; where the store holds no others, it is not needed.
            ids=list(among) if self._collection.count() > len(among) else None,
            include=["distances"],
        )
        pairs = zip(found["ids"][0], found["distances"][0], strict=True)
        return {passage_id: 1 - float(distance) for passage_id, distance in pairs}

    def _add(self, passages: Sequence[Passage]) -> None:
        # The headings say what a passage is about, often in the words of a question.
        texts = ["\n".join((" > ".join(p.heading), p.text)) for p in passages]
        self._collection.add(
            ids=[p.id for p in passages],
            embeddings=self._embedder.encode(texts),
            metadatas=[{"document_id": p.document_id, "source": p.source} for p in passages],
        )
