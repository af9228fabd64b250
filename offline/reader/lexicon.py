"""The little English that the reader knows: word classes, stems and number words.

The lists are closed classes (articles, prepositions, auxiliaries) and the few open-class words that
drafting uses in a fixed sense (actors, measures, grades of breach). None of them is taken from any
one set of documents.
"""

import re
from functools import lru_cache


def word_list(text: str) -> list[str]:
    """Return the words of a text, in order."""
    return text.split()


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text, as a set."""
    return frozenset(text.split())


ARTICLES = word_set("a an the")
DETERMINERS = word_set(
    "a an the any every each all its his her their such that this these those own no some both "
    "our your my another either neither said most more less fewer per whole"
)
PREPOSITIONS = word_set(
    "of to in on at by for from with within without into onto over under above below between "
    "among after before during until till since upon against along across around behind beside "
    "besides beyond near off out outside inside through throughout toward towards up down about "
    "as than per except save despite via aboard past unless beneath underneath alongside amid "
    "atop"
)
CONJUNCTIONS = word_set("and or but nor so yet because although though while whereas if when where")
RELATIVES = word_set("who whom whose which that where when whether what how")
AUXILIARIES = word_set(
    "is are was were be been being am has have had do does did will would shall should may might "
    "must can could cannot ought need needs"
)
PRONOUNS = word_set(
    "he she it they them him her we us you i one ones nobody everybody everyone anyone someone "
    "anybody somebody nothing anything something everything itself himself herself themselves "
    "there here this that these those"
)
ADVERBS = word_set(
    "not never always only also then again soon once twice even ever still just too very quite "
    "together away back forward ashore alongside overnight indoors outdoors first last "
    "immediately otherwise however therefore thus hence thereafter afterwards instead alone "
    "apart at least beforehand forthwith already elsewhere long later earlier sooner today now "
    "therein thereof"
)
LY_NOUNS = word_set(
    "family supply assembly jelly fly reply early daily weekly monthly yearly hourly anomaly "
    "ally belly bully jolly lily monopoly rally tally ugly holy only friendly lively poultry "
    "elderly butterfly nightly quarterly"
)
MEASURE_NOUNS = word_set(
    "length width height depth weight mass number amount quantity volume speed temperature "
    "distance stay period size total area gap duration age capacity load draught beam level "
    "share value price sum rate count maximum minimum limit deadline strength thickness diameter "
    "pressure clearance spacing breadth noise output content contents"
)
ACTION_NOUNS = word_set(
    "use sale storage carriage display parking feeding possession keeping lighting cleaning "
    "handling disposal discharge throwing playing riding selling burning loading unloading "
    "washing hire presence transfer disclosure copying resale provision employment consumption "
    "taking leaving tying placing making giving carrying stacking cutting opening"
)
ACTORS = word_set(
    "person persons people skipper skippers master masters owner owners operator operators "
    "trader traders stallholder stallholders holder holders seller sellers vendor vendors "
    "visitor visitors user users crew member members employee employees employer employers "
    "licensee licensor company contractor contractors tenant tenants landlord customer customers "
    "driver drivers applicant party parties agent agents officer officers inspector inspectors "
    "warden wardens authority manager managers staff occupier occupiers tenderer supplier "
    "suppliers buyer buyers guest guests clerk clerks taxpayer individual individuals anyone "
    "anybody everyone nobody you we they he she it who whoever one provider providers worker "
    "workers pilot pilots director controller processor body committee council board student "
    "students teacher patient carrier porter porters assistant assistants helper helpers "
    "merchant merchants boatman shopkeeper butcher baker fishmonger cook resident residents "
    "lodger lodgers citizen citizens neighbour neighbours passenger passengers pupil pupils "
    "reader readers player players"
)
BREACH_WORDS = (
    "breach|breaches|offence|offences|offense|offenses|violation|violations|contravention|"
    "contraventions|infringement|infringements|infraction|infractions|failure|failures|default|"
    "defaults|non-compliance|noncompliance|lapse|lapses|misconduct"
)
PLURAL_ONLY = word_set("goods fireworks premises scissors clothes stairs wages leftovers groceries")
_NOT_PLURAL = ("ss", "us", "is", "ics", "ous")
_IRREGULAR = {
    "people": "person", "men": "man", "women": "woman", "children": "child", "feet": "foot",
    "mice": "mouse", "geese": "goose", "knives": "knife", "loaves": "loaf", "shelves": "shelf",
    "lives": "life", "leaves": "leaf", "halves": "half", "wolves": "wolf", "teeth": "tooth",
    "lit": "light", "kept": "keep", "held": "hold", "sold": "sell", "paid": "pay", "left": "leave",
    "sent": "send", "given": "give", "gave": "give", "taken": "take", "took": "take",
    "made": "make",
    "hung": "hang", "laid": "lay", "shown": "show", "worn": "wear", "wore": "wear",
    "stood": "stand",
    "brought": "bring", "bought": "buy", "caught": "catch", "burnt": "burn", "built": "build",
    "written": "write", "wrote": "write", "driven": "drive", "drove": "drive", "ran": "run",
    "swam": "swim", "swum": "swim", "threw": "throw", "thrown": "throw", "froze": "freeze",
    "frozen": "freeze", "broke": "break", "broken": "break", "rang": "ring", "rung": "ring",
    "tied": "tie", "tying": "tie", "fed": "feed", "led": "lead", "told": "tell", "found": "find",
    "lent": "lend", "spent": "spend", "lost": "lose", "met": "meet", "went": "go", "gone": "go",
    "came": "come", "began": "begin", "begun": "begin", "blew": "blow", "blown": "blow",
    "rose": "rise", "risen": "rise", "fell": "fall", "fallen": "fall", "spoke": "speak",
    "has": "have", "had": "have", "is": "be", "are": "be", "was": "be", "were": "be", "been": "be",
    "slept": "sleep", "drew": "draw", "drawn": "draw", "flew": "fly", "flown": "fly",
    "hid": "hide", "hidden": "hide", "shut": "shut", "knew": "know", "known": "know",
    "grew": "grow",
    "grown": "grow", "said": "say", "sank": "sink", "sunk": "sink", "chose": "choose",
    "chosen": "choose", "got": "get", "saw": "see", "seen": "see", "dug": "dig", "stuck": "stick",
    "swept": "sweep", "wound": "wind", "struck": "strike", "dealt": "deal", "lain": "lie",
    "lying": "lie", "dying": "die", "died": "die",
}  # fmt: skip

STOP = (
    DETERMINERS
    | PREPOSITIONS
    | CONJUNCTIONS
    | RELATIVES
    | AUXILIARIES
    | PRONOUNS
    | word_set("not no never only also then too very just still yet even ever there own same")
)

_UNITS = {
    word: number
    for number, word in enumerate(
        word_list(
            "zero one two three four five six seven eight nine ten eleven twelve thirteen "
            "fourteen fifteen sixteen seventeen eighteen nineteen"
        )
    )
}
_TENS = {
    word: 10 * number
    for number, word in enumerate(
        word_list("twenty thirty forty fifty sixty seventy eighty ninety"), start=2
    )
}
_ORDINALS = {
    word: number
    for number, word in enumerate(
        word_list(
            "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
            "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth "
            "twentieth"
        ),
        start=1,
    )
}
_ONES = "one|two|three|four|five|six|seven|eight|nine"
_NUMBER_WORD = (
    rf"(?:(?:{'|'.join(_TENS)})(?:[ -](?:{_ONES}))?|"
    rf"{'|'.join(sorted(set(_UNITS) - {'zero'}, key=len, reverse=True))}|zero)"
)
NUMBER = (
    r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
    rf"|(?:a|{_ONES}) hundred(?: and {_NUMBER_WORD}| {_NUMBER_WORD})?|(?:a|{_ONES}) dozen|"
    rf"{_NUMBER_WORD})(?: (?:thousand|million)\b)?"
)
ORDINAL = rf"(?:\d{{1,3}}(?:st|nd|rd|th)|{'|'.join(_ORDINALS)})"


_NUMBER_WORDS = frozenset(_UNITS) | frozenset(_TENS) | frozenset(_ORDINALS) | {"hundred", "dozen"}
_LETTERS = re.compile(r"[a-z]+")
_DIGIT = re.compile(r"[0-9]")


def has_number(text: str) -> bool:
    """Tell whether a text may hold a number, in digits or in words."""
    if _DIGIT.search(text) is not None:
        return True
    return not _NUMBER_WORDS.isdisjoint(_LETTERS.findall(text.lower()))


def is_ordinal(text: str) -> bool:
    """Tell whether a number is written as a place in a row: "5th", "third"."""
    return text.lower() in _ORDINALS or (text[:1].isdigit() and text[-1:].isalpha())


def parse_number(text: str) -> int | None:
    """Return the whole number that a text writes in digits or words; None for any other text."""
    text = text.lower().replace(",", "").strip()
    for word, factor in (("thousand", 1_000), ("million", 1_000_000)):
        if text.endswith(word):
            base = parse_number(text.removesuffix(word))
            return base * factor if base is not None else None
    if re.fullmatch(r"\d+(\.0+)?", text):
        return int(text.partition(".")[0])
    if (ordinal := re.fullmatch(r"(\d+)(?:st|nd|rd|th)", text)) is not None:
        return int(ordinal.group(1))
    if text in _ORDINALS:
        return _ORDINALS[text]
    return _number_words(text)


def _number_words(text: str) -> int | None:
    total, seen = 0, False
    for word in re.split(r"[ -]", text):
        if word == "hundred":
            total = max(total, 1) * 100
        elif word == "dozen":
            total = max(total, 1) * 12
        elif word in _UNITS or word in _TENS:
            total += _UNITS.get(word, _TENS.get(word, 0))
        elif word == "a":
            total += 1
        elif word != "and":
            return None
        seen = True
    return total if seen else None


@lru_cache(maxsize=65536)
def singular(word: str) -> str:
    """Return the singular of a noun, by the regular endings and a short list of exceptions."""
    if word in PLURAL_ONLY or len(word) < 4:
        return word
    if word in _IRREGULAR and word not in ("lives", "leaves"):
        return _IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(?:ss|sh|ch|x|zz)es$", word):
        return word[:-2]
    if word.endswith("s") and not word.endswith(_NOT_PLURAL):
        return word[:-1]
    return word


def plural(word: str) -> str:
    """Return the plural of a unit's name."""
    if word.endswith("s") or word in ("percent", "kg", "km", "people"):
        return word
    if word in ("foot", "person", "man"):
        return {"foot": "feet", "person": "persons", "man": "men"}[word]
    if re.search(r"(?:sh|ch|x|zz)$", word):
        return word + "es"
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + "s"


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """Return a crude stem: plurals, -ing, -ed and irregular forms share that of their base."""
    word = word.lower().replace("’", "'")
    if word.endswith("'s") or word.endswith("s'"):
        word = word[:-2]
    word = _IRREGULAR.get(word, word)
    word = singular(word)
    word = _IRREGULAR.get(word, word)
    for suffix in ("ing", "ed"):
        base = word[: -len(suffix)]
        if word.endswith(suffix) and len(base) >= 3 and re.search(r"[aeiouy]", base):
            word = base
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    word = re.sub(r"e$", "", word) if len(word) > 3 else word
    return re.sub(r"y$", "i", word) if len(word) > 3 else word


WORD = re.compile(r"[A-Za-z0-9]+(?:['’][A-Za-z]+)?")


def content_stems(text: str) -> list[str]:
    """Return the stems of the words that carry meaning, hyphenated words taken apart."""
    return [stem(word) for word in WORD.findall(text) if word.lower() not in STOP]
