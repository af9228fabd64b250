"""The facts of a question: its figures, and whether an exception is said to hold."""

import re
from dataclasses import dataclass

from agents.builtin.lexicon import (
    ACTORS,
    ADVERBS,
    NUMBER,
    STOP,
    parse_number,
    singular,
    stem,
    word_set,
)
from agents.builtin.limits import unit_name
from agents.builtin.matching import Text
from agents.builtin.rules import Rule

_FIGURE = re.compile(
    rf"(?<![\w.])(?P<symbol>[$€£]\s?)?(?P<number>{NUMBER})\b(?!\.\d)"
    r"(?:[ -]?(?P<unit>%|(?:(?:more|further|full|whole|working|business|calendar|square|cubic|"
    r"nautical) )?[a-z°][a-z'’]*))?",
    re.IGNORECASE,
)
_SCALES = (
    {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400, "weeks": 604800},
    {"millimetres": 1, "centimetres": 10, "metres": 1000, "kilometres": 1000000},
    {"grams": 1, "kilograms": 1000, "tonnes": 1000000},
    {"millilitres": 1, "litres": 1000},
    {"months": 1, "years": 12},
)
_PAST_LIMIT = re.compile(
    r"^\W*(?:too (?:late|long|many|much|short|few|little|heavy|high|wide|deep|fast)|late|"
    r"over(?:due)?\b(?! (?:the|a) (?!limit|maximum|mark))|beyond the (?:limit|deadline)|past the "
    r"deadline|over the (?:limit|maximum|mark)|above the (?:limit|maximum)|after the deadline|"
    r"under "
    r"the (?:limit|minimum)|below the minimum|short of the (?:limit|minimum))\b",
    re.IGNORECASE,
)
_ASKED_FIGURE = re.compile(r"(?:^|[.?!:,] )\s*(?:is|are|would|will|were)\s+$", re.IGNORECASE)
_BEFORE_LIMIT = re.compile(
    r"^\W*(?:[a-z]+ )?(?:to spare|early|before the deadline|(?:under|below|inside) the (?:limit|"
    r"maximum|deadline)|over the minimum|above the minimum)\b",
    re.IGNORECASE,
)
_HYPOTHETICAL = re.compile(
    r"\b(?:if|were|would|changed?|same|differ\w*|alter\w*|replace|instead|suffice[ds]?|next year|"
    r"raised?|lowered?|moved?)\b",
    re.IGNORECASE,
)
_LIMIT_NOUN = re.compile(
    r"\b(?:limit|maximum|minimum|deadline|ceiling|time allowed|allowance|the (?:most|least)|enough|"
    r"(?:code|rule|law|section|byelaw)s? (?:had )?(?:said|says|set|sets|gave|gives|asks?|asked|"
    r"allowed|"
    r"allows|read|reads)|at (?:most|least)|drafters|to do it in|figure (?:may|might|were|rose|"
    r"became)|"
    r"in the (?:code|rule|byelaws?)|(?:rule|code) (?:to )?ask)\b",
    re.IGNORECASE,
)
_CLAUSE_BREAK = re.compile(r"[.?!:;](?=\s|$)|,\s|\s[–—]\s|\bbut\b")
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


@dataclass(frozen=True, slots=True)
class Figures:
    """The scenario's figure and, in a counterfactual, the other limit, in the rule's unit."""

    count: int
    number: int | None
    hypothetical: int | None


@dataclass(frozen=True, slots=True)
class _Figure:
    value: int
    start: int
    end: int


def read_figures(rule: Rule, text: Text, topic: tuple[int, int]) -> Figures:
    """The figures of a question that bear on the rule's limit.

    Args:
        topic: the span of words that names the rule; nothing is read into it.
    """
    if rule.unit is None or rule.value is None:
        return Figures(0, None, None)
    found = _in_unit(rule, text.raw)
    if not found:
        return Figures(0, None, None)
    if len(found) == 1:
        return Figures(1, found[0].value, None)
    start, end = text.starts[topic[0]], text.ends[topic[1] - 1]
    raw = text.raw[:start] + "_" * (end - start) + text.raw[end:]
    weights = [(_hypothetical_weight(raw, figure), n) for n, figure in enumerate(found)]
    top = max(weights)
    hypothetical = found[top[1]] if top[0] > 0 else found[-1]
    others = [figure for figure in found if figure is not hypothetical]
    return Figures(len(found), others[0].value, hypothetical.value)


def _in_unit(rule: Rule, raw: str) -> list[_Figure]:
    figures: list[_Figure] = []
    for match in _FIGURE.finditer(raw):
        value = parse_number(match.group("number"))
        if value is None:
            continue
        end = match.end("unit") if match.group("unit") else match.end("number")
        own = _converted(value, match, rule, figures)
        if own is None or rule.value is None:
            continue
        asked = _ASKED_FIGURE.search(raw[: match.start()]) is not None
        rest = "" if asked else raw[end : end + 40]
        sign = -1 if rule.kind == "minimum" else 1
        if _PAST_LIMIT.match(rest):
            own = rule.value + sign * own
        elif _BEFORE_LIMIT.match(rest):
            own = rule.value - sign * own
        figures.append(_Figure(own, match.start(), end))
    return figures


