"""Chooses the texts of a selection from their scores: best first, until the cut or the budget.

This is the second pass over a general corpus: texts that scored enough are read again, and those
left out that copy a test, teach little, or are near-duplicates of better ones.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from elenchus.progress import Progress
from retrieval.selection import hashing, shards, value, workers
from retrieval.selection.config import SelectionConfig, SelectionTree
from retrieval.selection.overlap import Overlap
from retrieval.selection.precision import BINS, Precision
from retrieval.selection.scores import Key, Scored, Scores, tokens
from retrieval.selection.shards import LeftOut
from retrieval.selection.value import Rate, Ratings, ValueModel
from retrieval.selection.workers import Job, Tell

AROUND = 10  # examples above the cut, and below it
ROOM = 1.25  # times the budget that is looked at first: duplicates leave room
MORE = 4  # times the budget that is looked at next, and so on
LEAST_MORE = 5_000_000  # tokens, since to read shards again costs more than to keep these
TEST, VALUE, NEAR = "contains a test's text", "low educational value", "near-duplicate"
EXAMPLE = 200  # characters of a text left out that are shown
PERMUTATIONS = 128  # of MinHash
PHRASE = 5  # words whose runs near-duplicates have in common


@dataclass(frozen=True)
class Candidate:
    """A text that scored enough, with what is needed to leave out what is too near others."""

    key: Key
    text: str
    signature: NDArray[np.uint32]
    in_test: bool


class Chosen(NamedTuple):
    """A text with its margin, and its educational value where that was asked for."""

    key: Key
    margin: float
    text: str
    value: float | None
    tokens: int


@dataclass
class Choice(LeftOut):
    """What is selected, best first, what was left out and why, and what lies just below."""

    texts: list[Chosen] = field(default_factory=list)
    below: list[Chosen] = field(default_factory=list)
    ratings: Ratings | None = None
    tokens: int = 0
    full: bool = False  # whether the budget is used up


def choose(
    config: SelectionTree,
    scores: Scores,
    precision: Precision,
    tests: Overlap,
    progress: Progress,
    rate: Rate | None,
) -> Choice:
    """Choose the texts above the cut that no test has, that teach enough, and that differ."""
    settings, choice, high = config.selection, Choice(), BINS
    distinct, model = _Distinct(settings.near_duplicate), None
    read = functools.partial(_read, scores, tests, config, progress)
    for low in _borders(precision, settings):
        rows = scores.between(low, high)
        candidates = read(rows, "Read what scored enough")
        if rate is not None and settings.ratings and model is None and candidates:
            texts = [candidate.text for candidate in candidates]
            model, choice.ratings = value.learn(texts, settings.ratings, rate, config.seed)
        _fill(choice, rows, candidates, settings, scores, distinct, model)
        high = low
        if choice.full:
            break
    least = choice.texts[-1].margin if choice.texts else float("inf")
    rows = scores.best_below(least, BINS if choice.full else high, AROUND)
    below = zip(rows, read(rows, "Read what lies just below the cut"), strict=True)
    choice.below = [_chosen(row, candidate, None) for row, candidate in below]
    return choice


def signature(text: str) -> NDArray[np.uint32]:
    """Return the MinHash of a text's phrases, (PERMUTATIONS,)."""
    from datasketch import MinHash

    sketch = MinHash(PERMUTATIONS, hashfunc=int, scheme="affine32")
    phrases = hashing.phrases(text, min(PHRASE, max(1, hashing.count(text))))
    sketch.update_batch((phrases >> np.uint64(32)).tolist())
    values: NDArray[np.uint32] = sketch.hashvalues
    return values


def read_shard(tests: Overlap, job: Job, tell: Tell) -> list[Candidate]:
    """Read the texts of a shard that the job wants, in order."""
    counts, candidates = shards.Counts(), []
    wanted = {row for row, _ in job.wanted}
    for batch in shards.texts(job.shard, job.longest, counts, wanted):
        tell(counts.read)
        for row, part, text in batch:
            if (row, part) in job.wanted:
                key = (job.number, row, part)
                candidates.append(Candidate(key, text, signature(text), tests.copies(text)))
    return candidates


def _read(
    scores: Scores,
    tests: Overlap,
    config: SelectionTree,
    progress: Progress,
    rows: Sequence[Scored],
    stage: str,
) -> list[Candidate]:
    """Read the texts of rows again, in their order."""
    keys, longest = sorted(row.key for row in rows), config.selection.longest
    jobs = [
        Job(number, scores.shards[number], longest, wanted=frozenset(k[1:] for k in group))
        for number, group in groupby(keys, key=lambda key: key[0])
    ]
    by_key: dict[Key, Candidate] = {}
    for candidates in workers.run(read_shard, tests, jobs, config, progress, stage):
        by_key |= {candidate.key: candidate for candidate in candidates}
    return [by_key[row.key] for row in rows]


def _borders(precision: Precision, settings: SelectionConfig) -> Iterator[int]:
    """Yield bins down to which texts are looked at, one after another, until the cut."""
    least = precision.cut(settings.least_precision, None)
    if settings.tokens is not None:
        low, seen = BINS, int(ROOM * settings.tokens)
        while (lower := precision.cut(settings.least_precision, seen)) > least:
            if lower < low:
                yield lower
            low, seen = lower, seen + max(MORE * settings.tokens, LEAST_MORE)
    yield least


def _fill(
    choice: Choice,
    rows: Sequence[Scored],
    candidates: Sequence[Candidate],
    settings: SelectionConfig,
    scores: Scores,
    distinct: "_Distinct",
    model: ValueModel | None,
) -> None:
    """Take candidates in order while the budget lasts."""
    texts = [candidate.text for candidate in candidates]
    values = model.estimates(texts) if model else [None] * len(texts)
    for row, candidate, worth in zip(rows, candidates, values, strict=True):
        chosen, reason = _chosen(row, candidate, worth), ""
        if settings.tokens is not None and choice.tokens + chosen.tokens > settings.tokens:
            choice.full = True
            return
        if candidate.in_test:
            reason = TEST
        elif worth is not None and worth < settings.least_value:
            reason = VALUE
        elif not distinct.take(candidate):
            reason = NEAR
        if reason:
            choice.leave_out(reason, f"{scores.name(row.key)}: {candidate.text[:EXAMPLE]}")
        else:
            choice.texts.append(chosen)
            choice.tokens += chosen.tokens


def _chosen(row: Scored, candidate: Candidate, worth: float | None) -> Chosen:
    return Chosen(row.key, row.margin, candidate.text, worth, tokens(candidate.text))


class _Distinct:
    """Texts taken so far, of which no two are near-duplicates.

    datasketch finds what may be near; the signatures themselves tell whether it is.

    Args:
        near: share of equal hashes from which two texts are near-duplicates.
    """

    def __init__(self, near: float) -> None:
        from datasketch import MinHashLSH

        self._near = near
        self._signatures: dict[Key, NDArray[np.uint32]] = {}
        self._index = MinHashLSH(near, PERMUTATIONS)

    def take(self, candidate: Candidate) -> bool:
        """Tell whether the text is unlike all taken before; then it is one of them."""
        from datasketch import LeanMinHash

        hashes = candidate.signature
        sketch = LeanMinHash(seed=1, hashvalues=hashes, scheme="affine32")
        for key in self._index.query(sketch):
            if float((self._signatures[key] == hashes).mean()) >= self._near:
                return False
        self._index.insert(candidate.key, sketch)
        self._signatures[candidate.key] = hashes
        return True
