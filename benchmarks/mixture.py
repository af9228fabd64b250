"""Mixes texts of known origin, so that those of a domain are hidden among the rest.

They come from a folder of public data and from the installed Python packages: their docstrings,
documents and licences.
"""

import csv
import json
import random
import re
import sysconfig
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from scipy.cluster.hierarchy import DisjointSet

from elenchus.errors import UserError

SHORTEST, LONGEST = 60, 2000  # characters of a text
SHINGLE, ALIKE = 5, 0.3  # words; share of them from which two clauses are of one group
_STRING = re.compile(r'"""(.*?)"""', re.DOTALL)
_GAP = re.compile(r"\n\s*\n")
_DOCUMENTS = (".md", ".rst", ".txt")
TARGETS = ("cuad", "policyqa", "cyberattacks")


class Mixture(NamedTuple):
    """Texts of the domain to begin from, and rows to select from: text, and whether hidden."""

    seeds: list[str]
    rows: list[tuple[str, bool]]


def make(data: Path, target: str, seeds: int, share: int, most: int, draw: int) -> Mixture:
    """Hide texts of `target` 1 to `share` among everything else, `most` of them at most.

    No hidden text is of the same group as a seed: they share few phrases.

    Raises:
        UserError: the folder lacks the data.
    """
    rng = random.Random(f"mixture/{target}/{draw}")
    groups = grouped(_texts(data, target))
    if sum(map(len, groups)) <= seeds:
        raise UserError(f"--data: {data} holds too little of {target}: {seeds} texts are seeds")
    rng.shuffle(groups)
    beginning: list[str] = []
    while len(beginning) < seeds:
        beginning += groups.pop()
    hidden = [text for group in groups for text in group]
    other_targets = [name for name in TARGETS if name not in (target, "cuad")]
    rest = [t for name in (*other_targets, "banking77", "sara") for t in _texts(data, name)]
    rest = sorted({*rest, *packages()} - {*hidden, *beginning})
    rng.shuffle(rest)
    rng.shuffle(hidden)
    hidden = hidden[: min(most, len(rest) // share)]
    rows = [(t, True) for t in hidden] + [(t, False) for t in rest[: share * len(hidden)]]
    rng.shuffle(rows)
    return Mixture(beginning[:seeds], rows)


def grouped(texts: Sequence[str]) -> list[list[str]]:
    """Return the texts in groups that share few phrases of `SHINGLE` words with one another."""
    joined = DisjointSet(range(len(texts)))
    shingles = [_shingles(text) for text in texts]
    holders: dict[str, list[int]] = defaultdict(list)
    for n, phrases in enumerate(shingles):
        shared: Counter[int] = Counter()
        for phrase in phrases:
            shared.update(holders[phrase][:50])
            holders[phrase].append(n)
        for other, count in shared.items():
            if count >= ALIKE * min(len(phrases), len(shingles[other])):
                joined.merge(n, other)
    groups: dict[int, list[str]] = defaultdict(list)
    for n, text in enumerate(texts):
        groups[joined[n]].append(text)
    return list(groups.values())


def packages() -> list[str]:
    """Return docstrings, and paragraphs of documents and licences, of the installed packages."""
    texts: set[str] = set()
    for path in Path(sysconfig.get_paths()["purelib"]).rglob("*"):
        is_document = path.suffix in _DOCUMENTS or "LICEN" in path.name.upper()
        if (path.suffix == ".py" or is_document) and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            texts.update(_long_enough(_GAP.split(text) if is_document else _STRING.findall(text)))
    return sorted(texts)


def _texts(data: Path, name: str) -> list[str]:
    """Return the texts of a part of the public data; UserError where it cannot be read."""
    read = {"cuad": _cuad, "policyqa": _policies, "banking77": _bank, "sara": _sara,
            "cyberattacks": _reports}[name]  # fmt: skip
    try:
        return sorted(set(_long_enough(read(data / name))))
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"--data: {data / name} cannot be read: {error}") from error


def _long_enough(texts: Iterable[str]) -> Iterator[str]:
    """Yield texts in one line, cut to `LONGEST` characters; those under `SHORTEST` are dropped."""
    for text in texts:
        flat = " ".join(text.split())[:LONGEST]
        if len(flat) >= SHORTEST:
            yield flat


def _cuad(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*/t*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            yield from (row["text"] for row in csv.DictReader(file, dialect="excel-tab"))


def _policies(folder: Path) -> Iterator[str]:
    tree = json.loads((folder / "dev.json").read_text(encoding="utf-8"))
    for document in tree["data"]:
        yield from (paragraph["context"] for paragraph in document["paragraphs"])


def _bank(folder: Path) -> Iterator[str]:
    for name in ("train.csv", "test.csv"):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            yield from (row["text"] for row in csv.DictReader(file))


def _sara(folder: Path) -> Iterator[str]:
    yield from (folder / "statutes.txt").read_text(encoding="utf-8").splitlines()
    for line in (folder / "train.tsv").read_text(encoding="utf-8").splitlines():
        yield line.partition("\t")[0]


def _reports(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.md")):
        yield from _GAP.split(path.read_text(encoding="utf-8"))


def _shingles(text: str) -> set[str]:
    words = text.lower().split()
    return {" ".join(words[n : n + SHINGLE]) for n in range(max(1, len(words) - SHINGLE + 1))}
