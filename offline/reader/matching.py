"""Finds the rule or definition that a freely worded question is about.

A rule is recognised by the stems of its topic. The longest match wins, so that "visiting vessel
fee" is not taken for "visiting vessel"; the surroundings of the rule only break ties.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from offline.reader.lexicon import DETERMINERS, STOP, WORD, content_stems, stem
from offline.reader.limits import unit_name
from offline.reader.parser import Code, Norm

_SENTENCE_END = re.compile(r"[.?!]\s")


@dataclass(frozen=True, slots=True)
class Text:
    """A question with its words, their stems and where each word stands."""

    raw: str
    words: tuple[str, ...]
    stems: tuple[str, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """A name that fits a question: how well, and the words `text.words[first:last]`."""

    score: float
    first: int
    last: int


def analyse(raw: str) -> Text:
    """Cut a question into words."""
    matches = list(WORD.finditer(raw))
    words = tuple(m.group() for m in matches)
    return Text(
        raw,
        words,
        tuple(stem(word) for word in words),
        tuple(m.start() for m in matches),
        tuple(m.end() for m in matches),
    )


def find_name(name: str, text: Text, *, whole: bool = False) -> Match | None:
    """Return the best match of a topic or term in a question; None where it is not named.

    A whole match in order counts most; next the same words in another order ("notice of arrival");
    next the end of the name with its head noun ("holding tank" for "full holding tank").

    Args:
        whole: the whole name must be there.
    """
    stems = content_stems(name) or [stem(word) for word in WORD.findall(name)]
    if not stems:
        return None
    together = _contiguous(stems, text)
    if together is not None:
        return Match(_worth(len(stems)), *together)
    spread = _spread(stems, text)
    if spread is not None:
        return Match(0.85 * _worth(len(stems)), *spread)
    for start in range(1, len(stems)) if not whole else ():
        tail = _contiguous(stems[start:], text)
        share = (len(stems) - start) / len(stems)
        if tail is not None and share >= 0.5 and _stands_alone(tail, text):
            return Match(0.85 * share * _worth(len(stems) - start), *tail)
    return None


def _stands_alone(span: tuple[int, int], text: Text) -> bool:
    """Tell whether no other word makes a noun another thing: "the seal", not "the fee seal"."""
    first, last = span
    before = text.words[first - 1].lower() if first > 0 else ""
    if last - first == 1 and before not in DETERMINERS and before != "of":
        return False
    if before not in STOP and not before.isdigit():
        return False
    after = text.words[last].lower() if last < len(text.words) else ""
    follows = after and text.raw[text.ends[last - 1] : text.starts[last]].strip() == ""
    return not follows or after in STOP or after.endswith(("ed", "s", "ing", "ly"))


def _worth(length: int) -> float:
    return 1.0 + 0.5 * length


def _contiguous(stems: Sequence[str], text: Text) -> tuple[int, int] | None:
    """Return where the stems stand one after the other, little words between them not counted."""
    for first, found_stem in enumerate(text.stems):
        if found_stem != stems[0]:
            continue
        at, matched = first + 1, 1
        while matched < len(stems) and at < len(text.stems):
            if text.stems[at] == stems[matched]:
                matched += 1
            elif text.words[at].lower() not in ("of", "the", "a", "an", "and", "in", "for", "on"):
                break
            at += 1
        if matched == len(stems):
            return first, at
    return None


def _spread(stems: Sequence[str], text: Text) -> tuple[int, int] | None:
    """Return the narrowest place of one sentence that has all stems, in any order.

    At most five other words may stand between them.
    """
    if len(stems) < 2 or not set(stems) <= set(text.stems):
        return None
    best: tuple[int, int] | None = None
    for first in range(len(text.stems)):
        if text.stems[first] not in stems:
            continue
        missing = Counter(stems)
        for last in range(first, min(len(text.stems), first + len(stems) + 5)):
            missing -= Counter([text.stems[last]])
            if not missing:
                if _SENTENCE_END.search(text.raw, text.starts[first], text.ends[last]):
                    break
                if best is None or last + 1 - first < best[1] - best[0]:
                    best = (first, last + 1)
                break
    return best


@dataclass(frozen=True, slots=True)
class Ranked:
    """A rule that a question may be about, with its score."""

    norm: Norm
    match: Match
    score: float


def rank_norms(code: Code, text: Text) -> list[Ranked]:
    """Return the rules whose topic the question names, the likeliest first."""
    ranked: list[Ranked] = []
    asked = set(text.stems)
    units = {name for word in text.words if (name := unit_name(word))}
    rarity = _rarity(code)
    for norm in code.norms:
        match = find_name(norm.rule.topic, text)
        if match is None:
            continue
        around = set(content_stems(norm.quotes[0].text + " " + norm.heading))
        shared = sum(rarity.get(s, 1.0) for s in around & asked)
        unit = 0.25 if norm.rule.unit in units else 0.0
        ranked.append(Ranked(norm, match, match.score + unit + min(0.4, 0.05 * shared)))
    ranked.sort(key=lambda r: -r.score)
    return _without_parts(ranked)


def _rarity(code: Code) -> dict[str, float]:
    """Return how rare each stem is in the rules of a code: its inverse frequency."""
    counts: Counter[str] = Counter()
    for norm in code.norms:
        counts.update(set(content_stems(norm.quotes[0].text)))
    total = max(1, len(code.norms))
    return {s: math.log(1 + total / n) for s, n in counts.items()}


def _without_parts(ranked: list[Ranked]) -> list[Ranked]:
    """Leave out topics that are only matched inside of a longer one: "vessel" in "vessel fee"."""
    matches = [candidate.match for candidate in ranked]
    return [c for c in ranked if not any(_is_part(c.match, whole) for whole in matches)]


def _is_part(part: Match, whole: Match) -> bool:
    within = whole.first <= part.first and part.last <= whole.last
    longer = whole.last - whole.first > part.last - part.first
    return within and longer and whole.score > part.score
