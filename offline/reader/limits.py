"""Reads limits in a clause: "within 21 days", "no more than forty litres", "not under 3 metres".

`find_limit` reads one clause whose mood is known (a duty, a permission, a prohibition). It finds
the quantities first and then looks at the words around each, so that long clauses cost little.
"""

import re
from dataclasses import dataclass
from typing import Literal

from offline.language.rules import RuleKind
from offline.reader.lexicon import (
    NUMBER,
    ORDINAL,
    has_number,
    is_ordinal,
    parse_number,
    plural,
    word_set,
)

Mood = Literal["duty", "permission", "negative"]

TIME_UNITS = word_set("seconds minutes hours days nights weeks fortnights months years")
_UNITS = word_set(
    "second minute hour day night week fortnight month year metre meter centimetre centimeter "
    "millimetre millimeter kilometre kilometer mile yard foot inch knot litre liter gallon "
    "millilitre barrel gram gramme kilogram kilogramme kilo tonne ton pound stone ounce degree "
    "decibel watt kilowatt volt amp ampere lumen lux pascal hertz percent person adult child "
    "pupil guest passenger crate box bag sack basket bottle can tin jar bucket barrow pallet "
    "tray bale bundle drum cylinder piece item copy page sheet word character line vessel boat "
    "car vehicle trolley cart lorry van stall lamp animal dog bird head hen euro dollar crown "
    "penny cent mark coin credit point time trip turn visit call knock blast step storey floor "
    "row layer coat strand kg g mg t km cm mm ml lb oz mph kmh kw kva db % percentage cup spoon "
    "helping portion signature worker vote bid entry attempt user device file megabyte gigabyte "
    "kilobyte mb gb kb m l w v a °c °f °"
)
_UNIT_WORDS = _UNITS | {plural(unit) for unit in _UNITS}
_SPELLED = {
    "$": "dollars", "€": "euros", "£": "pounds", "%": "percent", "percentage": "percent",
    "kg": "kilograms", "g": "grams", "t": "tonnes", "km": "kilometres", "cm": "centimetres",
    "mm": "millimetres", "m": "metres", "l": "litres", "ml": "millilitres", "people": "persons",
    "°c": "degrees", "°f": "degrees", "°": "degrees", "db": "decibels", "v": "volts", "w": "watts",
    "a": "amps", "kilos": "kilograms", "meters": "metres", "liters": "litres",
    "kilogrammes": "kilograms", "grammes": "grams",
}  # fmt: skip
_PHYSICAL = (
    (frozenset(_SPELLED.values()) - {"persons"})
    | TIME_UNITS
    | word_set(
        "miles yards feet inches knots gallons pounds ounces tons volts watts kilowatts amps "
        "lumens lux pascals hertz percent degrees decibels metres kilograms litres grams tonnes "
        "euros dollars crowns pennies cents marks points times"
    )
)
_QUALIFIERS = "full|clear|whole|complete|consecutive|further|other|different|separate|running"
_KEPT_QUALIFIERS = "working|business|calendar|nautical|square|cubic"
_QUANTITY = re.compile(
    rf"(?<![\w.])(?:(?P<symbol>[$€£])\s?)?(?P<number>{ORDINAL}|"
    rf"{NUMBER})\b(?!\.\d)(?:\s?\(\d+\))?(?:[ -]?(?:(?:{_QUALIFIERS}) )*(?P<unit>%|°\s?[cf]?\b|"
    rf"(?:(?:{_KEPT_QUALIFIERS}) )?[a-z][a-z'’]*))?",
    re.IGNORECASE,
)
_LEAD = 70  # characters before a quantity that can bear on it
_EARLY = 40  # characters: a sentence that states a limit names it at once
_WIDE = (
    "longer|wider|higher|deeper|taller|larger|bigger|greater|faster|heavier|older|hotter|warmer|"
    "louder|thicker|farther|further|broader|stronger|brighter|more"
)
_NARROW = (
    "shorter|narrower|lower|shallower|smaller|lighter|slower|younger|colder|cooler|quieter|"
    "thinner|nearer|closer|weaker|dimmer|less|fewer"
)
_FEW = r"(?:no|not|never)"
_AFTER = r"(?:after|from|following|of|since|once)\b"


@dataclass(frozen=True, slots=True)
class _Form:
    """A way to word a limit: the words before and after a quantity, and the kind that they make.

    Attributes:
        kinds: by mood; None where the words set no limit in it.
        time: whether the unit must be one of time; None if either will do.
        ordinal: whether the number must be a place in a row: "the 5th day".
    """

    before: re.Pattern[str]
    after: re.Pattern[str] | None
    kinds: dict[Mood, RuleKind | None]
    time: bool | None
    ordinal: bool = False


def _form(
    before: str,
    after: str,
    duty: RuleKind | None,
    permission: RuleKind | None,
    negative: RuleKind | None,
    *,
    time: bool | None = None,
    ordinal: bool = False,
) -> _Form:
    ending = r"(?:about |the |a further |another |only )?$"
    return _Form(
        re.compile(rf"{before}{ending}" if before else "", re.IGNORECASE),
        re.compile(rf"\s?{after}", re.IGNORECASE) if after else None,
        {"duty": duty, "permission": permission, "negative": negative},
        time,
        ordinal,
    )


