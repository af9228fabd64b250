"""Chooses the texts of a selection from their scores: best first, until the cut or the budget."""

import heapq
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from retrieval.selection import passes, valuing
from retrieval.selection.calibration import BINS, Calibration, bins
from retrieval.selection.config import SelectionConfig, SelectionTree
from retrieval.selection.passes import Candidate, Job, Key, Progress
from retrieval.selection.shards import SHOWN, Shard

AROUND = 10  # examples above the cut, and below it
ROOM = 1.25  # times the budget that is looked at first: duplicates leave room
MORE = 4  # times the budget that is looked at next, and so on
LEAST_MORE = 5_000_000  # tokens, since to read shards again costs more than to hold these
TEST, VALUE, NEAR = "contains a test's text", "low educational value", "near-duplicate"
Rate = Callable[[Sequence[str]], list[float | None]]


class Kept(NamedTuple):
    """A text with its margin, and its educational value where that was asked for."""

    key: Key
    text: str
    margin: float
    value: float | None
    tokens: int


class _Row(NamedTuple):
    margin: float
    key: Key


@dataclass
class Chosen:
    """What is selected, best first, what was left out and why, and what lies just below."""

    kept: list[Kept] = field(default_factory=list)
    below: list[Kept] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[tuple[Key, str]]] = field(default_factory=dict)
    ratings: dict[str, Any] | None = None
    tokens: int = 0
    full: bool = False
    lowest: int = BINS  # bin of the scores from which on texts were looked at

    def leave_out(self, reason: str, candidate: Candidate) -> None:
        """Count a text that scored enough; the first few of a reason are shown."""
        self.left_out[reason] += 1
        shown = self.examples.setdefault(reason, [])
        if len(shown) < SHOWN:
            shown.append((candidate.key, candidate.text[:200]))


