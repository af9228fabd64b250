"""Selects from a general corpus the text that is like a domain's own (TRAIT, arXiv 2406.16694).

Learn from the domain's text and a sample of the corpus; score every shard; read again what scored
enough, and leave out tests, what teaches little, and near-duplicates. What is in memory grows with
what is selected, never with the corpus. A folder holds one selection: the same call goes on where
it stopped, and gives the report once it is finished.
"""

import json
import math
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout

from elenchus.errors import UserError
from elenchus.progress import Advance, Progress
from elenchus.records import digest
from elenchus.runs import explained, write_atomic, write_json
from elenchus.sections import SourceConfig
from retrieval.formats import Refused
from retrieval.selection import cluster, cut, precision, scoring, shards, workers
from retrieval.selection.config import SelectionConfig, SelectionTree
from retrieval.selection.overlap import Overlap
from retrieval.selection.report import SelectionReport, summarised
from retrieval.selection.scores import Scores, score, score_apart
from retrieval.selection.scoring import Ensemble
from retrieval.selection.shards import Counts, LeftOut, Shard
from retrieval.selection.value import Rate

VERSION = 1  # of scores: with another one a selection begins anew
LEAST = 10  # texts of either side to learn from
SAMPLED = 64  # shards that the sample is taken from, at most
SAMPLE_BYTES = 256_000_000  # that are read for it, at most
NAMED = 3  # files that cannot be read, in a message
SETTINGS, MODEL = "settings.json", "model.npz"
REPORT, SELECTED = "report.json", "selected.parquet"
# What lies in a folder before the settings: written by a selection, and by ratings.
UNFINISHED = (MODEL, "tests.npz", "ratings.sqlite", "selection.lock")


class Selected(NamedTuple):
    """A selected text: `score` is the estimated probability that it is of the domain, `value` its
    educational value of 0 to 5 where that was asked for, `source` its file with the row."""

    text: str
    score: float
    value: float | None
    source: str
    tokens: int


def select(
    config: SelectionTree,
    domain_folder: Path,
    out: Path,
    progress: Progress,
    tests: Sequence[str] = (),
    rate: Rate | None = None,
    domain: Sequence[str] | None = None,
) -> SelectionReport:
    """Select text as `config.selection` says, into the folder `out`; return the report.

    Args:
        tests: texts that nothing selected may contain, besides those of `selection.tests`.
        rate: gives educational values of 0 to 5, None where there is none; for
            `selection.ratings`.
        domain: passages of the domain; by default those of its sources as they are now.

    Raises:
        UserError: something given cannot be used, or `out` holds a selection with other settings.
    """
    begun = time.perf_counter()
    if config.selection.ratings and rate is None:
        raise UserError(
            "selection.ratings: nobody is given who rates: `elenchus select` asks the expert"
        )
    all_shards, refused = _corpus(config.selection, domain_folder)
    tests = [*tests, *_texts_of(config.selection.tests, domain_folder)]
    if domain is None:
        domain, fingerprint = _domain(config, domain_folder, progress)
    else:
        domain, fingerprint = _drawn(domain, config), digest("\0".join(domain))
    settings = _settings(config, all_shards, tests, fingerprint)
    _check_same(out, settings)
    if (out / REPORT).exists():
        return SelectionReport.model_validate_json((out / REPORT).read_bytes())
    if config.engine == "ray":
        cluster.check(config.ray, all_shards, progress)
    if not (out / SETTINGS).exists() or not (out / MODEL).exists():
        learnt = _learn(config, all_shards, domain, progress)
        with explained(out, "--out"):
            (out / "scores").mkdir(parents=True, exist_ok=True)
            learnt.save(out / MODEL)
            write_json(out / SETTINGS, settings)
    with explained(out, "--out"), _locked(out):
        learnt = scoring.load(out / MODEL)
        scores = _score(config, Scores(out, all_shards), learnt, progress)
        estimate = precision.estimate(learnt.held_out, *scores.histogram())
        choice = cut.choose(config, scores, estimate, Overlap.of(tests), progress, rate)
        seconds = time.perf_counter() - begun
        report = summarised(config, scores, estimate, choice, refused, len(tests), seconds)
        _write(out / SELECTED, choice, scores, estimate)
        write_atomic(out / "report.md", report.as_markdown())
        write_json(out / REPORT, report.model_dump(mode="json"))
    return report


