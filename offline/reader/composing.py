"""The author of messages: puts new ones together from pieces of those shown.

It knows no meaning, only where English joins: two sentences are crossed over where both stand at
the same word in the same surroundings, clauses and noun phrases change places with their like,
words change as between two indicators, and sentences of different messages follow one another.
Every word is one of the prompt's. Few messages give few new ones, and some of them read oddly.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import NamedTuple

from offline.reader.choosing import POOL, USUAL_LENGTH, distinct, varied
from offline.reader.contrasts import ideas_of, is_function_word, words
from offline.reader.lexicon import ADVERBS, DETERMINERS, word_set

SAMPLE = 100  # sentences that are worked on further, so that long messages take no longer
_TOKEN = re.compile(r"(\s*)(\w+(?:['’.@/-]\w+)*|[^\w\s])")
_ENDS = (".", "!", "?", "…")
_WH = word_set("what why how when where who which whats what's how's where's whose")
_BREAKS = word_set("if because but and so that when since although though while after before until")
_JOINS = {**dict.fromkeys(word_set("and but so"), "and"), "if": "if", "because": "because"}
_SUBJECTS = word_set("i my it the this someone somebody we they he she there your our i'm i've im")
_FAMILIES = {
    **dict.fromkeys(word_set("is are was were am be been being isn aren wasn weren i'm im"), "be"),
    **dict.fromkeys(word_set("have has had haven hasn hadn i've ive"), "have"),
    **dict.fromkeys(word_set("do does did don doesn didn dont"), "do"),
    **dict.fromkeys(
        word_set("can could will would should may might must won couldn wouldn shouldn can't"),
        "modal",
    ),
}
_RELATIVE = word_set("i you we they he she that which who")
_INDEFINITE = word_set("a an any some no another each every either")
_NOT_IN_NAMES = ADVERBS | word_set("please yet anymore really")
Key = tuple[str, ...]


class Token(NamedTuple):
    """A word or a mark; `space` says that white space stands before it."""

    text: str
    space: bool

    @property
    def word(self) -> str:
        return self.text.casefold().replace("’", "'")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a message: its tokens, the marks that end it, and the message's number."""

    tokens: tuple[Token, ...]
    end: tuple[Token, ...]
    source: int

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(token.word for token in self.tokens)

    @property
    def asks(self) -> bool:
        """Tell whether it is a question, by its last mark or its first word."""
        marks = {token.text for token in self.end}
        return "?" in marks or (bool(self.tokens) and _front(self.tokens[0].word) in ("wh", "aux"))

    @property
    def text(self) -> str:
        tokens = (*self.tokens, *self.end)
        return "".join(" " * (token.space and n > 0) + token.text for n, token in enumerate(tokens))


Message = tuple[Sentence, ...]


def compose(messages: Sequence[str], paragraph: str, count: int, variation: int) -> list[str]:
    """Write at most `count` new messages: fewer where no more can be put together.

    Variations 1, 2, … go on where the one before stopped, as long as the count is the same.

    Args:
        paragraph: the indicators; empty for none.
    """
    indicators = ideas_of(paragraph)
    real = [tuple(split(text, n)) for n, text in enumerate(messages)]
    rng = random.Random("\n".join(messages))
    candidates = _candidates([message for message in real if message], indicators, rng)
    first = max(variation - 1, 0) * count
    return varied(distinct(candidates, messages, indicators), messages, first + count)[first:]


def split(text: str, source: int = 0) -> Iterator[Sentence]:
    """Split a message into its sentences."""
    tokens = [Token(word, bool(space)) for space, word in _TOKEN.findall(text)]
    start = 0
    for place, token in enumerate(tokens):
        last = place + 1 == len(tokens)
        if last or (token.text in _ENDS and tokens[place + 1].space):
            part = tokens[start : place + 1]
            cut = len(part)
            while cut and part[cut - 1].text in _ENDS:
                cut -= 1
            if cut:
                yield Sentence(tuple(part[:cut]), tuple(part[cut:]), source)
            start = place + 1


# --- new messages ------------------------------------------------------------------------------