def histogram(out: Path, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Texts and tokens by bin of their margins, (BINS,) each."""
    texts, tokens = (np.zeros(BINS, dtype=np.int64) for _ in range(2))
    for number in range(count):
        for margins, _, of in _columns(out, number):
            place = bins(margins.astype(np.float64))
            texts += np.bincount(place, minlength=BINS)
            tokens += np.bincount(place, weights=of, minlength=BINS).astype(np.int64)
    return texts, tokens


def chosen(
    config: SelectionTree,
    all_shards: Sequence[Shard],
    out: Path,
    calibration: Calibration,
    progress: Progress,
    rate: Rate | None,
) -> Chosen:
    """The texts above the cut that no test holds, that teach enough, and that differ."""
    settings, found, high = config.selection, Chosen(), BINS
    reader = _Reader(config, all_shards, out, progress)
    unlike, value = _Unlike(settings.near_duplicate), None
    for low in _borders(calibration, settings):
        rows = _between(out, len(all_shards), low, high)
        candidates = reader.read(rows, "Read what scored enough, MB")
        if rate is not None and settings.ratings and value is None and candidates:
            value, found.ratings = valuing.learnt(
                [c.text for c in candidates], settings.ratings, rate, config.seed
            )
        _fill(found, rows, candidates, config, unlike, value)
        found.lowest, high = low, low
        if found.full:
            break
    found.below = _below(found, reader, out, len(all_shards))
    return found


def write(
    path: Path, found: Chosen, all_shards: Sequence[Shard], counts: Any, calibration: Calibration
) -> None:
    """Write the selected texts as Parquet, best first."""
    import pyarrow
    from pyarrow import parquet

    scores = calibration.score(np.array([kept.margin for kept in found.kept]))
    names = named(all_shards, counts)
    columns = {
        "text": pyarrow.array([kept.text for kept in found.kept], "string"),
        "score": pyarrow.array(scores, "float64"),
        "value": pyarrow.array([kept.value for kept in found.kept], "float64"),
        "source": pyarrow.array([names(kept.key) for kept in found.kept], "string"),
        "tokens": pyarrow.array([kept.tokens for kept in found.kept], "int64"),
    }
    partial = path.with_suffix(".partial")
    parquet.write_table(pyarrow.table(columns), partial)
    partial.replace(path)


def named(all_shards: Sequence[Shard], counts: Sequence[dict[str, Any]]) -> Callable[[Key], str]:
    """What a text is called: its file with the row, and its part where a document was cut."""
    before: list[int] = []
    for shard, _ in zip(all_shards, counts, strict=True):
        n = len(before)
        before.append(0 if shard.first else before[-1] + counts[n - 1]["rows"])

    def name(key: Key) -> str:
        number, row, part = key
        place = f"{all_shards[number].name}#{before[number] + row}"
        return place if part == 1 else f"{place}.{part}"

    return name


def _borders(calibration: Calibration, settings: SelectionConfig) -> Iterator[int]:
    """Bins down to which texts are looked at, one after another, until the cut."""
    least = calibration.cut(settings.least_precision, None)
    if settings.tokens is not None:
        low, seen = BINS, int(ROOM * settings.tokens)
        while (lower := calibration.cut(settings.least_precision, seen)) > least:
            if lower < low:
                yield lower
            low, seen = lower, seen + max(MORE * settings.tokens, LEAST_MORE)
    yield least


def _fill(
    found: Chosen,
    rows: Sequence[_Row],
    candidates: Sequence[Candidate],
    config: SelectionTree,
    unlike: "_Unlike",
    value: valuing.Value | None,
) -> None:
    """Take candidates in order while the budget lasts."""
    settings = config.selection
    values = value.of([c.text for c in candidates]) if value else [None] * len(candidates)
    for row, candidate, worth in zip(rows, candidates, values, strict=True):
        size = passes.tokens(candidate.text)
        if settings.tokens is not None and found.tokens + size > settings.tokens:
            found.full = True
            return
        if candidate.in_test:
            found.leave_out(TEST, candidate)
        elif worth is not None and worth < settings.least_value:
            found.leave_out(VALUE, candidate)
        elif not unlike.take(candidate):
            found.leave_out(NEAR, candidate)
        else:
            found.kept.append(Kept(row.key, candidate.text, row.margin, worth, size))
            found.tokens += size


class _Unlike:
    """Texts taken so far, of which no two are near-duplicates.

    datasketch finds what may be near; whether it is, is told by the signatures themselves.
    """

    def __init__(self, near: float) -> None:
        from datasketch import MinHashLSH

        self._near = near
        self._known: dict[Key, NDArray[np.uint32]] = {}
        self._index = MinHashLSH(near, passes.PERMUTATIONS)

    def take(self, candidate: Candidate) -> bool:
        """Whether the text is unlike all taken before; then it is one of them."""
        from datasketch import LeanMinHash

        own = candidate.signature
        sketch = LeanMinHash(seed=1, hashvalues=own, scheme="affine32")
        for other in self._index.query(sketch):
            if float((self._known[other] == own).mean()) >= self._near:
                return False
        self._index.insert(candidate.key, sketch)
        self._known[candidate.key] = own
        return True


class _Reader:
    """Reads texts of the corpus again, by their rows."""

    def __init__(
        self, config: SelectionTree, all_shards: Sequence[Shard], out: Path, progress: Progress
    ) -> None:
        self._settings, self._shards, self._out = config.selection, all_shards, out
        self._progress = progress

    def read(self, rows: Sequence[_Row], stage: str) -> list[Candidate]:
        """The texts of the rows, in their order."""
        wanted = sorted(row.key for row in rows)
        jobs = [
            Job(
                number,
                self._shards[number],
                str(self._out),
                self._settings.longest,
                frozenset(key[1:] for key in keys),
            )
            for number, keys in groupby(wanted, key=lambda key: key[0])
        ]
        in_all = sum(job.shard.size for job in jobs)
        workers = self._settings.workers or os.cpu_count() or 1
        found: dict[Key, Candidate] = {}
        with self._progress.stage(stage) as advance:

            def tell(read: int) -> None:
                advance(read // 1_000_000, in_all // 1_000_000 or None)

            for some in passes.in_processes(passes.read, jobs, workers, tell):
                found |= {candidate.key: candidate for candidate in some}
            tell(in_all)
        return [found[row.key] for row in rows]


def _between(out: Path, count: int, low: int, high: int) -> list[_Row]:
    """Rows with a margin in the bins from `low` to before `high`, best first."""
    found = []
    for number in range(count):
        for margins, keys, _ in _columns(out, number):
            place = bins(margins.astype(np.float64))
            for n in np.flatnonzero((place >= low) & (place < high)):
                found.append(_Row(float(margins[n]), (number, int(keys[0, n]), int(keys[1, n]))))
    return sorted(found, key=lambda row: (-row.margin, row.key))


def _below(found: Chosen, reader: _Reader, out: Path, count: int) -> list[Kept]:
    """The best texts that are neither selected nor left out with a reason."""
    seen = {kept.key for kept in found.kept}
    least = found.kept[-1].margin if found.kept else float("inf")
    best: list[_Row] = []
    for number in range(count):
        for margins, keys, _ in _columns(out, number):
            under = np.where(margins < least, margins, -np.inf)
            place = bins(under.clip(-1e9).astype(np.float64))
            if not found.full:
                under = np.where(place < found.lowest, under, -np.inf)
            some = np.argsort(-under, kind="stable")[:AROUND]
            rows = [_Row(float(under[n]), (number, int(keys[0, n]), int(keys[1, n]))) for n in some]
            best = heapq.nlargest(
                AROUND, [*best, *(r for r in rows if np.isfinite(r.margin) and r.key not in seen)]
            )
    texts = reader.read(best, "Read what lies just below the cut, MB")
    return [
        Kept(row.key, candidate.text, row.margin, None, passes.tokens(candidate.text))
        for row, candidate in zip(best, texts, strict=True)
    ]


def _columns(out: Path, number: int) -> Iterator[tuple[Any, Any, Any]]:
    """Margins (n,), rows and parts (2, n), and tokens (n,) of a shard, a piece at a time."""
    from pyarrow import parquet

    with parquet.ParquetFile(passes.scores_file(out, number)) as file:
        for batch in file.iter_batches(batch_size=passes.ROWS):
            row, part, margin, tokens = (column.to_numpy() for column in batch.columns)
            yield margin, np.stack([row, part.astype(np.int64)]), tokens
