"""The grader: compares the student's answers with the expert's.

The verdict decides; the facts recited before it tell a right answer from a lucky one. Answers that
are not in the canonical form are read by their last sentence and the words of verdicts in them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from elenchus.records import GUESSABLE
from offline.language.questions import verdict
from offline.reader.lexicon import NUMBER, content_stems, parse_number, stem

MOST_QUOTED = 80  # characters of a student's result in a critique
_VERDICTS = ("breach", "no breach", "changed", "same", "allowed", "forbidden")
_LABELLED = re.compile(r"^[ \t]*([^\W\d_][^\n:：.]{0,28}[:：])(?=\s*\S)", re.MULTILINE)
_YES_NO = re.compile(r"^(?:yes|no|true|false|correct|incorrect)\W*$", re.IGNORECASE)
_NO_BREACH = re.compile(
    r"\b(?:no|not an?|not in|isn['’]t an?|without an?y?|never an?|is not (?:in )?(?:an? )?|not "
    r"constitute an?) ?(?:rule |actual )?(?:breach|violation|infringement|contravention|"
    r"offence)\b|\bno rule (?:is|was) broken\b|\b(?:complie[sd]|in compliance|rule (?:is|was|has "
    r"been) kept|permitted under|is allowed|within the rules)\b",
    re.IGNORECASE,
)
_BREACH = re.compile(
    r"\b(?:breach(?:es|ed)?|violat(?:es?|ed|ion)|infring\w+|contraven\w+|rule (?:is|was) broken|"
    r"breaks? the rules?|offence)\b",
    re.IGNORECASE,
)
_SAME = re.compile(
    r"\b(?:the same|same|unchanged|not (?:be )?change[ds]?|no change|no difference|not (?:be "
    r")?different|would stand|unaffected)\b",
    re.IGNORECASE,
)
_CHANGED = re.compile(r"\b(?:changed?|changes|different|reversed|otherwise)\b", re.IGNORECASE)
_NO_FINE = re.compile(
    r"\b(?:no fine|nothing (?:is )?(?:due|to pay|owed)|not (?:be )?fined|no penalty|free of "
    r"charge|(?:no|zero|0) (?:crowns|money))\b",
    re.IGNORECASE,
)
_NEGATION = re.compile(r"\b(?:not|no|never|none)\b|n['’]t\b")
_NO_EXCEPTION = re.compile(
    r"\b(?:no (?:such )?exceptions?|none|without exceptions?)\b", re.IGNORECASE
)
_SYNONYMS = {
    "prohibited": "forbidden", "banned": "forbidden", "not allowed": "forbidden",
    "not permitted": "forbidden", "permitted": "allowed", "lawful": "allowed",
    "no exception": "none", "there is none": "none", "no exceptions": "none",
    "no change": "same", "unchanged": "same", "change": "changed", "different": "changed",
    "not a breach": "no breach", "no violation": "no breach", "violation": "breach",
    "a breach": "breach", "0 crowns": "no fine", "no fine due": "no fine",
}  # fmt: skip
_AMOUNT = re.compile(rf"(?P<number>{NUMBER}) (?P<unit>[a-z]+)", re.IGNORECASE)
_LEADS = re.compile(
    r"^(?:when(?:ever)?|unless|if|where|except (?:when|where|if)|the (?:answer|verdict|meaning) "
    r"is|it is|it means|that is|within|at most|at least|no later than|up to)\s+"
)
_FACTS = {
    "limit": re.compile(
        rf"\b(within|at most|at least|no more than|no later than|up to) ({NUMBER}) ([a-z]+)", re.I
    ),
    "exception": re.compile(r"\bexception: ([^.]+)", re.IGNORECASE),
    "grade": re.compile(r"\bgrade: ([^.]+)|\ban? ([a-z-]+) breach costs", re.IGNORECASE),
    "fine": re.compile(rf"\bcosts? ({NUMBER}) ([a-z]+)", re.IGNORECASE),
    "comparison": re.compile(r"\b(\d+) is (not )?(over|under) (\d+)", re.IGNORECASE),
    "meaning": re.compile(r"\bmeaning: ([^.]+)", re.IGNORECASE),
    "standing": re.compile(r"\brule: (forbidden|allowed)\b", re.IGNORECASE),
    "key": re.compile(
        r"^(?!(?:Grade|Exception|Limit|Rule|Meaning):)([A-Z][^.:\d]{1,60})[.:]"
        r"(?= (?:Grade|Exception|Limit|Rule|Meaning|So):)"
    ),
    "met": re.compile(r"\b(not met|met)\.", re.IGNORECASE),
}
_WORDS_FOR = {
    "limit": "the limit", "exception": "the exception", "grade": "the grade of breach",
    "fine": "the fine of that grade", "comparison": "the comparison with the limit",
    "meaning": "the meaning", "standing": "whether it is allowed", "key": "which rule is meant",
    "met": "whether the exception holds",
}  # fmt: skip
_GUIDANCE = {
    "limit": "Move the figure nearer to the limit, so that only one who knows the limit is right.",
    "comparison": "Move the figure nearer to the limit, so that only one who knows it is right.",
    "exception": "Let a circumstance hold in the scene, so that the exception has to be known.",
    "met": "State a circumstance that is, or nearly is, the exception.",
    "grade": "Ask for the fine, so that the grade of breach has to be known.",
    "fine": "Ask for the fine of a breach of this rule.",
    "meaning": "Ask for the meaning in other words.",
    "standing": "Ask directly whether the rule allows it.",
    "key": "Ask directly what this rule says.",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """One answer: its result and its reason, judged apart, and what it shows of the student.

    Attributes:
        result: "right", "partly", "wrong" or "none".
        reason: "right", "wrong" or "none", where an answer recites nothing that decides.
    """

    result: str
    reason: str
    critique: str


@dataclass(frozen=True, slots=True)
class Grading:
    """All answers judged, what they missed, and how the question could be changed."""

    answers: tuple[Judged, ...]
    missed: str
    guidance: str


def grade(expert: str, answers: Sequence[str], form: str = "") -> Grading:
    """Judge a student's answers to one question.

    Args:
        form: of the expert's result; read from it where it is not given.

    Raises:
        ValueError: the expert's answer is empty, so there is nothing to compare with.
    """
    label = _label(expert)
    expert, *answers = (_relabelled(text, label) for text in (expert, *answers))
    gold = _final(expert)
    if not gold:
        raise ValueError("the expert's answer is empty: there is nothing to compare with")
    judged = tuple(_judge(gold, expert, answer) for answer in answers)
    guessable = (form or form_of(gold)) in GUESSABLE
    failed = [not _passes(one, guessable) for one in judged]
    faults = [
        fact
        for answer, fails in zip(answers, failed, strict=True)
        if fails
        for fact in _faults(expert, answer)
    ]
    return Grading(judged, _missed(gold, judged, failed, faults), _guidance(expert, faults))


def canonical(text: str) -> str:
    """Return an answer with "So:" for the label of its last line, "Answer:" or the like."""
    return _relabelled(text, _label(text))


def form_of(result: str) -> str:
    """Return the form of a result: "choice" for a verdict, "number" with a unit, or "phrase"."""
    if result.casefold() in _VERDICTS:
        return "choice"
    return "number" if re.fullmatch(rf"{NUMBER} [a-z ]+", result, re.IGNORECASE) else "phrase"


def facts_of(text: str) -> dict[str, list[str]]:
    """Return what an answer recites before its verdict, by sort of fact, as it words it."""
    before = re.split(r"(?<=\bSo:)", text)[0]
    facts: dict[str, list[str]] = {}
    for name, form in _FACTS.items():
        values = [" ".join(filter(None, m.groups())) for m in form.finditer(before)]
        if values:
            facts[name] = values
    return facts


def _label(text: str) -> str:
    """Return the label of the last line that has one; "" where "So:" marks the result."""
    labels = [] if re.search(r"\bSo:", text) else _LABELLED.findall(text)
    return labels[-1] if labels else ""


def _relabelled(text: str, label: str) -> str:
    """Return a text with "So:" for the last line's label, where a line begins with it."""
    if not label or re.search(r"\bSo:", text):
        return text
    places = [*re.finditer(rf"^[ \t]*{re.escape(label)}", text, re.MULTILINE | re.IGNORECASE)]
    if not places:
        return text
    last = places[-1]
    return f"{text[: last.start()].strip()} So:{text[last.end() :]}".strip()


