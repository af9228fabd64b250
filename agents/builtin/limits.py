"""Limits in a clause: "within 21 days", "no more than forty litres", "must not be under 3 metres".

`find_limit` reads one clause whose mood is known (a duty, a permission, a prohibition) and returns
the limit with its span, so that the rest of the clause can be searched for what it limits.
"""

import re
from dataclasses import dataclass
from typing import Literal

from agents.builtin.lexicon import NUMBER, ORDINAL, parse_number, plural
from agents.builtin.rules import RuleKind

Mood = Literal["duty", "permission", "negative"]

TIME_UNITS = frozenset("seconds minutes hours days nights weeks fortnights months years".split())
_UNIT_WORDS = (
    "second minute hour day night week fortnight month year metre meter centimetre centimeter "
    "millimetre millimeter kilometre kilometer mile yard foot inch knot litre liter gallon "
    "millilitre barrel gram gramme kilogram kilogramme kilo tonne ton pound stone ounce degree "
    "decibel watt kilowatt volt amp ampere lumen lux pascal hertz percent person adult child pupil "
    "guest passenger crate box bag sack basket bottle can tin jar bucket barrow pallet tray bale "
    "bundle drum cylinder piece item copy page sheet word character line vessel boat car vehicle "
    "trolley cart lorry van stall lamp animal dog bird head hen euro dollar crown penny cent mark "
    "coin credit point time trip turn visit call knock blast step storey floor row layer coat "
    "strand kg g mg t km cm mm ml lb oz mph kmh kw kva db % percentage cup spoon helping portion "
    "signature worker vote bid entry attempt user device file megabyte gigabyte kilobyte mb gb kb "
    "m l w v a °c °f °"
)
UNIT_WORDS = frozenset(_UNIT_WORDS.split()) | {plural(unit) for unit in _UNIT_WORDS.split()}
_SPELLED = {
    "$": "dollars", "€": "euros", "£": "pounds", "%": "percent", "percentage": "percent",
    "kg": "kilograms", "g": "grams", "t": "tonnes", "km": "kilometres", "cm": "centimetres",
    "mm": "millimetres", "m": "metres", "l": "litres", "ml": "millilitres", "people": "persons",
    "°c": "degrees", "°f": "degrees", "°": "degrees", "db": "decibels", "v": "volts", "w": "watts",
    "a": "amps", "kilos": "kilograms", "meters": "metres", "liters": "litres",
    "kilogrammes": "kilograms", "grammes": "grams",
}  # fmt: skip
_QUALIFIERS = "full|clear|whole|complete|consecutive|further|other|different|separate|running"
_KEPT_QUALIFIERS = "working|business|calendar|nautical|square|cubic"
_QUANTITY = (
    rf"(?:about |the |a further |another |only )?(?P<symbol>[$€£]\s?)?(?P<number>{NUMBER})\b"
    r"(?:\s?\(\d+\))?"
    rf"(?:[ -]?(?:(?:{_QUALIFIERS}) )*"
    rf"(?P<unit>%|°\s?[cf]?\b|(?:(?:{_KEPT_QUALIFIERS}) )?[a-z][a-z'’]*))?"
)
_WIDE = (
    "longer|wider|higher|deeper|taller|larger|bigger|greater|faster|heavier|older|hotter|warmer|"
    "louder|thicker|farther|further|broader|stronger|brighter|more"
)
_NARROW = (
    "shorter|narrower|lower|shallower|smaller|lighter|slower|younger|colder|cooler|quieter|thinner|"
    "nearer|closer|weaker|dimmer|less|fewer"
)
_AFTER = r"(?= (?:after|from|following|of|since|once)\b)"


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to word a limit: what it means in each mood, None for "not a limit there"."""

    pattern: re.Pattern[str]
    kinds: dict[Mood, RuleKind | None]
    time: bool | None = None  # True: only with a unit of time; False: only without


def _form(
    pattern: str,
    duty: RuleKind | None,
    permission: RuleKind | None,
    negative: RuleKind | None,
    time: bool | None = None,
) -> _Form:
    text = pattern.replace("QUANTITY", _QUANTITY).replace("AFTER", _AFTER)
    kinds: dict[Mood, RuleKind | None] = {
        "duty": duty, "permission": permission, "negative": negative,
    }  # fmt: skip
    return _Form(re.compile(text, re.IGNORECASE), kinds, time)


def _same(pattern: str, kind: RuleKind, time: bool | None = None) -> _Form:
    return _form(pattern, kind, kind, kind, time)


_FORMS = (
    _form(
        r"\b(?:within|inside) (?:a period of |a maximum of |at most |no more than |the first |"
        r"the next |the )?QUANTITY",
        "deadline", "deadline", "minimum", True,
    ),
    _form(r"\b(?:within|inside) QUANTITY", "maximum", "maximum", "minimum", False),
    _same(r"\b(?:no|not) later than (?:the end of )?QUANTITY", "deadline", True),
    _form(r"\blater than QUANTITY", None, None, "deadline", True),
    _form(r"\b(?:take|takes|delayed|wait|put off|outstanding|overdue)(?: for)? (?:longer|more) than "
          r"QUANTITY", None, None, "deadline", True),
    _form(r"\b(?:longer|more) than QUANTITYAFTER", None, None, "deadline", True),
    _form(
        r"\b(?:before|by|until) (?:the end of |the close of )?QUANTITY"
        r"(?= (?:have|has|are|is|after|of|from|following|elapse|pass|go)\b)",
        "deadline", "deadline", "minimum", True,
    ),
    _form(r"\b(?:before|by) the (?:end|close) of QUANTITY", "deadline", "deadline", "minimum", True),
    _form(
        rf"\b(?:before|by|on)(?: the end of| the close of)? the (?P<number>{ORDINAL}) "
        r"(?P<symbol>)(?P<unit>(?:working |business )?(?:day|hour|week|month|minute|night))\b",
        "deadline", "deadline", "minimum",
    ),
    _same(r"\bQUANTITY (?:[a-z ]{0,40})?at the (?:very )?latest\b", "deadline", True),
    _form(
        r"\b(?:has|have|is given|are given|is allowed|are allowed|gets?|having|be given|be allowed) "
        r"(?:up to |at most |no more than |only )?QUANTITY"
        r"(?= (?:to|from|after|in which|in|of|following|for)\b)",
        "deadline", "deadline", None, True,
    ),
    _form(r"^\W*(?:up to |at most |no more than |only )?QUANTITY(?= (?:to|from|after|in which|for|of)\b)",
          "deadline", None, None, True),
    _same(
        r"\b(?:(?:no|not|never) (?:more|longer) than|at most|up to) QUANTITYAFTER", "deadline", True
    ),
    _form(r"\bin (?:at most|no more than|under|not more than|less than) QUANTITY",
          "deadline", "deadline", None, True),
    _form(r"\b(?:every|each) QUANTITY", "deadline", None, None, True),
    _same(
        r"\b(?:at (?:the )?(?:very )?most|at or (?:below|under)|up to|(?:a |the )?maximum (?:of )?|max\.? |"
        r"(?:no|not|never) (?:more|greater) than|not exceeding|not to exceed|without exceeding|"
        r"(?:does|do|can) ?not exceed|(?:limited|restricted|confined|kept|capped) (?:to|at)|"
        r"a (?:limit|ceiling|cap|top) of|the limit of|(?:not|never) (?:over|above|beyond|exceed)|"
        r"as (?:many|much) as|below a (?:limit|ceiling) of) ?QUANTITY",
        "maximum",
    ),
    _same(rf"\b(?:no|not|never|any) (?:{_WIDE}) than QUANTITY", "maximum"),
    _same(
        r"\bQUANTITY (?:[a-z]+ )?(?:at (?:the )?(?:very )?most|or (?:less|fewer|under|below|"
        r"shorter|lighter|lower)|and no more|and not more|but no more|(?:is|are) the most)\b",
        "maximum",
    ),
    _same(
        r"\b(?:at (?:the )?(?:very )?least|at or (?:above|over)|(?:a |the )?minimum (?:of )?|min\.? |"
        r"(?:no|not|never) (?:less|fewer) than|(?:not|never) (?:under|below)|upwards of|"
        r"a floor of) ?QUANTITY",
        "minimum",
    ),
    _same(rf"\b(?:no|not|never) (?:{_NARROW}) (?:than|to [a-z ]{{1,40}} than) QUANTITY", "minimum"),
    _same(
        r"\bQUANTITY (?:[a-z]+ )?(?:at (?:the )?(?:very )?least|or (?:more|over|above|longer|older|"
        r"greater|higher|wider|deeper|better|heavier)|and (?:over|above|upwards?|more))\b",
        "minimum",
    ),
    _form(rf"\b(?:more than|over|above|beyond|past|exceeds?|exceeding|in excess of|"
          rf"(?:{_WIDE}) than) QUANTITY", "minimum", None, "maximum"),
    _form(rf"\b(?:less than|fewer than|under|below|beneath|(?:{_NARROW}) than|"
          rf"(?:{_NARROW}) to [a-z ]{{1,40}} than) QUANTITY", "maximum", None, "minimum"),
    _form(r"\bfor (?:a period of |the first |the next )?QUANTITY",
          "minimum", "maximum", "minimum", True),
    _form(r"\bQUANTITY (?:apart|away|clear|distant|back|off)\b", "minimum", None, None, False),
)  # fmt: skip
_STATED = re.compile(
    r"\b(?P<what>maximum|upper limit|limit|ceiling|cap|most|minimum|lower limit|floor|least|"
    r"deadline|time limit|time allowed|period|time)\b"
    r"[^.;]{0,80}? (?:is|are|shall be|must be|stands at|of|runs for|lasts|amounts to|:|being) "
    + _QUANTITY,
    re.IGNORECASE,
)
_STATED_KINDS: dict[str, RuleKind] = {
    "minimum": "minimum", "lower limit": "minimum", "floor": "minimum", "least": "minimum",
    "deadline": "deadline", "time limit": "deadline", "time allowed": "deadline",
    "period": "deadline", "time": "deadline",
}  # fmt: skip
_CUE = re.compile(rf"[$€£%\d]|\b(?:{NUMBER}|{ORDINAL})\b", re.IGNORECASE)


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
    """The first limit that the clause sets, in the given mood."""
    if _CUE.search(clause) is None:
        return None
    best: Limit | None = None
    for form in _FORMS:
        if form.kinds[mood] is None:
            continue
        for match in form.pattern.finditer(clause):
            limit = _limit(match, form.kinds[mood], form.time)
            if limit is not None:
                best = limit if best is None or limit.start < best.start else best
                break
    return best


def find_stated_limit(clause: str) -> Limit | None:
    """The limit of a clause that names it: "The maximum weight of a crate is 30 kilograms."."""
    match = _STATED.search(clause) if _CUE.search(clause) else None
    if match is None:
        return None
    kind = _STATED_KINDS.get(match.group("what").lower(), "maximum")
    return _limit(match, kind, True if kind == "deadline" else None)


def has_fraction(text: str) -> bool:
    """Whether the text has a number with a fraction, which a `Rule` cannot hold."""
    return re.search(r"\d\.\d|½|¼|\bhalf an?\b", text) is not None


def unit_name(text: str) -> str | None:
    """The plural, spelled-out name of a unit of measure; None where the words are none."""
    text = re.sub(r"\s+", " ", text.lower().replace("’", "'")).strip()
    qualifier, _, last = text.rpartition(" ")
    last = last.removesuffix("'").removesuffix("'s")
    if last not in UNIT_WORDS:
        return None
    name = _SPELLED.get(last, last)
    name = _SPELLED.get(plural(name), plural(name))
    return f"{qualifier} {name}" if qualifier else name


def _limit(match: re.Match[str], kind: RuleKind | None, time: bool | None) -> Limit | None:
    value = parse_number(match.group("number"))
    raw = (match.group("symbol") or "").strip() or match.group("unit") or ""
    unit = _SPELLED[raw] if raw in ("$", "€", "£") else unit_name(raw)
    timed = unit is not None and unit.rpartition(" ")[2] in TIME_UNITS
    if value is None or kind is None or (time is not None and timed != time):
        return None
    end = match.end()
    if unit is None:
        end = match.end("number")
    return Limit(kind, value, unit, match.start(), end, match.end("number"))
