"""Selects from a general corpus the text that is like a domain's own (TRAIT, arXiv 2406.16694).

Three passes: learn from the domain's text and a sample of the corpus; score every shard; read again
what scored enough, and leave out tests, what teaches little, and near-duplicates. What is in memory
grows with what is selected, never with the corpus. A folder holds one selection: the same call goes
on where it stopped, and gives the report once it is finished.
"""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from elenchus.errors import UserError
from elenchus.records import digest
from elenchus.runs import explained, write_atomic, write_json
from elenchus.sections import SourceConfig
from retrieval.selection import choosing, passes, scoring, shards
from retrieval.selection import report as selection_report
from retrieval.selection.calibration import Calibration, calibrated
from retrieval.selection.config import SelectionConfig, SelectionTree
from retrieval.selection.passes import Job, Progress
from retrieval.selection.shards import Counts, Shard

VERSION = 1  # of scores: with another one a selection begins anew
LEAST = 10  # texts of either side to learn from
SAMPLED = 64  # shards that the sample is taken from, at most
SAMPLE_BYTES = 256_000_000  # that are read for it, at most
SETTINGS, REPORT, SELECTED = "settings.json", "report.json", "selected.parquet"
PACKAGES = {
    "sklearn": "scikit-learn", "pyarrow": "pyarrow", "orjson": "orjson", "datasketch": "datasketch",
}  # fmt: skip
Report = dict[str, Any]
Rate = Callable[[Sequence[str]], list[float | None]]


class Selected(NamedTuple):
    """A selected text: `score` is the estimated probability that it is of the domain, `value` its
    educational value of 0 to 5 where that was asked for, `source` its file with the row."""

    text: str
    score: float
    value: float | None
    source: str
    tokens: int


@dataclass(frozen=True)
class _Corpus:
    """All shards, and files that cannot be read."""

    shards: list[Shard]
    refused: list[Any]

    def jobs(self, out: Path, longest: int) -> list[Job]:
        return [Job(n, shard, str(out), longest) for n, shard in enumerate(self.shards)]


def select(
    config: SelectionTree,
    domain_folder: Path,
    out: Path,
    progress: Progress,
    tests: Sequence[str] = (),
    rate: Rate | None = None,
    domain: Sequence[str] | None = None,
) -> Report:
    """Select text as `config.selection` says, into the folder `out`; returns the report.

    Args:
        domain: passages of the domain; by default those of its sources as they are now.
        tests: texts that nothing selected may contain, besides those of `selection.tests`.
        rate: gives educational values of 0 to 5, None where there is none; for
            `selection.ratings`.

    Raises:
        UserError: something given cannot be used, or `out` holds a selection with other settings.
    """
    begun, settings = time.perf_counter(), config.selection
    _check_packages()
    if not settings.general:
        raise UserError(
            "selection.general: name the general corpus: files, folders or hf: datasets"
        )
    if settings.ratings and rate is None:
        raise UserError(
            "selection.ratings: nobody is given who rates: `elenchus select` asks the expert"
        )
    corpus = _corpus(settings, domain_folder)
    forbidden = [*tests, *_texts_of(settings.tests, domain_folder)]
    if domain is None:
        domain, fingerprint = _domain(config, domain_folder, progress)
    else:
        fingerprint = digest("\0".join(domain))
        domain = _drawn(domain, config)
    own = _settings(config, corpus, forbidden, fingerprint)
    _check_same(out, own)
    if (out / REPORT).exists():
        return _json(out / REPORT)
    if not (out / SETTINGS).exists() or not (out / passes.MODEL).exists():
        trained = _learnt(config, corpus, domain, progress)
        with explained(out, "--out"):
            (out / "scores").mkdir(parents=True, exist_ok=True)
            passes.save_tests(out, forbidden)
            passes.save_model(out, *trained)
            write_json(out / SETTINGS, own)
    with explained(out, "--out"), _locked(out):
        counts = _scored(config, corpus, out, progress)
        calibration = _calibrated(out, corpus)
        chosen = choosing.chosen(config, corpus.shards, out, calibration, progress, rate)
        report = selection_report.made(config, corpus.shards, counts, calibration, chosen)
        report["unreadable"] = [{"source": r.source, "reason": r.reason} for r in corpus.refused]
        report |= {"tests": len(forbidden), "seconds": round(time.perf_counter() - begun, 1)}
        choosing.write(out / SELECTED, chosen, corpus.shards, counts, calibration)
        write_atomic(out / "report.md", selection_report.as_text(report))
        write_json(out / REPORT, report)
    return report