def _judge(gold: str, expert: str, answer: str) -> Judged:
    if not answer.strip():
        return Judged("none", "none", "It gives no answer.")
    likeness = _likeness(gold, answer)
    result = "wrong"
    if likeness == 1.0:
        result = "right"
    elif likeness >= 2 / 3 and len(content_stems(gold)) >= 3:
        result = "partly"
    reason = _reason(expert, answer, result)
    said = _false_facts(expert, answer)
    if result != "right":
        said.insert(0, f'It concludes "{_final(answer)[:MOST_QUOTED]}"; right is "{gold}".')
    elif reason == "none":
        said = [f"It does not say {_listed(_faults(expert, answer))}."]
    return Judged(result, reason, " ".join(said))


def _reason(expert: str, answer: str, result: str) -> str:
    """Judge what an answer recites: a bare result has no reason, unless there is none to give."""
    deciding = {name: values for name, values in facts_of(expert).items() if name != "key"}
    wrong = {name for name, missing in _compared(expert, answer) if not missing}
    if wrong & _decisive(expert):
        return "wrong"
    if not deciding:
        return "right" if result == "right" else "none"
    if facts_of(answer).keys() - {"key"}:
        return "right"
    said = set(normal(answer).split()) - set(normal(_final(answer)).split())
    words = [set(normal(values[0]).split()) for values in deciding.values()]
    return "right" if any(fact and fact <= said for fact in words) else "none"


