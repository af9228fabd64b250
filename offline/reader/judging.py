"""Judges answers beyond a comparison with the right one: agreement, support, contradictions.

Support is judged by answering anew from the passages that an answer cites.
"""

import re
from collections.abc import Sequence
from itertools import combinations

from models.blocks import Extract
from offline.reader import answering
from offline.reader.grading import canonical, contradicts, facts_of, grade, normal
from offline.reader.lexicon import content_stems

_UNSTATED = re.compile(r"\bdo(?:es)? not (?:say|tell|state|decide)\b", re.IGNORECASE)
# Facts of a rule that all answers about it must share, with how they are called.
_SHARED = {
    "limit": "the limit",
    "exception": "the exception",
    "grade": "the grade of breach",
    "fine": "the fine",
    "meaning": "the meaning",
}


def difference(first: str, second: str) -> str:
    """Say in what two answers to one question differ; "" where they agree.

    They agree where they come to the same result, and none recites a fact that the other denies.
    """
    texts = [canonical(text) for text in (first, second)]
    empty = [re.search(r"\w", text) is None for text in texts]
    if any(empty):
        return "" if all(empty) else "One of them gives no answer."
    there = grade(texts[0], [texts[1]]).answers[0]
    back = grade(texts[1], [texts[0]]).answers[0]
    same = "right" in (there.result, back.result)
    if same and not contradicts(*texts) and not contradicts(*reversed(texts)):
        return ""
    return there.critique or back.critique


def unsupported(question: str, extracts: list[Extract], answer: str) -> str:
    """Say what of an answer its passages do not establish; "" where they do."""
    own = answering.reply(question, extracts).answer if extracts else ""
    if not own:
        return "" if _UNSTATED.search(answer) else "The passages cited do not decide the question."
    if differing := difference(own, answer):
        return differing
    lacking = _SHARED.keys() & facts_of(canonical(answer)).keys() - facts_of(own).keys()
    return " ".join(f"The passages cited do not give {_SHARED[name]}." for name in sorted(lacking))


def conflicts(answers: Sequence[str]) -> list[tuple[int, int, str]]:
    """Return the pairs of answers that state one rule differently, by their places, and why."""
    recited = [facts_of(canonical(text)) for text in answers]
    found = []
    for (i, one), (j, other) in combinations(enumerate(recited), 2):
        why = _conflict(one, other)
        if why:
            found.append((i, j, why))
    return found


def _conflict(one: dict[str, list[str]], other: dict[str, list[str]]) -> str:
    """Say in which fact of the rule two answers differ; "" where they are about two rules."""
    keys = [normal(facts["key"][0]) for facts in (one, other) if "key" in facts]
    if len(keys) < 2 or keys[0] != keys[1]:
        return ""
    for name, called in _SHARED.items():
        if name in one and name in other and normal(one[name][0]) != normal(other[name][0]):
            return f'{called} is "{one[name][0]}" in one, "{other[name][0]}" in the other'
    return ""


def meets(check: str, answer: str) -> bool:
    """Tell whether an answer has all words of a check that carry meaning."""
    wanted = set(content_stems(check))
    return wanted <= set(content_stems(answer))