def check(config: SelectionTree, domain_folder: Path, progress: Progress) -> None:
    """Find what can be known to be wrong with a general corpus, where one is named, before a run.

    Raises:
        UserError: it cannot be found or read, the domain has too little text to learn from, or a
            package is missing.
    """
    if config.selection.general:
        _check_packages()
        _corpus(config.selection, domain_folder)
        _texts_of(config.selection.tests, domain_folder)
        _domain(config, domain_folder, progress)


def _corpus(settings: SelectionConfig, folder: Path) -> _Corpus:
    corpus = _Corpus(*shards.found(settings.general, folder, "selection.general"))
    if not corpus.shards:
        raise UserError(f"selection.general: nothing can be read ({_why(corpus.refused)})")
    return corpus


def read(out: Path) -> Iterator[Selected]:
    """The selected texts, best first.

    Raises:
        UserError: there is no finished selection in the folder.
    """
    if not (out / REPORT).exists():
        raise UserError(f"{out} holds no finished selection: `elenchus select` makes one")
    from pyarrow import parquet

    with parquet.ParquetFile(out / SELECTED) as file:
        for batch in file.iter_batches(batch_size=256):
            yield from (Selected(**row) for row in batch.to_pylist())


def _check_packages() -> None:
    for package, name in PACKAGES.items():
        if util.find_spec(package) is None:
            raise UserError(f"selecting text needs {name}: {shards.NEEDED}")


def _domain(config: SelectionTree, folder: Path, progress: Progress) -> tuple[list[str], str]:
    """Passages of the domain, `selection.sample` at most, and what tells its text from other."""
    from retrieval.index import Index  # here: processes that read shards can do without Chroma

    with closing(Index(config, folder)) as index, progress.stage("Read the domain") as advance:
        index.read(advance)
        texts = (passage.text for passage in index.catalogue.passages())
        return _drawn(texts, config), index.fingerprint()


def _drawn(texts: Iterable[str], config: SelectionTree) -> list[str]:
    """So many passages as are learnt from; UserError where there are too few."""
    kept = _Reservoir(config.selection.sample, config.seed)
    for text in texts:
        kept.offer(text)
    if len(kept.texts) < LEAST:
        raise UserError(
            f"corpus.sources: the domain has {len(kept.texts)} passages, and selecting needs "
            f"{LEAST} to learn from: add documents, or set corpus.passage_chars lower"
        )
    return kept.texts


def _learnt(
    config: SelectionTree, corpus: _Corpus, domain: Sequence[str], progress: Progress
) -> scoring.Trained:
    with progress.stage("Read a sample of the general corpus") as advance:
        general = _sample(config, corpus, advance)
    progress.say(f"learning from {len(domain):,} texts of the domain, {len(general):,} of others")
    with progress.stage("Learn to tell them apart"):
        return scoring.trained(config.selection.method, domain, general, config.seed)


