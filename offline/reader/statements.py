"""Reads sentences that state no norm of their own: grades of breach, penalties and definitions."""

import re
from dataclasses import dataclass

from offline.language.rules import Definition, Penalty
from offline.reader.lexicon import BREACH_WORDS, NUMBER, parse_number, word_set
from offline.reader.limits import TIME_UNITS

# A sentence without any of these words grades, punishes or defines nothing.
GRADE_WORDS = word_set(BREACH_WORDS.replace("|", " ")) | word_set(
    "grade grades graded rated classed breaks break breaking counts counted compliance"
)
PENALTY_WORDS = word_set(
    "fine fines fined cost costs pay pays paid penalty penalties carries carry punished punishable"
)
DEFINITION_WORDS = word_set("means mean meant refers refer denotes denote stands defined includes")
_G = r"(?P<grade>[a-z][a-z-]+)"
_NOT_A_GRADE = word_set(
    "a an the any each every such no this that these those breach breaches or and of in is are "
    "be given set found stated fixed missing shown named listed laid defined punished liable "
    "fined also not usually graded rated classed ranked always never often another one further "
    "repeated same either both its his her their some all to for by with single separate "
    "continuing committed noticed possible alleged suspected past previous new subject deemed "
    "treated as follows late good other here there elsewhere below above what which whose "
    "whatever where when data security contract material personal privacy criminal may must "
    "shall can will was were has have had do does"
)
_GRADED = (
    rf"\b(?:is|are|as|commits?|makes?|constitutes?|be) an? {_G} (?:{BREACH_WORDS})\b",
    rf"(?:^|[(:;] ?)(?:an? )?{_G} (?:{BREACH_WORDS})(?= *(?:$|[.;,)]))",
    rf"\b(?:graded|rated|classed)(?: here)?(?: as)?(?: an?| of the)? {_G}\b",
    r"\b(?:ranked|classified|treated|counted|regarded|counts?|ranks?|judged|marked|recorded|"
    rf"punished)(?: here)? as(?: being)?(?: an?)? {_G}\b",
    rf"\b(?:of|in|into) (?:the )?{_G} (?:grade|class|category|kind|degree)\b",
    rf"\bgrade\b(?: of (?:an?|the|any|its|every|such a) (?:{BREACH_WORDS})| here| for this)?(?: "
    rf"of [a-z ]{{1,30}})?(?: is|:| is that of) (?:an? )?{_G}\b",
    rf"\b(?:{BREACH_WORDS})(?: of [a-z0-9., ]{{1,60}}| here| thereof)? (?:is|are) (?:always |"
    rf"then |also |therefore )?{_G}\b(?! (?:to|by|in|from|with|for)\b)",
    rf"^grade(?: of breach)?:? {_G}\b",
)
_GRADE_FORMS = tuple(re.compile(pattern, re.IGNORECASE) for pattern in _GRADED)
_ELSEWHERE = re.compile(
    r"\b(?:grade|graded|how .{0,30} graded)\b[^.]{0,80}\b(?:see|given|found|stated|set out|"
    r"stands?|laid down|listed|fixed|shown|named|is in|are in|under|by)\b[^.]{0,40}\b(?:section|"
    r"part|schedule|table|annex)|\bfor the grade\b|\bsee\b[^.]{0,40}\bfor (?:the|its) grade",
    re.IGNORECASE,
)
_PARENTHESIS = re.compile(
    r"\s*[(\[](?:see |cf\. |under |in )?(?:sections?|§|parts?)\b[^)\]]*[)\]]", re.I
)
_SEE = re.compile(
    r"[;,]?\s*(?:see|cf\.?) (?:also )?(?:sections?|§|parts?) [\d., and]+", re.IGNORECASE
)
_REFERS = re.compile(r"\b(?:section|part)|§", re.IGNORECASE)
_NUMERAL = r"\d+(?:\.\d+)*[a-z]?"
_SECTIONS = re.compile(
    r"(?:\b(?:sections?|articles?|rules?|clauses?|paragraphs?|regulations?|byelaws?)|§{1,2})\s*"
    rf"(?P<list>{_NUMERAL}(?:\s*(?:,|and|or|to|-|–|through|(?:or|and) (?:of )?sections?|,? or|,? "
    rf"and)+\s*(?:of )?(?:sections? |§ ?)?{_NUMERAL})*)",
    re.IGNORECASE,
)
_WHOLE_PART = re.compile(
    r"\b(?:any|every|a|each)\b[^.]{0,60}\b(?:of|in|under) this (?:part|chapter)\b", re.I
)
_AMOUNT = re.compile(
    rf"(?P<symbol>[$€£])\s?(?P<a>\d[\d,]*)|(?P<b>{NUMBER}) (?P<currency>[a-z]+)\b", re.IGNORECASE
)
_MONEY = {"$": "dollars", "€": "euros", "£": "pounds"}
_TARIFF = re.compile(r"\b(?:fine|penalt|cost|tariff)", re.IGNORECASE)
_UNINFLECTED = word_set("euro yen yuan kronor kroner pence rand baht francs won zloty")
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
    """Return the sentence without "(section 9.3)" and "see section 9.3"."""
    if _REFERS.search(text) is None:
        return text
    return _SEE.sub("", _PARENTHESIS.sub("", text))


