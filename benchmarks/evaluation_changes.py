"""Changes that make near-copies of texts, none of which calibrates the contamination report.

The last ones are paraphrases by rule. A change that does not apply to a text returns it as it is.
"""

import random
import re
from collections.abc import Callable

_FILLERS = ("indeed", "however", "in fact", "as such", "of course", "so to speak", "generally")
_FRAMES = (
    "Please answer briefly. {} Give your reason first.",
    "A colleague asks: {} What would you say?",
    "Consider this. {} That is all that is known.",
)
_OTHERS = {
    "agreement": "contract", "shall": "must", "may": "can", "website": "site", "data": "records",
    "information": "details", "party": "side", "parties": "sides", "company": "firm",
    "license": "permission", "provide": "supply", "provides": "supplies", "use": "employ",
    "pay": "settle", "terminate": "end", "notice": "warning", "prior": "earlier", "any": "every",
    "taxes": "duties", "tax": "duty", "year": "twelvemonth", "income": "earnings",
    "married": "wedded", "spouse": "partner", "how": "in which way", "does": "will",
    "users": "people", "user": "person", "collect": "gather", "share": "pass on", "kind": "sort",
    "purchase": "buy", "written": "typed", "policy": "rules", "within": "inside",
    "rights": "claims", "allowed": "permitted", "rule": "regulation", "rules": "regulations",
    "boat": "vessel",
    "must": "has to", "stall": "stand", "fee": "charge", "sell": "trade", "keep": "hold",
    "long": "many hours", "breach": "violation", "harbour": "port", "market": "bazaar",
}  # fmt: skip
_WORD = re.compile(r"[A-Za-z]+")
_IF = re.compile(r"^(If|When|Where|Unless|Upon|During) ([^,]{8,}), (.{8,}?)([.?!]?)$", re.DOTALL)
_COMMA = re.compile(r"^(.{12,}?), (.{12,}?)([.?!]?)$", re.DOTALL)
_ACTIVE = re.compile(
    r"\b((?:[A-Z][\w'-]* ?){1,4}|[Tt]he \w+|[Yy]ou|[Ww]e) (shall|must|may|will|can) (not )?"
    r"(pay|provide|disclose|collect|use|share|maintain|grant|indemnify|notify|deliver|terminate)"
    r" ([^,.;:?]{4,60})"
)
_PARTICIPLES = {"pay": "paid", "notify": "notified", "indemnify": "indemnified"}
_ENDS_IN_E = ("provide", "disclose", "use", "share", "terminate")


def inserted(text: str, rng: random.Random) -> str:
    """Put a filler after every seventh word or so."""
    words = text.split()
    for place in range(rng.randrange(2, 6), len(words), 7):
        words[place] += f", {rng.choice(_FILLERS)},"
    return " ".join(words)


def misspelt(text: str, rng: random.Random) -> str:
    """Exchange two letters within every fifth longer word or so."""

    def turned(found: re.Match[str]) -> str:
        word = found[0]
        if len(word) < 5 or rng.random() > 0.2:
            return word
        at = rng.randrange(1, len(word) - 2)
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

    return _WORD.sub(turned, text)


def shortened(text: str, rng: random.Random) -> str:
    """Leave out the last fifth to third of the words."""
    words = text.split()
    return " ".join(words[: max(3, round(len(words) * rng.uniform(0.67, 0.8)))])


def framed(text: str, rng: random.Random) -> str:
    """Put the text into a frame, with two words exchanged in the middle."""
    words = text.split()
    middle = len(words) // 2
    words[middle - 1 : middle + 1] = reversed(words[middle - 1 : middle + 1])
    return rng.choice(_FRAMES).format(" ".join(words))


def reworded(text: str, rng: random.Random) -> str:
    """Put other words for those of a short list."""

    def other(found: re.Match[str]) -> str:
        word = _OTHERS.get(found[0].lower(), found[0])
        return word.capitalize() if found[0][0].isupper() and word != found[0] else word

    return _WORD.sub(other, text)


def turned(text: str, rng: random.Random) -> str:
    """Say the condition, or what stands before the first comma, last."""
    if found := _IF.match(text):
        word, condition, main, end = found.groups()
        return f"{main[0].upper()}{main[1:]} {word.lower()} {condition}{end}"
    if found := _COMMA.match(text):
        first, rest, end = found.groups()
        return f"{rest[0].upper()}{rest[1:]}, {first[0].lower()}{first[1:]}{end}"
    return text


def passive(text: str, rng: random.Random) -> str:
    """Turn what somebody shall do into what shall be done by them."""

    def changed(found: re.Match[str]) -> str:
        who, modal, negation, verb, what = found.groups()
        done = _PARTICIPLES.get(verb, verb + ("d" if verb in _ENDS_IN_E else "ed"))
        return f"{what.strip()} {modal} {negation or ''}be {done} by {who.strip()}"

    return _ACTIVE.sub(changed, text)


def retold(text: str, rng: random.Random) -> str:
    """Turn voice and order, and put other words."""
    return reworded(turned(passive(text, rng), rng), rng)


CHANGES: dict[str, Callable[[str, random.Random], str]] = {
    "words inserted": inserted,
    "misspelt": misspelt,
    "end left out": shortened,
    "in a frame": framed,
    "other words": reworded,
    "order turned": turned,
    "voice turned": passive,
    "retold: voice, order and words": retold,
}