def _sample(
    config: SelectionTree, corpus: _Corpus, advance: Callable[[int, int | None], None]
) -> list[str]:
    """Texts drawn from pieces of some shards, so that all kinds of source have their part."""
    rng, settings = random.Random(f"sample/{config.seed}"), config.selection
    some = sorted(rng.sample(range(len(corpus.shards)), min(SAMPLED, len(corpus.shards))))
    each, found = SAMPLE_BYTES // len(some), list[str]()
    counts = Counts()
    for done, number in enumerate(some, 1):
        kept = _Reservoir(-(-settings.sample // len(some)), config.seed)
        shard, before = shards.piece(corpus.shards[number], each, rng.random()), counts.bytes
        for batch in shards.texts(shard, settings.longest, counts):
            for text in batch:
                kept.offer(text.text)
            if counts.bytes - before > each:
                break  # a packed file, which has no middle to begin in
        found += kept.texts
        advance(done, len(some))
    if len(found) < LEAST:
        raise UserError(
            f"selection.general: {len(found)} texts could be read of the general corpus, and "
            f"learning needs {LEAST} ({_left_out(counts) or 'it is empty'})"
        )
    return found


class _Reservoir:
    """Texts drawn evenly from a stream, so many at most."""

    def __init__(self, most: int, seed: int) -> None:
        self.texts: list[str] = []
        self._most, self._seen = most, 0
        self._rng = random.Random(seed)

    def offer(self, text: str) -> None:
        self._seen += 1
        kept = text[: scoring.SHOWN]
        if len(self.texts) < self._most:
            self.texts.append(kept)
        elif (place := self._rng.randrange(self._seen)) < self._most:
            self.texts[place] = kept


def _scored(
    config: SelectionTree, corpus: _Corpus, out: Path, progress: Progress
) -> list[dict[str, Any]]:
    """Score every shard that has no scores yet; what was counted in each.

    Raises:
        UserError: no shard gave any text.
    """
    jobs = corpus.jobs(out, config.selection.longest)
    missing = [job for job in jobs if not passes.scores_file(out, job.number).exists()]
    if len(missing) < len(jobs):
        progress.say(f"{len(jobs) - len(missing)} of {len(jobs)} shards were scored before")
    in_all = sum(job.shard.size for job in missing)
    with progress.stage("Score the general corpus, MB") as advance:

        def tell(read: int) -> None:
            advance(read // 1_000_000, in_all // 1_000_000 or None)

        workers = config.selection.workers or os.cpu_count() or 1
        for _ in passes.in_processes(passes.score, missing, workers, tell):
            pass
        tell(in_all)
    found = [_counted(out, job.number) for job in jobs]
    if not any(counts["documents"] for counts in found):
        raise UserError(f"selection.general: no text could be read ({_left_out_of(found)})")
    return found


def _counted(out: Path, number: int) -> dict[str, Any]:
    from pyarrow import parquet

    held = parquet.read_metadata(passes.scores_file(out, number)).metadata[b"counts"]
    found: dict[str, Any] = json.loads(held)
    return found


def _calibrated(out: Path, corpus: _Corpus) -> Calibration:
    """Calibrate on the margins of the whole corpus, which are read a piece at a time."""
    held_out = passes.load_model(out).held_out
    counts, tokens = choosing.histogram(out, len(corpus.shards))
    return calibrated(held_out, counts, tokens)


def _texts_of(sources: Sequence[SourceConfig], folder: Path) -> list[str]:
    """All texts of tests.

    Raises:
        UserError: one of the files gives none: to go on would select what is tested.
    """
    found: list[str] = []
    parts, refused = shards.found(sources, folder, "selection.tests")
    if refused:
        raise UserError(f"selection.tests: {_why(refused)}")
    for shard in parts:
        counts, before = Counts(), len(found)
        for batch in shards.texts(shard, 1 << 30, counts):
            found += [text.text for text in batch]
        if len(found) == before and shard.size:
            raise UserError(f"selection.tests: {shard.name} gives no text: {_left_out(counts)}")
    return found


def _settings(
    config: SelectionTree, corpus: _Corpus, tests: Sequence[str], fingerprint: str
) -> dict[str, Any]:
    """All that decides what is selected; how many processes read decides nothing."""
    ways = config.selection.model_dump(mode="json", exclude={"workers"})
    return {
        "selection": ways,
        "seed": config.seed,
        "domain": fingerprint,
        "general": digest(" ".join(f"{s.name} {s.start} {s.end} {_age(s)}" for s in corpus.shards)),
        "tests": digest("\0".join(tests)),
        "expert": config.expert.model if config.selection.ratings else None,
        "version": VERSION,
    }


def _age(shard: Shard) -> int:
    return 0 if shard.path is None else Path(shard.path).stat().st_mtime_ns


def _check_same(out: Path, own: dict[str, Any]) -> None:
    """Refuse a folder with a selection of other settings, or with anything else in it."""
    if (out / SETTINGS).exists():
        known = _json(out / SETTINGS)
        ways = (own["selection"], known.get("selection", {}))
        changed = [f"selection.{key}" for key in ways[0] if ways[1].get(key) != ways[0][key]]
        changed += [key for key in own if key != "selection" and known.get(key) != own[key]]
        if changed:
            raise UserError(
                f"{out} holds a selection made with another {', '.join(changed)}: give another "
                "--out, or remove the folder"
            )
    elif out.exists() and (not out.is_dir() or any(p.name != "scores" for p in _unfinished(out))):
        raise UserError(f"{out} holds something else: give another --out")


def _unfinished(out: Path) -> list[Path]:
    """What lies in a folder but what a selection writes before its settings, and ratings."""
    own = (passes.MODEL, passes.TESTS, "ratings.sqlite", "selection.lock")
    return [p for p in out.iterdir() if not p.name.startswith(own) and p.suffix != ".partial"]


def _locked(out: Path) -> AbstractContextManager[Any]:
    lock = FileLock(out / "selection.lock")
    try:
        return lock.acquire(timeout=1)
    except Timeout as error:
        raise UserError(f"{out} is in use by another process: wait for it") from error


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _why(refused: Sequence[Any]) -> str:
    return "; ".join(f"{r.source}: {r.reason}" for r in refused[:3]) or "the folders are empty"


def _left_out(counts: Counts) -> str:
    return "; ".join(f"{n} {why} ({counts.examples[why][0]})" for why, n in counts.left_out.items())


def _left_out_of(found: Sequence[dict[str, Any]]) -> str:
    whole: Counter[str] = Counter()
    for counts in found:
        whole.update(counts["left_out"])
    return ", ".join(f"{n} {why}" for why, n in whole.items())