def _same(before: str, after: str, kind: RuleKind, *, time: bool | None = None) -> _Form:
    return _form(before, after, kind, kind, kind, time=time)


_FORMS = (
    _form(
        r"\b(?:within|inside) (?:a period of |a maximum of |at most |no more than |the first |"
        r"the next )?",
        "", "deadline", "deadline", "minimum", time=True,
    ),
    _form(r"\b(?:within|inside) ", "", "maximum", "maximum", "minimum", time=False),
    _same(rf"\b{_FEW} later than (?:the end of )?", "", "deadline", time=True),
    _form(r"\blater than ", "", None, None, "deadline", time=True),
    _form(
        r"\b(?:take|takes|delayed|wait|put off|outstanding|overdue)(?: for)? (?:longer|more) than ",
        "", None, None, "deadline", time=True,
    ),
    _form(r"\b(?:longer|more) than ", _AFTER, None, None, "deadline", time=True),
    _form(
        r"\b(?:before|by|until) (?:the (?:end|close) of )?",
        r"(?:have|has|are|is|after|of|from|following|elapse|pass|go)\b",
        "deadline", "deadline", "minimum", time=True,
    ),
    _form(r"\b(?:before|by) the (?:end|close) of ", "", "deadline", "deadline",
    "minimum", time=True),
    _form(
        r"\b(?:before|by|on) (?:the (?:end|close) of )?(?=the )", "",
        "deadline", "deadline", "minimum", time=True, ordinal=True,
    ),
    _same("", r"(?:[a-z ]{0,40})?at the (?:very )?latest\b", "deadline", time=True),
    _form(
        r"(?:\b(?:has|have|is given|are given|is allowed|are allowed|gets?|having|be given|be "
        r"allowed) |^\W*)(?:up to |at most |no more than |only )?",
        r"(?:to|from|after|in which|in|of|following|for)\b",
        "deadline", None, None, time=True,
    ),
    _same(rf"\b(?:{_FEW} (?:more|longer) than|at most|up to) ", _AFTER, "deadline", time=True),
    _form(
        r"\bin (?:at most|no more than|under|not more than|less than) ", "",
        "deadline", "deadline", None, time=True,
    ),
    _form(r"\b(?:every|each) ", "", "deadline", None, None, time=True),
    _same(
        r"\b(?:at (?:the )?(?:very )?most|at or (?:below|under)|up to|(?:a |the )?maximum(?: of)?|"
        rf"max\.?|{_FEW} (?:more|greater) than|not exceeding|not to exceed|without exceeding|"
        rf"(?:does|"
        r"do|can) ?not exceed|(?:limited|restricted|confined|kept|capped) (?:to|at)|a (?:limit|"
        r"ceiling|cap|top) of|the limit of|(?:not|never) (?:over|above|beyond|exceed)|as (?:many|"
        r"much) as) ",
        "", "maximum",
    ),
    _same(rf"\b(?:no|not|never|any) (?:{_WIDE}) than ", "", "maximum"),
    _same(
        "",
        r"(?:[a-z]+ )?(?:at (?:the )?(?:very )?most|or (?:less|fewer|under|below|shorter|lighter|"
        r"lower)|and no more|and not more|but no more|(?:is|are) the most)\b",
        "maximum",
    ),
    _same(
        r"\b(?:at (?:the )?(?:very )?least|at or (?:above|over)|(?:a |the )?minimum(?: of)?|min\.?|"
        rf"{_FEW} (?:less|fewer) than|(?:not|never) (?:under|below)|upwards of|a floor of) ",
        "", "minimum",
    ),
    _same(rf"\b{_FEW} (?:{_NARROW}) (?:than|to [a-z ]{{1,40}} than) ", "", "minimum"),
    _same(
        "",
        r"(?:[a-z]+ )?(?:at (?:the )?(?:very )?least|or (?:more|over|above|longer|older|greater|"
        r"higher|wider|deeper|better|heavier)|and (?:over|above|upwards?|more))\b",
        "minimum",
    ),
    _form(
        rf"\b(?:more than|over|above|beyond|past|exceeds?|exceeding|in excess of|(?:{_WIDE}) "
        rf"than) ",
        "", None, None, "maximum",
    ),
    _form(
        rf"\b(?:less than|fewer than|under|below|beneath|(?:{_NARROW}) than|(?:{_NARROW}) to "
        r"[a-z ]{1,40} than) ",
        "", None, None, "minimum",
    ),
    # In a duty, "over 3 metres" limits only what the verb itself says: "must be over 3 metres".
    _form(
        rf"^\W*[a-z]+ (?:[a-z]+ )?(?:more than|over|above|exceeds?|in excess of|(?:{_WIDE}) than) |"
        r"^\W*exceed ",
        "", "minimum", None, None,
    ),
    _form(
        rf"^\W*[a-z]+ (?:[a-z]+ )?(?:less than|fewer than|under|below|(?:{_NARROW}) than) ",
        "", "maximum", None, None,
    ),
    _form(
        r"\bfor (?:a period of |the first |the next )?", "",
        "minimum", "maximum", "minimum", time=True,
    ),
    _form("", r"(?:apart|away|clear|distant|back|off)\b", "minimum", None, None, time=False),
)  # fmt: skip
_STATED = re.compile(
    r"\b(?P<what>maximum|upper limit|limit|ceiling|cap|most|minimum|lower limit|floor|least|"
    r"deadline|time limit|time allowed|period|time)\b[^.;]{0,80}?(?: (?:is|are|shall be|must be|"
    r"stands at|runs for|lasts|amounts to|being)|:) $",
    re.IGNORECASE,
)
_STATED_KINDS: dict[str, RuleKind] = {
    "minimum": "minimum", "lower limit": "minimum", "floor": "minimum", "least": "minimum",
    "deadline": "deadline", "time limit": "deadline", "time allowed": "deadline",
    "period": "deadline", "time": "deadline",
}  # fmt: skip
_FRACTION = re.compile(r"\d\.\d|½|¼|\bhalf an?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit and where it stands: `clause[start:end]`.

    `unit` is None where no unit of measure follows the number: what is counted then is the noun
    phrase at `number_end` ("at least 4 life jackets").
    """

    kind: RuleKind
    value: int
    unit: str | None
    start: int
    end: int
    number_end: int


def find_limit(clause: str, mood: Mood) -> Limit | None:
    """Return the first limit that the clause sets in a mood; None where it sets none."""
    if not has_number(clause):
        return None
    for quantity in _QUANTITY.finditer(clause):
        before = clause[max(0, quantity.start() - _LEAD) : quantity.start()]
        for form in _FORMS:
            limit = _formed(form, quantity, before, clause, mood)
            if limit is not None:
                return limit
    return None


def find_stated_limit(clause: str) -> Limit | None:
    """Return the limit of a clause that names it: "The maximum weight of a crate is 30 kg."."""
    if not has_number(clause):
        return None
    for quantity in _QUANTITY.finditer(clause):
        lead = quantity.start() - 2 * _LEAD
        named = _STATED.search(clause[max(0, lead) : quantity.start()])
        if named is None or lead + named.start() > _EARLY:
            continue
        kind = _STATED_KINDS.get(named.group("what").lower(), "maximum")
        start = max(0, lead) + named.start()
        return _limit(quantity, kind, start, quantity.end(), True if kind == "deadline" else None)
    return None


def has_fraction(text: str) -> bool:
    """Tell whether the text has a number with a fraction, which a `Rule` cannot hold."""
    return _FRACTION.search(text) is not None


def is_physical(unit: str | None) -> bool:
    """Tell whether a unit measures (days, metres, euros) rather than counts (guests, boxes)."""
    return unit is None or unit.rpartition(" ")[2] in _PHYSICAL


def unit_name(text: str) -> str | None:
    """Return the plural, spelled-out name of a unit of measure; None where the words are none."""
    text = re.sub(r"\s+", " ", text.lower().replace("’", "'")).strip()
    qualifier, _, last = text.rpartition(" ")
    last = last.removesuffix("'").removesuffix("'s")
    if last not in _UNIT_WORDS:
        return None
    name = _SPELLED.get(last, last)
    name = _SPELLED.get(plural(name), plural(name))
    return f"{qualifier} {name}" if qualifier else name


def _formed(
    form: _Form, quantity: re.Match[str], before: str, clause: str, mood: Mood
) -> Limit | None:
    """Return the limit that one form makes of a quantity; None where the form does not fit."""
    kind = form.kinds[mood]
    if kind is None or form.ordinal != is_ordinal(quantity.group("number")):
        return None
    lead = form.before.search(before)
    if lead is None:
        return None
    start, end = quantity.span()
    if form.before.pattern:
        start += lead.start() - len(before)
    if form.after is not None:
        tail = form.after.match(clause, end) or form.after.match(clause, quantity.end("number"))
        if tail is None:
            return None
        counted = _AFTER not in form.after.pattern and "to|from" not in form.after.pattern
        end = max(end, tail.end()) if counted else end
    return _limit(quantity, kind, start, end, form.time)


def _limit(
    quantity: re.Match[str], kind: RuleKind, start: int, end: int, time: bool | None
) -> Limit | None:
    """Make the limit; None where the number is broken or the unit not of the sort asked for."""
    value = parse_number(quantity.group("number"))
    symbol, raw = quantity.group("symbol"), quantity.group("unit") or ""
    unit = _SPELLED[symbol] if symbol else unit_name(raw)
    timed = unit is not None and unit.rpartition(" ")[2] in TIME_UNITS
    if value is None or (time is not None and timed != time):
        return None
    if unit is None or symbol:
        end = quantity.end("number")
    return Limit(kind, value, unit, start, end, quantity.end("number"))
