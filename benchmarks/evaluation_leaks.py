"""Measures what a contamination report finds: see `benchmarks/evaluation.py`.

Near-copies of texts, by changes that calibrate nothing, against innocent neighbours: the nearest
text of the same kind that has fewer than four fifths of the words. Whole, they are as texts of
training examples; of each second one, an own copy stands in the middle of a longer passage, too.

Keys: `planted`, `innocents`; `recall`, `innocents_found` and their Wilson intervals, `precision` if
there are as many copies as innocents; `by_kind` (of change), `by_source`, `in_passages` (recall and
wrongly found); `innocents_by_words`, `innocents_by_embedding`; `seconds`, of one core, for `items`
against `examples` and `passages` once vectors are there.
"""

import argparse
import csv
import json
import random
import time
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import evaluation_changes as changes
from elenchus.errors import UserError
from evaluation.calibration import is_copy
from evaluation.contamination import Text, near
from evaluation.leaks import Contamination, Seen, report
from retrieval.embedding import Embedder

ROOT = Path(__file__).resolve().parent.parent
COPIES, QUICK_COPIES = 200, 24
POOL = 3  # texts to choose neighbours from, for each item
SHORTEST, LONGEST = 6, 150  # words of an item
AROUND = 8  # texts around a copy in a passage
SIZES = (5_000, 1_000, 10_000)  # items, examples, passages
QUICK_SIZES = (200, 50, 300)
Texts = Mapping[str, Sequence[str]]


class Planted(NamedTuple):
    """A near-copy of an item, or its innocent neighbour (kind "")."""

    source: str
    item: str
    kind: str
    text: str


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the option of this comparison."""
    parser.add_argument(
        "--data",
        type=Path,
        help="leaks: a folder with sara/, cuad/, policyqa/; else exams of demonstration domains",
    )


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return how many planted copies are found, and how many innocents.

    Raises:
        UserError: the folder has none of the texts.
    """
    texts = _read(options.data) if options.data else _exams()
    wanted = QUICK_COPIES if options.quick else COPIES
    embedder = Embedder("minilm")
    tests: dict[str, list[Text]] = {}
    planted: list[Planted] = []
    for n, (source, pool) in enumerate(sorted(texts.items())):
        share = wanted // len(texts) + (n < wanted % len(texts))
        tests[source], made = _planted(source, pool, share, embedder)
        planted += made
    whole = _found(tests, planted, embedder)
    long = [one._replace(text=_passage(one, texts[one.source])) for one in planted[::2]]
    return {
        **figures(planted, whole),
        "in_passages": figures(long, _found(tests, long, embedder, corpus=True)),
        "speed": _speed(*(QUICK_SIZES if options.quick else SIZES)),
    }


def _exams() -> Texts:
    """Return the questions of the exams written by hand for the demonstration domains."""
    paths = {name: ROOT / "domains" / name / "exam.jsonl" for name in ("harbour", "market")}
    return {
        name: _usable(json.loads(line)["question"] for line in path.read_text("utf-8").splitlines())
        for name, path in paths.items()
    }


def _read(folder: Path) -> Texts:
    """Return the texts of a folder by their source: cases, clauses, paragraphs of policies."""
    found: dict[str, list[str]] = {}
    if (path := folder / "sara" / "train.tsv").is_file():
        found["sara"] = _usable(" ".join(row[:2]) for row in _rows(path))
    if paths := sorted(folder.glob("cuad/*/test.tsv")):
        found["cuad"] = _usable(row[-1] for path in paths for row in _rows(path)[1:])
    if (path := folder / "policyqa" / "dev.json").is_file():
        data = json.loads(path.read_text("utf-8"))["data"]
        parts = [part for policy in data for part in policy["paragraphs"]]
        found["policyqa"] = _usable(part["context"] for part in parts)
        found["policyqa questions"] = _usable(q["question"] for part in parts for q in part["qas"])
    if not found:
        raise UserError(f"{folder} has none of sara/train.tsv, cuad/*/test.tsv, policyqa/dev.json")
    return found


def _rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def _usable(texts: Iterable[str]) -> list[str]:
    """Return texts of the lengths that are measured, each once, in an order drawn at random."""
    chosen = [
        text for text in dict.fromkeys(texts) if SHORTEST <= len(text.split()) <= LONGEST
    ]  # fmt: skip
    return random.Random("leaks").sample(chosen, len(chosen))