def is_grade_elsewhere(text: str) -> bool:
    """Tell whether a sentence says that the grade of a breach stands in another section."""
    return _ELSEWHERE.search(text) is not None and read_grade(strip_references(text)) is None


def read_grade(text: str) -> GradeStatement | None:
    """Return the grade that a sentence gives to a breach; None where it gives none."""
    bare = strip_references(text)
    for form in _GRADE_FORMS:
        for match in form.finditer(bare):
            grade = match.group("grade").lower()
            if grade in _NOT_A_GRADE:
                continue
            sections = section_list(bare)
            several = re.search(
                r"\b(?:this section|these rules|either|both|any of these)\b", bare, re.I
            )
            part = not sections and _WHOLE_PART.search(bare) is not None
            return GradeStatement(grade, sections, part, several is not None)
    return None


def section_list(text: str) -> tuple[str, ...]:
    """Return all section numbers that a sentence names, ranges written out."""
    sections: list[str] = []
    for listed in _SECTIONS.finditer(text):
        parts = re.split(rf"({_NUMERAL})", listed.group("list"))
        numbers, joints = parts[1::2], parts[2::2]
        for position, number in enumerate(numbers):
            is_range = position > 0 and re.search(r"\bto\b|-|–|through", joints[position - 1])
            sections += _between(sections[-1], number) if is_range else []
            sections.append(number)
    return tuple(dict.fromkeys(sections))


def _between(first: str, last: str) -> list[str]:
    """Return the numbers between the first and the last of a range: 4.6 for 4.5 to 4.7."""
    stem, _, low = first.rpartition(".")
    stem2, _, high = last.rpartition(".")
    if stem != stem2 or not (low.isdigit() and high.isdigit()):
        return []
    return [f"{stem}.{n}" if stem else str(n) for n in range(int(low) + 1, min(int(high), 999))]


def read_penalties(text: str, heading: str) -> list[Penalty]:
    """Return what breaches of grades cost, by a sentence or a table row."""
    table = is_tariff(heading)
    bare = strip_references(text).strip("| ")
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
    """Return amount and currency; None where it is no money."""
    amount = parse_number(match.group("a") or match.group("b"))
    symbol, word = match.group("symbol"), (match.group("currency") or "").lower()
    currency = _MONEY[symbol] if symbol else word
    if amount is None or not currency or currency in TIME_UNITS or currency in _NOT_A_GRADE:
        return None
    if amount == 1 and not currency.endswith("s"):
        return amount, currency + "s"
    return (amount, currency) if currency.endswith("s") or currency in _UNINFLECTED else None


