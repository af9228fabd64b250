"""Finds out whether a question says that an exception holds: "while the lock was closed"."""

import re
from functools import cache

from offline.language.frames_scenes import HELD
from offline.language.rules import Rule
from offline.language.wording import frames, pattern
from offline.reader.lexicon import ACTORS, ADVERBS, STOP, singular, stem, word_set
from offline.reader.matching import Text

_GENERIC = frozenset(
    stem(word)
    for word in ACTORS
    | word_set("vessel boat ship thing item place case matter time day work property area site")
)
_LIGHT = frozenset(
    stem(word)
    for word in word_set(
        "take takes place hold held progress force happen apply applies on going under way have "
        "lies given occur effect run stand stands by being said course case keep"
    )
)
_GOING_ON = frozenset(
    stem(word) for word in word_set("take takes place progress force happen occur way effect held")
)
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|neither|nor|without|lacks?|lacked|cannot|hardly|instead of|"
    r"rather than|far from)\b|n['’]t\b",
    re.IGNORECASE,
)
_SAME = {
    frozenset(group.split())
    for group in (
        "shut clos", "begin start", "end finish", "ill sick", "permit allow", "leav depart",
        "bui purchas", "child kid", "assent consent", "approv consent", "absent awai", "alon onli",
    )
}  # fmt: skip


def exception_holds(exception: str, rule: Rule, text: Text) -> tuple[int, int] | None:
    """Find where the question says that an exception holds; None if it does not.

    The words of the exception's subject and of its predicate must be there, and not be denied;
    names may stand for a general subject, as people use them.

    Returns:
        The span of words.
    """
    keys = _key_stems(exception, rule)
    if not keys:
        return None
    positions = {s: [n for n, other in enumerate(text.stems) if _alike(s, other)] for s, _ in keys}
    matched = [s for s, _ in keys if positions[s]]
    needed = [s for s, critical in keys if critical]
    if len(matched) < 0.6 * len(keys) or not all(positions[s] for s in needed):
        return None
    if len(keys) == 1 and not _rest_is_light(exception) and not _phrase_said(exception, text):
        return None
    span = _tightest([positions[s] for s in matched])
    if _modifier_differs(exception, text, positions):
        return None
    if _denied(text, span) != (_NEGATION.search(exception) is not None):
        return None
    return span


def told_circumstance(question: str) -> str | None:
    """Return the clause that a question says to hold, in its words; None where there is none.

    Only the frames of our own questions are known: "It is known that the lock is closed."
    """
    for cue in _cues():
        if match := cue.search(question):
            return match["exc"].strip()
    return None


@cache
def _cues() -> tuple[re.Pattern[str], ...]:
    lines = (frame for block in HELD.values() for frame in frames(block))
    return tuple(re.compile(rf"\b{pattern(frame, 'exc')}\.", re.IGNORECASE) for frame in lines)


def _key_stems(exception: str, rule: Rule) -> list[tuple[str, bool]]:
    """Return the telling stems of an exception, each with whether it must be there."""
    words = re.findall(r"[A-Za-z0-9]+", exception.replace("'s", "").replace("’s", ""))
    content = [w for w in words if w.lower() not in STOP]
    topic = {stem(w) for w in rule.topic.split()}
    subject = _subject_head(exception)
    keys: list[tuple[str, bool]] = []
    for n, word in enumerate(content):
        s = stem(word)
        person = word.lower() == subject and word.endswith(("ant", "ee", "ist", "man", "men"))
        general = s in _GENERIC or s in topic or singular(word.lower()) in ACTORS or person
        if s in _LIGHT or general:
            continue
        last = n == len(content) - 1
        keys.append((s, last or word.lower() == subject))
    if keys:
        return keys
    return [(stem(w), True) for w in content]


def _rest_is_light(exception: str) -> bool:
    """Tell whether one word says it all: "a regatta is in progress", so "during the regatta"."""
    content = [stem(w) for w in re.findall(r"[a-z0-9]+", exception.lower()) if w not in STOP]
    return len(content) > 1 and sum(s not in _GOING_ON for s in content) == 1


def _phrase_said(exception: str, text: Text) -> bool:
    """Tell whether one telling word stands in its phrase, "laid up", or beside its subject."""
    words = re.findall(r"[a-z0-9]+", exception.lower())
    content = [stem(w) for w in words if w not in STOP]
    if len(content) > 1 and all(any(_alike(s, other) for other in text.stems) for s in content):
        return True
    tail = tuple(stem(w) for w in words[-2:])
    return any(tail == text.stems[n : n + 2] for n in range(len(text.stems) - 1))


def _subject_head(exception: str) -> str:
    """Return the head noun of the exception's subject; "" where it is not found."""
    words: list[str] = re.findall(r"[a-z0-9'’-]+", exception.lower())
    for n, word in enumerate(words[1:], 1):
        if word in _VERBS or (n >= 2 and word.endswith("s") and words[0] in ("the", "a", "an")):
            return words[n - 2] if words[n - 1] in ADVERBS and n > 1 else words[n - 1]
        if word == "of":
            return words[n - 1]
    return ""


_VERBS = word_set(
    "is are has have was were can cannot does do stands lies takes holds keeps gives waits stays "
    "blocks hangs serves celebrates rides reaches attends fails carries bears faces belongs"
)


def _alike(one: str, other: str) -> bool:
    return one == other or frozenset((one, other)) in _SAME


def _tightest(positions: list[list[int]]) -> tuple[int, int]:
    """Return the narrowest span of words that holds one position of each list."""
    best = (min(min(p) for p in positions), max(max(p) for p in positions) + 1)
    for start in sorted(n for p in positions for n in p):
        ends = []
        for p in positions:
            after = [n for n in p if n >= start]
            if not after:
                break
            ends.append(min(after))
        else:
            if max(ends) + 1 - start < best[1] - best[0]:
                best = (start, max(ends) + 1)
    return best


def _modifier_differs(exception: str, text: Text, positions: dict[str, list[int]]) -> bool:
    """Tell whether the question speaks of another one: "the old gate" for "the new gate"."""
    words = re.findall(r"[A-Za-z0-9]+", exception)
    head = _subject_head(exception)
    if head not in words or words.index(head) == 0:
        return False
    modifier = words[words.index(head) - 1]
    if modifier.lower() in STOP or positions.get(stem(modifier)):
        return False
    return any(
        n > 0 and text.words[n - 1].lower() not in STOP and stem(modifier) != text.stems[n - 1]
        for n, word in enumerate(text.stems)
        if word == stem(head)
    )


def _denied(text: Text, span: tuple[int, int]) -> bool:
    """Tell whether a span of words is denied: "no storm warning was in force"."""
    first, last = span
    begin = text.starts[max(0, first - 4)]
    between = text.raw[begin : text.starts[first]]
    cut = [m.end() for m in re.finditer(r"[.?!;:,](?=\s|$)|\bthat\b", between)]
    start = begin + cut[-1] if cut else begin
    window = text.raw[start : text.ends[last - 1]]
    return _NEGATION.search(window) is not None