def _candidates(
    real: Sequence[Message], indicators: Sequence[str], rng: random.Random
) -> Iterator[str]:
    """Put messages together, of one sentence and of several about as often as the real ones are."""
    if not real:
        return
    sentences = _sample(list(dict.fromkeys(chain.from_iterable(real))), SAMPLE, rng)
    crossed = _sample(list(_crossed(sentences, sentences)), POOL, rng)
    twice = list(_crossed(_sample(crossed, SAMPLE, rng), sentences))
    exchanged = list(_exchanged([*_sample(crossed, SAMPLE, rng), *sentences], sentences))
    turned = list(_turned([*crossed, *sentences], indicators))
    alone = [s for message in real if len(message) > 1 for s in message]
    single: list[list[Message]] = [
        [(sentence,) for sentence in kind] for kind in (crossed, exchanged, turned, alone, twice)
    ]
    several = list(_several(real, [*crossed, *exchanged, *turned], rng))
    for kind in (*single, several):
        rng.shuffle(kind)
    ones = _by_turns(single)
    share = sum(len(message) > 1 for message in real) / len(real)
    share = min(max(share, 0.25), 0.75)
    while ones or several:
        source = several if several and (not ones or rng.random() < share) else ones
        yield " ".join(sentence.text for sentence in source.pop())


def _crossed(heads: Sequence[Sentence], sentences: Sequence[Sentence]) -> Iterator[Sentence]:
    """Join the beginning of one sentence to the end of another, none longer than both were."""
    tails: dict[Key, list[tuple[Sentence, int]]] = defaultdict(list)
    for sentence in sentences:
        for key, place in _joints(sentence):
            tails[key].append((sentence, place))
    for sentence in heads:
        for key, place in _joints(sentence):
            if place == 0:
                continue
            for other, start in tails[key]:
                longest = max(len(sentence.tokens), len(other.tokens), USUAL_LENGTH)
                fits = place + len(other.tokens) - start <= longest
                if other.source != sentence.source and fits:
                    yield _joined(sentence, place, other, start)


def _joined(head: Sentence, stop: int, tail: Sentence, start: int) -> Sentence:
    rest = tail.tokens[start:]
    if start == 0:
        rest = (Token(_small(rest[0].text), True), *rest[1:])
    asks = any(a.text == "," and _front(b.word) in ("wh", "aux") for a, b in pairwise(rest))
    return Sentence((*head.tokens[:stop], *rest), tail.end if asks else head.end, head.source)


def _exchanged(sentences: Sequence[Sentence], shown: Sequence[Sentence]) -> Iterator[Sentence]:
    """Exchange one noun phrase of a sentence for another, of those shown, with the same noun."""
    phrases: dict[Key, set[tuple[Token, ...]]] = defaultdict(set)
    for sentence in shown:
        for key, start, stop in _noun_phrases(sentence):
            phrases[key].add(tuple(Token(t.word, True) for t in sentence.tokens[start:stop]))
    for sentence in sentences:
        for key, start, stop in _noun_phrases(sentence):
            old = sentence.words[start:stop]
            for phrase in sorted(phrases[key]):
                if tuple(token.text for token in phrase) != old:
                    yield _replaced(sentence, start, stop, phrase)


def _turned(sentences: Sequence[Sentence], indicators: Sequence[str]) -> Iterator[Sentence]:
    """Turn an indicator in a sentence into another that differs from it in one word."""
    phrases = [tuple(words(phrase)) for phrase in indicators]
    for sentence in sentences:
        for phrase in phrases:
            for start in range(len(sentence.tokens) - len(phrase) + 1):
                old = sentence.words[start : start + len(phrase)]
                if len(phrase) > 1 and _alike_but_one(old, phrase):
                    new = tuple(Token(word, True) for word in phrase)
                    yield _replaced(sentence, start, start + len(phrase), new)


def _several(
    real: Sequence[Message], new: Sequence[Sentence], rng: random.Random
) -> Iterator[Message]:
    """Make messages of several sentences: a real one with one changed, or two put together."""
    shown = _sample(list(chain.from_iterable(real)), SAMPLE, rng)
    pool = [*shown, *_sample(new, 4 * len(shown), rng)]
    for message in real:
        for place in range(len(message) if len(message) > 1 else 0):
            for sentence in _sample(pool, 20, rng):
                if sentence.asks == message[place].asks:
                    changed = (*message[:place], sentence, *message[place + 1 :])
                    yield (*map(_ended, changed[:-1]), changed[-1])
    for one in pool:
        for two in shown:
            if one.source != two.source and (two.asks or not one.asks):
                yield (_ended(one), two)


def _ended(sentence: Sentence) -> Sentence:
    """Return the sentence with a mark at its end."""
    mark = Token("?" if sentence.asks else ".", False)
    return sentence if sentence.end else replace(sentence, end=(mark,))


