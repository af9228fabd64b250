"""Files in SQuAD's layout, read as tables of questions and of paragraphs."""

import json
from pathlib import Path

import pytest

from elenchus.errors import UserError
from elenchus.sections import SourceConfig
from graphs.config import validate
from retrieval.index import contents
from retrieval.tables import placed_rows

SPANS = ("an address", "an address", "your name | age")
QUESTION = {"id": "q", "question": "What is kept?", "answers": [{"text": t} for t in SPANS]}
PARAGRAPHS = [
    {"context": "We keep an address of everybody who writes.", "qas": [QUESTION, QUESTION]},
    {"context": "Nothing is sold to others, ever.", "qas": []},
]


def write(folder: Path, tree: object) -> Path:
    path = folder / "dev.json"
    path.write_text(json.dumps(tree), encoding="utf-8")
    return path


def rows(folder: Path, *columns: str) -> list:
    return list(placed_rows(SourceConfig(path="dev.json"), columns, folder, "tests.t.rows"))


def test_a_row_is_a_question_and_has_each_answer_once(tmp_path: Path) -> None:
    write(tmp_path, {"data": [{"title": "a.org", "paragraphs": PARAGRAPHS}]})
    (first, row), (second, _) = rows(tmp_path, "title", "question", "answers")
    assert (first, second) == ("dev.json#1", "dev.json#2")
    assert row["title"] == "a.org" and row["context"] == PARAGRAPHS[0]["context"]
    assert row["answers"] == "an address|your name   age", "a bar parts answers, and is in none"


def test_paragraphs_are_documents_once_each(tmp_path: Path) -> None:
    write(tmp_path, {"data": [{"title": "a.org", "paragraphs": PARAGRAPHS}]})
    source = {"path": "dev.json", "text": "context", "title": "title"}
    tree = {"domain": "d", "title": "t", "corpus": {"sources": [source]}}
    documents, _ = contents(validate(tree, "test"), tmp_path)
    assert [d.text for d in documents] == [p["context"] for p in PARAGRAPHS]
    assert {d.title for d in documents} == {"a.org"}


def test_other_json_is_no_document_unless_its_text_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"data": [{"title": "a.org", "paragraphs": PARAGRAPHS}]})
    (tmp_path / "a.md").write_text("Tea is a drink.", encoding="utf-8")
    tree = {"domain": "d", "title": "t", "corpus": {"sources": ["."]}}
    documents, _ = contents(validate(tree, "test"), tmp_path)
    assert [d.text for d in documents] == ["Tea is a drink."]


@pytest.mark.parametrize(
    ("tree", "said"),
    [([], "not the layout of SQuAD"), ({"data": 5}, "not the layout"), ({}, "not the layout")],
)
def test_what_has_another_layout_is_told(tree: object, said: str, tmp_path: Path) -> None:
    write(tmp_path, tree)
    with pytest.raises(UserError, match=said):
        rows(tmp_path, "question")


def test_a_damaged_document_is_one_bad_row(tmp_path: Path) -> None:
    write(tmp_path, {"data": [{"paragraphs": []}, {"title": "b", "paragraphs": PARAGRAPHS}]})
    bad, *good = (row for _, row in rows(tmp_path, "question"))
    assert isinstance(bad, str) and "title" in bad
    assert len(good) == 2


def test_a_column_that_it_has_not_is_told(tmp_path: Path) -> None:
    write(tmp_path, {"data": []})
    with pytest.raises(UserError, match="no column 'answer' among title, context"):
        rows(tmp_path, "answer")
