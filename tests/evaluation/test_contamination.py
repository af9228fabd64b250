"""Test items that stand in other texts: by words in a row, and by embedding."""

import json
import random
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluation import planted
from evaluation.calibration import LEAST, USUAL, calibrate, is_copy
from evaluation.contamination import KEPT, Text, by_words, near
from evaluation.leaks import Seen, report
from evaluation.windows import Span, plain, windows, words
from retrieval.embedding import Embedder
from retrieval.selection import hashing
from retrieval.selection.overlap import shared

ROOT = Path(__file__).resolve().parents[2]
WORDS = [f"{a}{b}" for a in ("ra", "lo", "mi", "te", "su") for b in ("n", "k", "s", "l", "x")]
SENTENCES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=40).map(" ".join)


def bag_of_words(texts: Sequence[str]) -> NDArray[np.float32]:
    """Embed texts by their words alone, whatever their order: unit vectors."""
    vectors = np.zeros((len(texts), 512), dtype=np.float32)
    for row, text in enumerate(texts):
        for word in re.findall(r"\w+", text.lower()):
            vectors[row, zlib.crc32(word.encode()) % 512] += 1
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def questions_of(domain: str, count: int = 22) -> list[str]:
    """The first questions of the exam that was written by hand for a domain."""
    rows = (ROOT / "domains" / domain / "exam.jsonl").read_text("utf-8").splitlines()
    return [json.loads(row)["question"] for row in rows[:count]]


def seen_in(item: str, *texts: str) -> list[int]:
    """How many words in a row each text shares with the item; texts without any are left out."""
    matches = by_words([Text("i", item)], [Text(str(n), text) for n, text in enumerate(texts)])
    return [int(match.score) for match in sorted(matches, key=lambda match: match.seen)]


@given(SENTENCES, SENTENCES, SENTENCES)
@example("one", "", "")
def test_an_exact_copy_is_always_found(item: str, before: str, after: str) -> None:
    size = len(item.split())
    assert seen_in(item, item) == [size]
    assert seen_in(item, item.upper().replace(" ", ", ") + "!") == [size]
    if size >= 5:
        assert max(seen_in(item, f"{before}. {item}. {after}")) >= size


@given(SENTENCES, SENTENCES)
def test_the_run_is_the_longest_that_both_have(item: str, text: str) -> None:
    ours, theirs = item.split(), text.split()
    least = min(13, len(ours))
    runs = [
        n
        for i in range(len(ours))
        for j in range(len(theirs))
        for n in range(1, min(len(ours) - i, len(theirs) - j) + 1)
        if ours[i : i + n] == theirs[j : j + n]
    ]
    longest = max(runs, default=0)
    wanted = [longest] if longest >= least and (len(ours) >= 5 or theirs == ours) else []
    assert seen_in(item, text) == wanted


@given(st.lists(SENTENCES, max_size=5), st.lists(SENTENCES, max_size=5), st.randoms())
@settings(deadline=None)
def test_order_of_inputs_changes_nothing(
    items: list[str], texts: list[str], rng: random.Random
) -> None:
    tests = [Text(f"i{n}", text) for n, text in enumerate(items)]
    seen = [Text(f"x{n}", text) for n, text in enumerate(texts)]
    whole = report({"own": tests}, Seen(seen, seen[:2]), bag_of_words, "bag")
    rng.shuffle(tests)
    few = seen[:2][::-1]
    rng.shuffle(seen)
    assert report({"own": tests}, Seen(seen, few), bag_of_words, "bag") == whole


@given(SENTENCES, SENTENCES)
def test_what_shares_few_words_and_is_far_is_never_found(item: str, text: str) -> None:
    far = " ".join(f"q{word}" for word in text.split())  # no word of the item's
    found = report({"own": [Text("i", item)]}, Seen([Text("x", far)], []), bag_of_words, "bag")
    assert not found.leaks


@given(st.text(st.one_of(st.sampled_from("aZ0 .,\n“é中文カ한İK"), st.characters(codec="utf-8"))))
def test_words_are_those_that_are_hashed(text: str) -> None:
    assert len(plain(text)) == len(text)
    assert len(words(plain(text))) == hashing.count(plain(text))