def _converted(value: int, match: re.Match[str], rule: Rule, before: list[_Figure]) -> int | None:
    """A figure in the rule's unit; None where it is in a unit that says nothing about it."""
    assert rule.unit is not None
    raw_unit = re.sub(r"^(?:more|further|full|whole) ", "", (match.group("unit") or "").lower())
    if match.group("symbol"):
        raw_unit = match.group("symbol").strip()
    unit = unit_name(raw_unit) if raw_unit not in ("$", "€", "£") else rule.unit
    last = (unit or raw_unit).rpartition(" ")[2]
    wanted = rule.unit.rpartition(" ")[2]
    if stem(last) == stem(wanted) or raw_unit.rpartition(" ")[2] == wanted:
        return value
    if unit is None and any(word in rule.unit.split() for word in (raw_unit, raw_unit + "s")):
        return value
    for scale in _SCALES:
        if last in scale and wanted in scale:
            whole, rest = divmod(value * scale[last], scale[wanted])
            # Between two whole figures only the side of the limit matters.
            return whole if rest == 0 or rule.kind == "minimum" else whole + 1
    return None


def _hypothetical_weight(raw: str, figure: _Figure) -> float:
    """How much a figure looks like the limit of a counterfactual."""
    begins = [m.end() for m in _CLAUSE_BREAK.finditer(raw, 0, figure.start)]
    begin = begins[-1] if begins else 0
    ends = _CLAUSE_BREAK.search(raw, figure.end)
    clause = raw[begin : ends.start() if ends else len(raw)]
    near = raw[max(begin, figure.start - 24) : figure.end + 16]
    weight = float(len({m.group().lower() for m in _HYPOTHETICAL.finditer(clause)}))
    return (
        weight
        + 3.0 * (_LIMIT_NOUN.search(clause) is not None)
        + (1.5 * (_LIMIT_NOUN.search(near) is not None))
    )


def exception_holds(exception: str, rule: Rule, text: Text) -> tuple[int, int] | None:
    """Where the question says that an exception holds, as a span of words; None if it does not.

    The words of the exception's subject and of its predicate must be there (other people's names
    may stand for a general subject), and not be denied.
    """
    wanted = _key_stems(exception, rule)
    if not wanted:
        return None
    positions = {
        s: [n for n, found in enumerate(text.stems) if _alike(s, found)] for s, _ in wanted
    }
    matched = [s for s, _ in wanted if positions[s]]
    needed = [s for s, critical in wanted if critical]
    if len(matched) < 0.6 * len(wanted) or not all(positions[s] for s in needed):
        return None
    if len(wanted) == 1 and not _phrase_said(exception, text):
        return None
    span = _tightest([positions[s] for s in matched])
    if _modifier_differs(exception, text, positions):
        return None
    if _denied(text, span) != (_NEGATION.search(exception) is not None):
        return None
    return span


def _key_stems(exception: str, rule: Rule) -> list[tuple[str, bool]]:
    """The telling stems of an exception, each with whether it must be there."""
    words = re.findall(r"[A-Za-z0-9]+", exception.replace("'s", "").replace("’s", ""))
    content = [w for w in words if w.lower() not in STOP]
    topic = {stem(w) for w in rule.topic.split()}
    subject = _subject_head(exception)
    keys: list[tuple[str, bool]] = []
    for n, word in enumerate(content):
        s = stem(word)
        general = s in _GENERIC or s in topic or singular(word.lower()) in ACTORS
        if s in _LIGHT or general:
            continue
        last = n == len(content) - 1
        keys.append((s, last or word.lower() == subject))
    if keys:
        return keys
    return [(stem(w), True) for w in content]


def _phrase_said(exception: str, text: Text) -> bool:
    """Whether one telling word stands in its phrase: "laid up", or beside its general subject."""
    own = [stem(w) for w in re.findall(r"[a-z0-9]+", exception.lower())]
    content = [stem(w) for w in re.findall(r"[a-z0-9]+", exception.lower()) if w not in STOP]
    if all(any(_alike(s, found) for found in text.stems) for s in content):
        return True
    tail = own[-2:]
    return any(tuple(tail) == text.stems[n : n + 2] for n in range(len(text.stems) - 1))


def _subject_head(exception: str) -> str:
    """The head noun of the exception's subject."""
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


def _alike(wanted: str, found: str) -> bool:
    return wanted == found or frozenset((wanted, found)) in _SAME


def _tightest(positions: list[list[int]]) -> tuple[int, int]:
    """The narrowest span of words that holds one position of each list."""
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
    """Whether the question speaks of another one: "the old gate" instead of "the new gate"."""
    words = re.findall(r"[A-Za-z0-9]+", exception)
    head = _subject_head(exception)
    if head not in words or words.index(head) == 0:
        return False
    modifier = words[words.index(head) - 1]
    if modifier.lower() in STOP or positions.get(stem(modifier)):
        return False
    return any(
        n > 0 and text.words[n - 1].lower() not in STOP and stem(modifier) != text.stems[n - 1]
        for n, found in enumerate(text.stems)
        if found == stem(head)
    )


def _denied(text: Text, span: tuple[int, int]) -> bool:
    """Whether what stands in a span of words is denied: "no storm warning was in force"."""
    first, last = span
    begin = text.starts[max(0, first - 4)]
    between = text.raw[begin : text.starts[first]]
    cut = [m.end() for m in re.finditer(r"[.?!;:,](?=\s|$)|\bthat\b", between)]
    start = begin + cut[-1] if cut else begin
    window = text.raw[start : text.ends[last - 1]]
    return _NEGATION.search(window) is not None


def denies_any(text: str) -> bool:
    """Whether a text holds a negation."""
    return _NEGATION.search(text) is not None
