"""Finds the noun phrases of a clause, and the one that names the thing that the clause rules on.

There is no tagger here: a phrase starts after a determiner, preposition or verb and ends at the
next word of a closed class, at a number, or at a participle that opens a modifier ("a vessel |
moored at the quay"). That is enough for drafting style, where what is ruled is the subject of a
passive norm and the object of an active one.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from offline.reader.lexicon import (
    ACTION_NOUNS,
    ACTORS,
    ADVERBS,
    ARTICLES,
    AUXILIARIES,
    CONJUNCTIONS,
    DETERMINERS,
    LY_NOUNS,
    MEASURE_NOUNS,
    NUMBER,
    PREPOSITIONS,
    PRONOUNS,
    RELATIVES,
    content_stems,
    singular,
    word_set,
)

LONGEST = 5
_TOKEN = re.compile(r"[A-Za-z][\w]*(?:['’\-][A-Za-z]\w*)*['’]?|[$€£]?\d[\d.,]*|[^\w\s]")
_IS_NUMBER = re.compile(NUMBER, re.IGNORECASE)
_PARTICIPLES = word_set(
    "run set left kept held sold laid built put cut lent given taken made hung shown worn "
    "brought bought caught written found let lying used sent paid drawn driven stood lost known "
    "shut born due fit ready able likely subject bound brought begun worth free open next "
    "alongside"
)
_DOING = word_set(
    "lying riding using carrying entering leaving arriving wishing working standing sitting "
    "staying containing holding living belonging relating being having waiting floating crossing "
    "coming going passing travelling selling operating running bearing weighing measuring "
    "exceeding owing remaining making taking keeping causing seeing visiting doing showing"
)
_VAGUE = word_set(
    "agreement section subsection paragraph clause provision provisions act law part article "
    "party parties event events case cases purpose purposes time amount amounts information data "
    "change changes service services site sites website websites thing things way ways right "
    "rights list address use request circumstances year years extent same other sum following "
    "term terms rule rules matter matters content contents date period place reason reasons work "
    "tools obligation obligations greater lesser higher lower manner condition conditions "
    "agreements subparagraph title chapter regard respect"
)
_VAGUE_STARTS = word_set(
    "notwithstanding pursuant regardless such foregoing aforesaid certain make other following"
)
_IDIOMS = word_set("part use care charge advantage possession hold")
_CLOSING = word_set(
    "charged used required owed concerned involved affected carried moored stored displayed "
    "offered permitted allowed needed provided supplied issued received produced caused"
)
_COMPLEMENTS = word_set(
    "clear fast open shut closed free ready available visible dry clean tidy safe secure upright "
    "afloat idle unattended informed aware good responsible liable"
)
_PARTICLES = word_set("in out up down off over back away on about aside forward")
_STOP = (
    PREPOSITIONS | CONJUNCTIONS | RELATIVES | AUXILIARIES | PRONOUNS | ADVERBS
) - frozenset({"no", "one"})  # fmt: skip


_MODIFIERS = word_set(
    "near past outside inside off up down over under after first last long back forward later "
    "earlier sooner alone apart early once away about above below through"
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word or mark, and where it starts in the clause."""

    word: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.word)


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A noun phrase without its determiner: the words, and `tokens[first:last]`."""

    text: str
    first: int
    last: int
    definite: bool

    @property
    def head(self) -> str:
        return self.text.rpartition(" ")[2]


def tokenise(text: str) -> list[Token]:
    """Return the words, numbers and marks of a clause, in lower case."""
    return [Token(m.group().lower(), m.start()) for m in _TOKEN.finditer(text)]


def noun_phrase(tokens: list[Token], at: int) -> NounPhrase | None:
    """Return the noun phrase that starts at a token, without determiners; None for none."""
    first, determined = at, False
    while first < len(tokens) and tokens[first].word in DETERMINERS:
        determined = determined or tokens[first].word in ("a", "an", "the", "each", "every", "any")
        first += 1
    last = first
    while last < len(tokens) and _within(tokens, first, last, determined):
        last += 1
    words = [token.word for token in tokens[first:last]]
    while words and words[0].endswith(("'s", "s'", "’s", "s’")) and len(words) > 1:
        words = words[1:]
    if not words or (len(words) == 1 and words[0] in ADVERBS):
        return None
    return NounPhrase(" ".join(words[-LONGEST:]), first, last, determined)


def _within(tokens: list[Token], first: int, at: int, determined: bool) -> bool:
    """Tell whether the token at `at` belongs to the noun phrase that starts at `first`."""
    word = tokens[at].word
    if not word[0].isalpha() or word in DETERMINERS:
        return False
    if word in _STOP:
        return at == first and word in _MODIFIERS and _modifies(tokens, at)
    if word.endswith("ly") and word not in LY_NOUNS:
        return _within_next(tokens, at) or (at == first and determined)
    if _is_number(word):
        return False
    if at == first:
        return True
    return not _opens_modifier(tokens, at, determined)


def _modifies(tokens: list[Token], at: int) -> bool:
    """Tell whether a preposition or adverb is an adjective here: "a near miss", "the last haul"."""
    adjective = tokens[at].word in ("first", "last", "long", "late", "early")
    determined = at > 0 and tokens[at - 1].word in DETERMINERS
    return (adjective or determined) and _within_next(tokens, at)


def _within_next(tokens: list[Token], at: int) -> bool:
    """Tell whether the next token can belong to the same noun phrase."""
    return (
        at + 1 < len(tokens)
        and tokens[at + 1].word[0].isalpha()
        and (tokens[at + 1].word not in _STOP)
    )


@lru_cache(maxsize=8192)
def _is_number(word: str) -> bool:
    return word != "a" and _IS_NUMBER.fullmatch(word) is not None


def _opens_modifier(tokens: list[Token], at: int, determined: bool) -> bool:
    """Tell whether a participle starts a modifier: "carried | on deck", "lying | at anchor"."""
    word = tokens[at].word
    following = tokens[at + 1].word if at + 1 < len(tokens) else ""
    open_end = (
        following in PREPOSITIONS or following in ADVERBS or following in DETERMINERS
        or following in PRONOUNS or following in ARTICLES or following.endswith("ly")
    )  # fmt: skip
    if word.endswith("ed") and len(word) > 4 and not word.endswith("eed"):
        return open_end or (not following and word in _CLOSING)
    if word in _PARTICIPLES:
        return open_end or (not following and word != "set")
    plural = tokens[at - 1].word.endswith("s") and not tokens[at - 1].word.endswith("ss")
    return word in _DOING and open_end and (determined or plural)


def subject_phrases(text: str) -> list[NounPhrase]:
    """Return the noun phrases of a subject: its head first, then those in its modifiers."""
    return _all_phrases(tokenise(text))


def _all_phrases(tokens: list[Token]) -> list[NounPhrase]:
    phrases, at = [], 0
    while at < len(tokens):
        phrase = noun_phrase(tokens, at)
        if phrase is None:
            at += 1
            continue
        if not _is_verb(tokens, phrase):
            phrases.append(phrase)
        at = max(phrase.last, at + 1)
    return phrases


def _is_verb(tokens: list[Token], phrase: NounPhrase) -> bool:
    """Tell whether a one-word phrase is a verb with its object: "has been | given | a permit"."""
    following = tokens[phrase.last].word if phrase.last < len(tokens) else ""
    verbal = phrase.text in _PARTICIPLES or phrase.text.endswith(("ed", "es", "ing"))
    return verbal and not phrase.definite and following in DETERMINERS


def subject_topics(text: str) -> list[tuple[str, float]]:
    """Return names for what a subject is about: its head, or what that measures or does.

    Returns:
        Each with a weight.
    """
    tokens = tokenise(text)
    phrases = _all_phrases(tokens)
    if not phrases:
        return []
    head, rest = phrases[0], phrases[1:]
    after = tokens[head.last].word if head.last < len(tokens) else ""
    topics = [(head.text, 1.0)]
    if rest and after in ("of", "between", "for", "from") and head.last + 3 >= rest[0].first:
        complement = rest[0].text
        if after == "of" and (head.head in ACTION_NOUNS | MEASURE_NOUNS) and " " not in head.text:
            topics = [(complement, 1.0), (f"{head.text} of {complement}", 0.9)]
        elif after == "of" and " " not in head.text:
            joined = f"{head.text} of {complement}"
            topics = [(joined, 1.0), (complement, 0.7), (head.text, 0.6)]
        elif head.head in MEASURE_NOUNS and " " not in head.text:
            topics = [(complement, 0.9), (head.text, 0.6)]
    texts = {text for text, _ in topics}
    return topics + [(p.text, 0.4) for p in rest if p.text not in texts]


def object_topics(predicate: str) -> list[tuple[str, float]]:
    """Return names for the object of an active predicate, each with a weight.

    Args:
        predicate: it starts with its verb.
    """
    tokens = tokenise(predicate)
    at = _after_verb(tokens)
    topics: list[tuple[str, float]] = []
    phrase = _phrase_here(tokens, at)
    if phrase is not None:
        direct = _real_object(tokens, phrase)
        topics.append((direct.text, 1.0))
        topics += _complement(tokens, direct)
        at = direct.last
    weight = 0.9 if phrase is None else 0.35
    while at < len(tokens):
        preposition = tokens[at].word in PREPOSITIONS
        if preposition or tokens[at].word in DETERMINERS:
            later = noun_phrase(tokens, at + preposition)
            if later is not None:
                bare = tokens[at].word in DETERMINERS and phrase is None
                if later.text not in {text for text, _ in topics}:
                    topics.append((later.text, 1.0 if bare else weight))
                weight, at = min(weight, 0.35), later.last
                continue
        at += 1
    return topics


def _after_verb(tokens: list[Token]) -> int:
    """Return the place after the verb, a second verb joined by "and", and particles."""
    at = 0
    while at < len(tokens) and (
        tokens[at].word in ADVERBS or tokens[at].word == "," or tokens[at].word.endswith("ly")
    ):
        at += 1
    at += 1
    if (
        at + 1 < len(tokens)
        and tokens[at].word in ("and", "or")
        and (tokens[at + 1].word not in DETERMINERS)
    ):
        at += 2
    if (
        at < len(tokens)
        and tokens[at].word in _PARTICLES
        and not (tokens[at].word in ("in", "on", "over", "about") and _engaging(tokens, at))
    ):
        at += 1
    return at


def _engaging(tokens: list[Token], at: int) -> bool:
    """Tell whether "in" or "on" is a preposition here: "anchor in the fairway", not "hand in"."""
    verb = tokens[at - 1].word
    return verb not in ("hand", "send", "bring", "fill", "turn", "carry", "put", "take", "call")


def _phrase_here(tokens: list[Token], at: int) -> NounPhrase | None:
    """Return the object that starts near a token; None where none does."""
    if at >= len(tokens) or tokens[at].word in PREPOSITIONS:
        return None
    phrase = noun_phrase(tokens, at)
    if phrase is None or phrase.first > at + 4:
        return None
    if phrase.text in _COMPLEMENTS and not phrase.definite:
        return None
    return phrase


def _real_object(tokens: list[Token], phrase: NounPhrase) -> NounPhrase:
    """Pass over idioms and first objects: "take part | in racing", "give the clerk | a plan"."""
    following = tokens[phrase.last].word if phrase.last < len(tokens) else ""
    if following in ("a", "an", "the", "his", "their"):
        return noun_phrase(tokens, phrase.last) or phrase
    if following in ("in", "of") and phrase.text in _IDIOMS:
        return noun_phrase(tokens, phrase.last + 1) or phrase
    return phrase


def _complement(tokens: list[Token], phrase: NounPhrase) -> list[tuple[str, float]]:
    """Return what follows "of": "a report of the spill", "notify the office of the change"."""
    if phrase.last >= len(tokens) or tokens[phrase.last].word != "of":
        return []
    inner = noun_phrase(tokens, phrase.last + 1)
    if inner is None:
        return []
    verb_like = phrase.head in ACTORS or phrase.head in ACTION_NOUNS | MEASURE_NOUNS
    return [(inner.text, 1.1 if verb_like else 0.6)]


def is_actor(phrase: str) -> bool:
    """Tell whether a phrase names a person or body that acts, not a thing that is ruled on."""
    head = phrase.partition(" of ")[0].rpartition(" ")[2]
    return head in ACTORS or singular(head) in ACTORS


def _names_something(topic: str) -> bool:
    """Tell whether a topic says what is ruled: "agreement" and "such person" do not."""
    first, _, rest = topic.partition(" ")
    if first in _VAGUE_STARTS:
        return False
    return bool(rest) or not (first in _VAGUE or first in _PARTICIPLES or first.endswith("ed"))


def best_topic(candidates: list[tuple[str, float]], heading: str) -> str | None:
    """Return the candidate that best names the ruled thing; None where even that says nothing.

    Candidates that share words with the section's heading win, as headings name what is ruled.
    """
    heading_stems = set(content_stems(heading))
    scored: list[tuple[float, int, str]] = []
    for order, (text, weight) in enumerate(candidates):
        stems = content_stems(text)
        if not stems or not text[0].isalpha():
            continue
        shared = sum(s in heading_stems for s in stems) / len(stems)
        actor = 1.6 if is_actor(text) else 0.0
        scored.append((-(weight * 4 + shared * 2 - actor), order, text))
    topic = min(scored)[2] if scored else ""
    return topic if topic and _names_something(topic) else None
