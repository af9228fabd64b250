"""The first pass over a general corpus: score all its texts, shard by shard.

A shard's scores are a file of their own, which exists when all of it is written; so a shard that is
finished is never read again for its scores.
"""

import heapq
import json
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elenchus.records import CHARS_A_TOKEN
from retrieval.selection import shards
from retrieval.selection.precision import BINS, Doubles, Histogram, bins
from retrieval.selection.scoring import Ensemble
from retrieval.selection.shards import Counts, Shard
from retrieval.selection.workers import Job, Tell

ROWS = 65_536  # scores that are written, and read, at once
Key = tuple[int, int, int]  # of a text: shard, row, part


class Scored(NamedTuple):
    """A text's margin, and where the text stands."""

    margin: float
    key: Key


class Scores:
    """The scores of all texts of a corpus, in the folder of a selection."""

    def __init__(self, out: Path, all_shards: Sequence[Shard]) -> None:
        self.shards = all_shards
        self.files = [out / "scores" / f"{n:06}.parquet" for n in range(len(all_shards))]

    def missing(self, longest: int) -> list[Job]:
        """Return what is to be scored still."""
        numbered = enumerate(zip(self.shards, self.files, strict=True))
        return [Job(n, shard, longest, f) for n, (shard, f) in numbered if not f.exists()]

    @cached_property
    def counts(self) -> list[Counts]:
        """What was counted in each shard. All must be scored."""
        from pyarrow import parquet

        metadata = (parquet.read_metadata(file).metadata[b"counts"] for file in self.files)
        return [Counts(**json.loads(counts)) for counts in metadata]

    def name(self, key: Key) -> str:
        """Return what a text is called: its file with the row, and its part where it was cut."""
        number, row, part = key
        place = f"{self.shards[number].name}#{self._rows_before[number] + row}"
        return place if part == 1 else f"{place}.{part}"

    def histogram(self) -> tuple[Histogram, Histogram]:
        """Return texts and tokens by bin of their margins, (BINS,) each."""
        texts, tokens = (np.zeros(BINS, dtype=np.int64) for _ in range(2))
        for margins, _, sizes in self._batches():
            places = bins(margins)
            texts += np.bincount(places, minlength=BINS)
            tokens += np.bincount(places, weights=sizes, minlength=BINS).astype(np.int64)
        return texts, tokens

    def between(self, low: int, high: int) -> list[Scored]:
        """Return texts with a margin in the bins from `low` to before `high`, best first."""
        rows = []
        for margins, keys, _ in self._batches():
            places = bins(margins)
            inside = np.flatnonzero((places >= low) & (places < high))
            rows += [Scored(float(margins[n]), _key(keys[n])) for n in inside]
        return sorted(rows, key=lambda row: (-row.margin, row.key))

    def best_below(self, margin: float, low: int, count: int) -> list[Scored]:
        """Return the best texts below a margin and below the bin `low`, so many at most."""
        best: list[Scored] = []
        for margins, keys, _ in self._batches():
            left = np.flatnonzero((margins < margin) & (bins(margins) < low))
            order = left[np.argsort(-margins[left], kind="stable")][:count]
            rows = (Scored(float(margins[n]), _key(keys[n])) for n in order)
            best = heapq.nlargest(count, [*best, *rows])
        return best

    @cached_property
    def _rows_before(self) -> list[int]:
        """Rows of a shard's file that stand before the shard."""
        before: list[int] = []
        for n, shard in enumerate(self.shards):
            before.append(0 if shard.first else before[-1] + self.counts[n - 1].rows)
        return before

    def _batches(self) -> Iterator[tuple[Doubles, NDArray[np.int64], NDArray[np.int32]]]:
        """Yield margins (n,), keys (n, 3), and tokens (n,), a piece at a time."""
        from pyarrow import parquet

        for number, path in enumerate(self.files):
            with parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=ROWS):
                    row, part, margin, tokens = (c.to_numpy() for c in batch.columns)
                    keys = np.stack([np.full_like(row, number), row, part], axis=1)
                    yield margin.astype(np.float64), keys, tokens


def score(scorer: Ensemble, job: Job, tell: Tell) -> None:
    """Score all texts of a shard and write `job.scores` with what was counted."""
    import pyarrow
    from pyarrow import parquet

    counts, begun = Counts(), time.process_time()
    schema = pyarrow.schema(
        [("row", "int64"), ("part", "int32"), ("margin", "float32"), ("tokens", "int32")]
    )
    rows: list[tuple[int, int, np.float32, int]] = []
    partial = job.scores.with_suffix(".partial")
    with parquet.ParquetWriter(partial, schema) as writer:

        def write() -> None:
            columns = [*zip(*rows, strict=True)] if rows else [()] * len(schema)
            writer.write_table(pyarrow.table(columns, schema=schema))
            rows.clear()

        for batch in shards.texts(job.shard, job.longest, counts):
            tell(min(counts.read, job.shard.size))
            margins = scorer.margins([text.text for text in batch]).astype(np.float32)
            for (row, part, text), margin in zip(batch, margins, strict=True):
                rows.append((row, part, margin, tokens(text)))
            if len(rows) >= ROWS:  # so that the file does not come in crumbs
                write()
        write()
        counts.seconds = time.process_time() - begun
        writer.add_key_value_metadata({"counts": json.dumps(vars(counts))})
    partial.replace(job.scores)


def score_apart(scorer: Ensemble, job: Job, tell: Tell) -> tuple[Path, bytes]:
    """Score a shard away from the selection's folder; return `job.scores` and what belongs there.

    That is in memory then: about 20 bytes a text.
    """
    with TemporaryDirectory() as place:
        here = job._replace(scores=Path(place) / job.scores.name)
        score(scorer, here, tell)
        return job.scores, here.scores.read_bytes()


def tokens(text: str) -> int:
    """Return about how many tokens a text has."""
    return max(1, len(text) // CHARS_A_TOKEN)


def _key(row: NDArray[np.int64]) -> Key:
    shard, number, part = row.tolist()
    return shard, number, part
