"""Reads exceptions and conditions: what takes a case out of a rule, and what puts one under it.

Both are returned as clauses without the word that opens them: "a storm warning is in force".
"""

import re

from offline.reader.lexicon import word_set

_WHEN = r"(?:when|where|if|while|whilst|whenever|wherever|that|as long as|so long as)"
_CASES = r"(?:only )?(?:in (?:the |those |such )?(?:cases?|circumstances|event|situations?) )?"
_OPENER = re.compile(
    r"[,;(–—]?\s*\b(?:unless and until|unless|except(?:ing)?(?: only)?|save(?: only)?(?= (?:when|"
    r"where|if|in|for|that|with|while|as|by|on)\b)|with the exception (?:of|that)|apart from|"
    r"excluding|"
    rf"but not (?={_WHEN}\b)|other than (?={_WHEN}\b))\s+(?:{_CASES}{_WHEN}\s+)?",
    re.IGNORECASE,
)
_NOT_OPENER = re.compile(r"\b(?:the|an|any|no|this|that|each|with) $", re.IGNORECASE)
_FOLLOW_UP = re.compile(
    r"(?:\b(?:does|do|shall|need|will) not (?:apply|hold|count|extend|bind|run|matter|operate|"
    r"affect)\b|\b(?:is|are) (?:lifted|waived|set aside|suspended|relaxed|not in force|dropped|"
    r"not applied|disapplied|excused|exempt(?:ed)?|left aside|inapplicable)\b|\bfalls away\b|"
    r"\bceases to apply\b|\bno breach\b|\bexceptions?\b|\bexempt(?:ed|ion)?\b|\bthere is no "
    r"(?:such )?(?:duty|limit|breach|offence)\b|\bnot a breach\b|\bnobody is bound\b|^not so\b|"
    r"\bmay be (?:set aside|waived|lifted|ignored|relaxed)\b|\bneed not be (?:kept|met)\b)",
    re.IGNORECASE,
)
_FOLLOW_CLAUSE = re.compile(
    rf"\b(?:{_CASES}{_WHEN}|as soon as|once|during|in the event of|in the case of|in case of|to|"
    rf"for)"
    r"\s+",
    re.IGNORECASE,
)
# A sentence without any of these words adds no exception to the one before it.
FOLLOW_UP_WORDS = word_set(
    "apply hold count extend bind run matter operate affect lifted waived aside suspended "
    "relaxed force dropped applied disapplied excused exempt exempted exemption inapplicable "
    "falls ceases breach exception exceptions bound so ignored kept met may permitted allowed "
    "duty limit offence"
)
_PRONOUN_MAY = re.compile(
    r"^(?:but |however,? )?(?:it|they|this|that|these|those|doing so)(?:,? however,?)? "
    rf"(?:may\b|(?:is|are) (?:permitted|allowed)\b(?! to\b)).*\b{_WHEN}\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"(?:^|,?(?<!\bonly)\s+)(?:if|when|where|whenever|wherever|in the event that|in case|"
    r"provided(?: that)?|on condition that|as long as|so long as|while|whilst|once)\s+",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"^(?:section|sections|part|article|paragraph|subsection|sub-section|clause|rule|as "
    r"(?:otherwise )?(?:provided|stated|set out|specified|permitted)|otherwise|provided|this|the "
    r"provisions|where otherwise)\b",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"\s*(?:[,;]\s*(?:and|but)\s+(?:a|an|any|such|the|in that|then|even then|doing)\b.*|"
    r"[,;:]\s*(?:see|for the grade|breach|a breach|grade)\b.*)$",
    re.IGNORECASE,
)


def split_exception(text: str) -> tuple[str, str | None]:
    """Return the sentence without its exception, and the exception; None where it has none."""
    for opener in _OPENER.finditer(text):
        if _NOT_OPENER.search(text[: opener.start()] + " "):
            continue
        before, after = text[: opener.start()], text[opener.end() :]
        inner, rest = _cut(before, after)
        if not inner.strip() or _REFERENCE.match(inner.strip()):
            return f"{before.strip()} {rest.strip()}".strip(), None
        clause = as_clause(inner, opener.group())
        return f"{before.strip()} {rest.strip()}".strip(" ,"), clause
    return text, None


def _cut(before: str, after: str) -> tuple[str, str]:
    """Return the text of the exception, and what follows it."""
    closed = after.find(")") if before.count("(") > before.count(")") else -1
    if closed >= 0:
        return after[:closed], after[closed + 1 :]
    if not _MAIN.search(before):
        parts = re.split(r",\s+", after)
        for count in range(1, len(parts)):
            if _MAIN.search(", ".join(parts[count:])):
                return ", ".join(parts[:count]), ", ".join(parts[count:])
    elif re.search(r"(?:must|shall|may)(?: not)?,?$", before.strip(), re.IGNORECASE):
        inner, _, rest = after.partition(", ")
        return inner, rest
    return _TAIL.sub("", after), ""


_MAIN = re.compile(
    r"\b(?:must|shall|may|should|cannot|prohibited|forbidden|banned|allowed|permitted|required|"
    r"has to|have to|is to|are to|limited|offence|no later than|within \d)\b",
    re.IGNORECASE,
)
_SUBJECTLESS = re.compile(
    r"^(?:with|without|by|in|on|at|during|under|after|before|authori[sz]ed|permitted|allowed|"
    r"agreed|approved|required|directed|instructed|necessary|pursuant|to the extent|as|such)\b",
    re.IGNORECASE,
)
_OPENS_CLAUSE = re.compile(
    rf"\b(?:unless|if|when|where|while|whilst|that|as|whenever|wherever)\b|{_WHEN}\s*$", re.I
)


def as_clause(text: str, opener: str = "unless") -> str | None:
    """Put an exception in the form that follows "when": a clause stays, a phrase becomes one."""
    text = re.sub(r"\s*\((?:see )?(?:section|part|article)[^)]*\)", "", text)
    text = text.strip(" ,;.:–—")
    if not text:
        return None
    text = text[0].lower() + text[1:] if re.match(r"[A-Z][a-z']*\b(?! [A-Z])", text) else text
    if _OPENS_CLAUSE.search(opener) or _SUBJECTLESS.match(text):
        return text
    text = re.sub(r"^(?:for|to|of)\s+", "", text)
    return f"it concerns {text}"


def follow_up_exception(text: str) -> str | None:
    """Return the exception that a sentence of its own adds to the rule before it, if any.

    "This does not apply when the lock is closed.", "An exception is made where …".
    """
    if _FOLLOW_UP.search(text) is None and _PRONOUN_MAY.match(text) is None:
        return None
    leading = re.match(rf"(?:{_WHEN}|in case) (.+?), (.+)$", text, re.IGNORECASE)
    if leading and _FOLLOW_UP.search(leading.group(2)):
        return as_clause(leading.group(1), "when")
    cue = _FOLLOW_UP.search(text) or _PRONOUN_MAY.match(text)
    assert cue is not None
    start = cue.start() if cue.re is _FOLLOW_UP else 0
    clause = _FOLLOW_CLAUSE.search(text, start)
    if clause is None:
        return None
    inner = _TAIL.sub("", text[clause.end() :])
    return as_clause(inner, clause.group())


def split_condition(text: str) -> tuple[str, str | None]:
    """Return the sentence without an "if …" or "when …" clause, and that clause."""
    leading = _CONDITION.match(text)
    if leading is not None:
        parts = re.split(r",\s+", text[leading.end() :])
        for count in range(1, len(parts)):
            rest = ", ".join(parts[count:])
            if _MAIN.search(rest):
                return rest, ", ".join(parts[:count])
        return text, None
    for opener in _CONDITION.finditer(text):
        if opener.start() > 0 and _MAIN.search(text[: opener.start()]):
            return text[: opener.start()].strip(" ,"), text[opener.end() :].strip(" ,.;")
    return text, None
