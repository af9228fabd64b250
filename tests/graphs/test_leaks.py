"""Contamination of a run: what of its tests stands in its examples or documents."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from elenchus.cli.main import app
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import Example
from elenchus.records import Document, Message
from elenchus.runs import RunFolder
from evaluation.contamination import Text
from evaluation.leaks import Contamination, Seen, report
from evaluation.records import TestItem
from graphs import leaks
from retrieval.embedding import Embedder
from tests.inspection.making import fill, finish, make_run

MINILM = Embedder("minilm")
FRESH = "Which colour has the lantern at the end of the northern mole?"


def asked(name: str, place: str, text: str) -> TestItem:
    prompt = (Message(role="user", content=f"Answer yes or no. {text}"),)
    return TestItem(test=name, place=place, prompt=prompt, asked=text, answer="no", score="exact")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunFolder, Ledger]]:
    """A finished run with a test of three: one is an example's question, one stands in a text."""
    folder = make_run(tmp_path_factory.mktemp("runs"))
    ledger = fill(folder)
    example = ledger.all(Example)[0]
    document = next(one for one in ledger.all(Document) if one.source == "berths.md")
    sentence = document.text.split("\n")[2]
    ledger.write(
        asked("own", "t.tsv#1", example.prompt[-1].content),
        asked("own", "t.tsv#2", f"Is it true? {sentence}"),
        asked("own", "t.tsv#3", FRESH),
    )
    finish(folder)
    yield folder, ledger
    ledger.close()


def test_items_are_found_where_they_stand(filled: tuple[RunFolder, Ledger]) -> None:
    folder, ledger = filled
    found = leaks.look(folder, ledger, MINILM)
    items = {item.place: item.id for item in ledger.all(TestItem)}
    own = found.tests["own"]
    assert own.items == 3 and own.examples == [items["t.tsv#1"]]
    assert items["t.tsv#2"] in own.corpus and items["t.tsv#3"] not in own.corpus
    pair = next(p for p in own.pairs if p.item == items["t.tsv#2"] and p.way == "words")
    assert pair.seen.startswith("p-") and pair.where.startswith("berths.md › The berths")
    assert pair.seen_text[pair.start : pair.end].startswith("A boat of class 2 may stay")
    assert found.left_out("own") == {items["t.tsv#1"]}
    assert items["t.tsv#2"] in found.left_out("own", corpus=True)
    assert "held-out exam" in found.tests and "general (forgetting)" not in found.tests


def test_the_report_is_kept_until_something_changes(filled: tuple[RunFolder, Ledger]) -> None:
    folder, ledger = filled
    found = leaks.look(folder, ledger, MINILM)
    assert leaks.kept(folder.path) == found
    kept = folder.path / leaks.NAME
    kept.write_text(found.model_copy(update={"examples": 999}).model_dump_json(), "utf-8")
    assert leaks.look(folder, ledger, MINILM).examples == 999
    kept.write_text("{", "utf-8")
    assert leaks.kept(folder.path) is None
    assert leaks.look(folder, ledger, MINILM) == found


def test_only_the_tests_at_hand_are_looked_for_and_none_twice(
    filled: tuple[RunFolder, Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, ledger = filled
    whole = leaks.look(folder, ledger, MINILM)
    (folder.path / leaks.NAME).unlink()
    looked: list[str] = []

    def counted(tests: dict[str, list[Text]], *others: Any) -> Contamination:
        looked.extend(tests)
        return report(tests, *others)

    monkeypatch.setattr(leaks, "report", counted)
    assert list(leaks.look(folder, ledger, MINILM, ["own"]).tests) == ["own"] == looked
    assert leaks.look(folder, ledger, MINILM) == whole
    assert sorted(looked) == sorted(whole.tests)  # the first is not compared again
    stale = whole.model_copy(update={"compared": "with other examples"})
    (folder.path / leaks.NAME).write_text(stale.model_dump_json(), "utf-8")
    assert list(leaks.look(folder, ledger, MINILM, ["own"]).tests) == ["own"]
    assert looked[-1] == "own" and len(looked) == len(whole.tests) + 1


def test_strict_ends_with_one_line(filled: tuple[RunFolder, Ledger]) -> None:
    folder, _ = filled
    root = str(folder.path.parent.parent)
    shown = CliRunner().invoke(app, ["contamination", folder.id, "--runs", root])
    assert shown.exit_code == 0 and "words in a row" in shown.stdout
    assert FRESH not in shown.stdout and "\x1b" not in shown.stdout
    told = CliRunner().invoke(app, ["contamination", folder.id, "--runs", root, "--json"])
    assert json.loads(told.stdout)["tests"]["own"]["items"] == 3
    strict = CliRunner().invoke(app, ["contamination", folder.id, "--runs", root, "--strict"])
    assert strict.exit_code == 1
    (line,) = [one for one in strict.stderr.splitlines() if one.startswith("elenchus:")]
    assert "own: 1 of 3 in training examples" in line


def test_a_run_without_tests_is_refused(tmp_path: Path) -> None:
    folder = make_run(tmp_path)
    ledger = Ledger(folder.ledger)
    with pytest.raises(UserError, match=r"has no test and no exam"):
        leaks.look(folder, ledger, MINILM)
    ledger.close()


def test_nothing_seen_leaks_nothing() -> None:
    assert not report({}, Seen([], []), None, "").leaks
