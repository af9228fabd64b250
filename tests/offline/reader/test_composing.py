"""The reader's messages: new ones, from nothing but what the prompt holds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline.reader.chat import ReaderChatModel
from offline.reader.composing import compose, split
from offline.reader.contrasts import words
from tests.offline.reader.prompts import block, call, messages

REAL = [
    "I lost my card. What do I do?", "What should I do if my card was stolen?",
    "I think my new card has been stolen!", "How do I replace a stolen card?",
    "Someone took my wallet. Can you block my card?", "I can't find my card, please help",
    "My card was lost on the train", "Help! I lost my wallet and I need a new card.",
]  # fmt: skip
INDICATORS = "Messages of this class speak of: stolen; lost; been lost; find my card; wallet."
PIECES = st.sampled_from(
    ["I", "my card", "the card", "was", "lost", "if", ".", "?", ",", "what", "🚨", "נגנב", "", "\n"]
)
TEXTS = st.lists(st.lists(PIECES, max_size=9).map(" ".join) | st.text(max_size=30), max_size=7)


@settings(max_examples=60)
@given(texts=TEXTS, paragraph=st.sampled_from(["", "lost", INDICATORS]), n=st.integers(-1, 4))
def test_messages_are_new_distinct_and_of_the_words_shown(
    texts: list[str], paragraph: str, n: int
) -> None:
    new = compose(texts, paragraph, 8, n)
    assert new == compose(texts, paragraph, 8, n)
    assert len(new) <= 8
    plain = [tuple(words(text)) for text in new]
    assert len(set(plain)) == len(plain)
    assert not set(plain) & {tuple(words(text)) for text in texts}
    known = {word for text in (*texts, paragraph) for word in words(text)}
    assert {word for row in plain for word in row} <= known


def test_pieces_of_different_messages_come_together() -> None:
    new = compose(REAL, INDICATORS, 50, 1)
    assert len(new) > 15
    assert "What should I do if my card was lost on the train?" in new
    assert all({"stolen", "lost", "wallet", "card", "find"} & set(words(text)) for text in new)
    assert max(len(words(text)) for text in new) <= 24


def test_variations_go_on_where_the_one_before_stopped() -> None:
    first, second = compose(REAL, INDICATORS, 8, 1), compose(REAL, INDICATORS, 8, 2)
    assert len(first) == len(second) == 8
    assert not set(first) & set(second)
    assert first + second == compose(REAL, INDICATORS, 16, 1)
    assert compose(REAL, INDICATORS, 50, 40) == []


def test_an_indicator_turns_into_its_like() -> None:
    texts = ["My old purse has been taken", "Now my passport has been taken by somebody"]
    assert compose(texts, "", 50, 1) != (new := compose(texts, "been taken, been broken", 50, 1))
    assert "My old purse has been broken" in new


@pytest.mark.parametrize("texts", [[], [""], ["🚨"], ["...", "?!"], ["\u202eנגנב", "كرت"], ["One"]])
def test_where_nothing_can_be_made_nothing_is(texts: list[str]) -> None:
    assert compose(texts, INDICATORS, 5, 1) == []


def test_sentences_are_split_and_keep_their_marks() -> None:
    sentences = list(split("It's 3.50 at A.com! why?? ok 🚨🚨"))
    assert [sentence.text for sentence in sentences] == ["It's 3.50 at A.com!", "why??", "ok 🚨🚨"]
    assert [sentence.asks for sentence in sentences] == [False, True, False]


def test_the_reader_writes_as_many_as_are_asked_for() -> None:
    user = block("indicators", INDICATORS) + "".join(block("message", text) for text in REAL)
    said = call("Author: messages", user + block("count", "7") + block("variation", "1"))
    assert said == {"messages": compose(REAL, INDICATORS, 7, 1)}
    wrong = user + block("count", "many") + block("variation", "1")
    with pytest.raises(ValueError, match="<count> must be an integer"):
        ReaderChatModel().invoke(messages("Author: messages", wrong))
