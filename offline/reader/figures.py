"""Reads the figures of a question: that of its scenario, and the other limit of a counterfactual.

A figure counts if it is in the rule's unit or in one that converts to it, or is given relative to
the limit ("3 days late", "2 litres too much").
"""

import re
from dataclasses import dataclass

from offline.language.rules import Rule
from offline.reader.lexicon import NUMBER, ORDINAL, parse_number, stem
from offline.reader.limits import unit_name
from offline.reader.matching import Text

_FIGURE = re.compile(
    rf"(?<![\w.])(?P<symbol>[$€£]\s?)?(?P<number>{ORDINAL}|{NUMBER})\b(?!\.\d)"
    r"(?:[ -]?(?P<unit>%|(?:(?:more|further|full|whole|working|business|calendar|square|cubic|"
    r"nautical) )?[a-z°][a-z'’]*))?",
    re.IGNORECASE,
)
_DAY_NUMBER = re.compile(r"\b(?P<unit>day|hour|week|night|month|minute) (?P<number>\d+)\b", re.I)
_SCALES = (
    {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400, "weeks": 604800},
    {"millimetres": 1, "centimetres": 10, "metres": 1000, "kilometres": 1000000},
    {"grams": 1, "kilograms": 1000, "tonnes": 1000000},
    {"millilitres": 1, "litres": 1000},
    {"months": 1, "years": 12},
)
_PAST_LIMIT = re.compile(
    r"^\W*(?:too (?:late|long|many|much|short|few|little|heavy|high|wide|deep|fast)|late|(?:more|"
    r"fewer|less) than (?:allowed|required|permitted|prescribed)|over(?:due)?\b(?! (?:the|a) "
    r"(?!limit|maximum|mark))|beyond the (?:limit|deadline)|past the deadline|over the (?:limit|"
    r"maximum|mark)|above the (?:limit|maximum)|after the deadline|under the (?:limit|minimum)|"
    r"below the minimum|short of the (?:limit|minimum))\b",
    re.IGNORECASE,
)
_ASKED_FIGURE = re.compile(r"(?:^|[.?!:,] )\s*(?:is|are|would|will|were)\s+$", re.IGNORECASE)
_BY_WHICH = re.compile(
    r"\b(?:overshot|overshoot|overran|overrun|over|exceed(?:ed|s|ing)?|overstay(?:ed)?|"
    r"outstay(?:ed)?|missed|beyond|past|too (?:late|long|many|much|short|few|little|heavy|high|"
    r"wide|deep|fast|low)|(?:short|under|below))\b[^.?!]{0,50}\bby $",
    re.IGNORECASE,
)
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
    r"\b(?:limit|maximum|minimum|deadline|ceiling|time allowed|allowance|the (?:most|least)|"
    r"enough|(?:code|rule|law|section|byelaw)s?\b[^.?!]{0,30}?\b(?:said|says|set|sets|gave|gives|"
    r"asks?|asked|allowed|allows|read|reads)|at (?:most|least)|drafters|to do it in|figure "
    r"(?:may|might|were|rose|became)|in the (?:code|rule|byelaws?)|(?:rule|code) (?:to )?ask)\b",
    re.IGNORECASE,
)
_CLAUSE_BREAK = re.compile(r"[.?!:;](?=\s|$)|,\s|\s[–—]\s|\bbut\b")


@dataclass(frozen=True, slots=True)
class Figures:
    """The scenario's figure and, in a counterfactual, the other limit, in the rule's unit.

    `count` is how many figures the question holds.
    """

    count: int
    number: int | None
    hypothetical: int | None


@dataclass(frozen=True, slots=True)
class _Figure:
    value: int
    start: int
    end: int


def read_figures(rule: Rule, text: Text, topic: tuple[int, int]) -> Figures:
    """Read the figures of a question that bear on the rule's limit.

    Args:
        topic: the span of words that names the rule; nothing is read into it.
    """
    if rule.unit is None or rule.value is None:
        return Figures(0, None, None)
    figures = _in_unit(rule, text.raw)
    if not figures:
        return Figures(0, None, None)
    if len(figures) == 1:
        return Figures(1, figures[0].value, None)
    start, end = text.starts[topic[0]], text.ends[topic[1] - 1]
    raw = text.raw[:start] + "_" * (end - start) + text.raw[end:]
    weight, place = max((_hypothetical_weight(raw, f), n) for n, f in enumerate(figures))
    hypothetical = figures.pop(place if weight > 0 else -1)
    return Figures(len(figures) + 1, figures[0].value, hypothetical.value)


def _in_unit(rule: Rule, raw: str) -> list[_Figure]:
    """Return the figures of a text in the rule's unit, relative ones added to its limit."""
    figures: list[_Figure] = []
    for match in _FIGURE.finditer(raw):
        value = parse_number(match.group("number"))
        if value is None:
            continue
        end = match.end("unit") if match.group("unit") else match.end("number")
        converted = _converted(value, match, rule)
        if converted is None or rule.value is None:
            continue
        lead = raw[max(0, match.start() - 80) : match.start()]
        rest = "" if _ASKED_FIGURE.search(lead) else raw[end : end + 40]
        sign = -1 if rule.kind == "minimum" else 1
        if _PAST_LIMIT.match(rest) or _BY_WHICH.search(lead):
            converted = rule.value + sign * converted
        elif _BEFORE_LIMIT.match(rest):
            converted = rule.value - sign * converted
        figures.append(_Figure(converted, match.start(), end))
    return figures or [
        _Figure(int(match.group("number")), match.start(), match.end())
        for match in _DAY_NUMBER.finditer(raw)
        if stem(match.group("unit")) == stem(str(rule.unit))
    ]


def _converted(value: int, match: re.Match[str], rule: Rule) -> int | None:
    """Return a figure in the rule's unit; None where it is in a unit that says nothing about it."""
    assert rule.unit is not None
    raw_unit = re.sub(r"^(?:more|further|full|whole) ", "", (match.group("unit") or "").lower())
    if match.group("symbol"):
        raw_unit = match.group("symbol").strip()
    unit = unit_name(raw_unit) if raw_unit not in ("$", "€", "£") else rule.unit
    last = (unit or raw_unit).rpartition(" ")[2]
    target = rule.unit.rpartition(" ")[2]
    if stem(last) == stem(target) or raw_unit.rpartition(" ")[2] == target:
        return value
    if unit is None and any(word in rule.unit.split() for word in (raw_unit, raw_unit + "s")):
        return value
    for scale in _SCALES:
        if last in scale and target in scale:
            whole, rest = divmod(value * scale[last], scale[target])
            # Between two whole figures only the side of the limit matters.
            return whole if rest == 0 or rule.kind == "minimum" else whole + 1
    return None


def _hypothetical_weight(raw: str, figure: _Figure) -> float:
    """Return how much a figure looks like the limit of a counterfactual."""
    begins = [m.end() for m in _CLAUSE_BREAK.finditer(raw, 0, figure.start)]
    begin = begins[-1] if begins else 0
    ends = _CLAUSE_BREAK.search(raw, figure.end)
    clause = raw[begin : ends.start() if ends else len(raw)]
    near = raw[max(begin, figure.start - 24) : figure.end + 16]
    cues = {m.group().lower() for m in _HYPOTHETICAL.finditer(clause)}
    named, named_near = (_LIMIT_NOUN.search(part) is not None for part in (clause, near))
    return len(cues) + 3.0 * named + 1.5 * named_near