def _planted(
    source: str, pool: Sequence[str], count: int, embedder: Embedder
) -> tuple[list[Text], list[Planted]]:
    """Return items of one source; of each a near-copy, and an innocent neighbour if it has one."""
    items = [Text(f"{source}/{n}", text) for n, text in enumerate(pool[:count])]
    others = [Text(str(n), text) for n, text in enumerate(pool[count : count + POOL * count])]
    kinds = list(changes.CHANGES)
    planted = []
    for n, item in enumerate(items):
        for kind in (*kinds[n % len(kinds) :], *kinds):  # the next one where it does not apply
            text = changes.CHANGES[kind](item.text, random.Random(f"leaks/{kind}/{item.text}"))
            if text != item.text:
                planted.append(Planted(source, item.id, kind, text))
                break
    texts = {item.id: item.text for item in items}
    innocent: dict[str, Planted] = {}
    for match in near(items, others, embedder.encode):
        if not is_copy(texts[match.item], match.text):
            innocent.setdefault(match.item, Planted(source, match.item, "", match.text))
    return items, [*planted, *innocent.values()]


def _passage(one: Planted, pool: Sequence[str]) -> str:
    """Return a text in the middle of others from the end of the pool."""
    rng = random.Random(f"passage/{one.text}")
    around = rng.sample(pool[-len(pool) // 4 :], min(AROUND, len(pool) // 4))
    half = len(around) // 2
    return "\n".join((*around[:half], one.text, *around[half:]))


def _found(
    tests: Mapping[str, Sequence[Text]],
    planted: Sequence[Planted],
    embedder: Embedder,
    corpus: bool = False,
) -> dict[int, set[str]]:
    """Return by which ways each planted text is found to hold its item."""
    texts = [Text(str(n), one.text) for n, one in enumerate(planted)]
    seen = Seen([], texts) if corpus else Seen(texts, [])
    found: Contamination = report(tests, seen, embedder.encode, embedder.name)
    ways: dict[int, set[str]] = defaultdict(set)
    for test in found.tests.values():
        for pair in test.pairs:
            if planted[int(pair.seen)].item == pair.item:
                ways[int(pair.seen)].add(pair.way)
    return ways


def figures(planted: Sequence[Planted], found: Mapping[int, set[str]]) -> dict[str, Any]:
    kinds: dict[str, list[bool]] = defaultdict(list)
    sources: dict[str, list[bool]] = defaultdict(list)
    innocents: list[set[str]] = []
    for n, one in enumerate(planted):
        if one.kind:
            kinds[one.kind].append(bool(found.get(n)))
            sources[one.source].append(bool(found.get(n)))
        else:
            innocents.append(found.get(n, set()))
    copies = [is_found for each in kinds.values() for is_found in each]
    recall, wrong = _share(copies), _share([bool(ways) for ways in innocents])
    both = recall["value"] + wrong["value"]
    return {
        "planted": len(copies),
        "innocents": len(innocents),
        "recall": recall,
        "innocents_found": wrong,
        "precision": round(recall["value"] / both, 4) if both else None,
        "innocents_by_words": sum("words" in ways for ways in innocents),
        "innocents_by_embedding": sum("embedding" in ways for ways in innocents),
        "by_kind": {kind: _share(each) for kind, each in sorted(kinds.items())},
        "by_source": {source: _share(each) for source, each in sorted(sources.items())},
    }


def _share(found: Sequence[bool]) -> dict[str, float]:
    """Return a share with its 95 % Wilson interval."""
    from scipy import stats

    if not found:
        return {"value": 0.0, "low": 0.0, "high": 1.0, "count": 0}
    sure = stats.binomtest(sum(found), len(found)).proportion_ci(method="wilson")
    value = sum(found) / len(found)
    bounds = {"value": value, "low": float(sure.low), "high": float(sure.high)}
    return {name: round(number, 4) for name, number in bounds.items()} | {"count": len(found)}


def _speed(items: int, examples: int, passages: int) -> dict[str, float]:
    """Return the seconds of a core that a report takes, but for the embedding itself."""
    rng = np.random.default_rng(0)
    words = np.array([f"w{n:x}" for n in range(30_000)])
    shares = 1 / np.arange(1, len(words) + 1)  # Zipf's law
    shares /= shares.sum()
    embedding = [0.0]

    def texts(name: str, count: int, sentences: int) -> list[Text]:
        drawn = rng.choice(words, (count, sentences, 20), p=shares)
        return [
            Text(f"{name}{n}", " ".join(" ".join(sentence) + "." for sentence in text))
            for n, text in enumerate(drawn)
        ]

    def encode(batch: Sequence[str]) -> NDArray[np.float32]:
        begun = time.process_time()
        seeds = np.array([zlib.crc32(text.encode()) for text in batch], dtype=np.uint32)
        vectors = np.random.default_rng(seeds).normal(size=(len(batch), 384)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        embedding[0] += time.process_time() - begun
        return vectors

    tests = {"test": texts("i", items, 1)}
    seen = Seen(texts("x", examples, 2), texts("p", passages, 10))
    begun = time.process_time()
    report(tests, seen, encode, "made up")
    seconds = time.process_time() - begun - embedding[0]
    return {
        "items": items,
        "examples": examples,
        "passages": passages,
        "seconds": round(seconds, 1),
    }
