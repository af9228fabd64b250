"""The expert and the grader of messages: find phrases that set one class apart from the rest.

They count, and understand nothing. An indicator is a phrase of one to three words whose log-odds
stand out, with all messages shown as the informative Dirichlet prior (Monroe, Colaresi and Quinn
2008, "Fightin' Words"). The grader looks for the paragraph that shares most with a message.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set

from offline.reader.lexicon import (
    AUXILIARIES,
    CONJUNCTIONS,
    DETERMINERS,
    PREPOSITIONS,
    PRONOUNS,
    RELATIVES,
    word_set,
)

LONGEST = 3  # words of a phrase
BEST = 12  # phrases of a class
LEAD = "Messages of this class speak of: "
_EMOJI = "[\u2600-\u27bf\U0001f300-\U0001faff]"
_WORD = re.compile(rf"[^\W_]+(?:['’-][^\W_]+)*|{_EMOJI}")
_STOP = re.compile(r"[.!?,;:…]+(?=\s|$)|\n")
_CONTRACTED = word_set("don doesn didn isn aren wasn weren hasn haven hadn can won couldn wouldn "
                       "shouldn i'm i've i'd i'll im ive dont")  # fmt: skip
_FUNCTION = (
    AUXILIARIES | CONJUNCTIONS | DETERMINERS | PREPOSITIONS | PRONOUNS | RELATIVES | _CONTRACTED
) | word_set("please hi hello hey me thanks why")


def words(text: str) -> list[str]:
    """Return the words of a text in small letters, and its emoji."""
    return [word.casefold().replace("’", "'") for word in _WORD.findall(text)]


def is_function_word(word: str) -> bool:
    """Tell whether a word, with what is contracted to it, carries grammar and little else."""
    base = word.removesuffix("n't").partition("'")[0]
    return word in _FUNCTION or base in _FUNCTION or word == "can't"


def phrases(text: str) -> Iterator[str]:
    """Return all phrases of a text that do not cross a stop, shorter ones first."""
    runs = [words(part) for part in _STOP.split(text)]
    for length in range(1, LONGEST + 1):
        for run in runs:
            for start in range(len(run) - length + 1):
                yield " ".join(run[start : start + length])


def indicators(messages: Sequence[str], contrast: Sequence[str]) -> list[str]:
    """Return phrases that set messages of a class apart, best first; none is within another.

    Phrases of one message alone come last. Where nothing tells, it is the commonest phrase.

    Args:
        contrast: messages of other classes.
    """
    ours = Counter(phrase for text in messages for phrase in set(phrases(text)))
    theirs = Counter(phrase for text in contrast for phrase in set(phrases(text)))
    scores = _scores(ours, theirs)
    ranked = [phrase for phrase in ours if _stands_alone(phrase)]
    ranked.sort(key=lambda p: (ours[p] == 1, -scores[p], -ours[p], -len(p), p))
    ranked = [p for p in ranked if scores[p] > 0 or not theirs] or ranked[:1]
    best: list[str] = []
    for phrase in ranked:
        if not any(_within(phrase, b) or _within(b, phrase) for b in best):
            best.append(phrase)
        if len(best) == BEST:
            break
    return best


def merge(ideas: Sequence[str]) -> str:
    """Join all ideas in one sentence, each as it stands but for its last stop."""
    plain = dict.fromkeys(map(_bare, ideas))
    return LEAD + "; ".join(idea for idea in plain if idea) + "."


def ideas_of(paragraph: str) -> list[str]:
    """Return the parts of a paragraph between its stops: of a merged one, its ideas."""
    parts = _STOP.split(paragraph.removeprefix(LEAD))
    return [part.strip() for part in parts if part.strip()]


def label(message: str, paragraphs: Mapping[str, str]) -> str:
    """Return the class whose paragraph shares most with a message; "" on a tie and if none does.

    Each idea of a paragraph counts as the square of the share of its words that the message has.

    Args:
        paragraphs: by class.
    """
    said = set(words(message))
    shares = {
        name: sum(_share(idea, said) ** 2 for idea in ideas_of(paragraph))
        for name, paragraph in paragraphs.items()
    }
    best = max(shares.values(), default=0.0)
    named = [name for name, share in shares.items() if math.isclose(share, best)]
    return named[0] if len(named) == 1 and best > 0 else ""


def _bare(idea: str) -> str:
    return idea.strip().rstrip(".;")


def _share(idea: str, said: Set[str]) -> float:
    """Return the share of an idea's words that are said; 0 unless one of them carries meaning."""
    row = words(idea)
    shared = [word for word in row if word in said]
    return 0.0 if all(map(is_function_word, shared)) else len(shared) / len(row)


def lost(paragraph: str, ideas: Sequence[str]) -> list[int]:
    """Return the numbers, from 1, of the ideas whose words do not all stand in a paragraph."""
    said, flat = set(words(paragraph)), paragraph.casefold()
    return [
        number
        for number, idea in enumerate(ideas, 1)
        if not set(words(idea)) <= said or (not words(idea) and _bare(idea).casefold() not in flat)
    ]


def _scores(ours: Counter[str], theirs: Counter[str]) -> dict[str, float]:
    """Return the z-score of each phrase's log-odds, smoothed with the counts of both sides."""
    both = ours + theirs
    prior, ours_size, theirs_size = both.total(), ours.total(), theirs.total()
    scores = {}
    for phrase in ours:
        a = both[phrase]
        here, there = ours[phrase] + a, theirs[phrase] + a
        odds = math.log(here / (ours_size + prior - here + 1))
        odds -= math.log(there / (theirs_size + prior - there + 1))
        scores[phrase] = odds / math.sqrt(1 / here + 1 / there)
    return scores


def _stands_alone(phrase: str) -> bool:
    """Tell whether a phrase may stand by itself: it ends in a word that carries meaning."""
    parts = phrase.split()
    return not is_function_word(parts[-1]) and parts[0] not in CONJUNCTIONS


def _within(part: str, whole: str) -> bool:
    return f" {part} " in f" {whole} "
