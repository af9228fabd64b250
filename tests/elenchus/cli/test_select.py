"""`elenchus select`: the screen, JSON, ratings that are paid for once, bad input in one line."""

import json
import random
import re
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from langchain_core.messages import BaseMessage

from models import mock
from retrieval.selection import select as selection
from retrieval.selection import shards

WORDS = re.findall(
    r"\w+", "flour oven butter sugar recipe whisk bowl tray dough cream the of must be a in and"
)
RULE = "A {} {} must be handed back within {} days of the visit. No {} may be kept by the {}."
PARTS = ["swimming", "locker", "pool", "bath", "towel", "cap", "key", "float", "comb", "desk"]


def rate(messages: Sequence[BaseMessage]) -> str:
    """Rate a rule high, and any other text low."""
    value = 5 if "handed back" in messages[-1].text else 1
    return json.dumps({"reason": "It lays something down, or not.", "value": value})


@pytest.fixture
def corpus(mock_pool: Path) -> Path:
    """The small domain with twenty more rules, and a general corpus that hides such ones."""
    rng = random.Random(0)

    def rule() -> str:
        names = rng.choices(PARTS, k=4)
        return RULE.format(names[0], names[1], rng.randint(2, 90), *names[2:])

    for n in range(20):
        (mock_pool / "documents" / f"more-{n:02}.md").write_text(rule(), encoding="utf-8")
    texts = [" ".join(rng.choices(WORDS, k=30)) if n % 8 else rule() for n in range(400)]
    lines = "".join(json.dumps({"text": t}) + "\n" for t in texts)
    (mock_pool / "general.jsonl").write_text(lines, encoding="utf-8")
    return mock_pool


def test_a_selection_from_the_command_line(elenchus, corpus: Path, tmp_path: Path) -> None:
    arguments = ["select", corpus, "--set", "selection.general=[general.jsonl]"]
    arguments += ["--set", "selection.precision=0.7", "--out", tmp_path / "out"]
    end = elenchus(*arguments)
    assert end.code == 0
    assert "general.jsonl" in end.out
    assert "selected.parquet" in end.out
    report = elenchus(*arguments, "--json").json
    texts = [selected.text for selected in selection.read(tmp_path / "out")]
    assert report["selected"] == len(texts) > 10
    assert sum("handed back" in text for text in texts) >= 0.7 * len(texts)


def test_questions_of_the_hand_written_exam_are_tests(
    elenchus, corpus: Path, tmp_path: Path
) -> None:
    first = next(
        text
        for line in (corpus / "general.jsonl").read_text("utf-8").splitlines()
        if "handed back" in (text := json.loads(line)["text"])
    )
    (corpus / "exam.jsonl").write_text(json.dumps({"question": first, "answer": "yes"}), "utf-8")
    arguments = ["select", corpus, "--set", "selection.general=[general.jsonl]", "--json"]
    arguments += ["--set", "exam.hand=exam.jsonl", "--set", "selection.precision=0.5"]
    report = elenchus(*arguments, "--out", tmp_path / "out").json
    assert report["tests"] == 1
    assert first not in {selected.text for selected in selection.read(tmp_path / "out")}
    assert any(row["why"] == "contains a test's text" for row in report["left_out"])


def test_ratings_are_asked_once(elenchus, corpus: Path, tmp_path: Path) -> None:
    mock.register("rater", rate)
    arguments = ["select", corpus, "--set", "selection.general=[general.jsonl]", "--json"]
    arguments += ["--set", "selection.precision=0.2", "--set", "selection.ratings=24"]
    arguments += ["--set", "expert.model=mock:rater"]
    end = elenchus(*arguments, "--out", tmp_path / "out", "--set", "budget.calls=10")
    assert (end.code, "budget.calls" in end.err) == (3, True)
    report = elenchus(*arguments, "--out", tmp_path / "out").json
    assert report["ratings"]["used"] == report["ratings"]["asked"] == 24
    with sqlite3.connect(tmp_path / "out" / "ratings.sqlite") as db:
        assert db.execute("SELECT count(*) FROM calls").fetchone() == (24,)
    selected = list(selection.read(tmp_path / "out"))
    assert selected and min(text.value for text in selected) >= 3
    assert all("handed back" in text.text for text in selected)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("selection.general=[]", "selection.general: name the general corpus"),
        ("selection.general=[none.jsonl]", "none.jsonl does not exist"),
        ("selection.general=[documents/01-pool.md]", "no reader for .md"),
        ("selection.method=magic", "selection.method"),
        ("selection.precison=1", "did you mean 'selection.precision'"),
        ("exam.hand=none.jsonl", "exam.hand: cannot read"),
        ("corpus.sources=[elsewhere]", "does not exist"),
    ],
)
def test_mistakes(elenchus, corpus: Path, tmp_path: Path, change: str, says: str) -> None:
    first = [] if "selection.general" in change else ["--set", "selection.general=[general.jsonl]"]
    end = elenchus("select", corpus, *first, "--set", change, "--out", tmp_path / "out")
    assert end.code == 2
    assert says in end.err
    assert end.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_named(
    elenchus, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(shards.PACKAGES, "no_such_package", "no-such-package")
    arguments = ["--set", "selection.general=[general.jsonl]", "--out", tmp_path / "out"]
    end = elenchus("select", corpus, *arguments)
    assert end.code == 2
    assert "pip install -e '.[select]'" in end.err
    assert sys.modules.get("no_such_package") is None