def check(config: SelectionTree, domain_folder: Path, progress: Progress) -> None:
    """Find what can be known to be wrong with a general corpus, where one is named, before a run.

    Raises:
        UserError: it cannot be found or read, the domain has too little text to learn from, or a
            package is missing.
    """
    if config.selection.general:
        all_shards, _ = _corpus(config.selection, domain_folder)
        _texts_of(config.selection.tests, domain_folder)
        if config.engine == "ray":
            cluster.check(config.ray, all_shards, progress)
        _domain(config, domain_folder, progress)


def read(out: Path) -> Iterator[Selected]:
    """Yield the selected texts, best first.

    Raises:
        UserError: there is no finished selection in the folder.
    """
    if not (out / REPORT).exists():
        raise UserError(f"{out} holds no finished selection: `elenchus select` makes one")
    from pyarrow import parquet

    with parquet.ParquetFile(out / SELECTED) as file:
        for batch in file.iter_batches(batch_size=256):
            yield from (Selected(**row) for row in batch.to_pylist())


def _write(path: Path, choice: cut.Choice, scores: Scores, estimate: precision.Precision) -> None:
    """Write the selected texts as Parquet, best first."""
    import pyarrow
    from pyarrow import parquet

    texts = choice.texts
    columns = {
        "text": pyarrow.array([chosen.text for chosen in texts], "string"),
        "score": pyarrow.array(estimate.score(np.array([c.margin for c in texts])), "float64"),
        "value": pyarrow.array([chosen.value for chosen in texts], "float64"),
        "source": pyarrow.array([scores.name(chosen.key) for chosen in texts], "string"),
        "tokens": pyarrow.array([chosen.tokens for chosen in texts], "int64"),
    }
    partial = path.with_suffix(".partial")
    parquet.write_table(pyarrow.table(columns), partial)
    partial.replace(path)


def _corpus(settings: SelectionConfig, folder: Path) -> tuple[list[Shard], list[Refused]]:
    """Return all shards of the general corpus, and files that cannot be read."""
    if problem := shards.missing_package():
        raise UserError(problem)
    if not settings.general:
        raise UserError(
            "selection.general: name the general corpus: files, folders or hf: datasets"
        )
    all_shards, refused = shards.find(settings.general, folder, "selection.general")
    if not all_shards:
        raise UserError(f"selection.general: nothing can be read ({_why(refused)})")
    return all_shards, refused


def _domain(config: SelectionTree, folder: Path, progress: Progress) -> tuple[list[str], str]:
    """Return passages of the domain, `selection.sample` at most, and its fingerprint."""
    from retrieval.index import Index  # here: processes that read shards can do without Chroma

    with closing(Index(config, folder)) as index, progress.stage("Read the domain") as advance:
        index.read(advance)
        texts = (passage.text for passage in index.catalogue.passages())
        return _drawn(texts, config), index.fingerprint()


def _drawn(texts: Iterable[str], config: SelectionTree) -> list[str]:
    """Draw as many passages as are learnt from; UserError where there are too few."""
    sample = _reservoir(texts, config.selection.sample, config.seed)
    if len(sample) < LEAST:
        raise UserError(
            f"corpus.sources: the domain has {len(sample)} passages, and selecting needs "
            f"{LEAST} to learn from: add documents, or set corpus.passage_chars lower"
        )
    return sample


def _learn(
    config: SelectionTree, all_shards: Sequence[Shard], domain: Sequence[str], progress: Progress
) -> Ensemble:
    with progress.stage("Read a sample of the general corpus") as advance:
        general = _sample(config, all_shards, advance)
    progress.say(f"learning from {len(domain):,} texts of the domain, {len(general):,} of others")
    with progress.stage("Learn to tell them apart"):
        return scoring.train(config.selection.method, domain, general, config.seed)


