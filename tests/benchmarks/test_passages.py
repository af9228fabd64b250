"""The comparison of stages: its forms, its corpus, and what it makes of rows."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import passages


def row(form: str, stage: str, n: int, seed: int, accuracy: float) -> dict[str, Any]:
    place = {"strategy": form, "stage": stage, "n": n, "domain": "d", "seed": seed}
    return place | {"tokens": 100 * n, "held-out": accuracy, "general": 0.9}


def test_last_stages_are_paired_with_those_of_staged() -> None:
    rows = [
        row(form, stage, n, seed, base + 0.1 * seed)
        for form, base in (("staged", 0.5), ("mixed", 0.45))
        for seed in range(3)
        for n, stage in enumerate(("untouched", "trained"))
    ]
    figures = passages.report(rows)
    assert figures["minus_staged"]["mixed"]["mean"] == pytest.approx(-0.05)
    assert figures["table"]["staged"]["trained"]["tokens"] == 100
    assert "hand" not in figures["table"]["staged"]["trained"]


def test_all_forms_see_as_many_tokens() -> None:
    for name, changes in passages.forms(1000, Path("general.jsonl")).items():
        tokens = changes["pretraining"]
        assert tokens["domain_tokens"] + tokens["passage_tokens"] == 1000, name


def test_the_general_corpus_is_mostly_something_else(tmp_path: Path) -> None:
    passages.write_general(tmp_path / "general.jsonl")
    lines = (tmp_path / "general.jsonl").read_text("utf-8").splitlines()
    rules = passages.CODES * passages.invented.RULES
    assert rules < len(lines) <= rules + passages.OTHERS
