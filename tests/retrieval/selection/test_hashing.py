"""Hashed words and pairs: the same as counted one by one, whatever else is in the batch."""

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.selection import hashing

TEXTS = st.lists(
    st.text(
        st.one_of(
            st.sampled_from("abcdeABC 0123 ,.-\n\tßéİжΩ中文字カガ한글😀"),
            st.characters(codec="utf-8"),
        ),
        max_size=60,
    ),
    max_size=6,
)
WEIGHTS = np.random.default_rng(0).normal(size=1 << hashing.BITS).astype(np.float32)
# Bytes of a word, one by one: letters and digits in small ASCII, and those from 128 on; characters
# whose first byte is E3 to E9 begin a word.
WORD = re.compile(rb"[\xe3-\xe9]?[0-9a-z\x80-\xe2\xea-\xff]+|[\xe3-\xe9]")


def words(text: str) -> list[bytes]:
    return WORD.findall(text.lower().encode("utf-8", "replace"))


def alone(word: bytes) -> int:
    """The bucket of a word that stands by itself."""
    (bucket,) = hashing.features([word.decode("utf-8", "surrogateescape")]).buckets
    return int(bucket)


def buckets(text: str) -> Counter:
    found = hashing.features([text]).buckets
    return Counter(found.tolist())


@given(TEXTS)
def test_a_sum_does_not_depend_on_the_batch(texts: list[str]) -> None:
    together, counts = hashing.sums(texts, WEIGHTS)
    for text, whole, count in zip(texts, together, counts, strict=True):
        (own,), (one,) = hashing.sums([text], WEIGHTS)
        assert (own, one) == (whole, count)


@given(TEXTS)
def test_sums_are_those_of_the_features(texts: list[str]) -> None:
    sums, counts = hashing.sums(texts, WEIGHTS)
    found = hashing.features(texts)
    assert found.words.tolist() == counts.tolist() == [len(words(text)) for text in texts]
    for n, total in enumerate(sums):
        own = found.buckets[found.starts[n] : found.starts[n + 1]]
        assert len(own) == max(0, 2 * counts[n] - 1)
        assert total == pytest.approx(WEIGHTS[own].astype(float).sum(), abs=1e-4)


@given(TEXTS)
@settings(max_examples=50)
def test_features_are_those_counted_one_by_one(texts: list[str]) -> None:
    """Each word has the bucket that it has alone, each pair the one that it has alone."""
    for text in texts:
        own = [word.decode("utf-8", "ignore") for word in words(text)]
        if [word.encode() for word in own] != words(text):
            continue  # a character may be cut in two at a border of scripts
        naive: Counter = Counter()
        for n, word in enumerate(own):
            naive[alone(word.encode())] += 1
            if n:
                pair = buckets(f"{own[n - 1]} {word}")
                pair.subtract([alone(own[n - 1].encode()), alone(word.encode())])
                naive += +pair
        assert buckets(text) == naive


def test_what_is_a_word() -> None:
    same = [("The  Harbour-master", "the harbour master"), ("中文", "中 文"), ("ÉTÉ", "été")]
    for left, right in same:
        assert buckets(left) == buckets(right)
    assert buckets("été") != buckets("ete")
    assert hashing.count("x" * 100) == 1
    assert buckets("x" * 100) != buckets("x" * 101)  # the length counts where the end does not
    assert not hashing.features(["", " ,.", "\n"]).buckets.size
    assert hashing.sums([], WEIGHTS)[0].size == 0


@given(st.lists(st.sampled_from("abc"), max_size=12), st.integers(1, 5))
def test_phrases_are_runs_of_words(letters: list[str], length: int) -> None:
    runs = {tuple(letters[n : n + length]) for n in range(len(letters) - length + 1)}
    found = hashing.phrases(" ".join(letters), length)
    assert len(found) == len(runs)
    for run in runs:
        assert np.isin(hashing.phrases(" ".join(run), length), found).all()
