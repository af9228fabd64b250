"""The reader's indicators and labels: what tells the messages of a class."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline.reader import contrasts
from offline.reader.chat import ReaderChatModel
from tests.offline.reader.prompts import block, call, messages

LOST = [
    "I lost my card on the train.", "My card was stolen!", "Somebody took my wallet, help",
    "My card was stolen in Spain", "I think I lost my card", "Was my card stolen?",
]  # fmt: skip
LATE = [
    "When will my card arrive?", "My card has not arrived yet.", "I still wait for my card",
    "How long does it take to arrive", "It should arrive soon, when?", "Still no card in the post",
]  # fmt: skip
TEXTS = st.lists(st.text(max_size=40), max_size=8)


def shown(label: str, texts: list[str]) -> str:
    return "".join(f'<message class="{label}">\n{text}\n</message>' for text in texts)


def test_what_contrasts_is_found() -> None:
    lost, late = contrasts.indicators(LOST, LATE), contrasts.indicators(LATE, LOST)
    assert any("stolen" in phrase for phrase in lost[:3])
    assert any("lost" in phrase for phrase in lost[:3])
    assert any("arrive" in phrase for phrase in late[:3])
    assert not {"my", "card", "my card"} & {*lost, *late}


@given(ours=TEXTS, theirs=TEXTS)
def test_phrases_stand_in_the_messages_and_not_in_one_another(
    ours: list[str], theirs: list[str]
) -> None:
    phrases = contrasts.indicators(ours, theirs)
    assert phrases == contrasts.indicators(ours, theirs)
    assert len(phrases) <= contrasts.BEST
    said = {phrase for text in ours for phrase in contrasts.phrases(text)}
    assert set(phrases) <= said
    padded = [f" {phrase} " for phrase in phrases]
    assert not any(a in b for a in padded for b in padded if a is not b)


def test_a_class_alone_has_indicators_too() -> None:
    assert contrasts.indicators(LOST, [])
    assert contrasts.indicators(["It rains"], ["It rains"]) == ["it rains"]


@pytest.mark.parametrize("text", ["הכרטיס שלי נגנב", "بطاقتي ضاعت", "🚨🚨", "カードをなくした"])
def test_other_scripts_and_emoji_are_words(text: str) -> None:
    phrases = contrasts.indicators([text, f"{text}!"], LATE)
    assert phrases and set(contrasts.words(" ".join(phrases))) <= set(contrasts.words(text))


@given(ideas=st.lists(st.text(max_size=30), max_size=6))
def test_a_merged_paragraph_loses_nothing(ideas: list[str]) -> None:
    assert contrasts.lost(contrasts.merge(ideas), ideas) == []


def test_what_is_lost_is_numbered_from_one() -> None:
    paragraph = contrasts.merge(["card stolen", "on a train 🚨"])
    assert contrasts.lost(paragraph, ["a stolen card", "by bus", "🚨", "—"]) == [2, 4]
    assert contrasts.ideas_of(paragraph) == ["card stolen", "on a train 🚨"]


def test_messages_find_their_class() -> None:
    known = {
        "lost": contrasts.merge(contrasts.indicators(LOST, LATE)),
        "late": contrasts.merge(contrasts.indicators(LATE, LOST)),
    }
    for label, texts in (("lost", LOST), ("late", LATE)):
        labels = [contrasts.label(text, known) for text in texts]
        assert labels.count(label) >= 5
    for text in ("", "🚀", "Messages of this class speak of", "my my my"):
        assert contrasts.label(text, known) == ""
    assert contrasts.label("stolen", {"a": "stolen", "b": "stolen"}) == ""
    assert contrasts.label("stolen", {}) == ""


def test_the_reader_lists_merges_checks_and_labels() -> None:
    user = block("class", "").replace("<class>", '<class name="lost">')
    listed = call("Expert: indicators", user + shown("lost", LOST) + shown("late", LATE))
    ideas = "".join(block("idea", idea) for idea in listed["indicators"])
    merged = call("Expert: merge", user + ideas)
    checked = call("Expert: lost", block("indicators", merged["text"]) + ideas)
    assert checked == {"lost": []}
    classes = '<class name="lost_card">\n\n</class><class name="late">\na post\n</class>'
    said = call("Grader: label", classes + block("message", "I lost my card"))
    assert said["label"] == "lost_card"
    paragraph = f'<indicators class="late">\n{merged["text"]}\n</indicators>'
    said = call("Grader: label", classes + paragraph + block("message", "It was stolen"))
    assert said["label"] == "late"
    assert call("Grader: label", classes + block("message", "Hi"))["label"] == ""


@pytest.mark.parametrize("task", ["Expert: indicators", "Expert: lost", "Grader: label"])
def test_prompts_without_their_blocks_are_refused(task: str) -> None:
    with pytest.raises(ValueError, match="no <"):
        json.loads(ReaderChatModel().invoke(messages(task, "nothing")).text)
