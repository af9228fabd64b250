"""Chooses among the messages that were put together: new ones, unlike each other."""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from offline.reader.contrasts import is_function_word, phrases, words

ALIKE = 0.7  # share of common words from which two messages are too alike
LEAST_WORDS = 3
STRETCH = 1.5  # longest new message, as a multiple of the longest one shown
USUAL_SHARE = 0.3  # of messages that have a word: one so usual may stand twice in a new message
USUAL_LENGTH = 12  # words that a sentence may have, however short its sources are
POOL = 800  # messages to choose from
_END = re.compile(r"[.!?…]\s")


def distinct(
    candidates: Iterable[str], messages: Sequence[str], indicators: Sequence[str]
) -> list[str]:
    """Return candidates that are new, say a thing once, and have a word of the indicators."""
    cues = {w for phrase in indicators for w in words(phrase) if not is_function_word(w)}
    seen = {_plain(text) for text in messages}
    longest = max((len(words(text)) for text in messages), default=0)
    most = max(STRETCH * longest, 2 * USUAL_LENGTH)
    counts = Counter(word for text in messages for word in set(words(text)))
    usual = {word for word, count in counts.items() if USUAL_SHARE * len(messages) <= count}
    accepted: list[str] = []
    for text in candidates:
        row, plain = words(text), _plain(text)
        if plain in seen or not LEAST_WORDS <= len(row) <= most:
            continue
        if (not cues or cues & set(row)) and not _repeats(row, usual):
            seen.add(plain)
            accepted.append(text)
        if len(accepted) == POOL:
            break
    return accepted


def _repeats(row: Sequence[str], usual: Collection[str]) -> bool:
    """Tell whether a pair of words recurs, or too many words that carry meaning and are rare."""
    pairs = list(pairwise(row))
    content = [word for word in row if not is_function_word(word) and word not in usual]
    again = len(content) - len(set(content))
    return again > len(row) // 10 or len(set(pairs)) < len(pairs)


def varied(candidates: Sequence[str], messages: Sequence[str], count: int) -> list[str]:
    """Return up to `count` candidates, no two too alike.

    They are ordered by herding: each is the one that brings the frequencies of words and pairs of
    words nearest to those in the messages shown.
    """
    goal: Counter[str] = Counter()
    for text in messages:
        goal.update({trait: size / len(messages) for trait, size in _traits(text).items()})
    left = {text: (_traits(text), set(words(text))) for text in candidates}
    owed: Counter[str] = Counter()
    ordered: list[str] = []
    while left and len(ordered) < count:
        owed.update(goal)
        best = max(left, key=lambda text: sum(owed[t] * v for t, v in left[text][0].items()))
        traits, row = left[best]
        owed.subtract(traits)
        ordered.append(best)
        left = {
            text: entry
            for text, entry in left.items()
            if len(row & entry[1]) < ALIKE * len(row | entry[1])
        }
    return ordered


def _traits(text: str) -> dict[str, float]:
    """Return words and pairs of words, as a vector of length one, and the number of sentences."""
    terms = {phrase for phrase in phrases(text) if phrase.count(" ") < 2}
    traits = dict.fromkeys(sorted(terms), 1 / math.sqrt(max(len(terms), 1)))
    return traits | {f"{min(len(_END.findall(text)) + 1, 3)} sentences": 0.5}


def _plain(text: str) -> str:
    return " ".join(words(text)) or text