def _decisive(expert: str) -> set[str]:
    """Return the sorts of fact that the right answer's result rests on.

    Where an exception is met, the limit does not count, and otherwise not what the exception is.
    """
    facts, gold = facts_of(expert), _final(expert)
    decisive = {"key", "comparison", "meaning", "standing", "met"}
    if "met" not in facts.get("met", ()):
        decisive |= {"limit"}
    if "fine" in facts:
        decisive |= {"grade", "fine"}
    # What was asked for is given by the result, and by the fact of the same words.
    asked = {name for name, values in facts.items() if normal(values[0]) == normal(gold)}
    return decisive | asked


def contradicts(expert: str, answer: str) -> bool:
    """Tell whether an answer recites any fact otherwise than the expert's, decisive or not."""
    texts = [canonical(text) for text in (expert, answer)]
    return any(not missing for _, missing in _compared(*texts))


def _passes(judged: Judged, guessable: bool) -> bool:
    """Tell whether an answer counts as correct: a verdict without its reason may be a guess."""
    reasons = ("right",) if guessable else ("right", "none")
    return judged.result == "right" and judged.reason in reasons


def _false_facts(expert: str, answer: str) -> list[str]:
    """Say of each fact that an answer has wrong what it says instead."""
    right, recited = facts_of(expert), facts_of(answer)
    return [
        f'It takes {_WORDS_FOR[name]} to be "{recited[name][0]}"; right is "{right[name][0]}".'
        for name, missing in _compared(expert, answer)
        if not missing
    ]


def _listed(faults: Sequence[str]) -> str:
    words = list(dict.fromkeys(_WORDS_FOR[fault] for fault in faults if fault != "key"))
    return ", ".join(words) or "why"


def _final(text: str) -> str:
    """Return the verdict of an answer: after the last "So:", else its last sentence."""
    if concluded := verdict(text):
        return concluded
    sentences = [s.strip() for s in re.split(r"(?<=[.!?])\s+|\n+", text.strip()) if s.strip()]
    return sentences[-1].strip(".!\"' ").casefold() if sentences else ""


def _likeness(gold: str, answer: str) -> float:
    """Return how near an answer's verdict is to the expert's.

    That is 1 for the same, else the share of words that they have in common.
    """
    final, expected = _final(answer), normal(gold)
    if normal(final) == expected:
        return 1.0
    if _YES_NO.match(final):
        return 0.0
    if not verdict(answer):
        inferred = _from_words(gold, answer) or _from_words(gold, final)
        if inferred is not None:
            return float(normal(inferred) == expected)
        if expected and f" {expected} " in f" {normal(final)} " and not _denies(final, gold):
            return 1.0
    ours, theirs = set(content_stems(gold)), set(content_stems(final))
    total = max(len(ours), len(theirs))
    return min(len(ours & theirs) / total, 0.99) if total else 0.0


