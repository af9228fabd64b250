"""`elenchus bench evaluation --only leaks`: planted copies, and what the figures make of them."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import evaluation_changes, evaluation_leaks


def test_what_is_planted_is_measured(elenchus: Callable[..., Any], tmp_path: Path) -> None:
    command = ("bench", "evaluation", "--only", "leaks", "--quick", "--json")
    done = elenchus(*command)
    assert done.code == 0, done.err
    found = json.loads(done.out)["leaks"]
    assert found["planted"] == found["innocents"] == evaluation_leaks.QUICK_COPIES
    assert found["recall"]["value"] > 0.5 and found["precision"] > 0.9
    assert found["speed"]["items"] == evaluation_leaks.QUICK_SIZES[0]
    end = elenchus(*command, "--data", tmp_path)
    assert end.code == 2 and "has none of sara/train.tsv" in end.err


def test_planted_copies_are_found_and_innocents_not() -> None:
    rows = [("words inserted", True), ("words inserted", False), ("misspelt", True), ("", False)]
    planted = [
        evaluation_leaks.Planted("own", f"i{n}", kind, "") for n, (kind, _) in enumerate(rows)
    ]
    found = {n: {"words"} for n, (_, is_found) in enumerate(rows) if is_found}
    figures = evaluation_leaks.figures(planted, found)
    assert figures["recall"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert figures["precision"] == 1 and figures["innocents"] == 1
    assert figures["by_kind"]["words inserted"]["count"] == 2
    wrong = evaluation_leaks.figures(planted, {3: {"words"}})
    assert (wrong["precision"], wrong["innocents_by_words"]) == (0, 1)


@pytest.mark.parametrize("kind", evaluation_changes.CHANGES)
def test_changes_change_what_they_apply_to(kind: str) -> None:
    text = "If the company shares data with a party, the company shall pay any prior fees to users."
    change = evaluation_changes.CHANGES[kind]
    changed = change(text, random.Random(3))
    assert changed != text and changed == change(text, random.Random(3))
