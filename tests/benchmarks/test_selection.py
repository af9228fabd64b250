"""The comparison of ways to select, on a few made-up texts."""

import random
from pathlib import Path

import orjson
import pytest

from benchmarks import mixture, selection
from elenchus.errors import UserError

NAMES = ("ours", "dsir", "dsir_as_published", "bare", "random")


def made() -> mixture.Mixture:
    rng = random.Random(0)

    def text(first: int) -> str:
        return " ".join(f"w{first + rng.randrange(60)}" for _ in range(40))

    rows = [(text(0), True) if n % 20 == 0 else (text(50), False) for n in range(800)]
    return mixture.Mixture([text(0) for _ in range(40)], rows)


def test_keys_and_order_of_the_figures() -> None:
    found = selection.report([selection.quality(made(), draw) for draw in range(2)])
    for name in NAMES:
        assert {"precision", "auc", "draws"} == found[name].keys()
        assert len(found[name]["draws"]) == 2
    assert found["ours"]["precision"] > 0.9 > 0.3 > found["random"]["precision"]
    assert found["share"]["true"] == 0.05
    assert found["share"]["estimated"] == pytest.approx(0.05, abs=0.03)


def test_rows_are_written_until_the_size_and_never_the_same(tmp_path: Path) -> None:
    path = tmp_path / "general.jsonl"
    selection.write(path, made(), 300_000)
    texts = [orjson.loads(line)["text"] for line in path.read_bytes().splitlines()]
    assert 300_000 <= path.stat().st_size < 301_000
    assert len(set(texts)) == len(texts) > 800


def test_texts_that_share_phrases_are_of_one_group() -> None:
    texts = ["a b c d e f g h", "a b c d e f g i", "q r s t u v w x"]
    assert sorted(map(len, mixture.grouped(texts))) == [1, 2]


def test_a_folder_without_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        mixture.make(tmp_path, "policyqa", 3, 50, 10, 0)