_TERM = r"(?P<term>[A-Za-z][\w'’-]*(?: [\w'’()-]+){0,5})"
_MEANS = r"(?:shall mean|means|refers? to|denotes?|stands? for|is defined as|are defined as)"
_SCOPE = (
    r"(?:(?:in|under|within) (?:this|these|the|our) (?:[a-z]+ |[^,“\"]{1,60}, ?)|for (?:the "
    r")?purposes? of (?:this [a-z]+ |[^,“\"]{1,60}, ?)|as used [^,]{1,40}, |except (?:as|where) "
    r"[^,]{1,60}, )?"
)
_DEFINITIONS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_SCOPE}(?:the (?:term|expression|word|phrase)s? )?[“\"‘']{_TERM}[”\"’'],?(?: "
        rf"?\([^)]*\))?(?: in this [^,]{{1,30}},?| also)? (?:{_MEANS}|mean|includes?|is|are):? "
        rf"(?P<meaning>.+)",
        rf"{_SCOPE}the (?:term|expression|word|phrase) {_TERM} (?:{_MEANS}|is|are):? "
        r"(?P<meaning>.+)",
        rf"{_SCOPE}(?:an? |the )?{_TERM} (?:{_MEANS})(?: only)?:? (?P<meaning>.+)",
        rf"by {_TERM} (?:is|are) meant (?P<meaning>.+)",
        rf"{_SCOPE}{_TERM} (?:is|are) (?:taken|understood|read) to mean (?P<meaning>.+)",
    )
)
_LISTED = (
    re.compile(rf"[“\"]?{_TERM}[”\"]?\s*(?::|–|—|-)\s+(?P<meaning>.+)"),
    re.compile(
        rf"(?:an? |the )?{_TERM} (?:is|are) (?P<meaning>(?:an?|the|any|each|every) .+)", re.I
    ),
)
_DEFINING = re.compile(
    r"\b(?:defin|interpret|meaning|glossary|terms used|vocabulary)", re.IGNORECASE
)
_NO_TERM = re.compile(
    r"^(?:for|of|in|by|on|at|if|when|where|unless|any|such)\b|\b(?:that|this|these|those|they|it|which|who|must|"
    r"shall|may|not|by|there|what|section|is|are|and that)\b",
    re.I,
)
_FALSE_MEANING = re.compile(r"^(?:not|that|to|only that|business)\b", re.IGNORECASE)


_OPENS_DEFINITION = re.compile(
    rf"{_SCOPE}(?:the (?:term|expression|word|phrase) )?[“\"‘']{_TERM}[”\"’'] (?:{_MEANS}|"
    rf"includes)\s*[:–—-]$",
    re.IGNORECASE,
)


def open_term(text: str) -> str | None:
    """Return the term that a list is going to define: "the term "dependent" means:"."""
    match = _OPENS_DEFINITION.match(text)
    return match.group("term").lower() if match else None


def is_glossary(heading: str) -> bool:
    """Tell whether a section's heading says that it defines terms."""
    return _DEFINING.search(heading) is not None


def is_tariff(heading: str) -> bool:
    """Tell whether a section's heading says that it lists fines."""
    return _TARIFF.search(heading) is not None


def read_definition(text: str, heading: str) -> Definition | None:
    """Return the definition that a sentence gives; None where it gives none."""
    for form in (*_DEFINITIONS, *(_LISTED if is_glossary(heading) else ())):
        match = form.match(text)
        if match is None:
            continue
        term = re.sub(r"^(?:an?|the) ", "", match.group("term").strip(), flags=re.IGNORECASE)
        meaning = match.group("meaning").strip().rstrip(".;").strip()
        if (
            _NO_TERM.search(term)
            or _FALSE_MEANING.match(meaning)
            or len(meaning) < 3
            or meaning[-1] in ":-–—"
        ):
            continue
        return Definition(term if term.isupper() else term.lower(), meaning)
    return None
