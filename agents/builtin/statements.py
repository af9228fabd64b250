"""Sentences that state no norm of their own: grades of breach, penalties and definitions."""

import re
from dataclasses import dataclass

from agents.builtin.lexicon import BREACH_WORDS, NUMBER, parse_number
from agents.builtin.limits import TIME_UNITS
from agents.builtin.rules import Definition, Penalty

_G = r"(?P<grade>[a-z][a-z-]+)"
_NOT_A_GRADE = frozenset(
    "a an the any each every such no this that these those breach breaches or and of in is are be "
    "given set found stated fixed missing shown named listed laid defined punished liable fined also not usually graded rated classed "
    "ranked always never often another one further repeated same either both its his "
    "her their some all to for by with single separate continuing committed noticed possible "
    "alleged suspected past previous new subject deemed treated as follows late good other "
    "here there elsewhere below above what which whose whatever where when data security contract "
    "material personal privacy criminal may must shall can will was were has have had do does".split()
)
_GRADED = (
    rf"\b(?:is|are|as|commits?|makes?|constitutes?|be) an? {_G} (?:{BREACH_WORDS})\b",
    rf"\b{_G}[- ](?:{BREACH_WORDS})\b(?! notification| of (?:contract|confidence))",
    rf"\b(?:graded|rated|classed)(?: here)?(?: as)?(?: an?| of the)? {_G}\b",
    r"\b(?:ranked|classified|treated|counted|regarded|counts?|ranks?|judged|marked|recorded|"
    rf"punished)(?: here)? as(?: being)?(?: an?)? {_G}\b",
    rf"\b(?:of|in|into) (?:the )?{_G} (?:grade|class|category|kind|degree)\b",
    rf"\bgrade\b(?: of (?:an?|the|any|its|every|such a) (?:{BREACH_WORDS})| here| for this)?"
    rf"(?: of [a-z ]{{1,30}})?(?: is|:| is that of) (?:an? )?{_G}\b",
    rf"\b(?:{BREACH_WORDS})(?: of [a-z0-9., ]{{1,60}}| here| thereof)? (?:is|are) "
    rf"(?:always |then |also |therefore )?{_G}\b(?! (?:to|by|in|from|with|for)\b)",
    rf"^grade(?: of breach)?:? {_G}\b",
)
_GRADE_FORMS = tuple(re.compile(pattern, re.IGNORECASE) for pattern in _GRADED)
_GRADE_CUE = re.compile(rf"\b(?:{BREACH_WORDS}|grade[ds]?|breaks|break|breaking|counts?)\b", re.I)
_ELSEWHERE = re.compile(
    r"\b(?:grade|graded|how .{0,30} graded)\b[^.]{0,80}\b(?:see|given|found|stated|set out|stands?|"
    r"laid down|listed|fixed|shown|named|is in|are in|under|by)\b[^.]{0,40}\b(?:section|part|schedule|table|annex)"
    r"|\bfor the grade\b|\bsee\b[^.]{0,40}\bfor (?:the|its) grade",
    re.IGNORECASE,
)
_PARENTHESIS = re.compile(r"\s*[(\[](?:see |cf\. |under |in )?(?:sections?|§|parts?)\b[^)\]]*[)\]]", re.I)
_SEE = re.compile(r"[;,]?\s*(?:see|cf\.?) (?:also )?(?:sections?|§|parts?) [\d., and]+", re.IGNORECASE)
_NUMERAL = r"\d+(?:\.\d+)*[a-z]?"
_SECTIONS = re.compile(
    r"(?:\b(?:sections?|articles?|rules?|clauses?|paragraphs?|regulations?|byelaws?)|§{1,2})\s*"
    rf"(?P<list>{_NUMERAL}(?:\s*(?:,|and|or|to|-|–|through|(?:or|and) (?:of )?sections?|,? or|,? and)"
    rf"+\s*(?:of )?(?:sections? |§ ?)?{_NUMERAL})*)",
    re.IGNORECASE,
)
_WHOLE_PART = re.compile(r"\b(?:any|every|a|each)\b[^.]{0,60}\b(?:of|in|under) this (?:part|chapter)\b", re.I)
_AMOUNT = re.compile(
    rf"(?P<symbol>[$€£])\s?(?P<a>\d[\d,]*)|(?P<b>{NUMBER}) (?P<currency>[a-z]+)\b", re.IGNORECASE
)
_PENALTY_CUE = re.compile(
    r"\b(?:fin(?:e|es|ed)|costs?|pays?|paid|penalt(?:y|ies)|carries|carry|punish(?:ed|able)|charge[ds]?|"
    r"lev(?:y|ied)|owes?|liable|points?|forfeits?|set at|amounts? to)\b",
    re.IGNORECASE,
)
_MONEY = {"$": "dollars", "€": "euros", "£": "pounds"}
_LABEL = re.compile(
    rf"\b(?P<grade>[a-z][a-z-]+) (?:{BREACH_WORDS}|ones?|grade|cases?)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class GradeStatement:
    """A sentence that grades a breach.

    Attributes:
        sections: the sections whose rules it grades; empty where it grades the rule before it.
        part: whether it grades all rules of its part that have no grade of their own.
        several: whether it speaks of more than one rule before it.
    """

    grade: str
    sections: tuple[str, ...] = ()
    part: bool = False
    several: bool = False


def strip_references(text: str) -> str:
    """The sentence without "(section 9.3)" and "see section 9.3"."""
    return _SEE.sub("", _PARENTHESIS.sub("", text))


def is_grade_elsewhere(text: str) -> bool:
    """Whether a sentence says that the grade of a breach stands in another section."""
    return _ELSEWHERE.search(text) is not None and read_grade(strip_references(text)) is None


def read_grade(text: str) -> GradeStatement | None:
    """The grade that a sentence gives to a breach; None where it gives none."""
    if _GRADE_CUE.search(text) is None:
        return None
    bare = strip_references(text)
    for form in _GRADE_FORMS:
        for match in form.finditer(bare):
            grade = match.group("grade").lower()
            if grade in _NOT_A_GRADE:
                continue
            sections = section_list(bare)
            several = re.search(r"\b(?:this section|these rules|either|both|any of these)\b", bare, re.I)
            part = not sections and _WHOLE_PART.search(bare) is not None
            return GradeStatement(grade, sections, part, several is not None)
    return None


def section_list(text: str) -> tuple[str, ...]:
    """All section numbers that a sentence names, ranges written out."""
    sections: list[str] = []
    for found in _SECTIONS.finditer(text):
        parts = re.split(rf"({_NUMERAL})", found.group("list"))
        numbers, joints = parts[1::2], parts[2::2]
        for position, number in enumerate(numbers):
            is_range = position > 0 and re.search(r"\bto\b|-|–|through", joints[position - 1])
            sections += _between(sections[-1], number) if is_range else []
            sections.append(number)
    return tuple(dict.fromkeys(sections))


def _between(first: str, last: str) -> list[str]:
    stem, _, low = first.rpartition(".")
    stem2, _, high = last.rpartition(".")
    if stem != stem2 or not (low.isdigit() and high.isdigit()):
        return []
    return [f"{stem}.{n}" if stem else str(n) for n in range(int(low) + 1, min(int(high), 999))]


def read_penalties(text: str, heading: str) -> list[Penalty]:
    """What breaches of grades cost, by a sentence or a table row."""
    table = re.search(r"\b(?:fine|penalt|cost|tariff)", heading, re.I) is not None
    bare = strip_references(text).strip("| ")
    if _PENALTY_CUE.search(bare) is None and not table:
        return []
    amounts = [(m.start(), money) for m in _AMOUNT.finditer(bare) if (money := _money(m))]
    if not amounts:
        return []
    labels = [
        (m.start(), m.group("grade").lower())
        for m in _LABEL.finditer(bare)
        if m.group("grade").lower() not in _NOT_A_GRADE
    ]
    row = re.match(r"(?:\|\s*)?([a-z-]+)(?: (?:breach|offence)\w*)?\s*[|:–—-]", bare, re.IGNORECASE)
    if not labels and row is not None and table:
        labels = [(0, row.group(1).lower())]
    if not labels and (stated := read_grade(bare)) is not None:
        labels = [(0, stated.grade)]
    return [
        Penalty(grade, money[0], money[1])
        for (_, grade), (_, money) in zip(labels, amounts, strict=False)
    ]


def _money(match: re.Match[str]) -> tuple[int, str] | None:
    amount = parse_number(match.group("a") or match.group("b"))
    symbol, word = match.group("symbol"), (match.group("currency") or "").lower()
    currency = _MONEY[symbol] if symbol else word
    if amount is None or not currency or currency in TIME_UNITS or currency in _NOT_A_GRADE:
        return None
    if currency.endswith("s") or currency in _MONEY.values():
        return amount, currency
    return (amount, currency + "s") if amount == 1 else (amount, currency)


_TERM = r"(?P<term>[A-Za-z][\w'’-]*(?: [\w'’()-]+){0,5})"
_MEANS = r"(?:shall mean|means|refers? to|denotes?|stands? for|is defined as|are defined as)"
_SCOPE = (
    r"(?:(?:in|for the purposes? of|under|within) (?:this|these|the|our) (?:[a-z]+ |[^,“\"]{1,60}, ?)|"
    r"as used [^,]{1,40}, )?"
)
_DEFINITIONS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_SCOPE}(?:the (?:term|expression|word|phrase)s? )?[“\"‘']{_TERM}[”\"’'],?"
        rf"(?: ?\([^)]*\))?(?: in this [^,]{{1,30}},?| also)? (?:{_MEANS}|mean|includes?|is|are) (?P<meaning>.+)",
        rf"{_SCOPE}the (?:term|expression|word|phrase) {_TERM} (?:{_MEANS}|is|are) (?P<meaning>.+)",
        rf"{_SCOPE}(?:an? |the )?{_TERM} (?:{_MEANS})(?: only)? (?P<meaning>.+)",
        rf"by {_TERM} (?:is|are) meant (?P<meaning>.+)",
        rf"{_SCOPE}{_TERM} (?:is|are) (?:taken|understood|read) to mean (?P<meaning>.+)",
    )
)
_LISTED = (
    re.compile(rf"[“\"]?{_TERM}[”\"]?\s*(?::|–|—|-)\s+(?P<meaning>.+)"),
    re.compile(rf"(?:an? |the )?{_TERM} (?:is|are) (?P<meaning>(?:an?|the|any|each|every) .+)", re.I),
)
_DEFINING = re.compile(r"\b(?:defin|interpret|meaning|glossary|terms used|vocabulary)", re.IGNORECASE)
_NO_TERM = re.compile(
    r"^(?:for|of|in|by|on|at)\b|\b(?:that|this|it|which|who|must|shall|may|not|by|there|what|section|is|are|and that)\b", re.I
)
_FALSE_MEANING = re.compile(r"^(?:not|that|to|only that|business)\b", re.IGNORECASE)
_DEFINITION_CUE = re.compile(rf"\b(?:{_MEANS}|meant|to mean)\b|[“\"‘]", re.IGNORECASE)


def read_definition(text: str, heading: str) -> Definition | None:
    """The definition that a sentence gives; None where it gives none."""
    forms = _DEFINITIONS if _DEFINITION_CUE.search(text) else ()
    for form in (*forms, *(_LISTED if _DEFINING.search(heading) else ())):
        match = form.match(text)
        if match is None:
            continue
        term = re.sub(r"^(?:an?|the) ", "", match.group("term").strip(), flags=re.IGNORECASE)
        meaning = match.group("meaning").strip().rstrip(".;").strip()
        if _NO_TERM.search(term) or _FALSE_MEANING.match(meaning) or len(meaning) < 3:
            continue
        return Definition(term if term.isupper() else term.lower(), meaning)
    return None
