"""Which of the messages that were put together are kept: new ones, unlike each other."""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from offline.reader.contrasts import is_function_word, phrases, words

ALIKE = 0.7  # shared share of words from which two messages are too alike
LEAST_WORDS = 3
STRETCH = 1.5  # how much longer than the longest real message a new one may be, if it is not short
USUAL_SHARE = 0.3  # of the messages that have a word that may be said twice
USUAL_LENGTH = 12  # words that a sentence may have, however short those are that it is made of
POOL = 800  # messages that are made to choose from
_END = re.compile(r"[.!?…]\s")


def distinct(made: Iterable[str], messages: Sequence[str], indicators: Sequence[str]) -> list[str]:
    """Messages that are new, say a thing once, and have a word of the indicators."""
    told = {w for phrase in indicators for w in words(phrase) if not is_function_word(w)}
    seen = {_plain(text) for text in messages}
    longest = max((len(words(text)) for text in messages), default=0)
    most = max(STRETCH * longest, 2 * USUAL_LENGTH)
    counts = Counter(word for text in messages for word in set(words(text)))
    usual = {word for word, count in counts.items() if USUAL_SHARE * len(messages) <= count}
    kept: list[str] = []
    for text in made:
        said, plain = words(text), _plain(text)
        if plain in seen or not LEAST_WORDS <= len(said) <= most:
            continue
        if (not told or told & set(said)) and not _repeats(said, usual):
            seen.add(plain)
            kept.append(text)
        if len(kept) == POOL:
            break
    return kept


def _repeats(said: Sequence[str], usual: Collection[str]) -> bool:
    """Whether something is said twice: a word that tells and is not usual, or two in a row."""
    pairs = list(pairwise(said))
    content = [word for word in said if not is_function_word(word) and word not in usual]
    again = len(content) - len(set(content))
    return again > len(said) // 10 or len(set(pairs)) < len(pairs)


def varied(made: Sequence[str], messages: Sequence[str], wanted: int) -> list[str]:
    """Up to as many as are wanted, no two too alike.

    They come in an order that keeps what is in them about as frequent as in the messages shown:
    next is always what pays most of what is owed (herding).
    """
    goal: Counter[str] = Counter()
    for text in messages:
        goal.update({trait: size / len(messages) for trait, size in _traits(text).items()})
    left = {text: (_traits(text), set(words(text))) for text in made}
    owed: Counter[str] = Counter()
    kept: list[str] = []
    while left and len(kept) < wanted:
        owed.update(goal)
        best = max(left, key=lambda text: sum(owed[t] * v for t, v in left[text][0].items()))
        traits, said = left[best]
        owed.subtract(traits)
        kept.append(best)
        left = {
            text: known
            for text, known in left.items()
            if len(said & known[1]) < ALIKE * len(said | known[1])
        }
    return kept


def _traits(text: str) -> dict[str, float]:
    """The words and pairs of words of a message, all together of length one, and its sentences."""
    found = {phrase for phrase in phrases(text) if phrase.count(" ") < 2}
    traits = dict.fromkeys(sorted(found), 1 / math.sqrt(max(len(found), 1)))
    return traits | {f"{min(len(_END.findall(text)) + 1, 3)} sentences": 0.5}


def _plain(text: str) -> str:
    return " ".join(words(text)) or text