@given(st.lists(SENTENCES, min_size=1, max_size=12), st.sampled_from((16, 32, 64)))
def test_windows_hold_every_sentence_whole_or_in_parts(sentences: list[str], size: int) -> None:
    text = ". ".join(sentences) + "."
    spans = windows(text, size)
    count = len(text.split())
    if count <= 1.5 * size:
        assert spans == [Span(0, len(text))]
        return
    assert all(0 < len(text[s.start : s.end].split()) <= size * 5 // 4 for s in spans)
    for sentence in sentences:
        if size // 2 < len(sentence.split()) <= size * 5 // 4:
            assert f"{sentence}." in {text[s.start : s.end] for s in spans}


def test_shared_tells_which_and_where() -> None:
    text = "alpha beta gamma delta epsilon zeta"
    found = shared([text], ["x", f"no {text}"])
    assert [part.tolist() for part in found] == [[1], [0], [6], [1]]


def test_a_copied_sentence_in_a_long_passage_is_found_by_its_window() -> None:
    embedder = Embedder("minilm")
    questions, others = questions_of("harbour"), questions_of("market")
    item = questions[0]
    copied = planted.swapped(item, random.Random(1))
    passage = "\n".join([*others[:8], copied, *others[8:16]])
    assert not by_words([Text("i", item)], [Text("p", passage)])
    items = [Text(f"i{n}", question) for n, question in enumerate(questions)]
    found = report(
        {"exam": items}, Seen([], [Text("p", passage)]), embedder.encode, "minilm"
    ).tests["exam"]  # fmt: skip
    assert found.calibrated and found.recall is not None and found.recall > 0.9
    (pair,) = found.pairs
    assert (pair.item, pair.way, found.corpus) == ("i0", "embedding", ["i0"])
    assert pair.seen_text[pair.start : pair.end] == copied


def test_too_few_items_calibrate_nothing() -> None:
    items = [Text(f"i{n}", f"question number {n} of few about {WORDS[n]}") for n in range(5)]
    found = calibrate(items, near(items, items, bag_of_words), bag_of_words)
    assert (found.threshold, found.recall) == (USUAL, None)


def test_innocents_as_near_as_copies_are_left_alone() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    # Each of two texts has three quarters of the other's words, and a copy hardly more.
    items = [
        Text(f"{letter}{n}", " ".join([*(f"{letter}{i}" for i in range(6)), f"only{n}", f"own{n}"]))
        for letter in letters
        for n in range(2)
    ]
    found = calibrate(items, [], lambda texts: bag_of_words([text[:11] for text in texts]))
    assert found.recall is None and found.threshold == 1.0


def test_a_threshold_is_above_the_innocents() -> None:
    rng = random.Random(0)
    items = [Text(f"i{n}", " ".join(rng.sample(WORDS, 9))) for n in range(60)]
    found = calibrate(items, [], bag_of_words)
    assert found.precision is not None and found.precision >= 0.95
    assert found.threshold >= LEAST and found.copies == 60


def test_changed_numbers_are_a_copy_and_other_words_none() -> None:
    assert is_copy("A boat of class 3 pays 9 crowns.", "a boat of class 4 pays 9 crowns")
    assert not is_copy("A boat of class 3 pays 9 crowns.", "Who sets the fees of the harbour?")


@pytest.mark.parametrize("kind", [*planted.CHANGES, planted.WRAPPED])
def test_copies_are_drawn_by_the_text_alone(kind: str) -> None:
    text = "If Quinn keeps 12 boats, they pay, and leave: who is told of Quinn?"
    around = ["One more.", "And another."]
    assert planted.copy(text, kind, around) == planted.copy(text, kind, around) != text
    assert planted.copy("word", kind)


def test_texts_that_share_hardly_a_word_with_any_item_are_not_embedded() -> None:
    items = [Text("i", "May a boat of class three leave the northern mole at night?")]
    close = "At night no boat may leave the mole."
    far = [f"Lemon cake number {n} wants sugar, butter and patience." for n in range(200)]
    seen = [Text(str(n), text) for n, text in enumerate([close, *far])]
    embedded: set[str] = set()

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        embedded.update(texts)
        return bag_of_words(texts)

    assert {match.text for match in near(items, seen, encode)} == {close}
    assert embedded == {items[0].text, close}


def test_items_of_words_that_many_texts_have_are_still_compared() -> None:
    item = "one fine is due for the boat"
    texts = [f"the boat is due for one fine number {n}" for n in range(300)]
    seen = [Text(str(n), text) for n, text in enumerate(texts)]
    assert len(near([Text("i", item)], seen, bag_of_words)) == KEPT


def test_words_alone_need_no_vectors() -> None:
    text = "the very same eight words stand here twice"
    found = report({"own": [Text("i", text)]}, Seen([Text("x", text)], []), None, "minilm")
    assert found.embedding == "" and found.left_out("own") == {"i"}
    assert found.tests["own"].ways["examples"] == {"words": 1, "embedding": 0}
    assert found.left_out("another") == frozenset()