def _replaced(sentence: Sentence, start: int, stop: int, tokens: tuple[Token, ...]) -> Sentence:
    """Put tokens in the place of others; they take over a capital at the sentence's start."""
    first, old = tokens[0], sentence.tokens[start]
    text = first.text
    if old.text[:1].isupper() and start == 0:
        text = text[:1].upper() + text[1:]
    new = (Token(text, old.space), *tokens[1:])
    return replace(sentence, tokens=(*sentence.tokens[:start], *new, *sentence.tokens[stop:]))


# --- where sentences join ----------------------------------------------------------------------


def _joints(sentence: Sentence) -> Iterator[tuple[Key, int]]:
    """Return the places to cut a sentence, each with what sentences that join there have in common.

    A place is the number of tokens before the cut.
    """
    row = sentence.words
    if _front(row[0]) == "plain" and not sentence.asks:
        yield from ((("clause", join), 0) for join in sorted(set(_JOINS.values())))
    for place in range(1, len(row)):
        last = row[place - 1]
        if last in _BREAKS and _front(row[place]) == "plain":
            yield ("clause", _JOINS.get(last, last)), place
        if not last[:1].isalnum():
            continue
        start = _phrase_start(row, place)
        if start is not None:
            yield ("name", last, *_surroundings(row, start)), place
        elif place > 1 and row[place - 2][:1].isalnum():
            yield ("pair", row[place - 2], last, *_surroundings(row, place - 2)), place


def _phrase_start(row: Sequence[str], stop: int) -> int | None:
    """Return where a noun phrase that ends before `stop` begins; None where none can."""
    for start in range(stop - 1, max(stop - 4, -1), -1):
        word = row[start]
        if word in DETERMINERS and start < stop - 1:
            return start
        if is_function_word(word) or not word[:1].isalnum() or word in _NOT_IN_NAMES:
            return None
    return None


def _surroundings(row: Sequence[str], place: int) -> Key:
    """Describe roughly what the grammar of a clause has come to before a place."""
    start = place
    while start and row[start - 1] not in _BREAKS and row[start - 1][:1].isalnum():
        start -= 1
    clause = row[start:place]
    helpers = sorted({family for word in clause if (family := _family(word))})
    content = [word for word in clause if not is_function_word(word)]
    before = _kind(row[place - 1]) if place > start else "start"
    front = _front(row[start])
    return (front, before, "+".join(helpers), str(min(len(content), 2)))


def _front(word: str) -> str:
    """Tell how a clause begins: as a question, with an auxiliary, plainly, or otherwise."""
    if word in _WH:
        return "wh"
    if word in _SUBJECTS:
        return "plain"
    return "aux" if _family(word) else "other"


def _kind(word: str) -> str:
    return _family(word) or (word if is_function_word(word) else f"-{word[-2:]}")


def _family(word: str) -> str:
    return _FAMILIES.get(word) or _FAMILIES.get(word.removesuffix("n't"), "")


def _noun_phrases(sentence: Sentence) -> Iterator[tuple[Key, int, int]]:
    """Find noun phrases, from determiner to noun, each with its noun and whether it is definite."""
    row = sentence.words
    for start, word in enumerate(row):
        if word not in DETERMINERS or word in _BREAKS:
            continue
        stop = start + 1
        while (
            stop < len(row)
            and row[stop][:1].isalnum()
            and not (is_function_word(row[stop]) or row[stop] in _NOT_IN_NAMES)
        ):
            stop += 1
        goes_on = stop < len(row) and row[stop] in _RELATIVE
        if 1 < stop - start <= 4 and not goes_on:
            yield (row[stop - 1], "a" if word in _INDEFINITE else "the"), start, stop


def _alike_but_one(old: Sequence[str], new: Sequence[str]) -> bool:
    """Tell whether two phrases differ in one word, which carries meaning and ends alike."""
    pairs = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
    if len(pairs) != 1:
        return False
    a, b = pairs[0]
    return a[-2:] == b[-2:] and not is_function_word(a) and not is_function_word(b)


def _by_turns(kinds: Iterable[list[Message]]) -> list[Message]:
    """Take one of each kind after the other; the list is to be taken from its end."""
    left = [kind for kind in kinds if kind]
    turns: list[Message] = []
    while left:
        turns += [kind.pop() for kind in left]
        left = [kind for kind in left if kind]
    return turns[::-1]


def _sample(sentences: Sequence[Sentence], most: int, rng: random.Random) -> list[Sentence]:
    """Return all sentences, or where there are more than `most`, a sample of that size."""
    return list(sentences) if len(sentences) <= most else rng.sample(sentences, most)


def _small(word: str) -> str:
    """Write a sentence's first word as it stands within one."""
    if word in ("I", "I'm", "I've") or word.isupper():
        return word
    return word[:1].lower() + word[1:]