def _sample(config: SelectionTree, all_shards: Sequence[Shard], advance: Advance) -> list[str]:
    """Draw texts from pieces of some shards, so that all kinds of source have their part."""
    rng, settings = random.Random(f"sample/{config.seed}"), config.selection
    count = min(SAMPLED, len(all_shards))
    numbers = sorted(rng.sample(range(len(all_shards)), count))
    each, texts, counts = SAMPLE_BYTES // count, list[str](), Counts()
    for done, number in enumerate(numbers, 1):
        shard = shards.piece(all_shards[number], each, rng.random())
        # A packed file has no middle to begin in, and may be longer.
        beginning = _texts(shard, settings.longest, counts, each)
        texts += _reservoir(beginning, -(-settings.sample // count), config.seed)
        advance(done, count)
    if len(texts) < LEAST:
        raise UserError(
            f"selection.general: {len(texts)} texts could be read of the general corpus, and "
            f"learning needs {LEAST} ({counts.summary() or 'it is empty'})"
        )
    return texts


def _texts(shard: Shard, longest: int, counts: Counts, size: float = math.inf) -> Iterator[str]:
    """Yield the texts of a shard until more than `size` bytes of them were read."""
    before = counts.bytes
    for batch in shards.texts(shard, longest, counts):
        yield from (text.text for text in batch)
        if counts.bytes - before > size:
            return


def _reservoir(texts: Iterable[str], most: int, seed: int) -> list[str]:
    """Draw texts evenly from a stream, as much of each as is learnt from, so many at most."""
    rng, sample = random.Random(seed), list[str]()
    for number, text in enumerate(texts, 1):
        if len(sample) < most:
            sample.append(text[: scoring.SHOWN])
        elif (place := rng.randrange(number)) < most:
            sample[place] = text[: scoring.SHOWN]
    return sample


def _score(config: SelectionTree, scores: Scores, scorer: Ensemble, progress: Progress) -> Scores:
    """Score every shard that has no scores yet; UserError where no shard gave any text."""
    settings, count = config.selection, len(scores.shards)
    missing = scores.missing(settings.longest)
    if len(missing) < count:
        progress.say(f"{count - len(missing)} of {count} shards were scored before")
    stage = "Score the general corpus"
    if config.engine == "ray":
        for path, content in workers.run(score_apart, scorer, missing, config, progress, stage):
            partial = path.with_suffix(".partial")
            partial.write_bytes(content)
            partial.replace(path)
    else:
        for _ in workers.run(score, scorer, missing, config, progress, stage):
            pass
    if not any(counts.documents for counts in scores.counts):
        reasons = LeftOut.merged(scores.counts).summary()
        raise UserError(f"selection.general: no text could be read ({reasons})")
    return scores


def _texts_of(sources: Sequence[SourceConfig], folder: Path) -> list[str]:
    """Return all texts of tests.

    Raises:
        UserError: one of the files gives none: to go on would select what is tested.
    """
    all_shards, refused = shards.find(sources, folder, "selection.tests")
    if refused:
        raise UserError(f"selection.tests: {_why(refused)}")
    tests: list[str] = []
    for shard in all_shards:
        counts = Counts()
        tests += _texts(shard, 1 << 30, counts)
        if not counts.documents and shard.size:
            raise UserError(f"selection.tests: {shard.name} gives no text: {counts.summary()}")
    return tests


def _settings(
    config: SelectionTree, all_shards: Sequence[Shard], tests: Sequence[str], fingerprint: str
) -> dict[str, Any]:
    """Return all that decides what is selected; how many processes read decides nothing."""
    places = (f"{s.name} {s.start} {s.end} {s.changed}" for s in all_shards)
    return {
        "selection": config.selection.model_dump(mode="json", exclude={"workers"}),
        "seed": config.seed,
        "domain": fingerprint,
        "general": digest(" ".join(places)),
        "tests": digest("\0".join(tests)),
        "expert": config.expert.model if config.selection.ratings else None,
        "version": VERSION,
    }


def _check_same(out: Path, settings: dict[str, Any]) -> None:
    """Refuse a folder with a selection of other settings, or with anything else in it."""
    if (out / SETTINGS).exists():
        known: dict[str, Any] = json.loads((out / SETTINGS).read_text(encoding="utf-8"))
        chosen, chosen_then = settings["selection"], known.get("selection", {})
        changed = [f"selection.{key}" for key in chosen if chosen_then.get(key) != chosen[key]]
        changed += [k for k in settings if k != "selection" and known.get(k) != settings[k]]
        if changed:
            raise UserError(
                f"{out} holds a selection made with another {', '.join(changed)}: give another "
                "--out, or remove the folder"
            )
    elif out.exists() and (not out.is_dir() or any(map(_is_foreign, out.iterdir()))):
        raise UserError(f"{out} holds something else: give another --out")


def _is_foreign(path: Path) -> bool:
    """Tell whether something in a folder is none of what lies there before the settings."""
    ours = path.name == "scores" or path.name.startswith(UNFINISHED) or path.suffix == ".partial"
    return not ours


def _locked(out: Path) -> AbstractContextManager[Any]:
    lock = FileLock(out / "selection.lock")
    try:
        return lock.acquire(timeout=1)
    except Timeout as error:
        raise UserError(f"{out} is in use by another process: wait for it") from error


def _why(refused: Sequence[Refused]) -> str:
    return "; ".join(f"{r.source}: {r.reason}" for r in refused[:NAMED]) or "the folders are empty"