def _denies(one: str, other: str) -> bool:
    """Tell whether one of two texts has a negation that the other lacks."""
    return (_NEGATION.search(one) is None) != (_NEGATION.search(other) is None)


def _from_words(gold: str, text: str) -> str | None:
    """Return the verdict that free text comes to, in the words of the expert's; None for none."""
    last = _final(text)
    if gold in ("breach", "no breach"):
        return _either(last, text, (_NO_BREACH, "no breach"), (_BREACH, "breach"))
    if gold in ("changed", "same"):
        return _either(last, text, (_SAME, "same"), (_CHANGED, "changed"))
    if gold == "none" and _NO_EXCEPTION.search(last):
        return "none"
    if gold == "no fine" or re.fullmatch(r"[\d,]+ [a-z]+", gold):
        if _NO_FINE.search(last):
            return "no fine"
        amounts = _AMOUNT.findall(last) or _AMOUNT.findall(text)
        unit = stem(gold.rpartition(" ")[2])
        alike = [amount for amount in amounts if stem(amount[1]) == unit]
        if not alike and gold == "no fine":
            alike = amounts
        return " ".join(alike[-1]) if alike else None
    return None


def _either(
    last: str, text: str, first: tuple[re.Pattern[str], str], second: tuple[re.Pattern[str], str]
) -> str | None:
    """Return the verdict whose words stand in the last sentence, or else anywhere in the text."""
    for part in (last, text):
        for cue, name in (first, second):
            if cue.search(part):
                return name
    return None


def normal(text: str) -> str:
    """Return a verdict in the form in which two are compared."""
    text = re.sub(r"[^\w\s'-]", " ", text.casefold().replace(",", ""))
    text = re.sub(r"\s+", " ", text).strip(" '-")
    text = _SYNONYMS.get(text, text)
    while (shorter := _LEADS.sub("", text)) != text:
        text = shorter
    words = [w for w in text.split() if w not in ("a", "an", "the")]
    return " ".join(_plain(word) for word in words)


def _plain(word: str) -> str:
    number = parse_number(word)
    return str(number) if number is not None else stem(word)


def _normalised(text: str) -> dict[str, list[str]]:
    return {name: [normal(v) for v in values] for name, values in facts_of(text).items()}


def _compared(expert: str, answer: str) -> list[tuple[str, bool]]:
    """Return the facts in which an answer differs, each with whether it merely lacks the fact."""
    right, recited = _normalised(expert), _normalised(answer)
    differing: list[tuple[str, bool]] = []
    for name, values in right.items():
        if name not in recited:
            differing.append((name, True))
        elif name == "comparison":
            if not set(recited[name]) <= set(values):
                differing.append((name, False))
        elif recited[name][0] != values[0]:
            differing.append((name, False))
    return differing


def _faults(expert: str, answer: str) -> list[str]:
    """Return the facts that an answer has wrong, or, if none is wrong, those that it lacks."""
    differing = _compared(expert, answer)
    wrong = [name for name, missing in differing if not missing]
    return wrong or [name for name, _ in differing]


def _missed(
    gold: str, judged: Sequence[Judged], failed: Sequence[bool], faults: Sequence[str]
) -> str:
    """Say what was missed; "" where all answers are correct."""
    if not any(failed):
        return ""
    what = _commonest(faults)
    about = f" and {_WORDS_FOR[what]} was not known" if what else ""
    if all(one.result in ("right", "partly") for one in judged):
        return f"The verdict was right{about.replace(' and', ', but')}."
    return f'{sum(failed)} of {len(judged)} answers missed that the verdict is "{gold}"{about}.'


def _commonest(faults: Sequence[str]) -> str | None:
    """Return the commonest fault, and of several the first."""
    return max(faults, key=lambda name: (faults.count(name), -faults.index(name)), default=None)


def _guidance(expert: str, faults: Sequence[str]) -> str:
    """Say how the question could be made harder: at what was missed, else at what it lacks."""
    what = _commonest([f for f in faults if f != "key"] or faults)
    if what is not None:
        return _GUIDANCE[what]
    recited = facts_of(expert)
    if "fine" not in recited:
        return "Ask for the fine as well, so that the grade of breach has to be known."
    if "met" not in recited:
        return "State a circumstance in the scene, so that the exception has to be known."
    return "Move the figure nearer to the limit, or ask for the rule in other words."
