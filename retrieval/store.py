"""The vector store: a Chroma collection on disk, brought up to date by content.

Vectors are always ours, so Chroma never fetches an embedder; its telemetry is off.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import chromadb
from chromadb.config import Settings
from filelock import FileLock

from elenchus.records import Document, Passage, digest
from retrieval.chunking import split
from retrieval.embedding import Embedder

BATCH = 256  # passages embedded and added at a time


class Store:
    """Passages with their vectors. One collection an embedding model and splitter setting."""

    def __init__(self, folder: Path, embedder: Embedder, passage_chars: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / "update.lock")
        self._embedder = embedder
        self._passage_chars = passage_chars
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
        """Make the store hold exactly these documents; unchanged ones are not embedded again.

        `progress` is told the passages done and to do. Returns all passages in reading order.
        """
        passages = [p for document in documents for p in split(document, self._passage_chars)]
        with self._lock:  # runs of one domain share the store
            self._bring_up_to_date(passages, progress)
        return passages

    def _bring_up_to_date(
        self, passages: Sequence[Passage], progress: Callable[[int, int], None]
    ) -> None:
        stored = set(self._collection.get(include=[])["ids"])
        wanted = {p.id for p in passages}
        gone = sorted(stored - wanted)
        for start in range(0, len(gone), BATCH):
            self._collection.delete(ids=gone[start : start + BATCH])
        new = [p for p in passages if p.id not in stored]
        for start in range(0, len(new), BATCH):
            self._add(new[start : start + BATCH])
            progress(min(start + BATCH, len(new)), len(new))

    def nearest(self, query: str, count: int) -> list[str]:
        """Ids of the passages nearest to a query, best first."""
        vectors: Any = self._embedder.query(query)[None]
        found = self._collection.query(
            query_embeddings=vectors, n_results=min(count, self._collection.count()), include=[]
        )
        return found["ids"][0]

    def _add(self, passages: Sequence[Passage]) -> None:
        # The headings say what a passage is about, often in the words of a question.
        texts = ["\n".join((" > ".join(p.heading), p.text)) for p in passages]
        self._collection.add(
            ids=[p.id for p in passages],
            embeddings=self._embedder.encode(texts),
            metadatas=[{"document_id": p.document_id, "source": p.source} for p in passages],
        )
