"""Makes near-copies of texts: what a test item looks like where it was copied and touched up.

All is drawn by the item's text, so that the same items give the same copies.
"""

import random
import re
from collections.abc import Callable, Sequence

_CLAUSE = re.compile(r"(?<=[,;:.?!])\s+")
_DIGITS = re.compile(r"\d+")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+")
_NAMES = ("Avery", "Morgan", "Linden", "Harlow", "Quinn", "Sorrel", "Tamsin", "Brook")
Change = Callable[[str, random.Random], str]


def dropped(text: str, rng: random.Random) -> str:
    """Leave out every tenth word or so, one at least."""
    words = text.split()
    gone = set(rng.sample(range(len(words)), max(1, len(words) // 10))) if len(words) > 2 else ()
    return " ".join(word for n, word in enumerate(words) if n not in gone)


def swapped(text: str, rng: random.Random) -> str:
    """Exchange every eighth word or so with the next one, one at least."""
    words = text.split()
    pairs = range(0, len(words) - 1, 2)
    for n in rng.sample(pairs, min(len(pairs), max(1, len(words) // 8))):
        words[n], words[n + 1] = words[n + 1], words[n]
    return " ".join(words)


def reordered(text: str, rng: random.Random) -> str:
    """Put the clauses in another order; without any, the second half of the words first."""
    clauses = _CLAUSE.split(text)
    if len(clauses) < 2:
        words = text.split()
        return " ".join(words[len(words) // 2 :] + words[: len(words) // 2])
    turn = rng.randrange(1, len(clauses))
    return " ".join(clauses[turn:] + clauses[:turn])


def renamed(text: str, rng: random.Random) -> str:
    """Change all numbers, and up to two names within sentences, each everywhere alike."""
    digits = _DIGITS.sub(lambda m: str(int(m[0][:15]) + rng.randrange(1, 9)), text)
    names = list(dict.fromkeys(_NAME.findall(digits)))
    for name, other in zip(rng.sample(names, min(2, len(names))), rng.sample(_NAMES, 2),
                           strict=False):  # fmt: skip
        digits = re.sub(rf"\b{name}\b", other, digits)
    return digits


def recased(text: str, rng: random.Random) -> str:
    """Write all in small or capital letters, with other punctuation."""
    bare = re.sub(r"[,;:()\"']", "", text)
    return bare.upper() if rng.random() < 0.5 else bare.lower().rstrip(".?!")


CHANGES: dict[str, Change] = {
    "words dropped": dropped,
    "words swapped": swapped,
    "clauses reordered": reordered,
    "numbers and names changed": renamed,
    "case and punctuation": recased,
}
WRAPPED = "inside a longer text"


def copy(text: str, kind: str, around: Sequence[str] = ()) -> str:
    """Return a near-copy of a text; of the kind `WRAPPED`, with the texts `around` it."""
    rng = random.Random(f"{kind}/{text}")
    if kind == WRAPPED:
        return wrapped(dropped(text, rng), around)
    return CHANGES[kind](text, rng)


def wrapped(text: str, around: Sequence[str]) -> str:
    """Return a text between the first half of other texts and the rest of them."""
    half = len(around) // 2
    return "\n".join((*around[:half], text, *around[half:]))
