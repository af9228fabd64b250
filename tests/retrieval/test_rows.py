"""Rows of tables as people save them, each as it was typed or with what is wrong with it."""

import codecs
import contextlib
import csv
import io
import json
import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from elenchus.errors import UserError
from elenchus.sections import SourceConfig
from retrieval import rows, tables
from retrieval.formats import Refused
from retrieval.rows import DAMAGE, Broken, as_text, separated

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=20)


def table(text: str, suffix: str = ".csv", separator: str | None = None) -> list[object]:
    return list(separated(io.StringIO(text, newline=""), suffix, ["text"], 10**6, separator))


def test_a_separator_is_found_or_given() -> None:
    assert table("id;text\n1;3,50 Euro\n") == [{"id": "1", "text": "3,50 Euro"}]
    assert table("a|text\n1|x, y; z\n") == [{"a": "1", "text": "x, y; z"}]
    assert table("text\none; two\n") == [{"text": "one; two"}]
    assert table("a:text\n1:x\n", separator=":") == [{"a": "1", "text": "x"}]
    assert SourceConfig(path="a.csv", separator=":").separator == ":"


def test_a_mark_at_the_beginning_is_no_part_of_a_name() -> None:
    assert table("\ufefftext,b\nx,y\n") == [{"text": "x", "b": "y"}]


def test_quotes_in_lines_of_tabs_are_marks_of_words() -> None:
    lines = ['5" thick', '"Harbour" means', '"Unclosed', "plain", '"a whole ""cell"""']
    lined = "id\ttext\n" + "".join(f"{n}\t{line}\n" for n, line in enumerate(lines))
    assert [row["text"] for row in table(lined, ".tsv")] == [*lines[:4], 'a whole "cell"']  # type: ignore[index]


def test_a_quote_that_is_never_closed_is_said() -> None:
    good, broken = table('text\na\n"b\nc\nd\n')
    assert good == {"text": "a"}
    assert isinstance(broken, Broken) and "line 3 opens is never closed" in broken.detail


def test_a_broken_row_costs_itself_alone() -> None:
    one, broken, two = table('text,b\n1,2\n"x" y,2\n3,4\n')
    assert (one, two) == ({"text": "1", "b": "2"}, {"text": "3", "b": "4"})
    assert isinstance(broken, Broken) and "line 3" in broken.detail


@given(st.lists(st.tuples(WORDS, WORDS), max_size=10), st.sampled_from(",;|"))
def test_what_csv_writes_is_read(cells: list[tuple[str, str]], separator: str) -> None:
    held = io.StringIO(newline="")
    csv.writer(held, delimiter=separator, quoting=csv.QUOTE_ALL).writerows(
        [("text", "other"), *cells]
    )
    read = table(held.getvalue(), separator=separator)
    assert [(row["text"], row["other"]) for row in read] == cells  # type: ignore[index]


@pytest.mark.parametrize(
    ("value", "said"),
    [("nan", "nan"), (None, ""), (math.nan, ""), (True, "true"), (14, "14"), (0.5, "0.5")],
)
def test_values_as_text(value: object, said: str) -> None:
    assert as_text(value) == said


@pytest.mark.parametrize(
    ("value", "what"), [({"en": "x"}, "an object"), (["x"], "a list"), (b"x", "bytes")]
)
def test_what_is_no_text_is_refused(value: object, what: str) -> None:
    with pytest.raises(ValueError, match=f"{what}, no text"):
        as_text(value)


def test_a_row_without_a_text_is_refused_with_the_reason(tmp_path) -> None:
    lines = [json.dumps({"text": {"en": "x"}}), '{"text": NaN}', '{"text": "good"}']
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    source = SourceConfig(path="a.jsonl")
    found = list(tables.documents(source, tmp_path, tmp_path / "a.jsonl", "a.jsonl"))
    assert found[:2] == [
        Refused("a.jsonl#1", "the column 'text' holds an object, no text"),
        Refused("a.jsonl#2", "it is not JSON: NaN is no value of JSON"),
    ]
    assert getattr(found[2], "text", "") == "good"


def test_columns_of_any_names_are_told_in_a_line(tmp_path) -> None:
    (tmp_path / "a.csv").write_text('"of\ntwo lines",' + "long" * 5000 + "\n1,2\n")
    (tmp_path / "a.jsonl").write_text(json.dumps({"of\ntwo": 1, "long" * 5000: 2}))
    for name in ("a.csv", "a.jsonl"):
        source = SourceConfig(path=name)
        (found,) = tables.documents(source, tmp_path, tmp_path / name, name)
        assert isinstance(found, Refused) and found.reason.startswith(
            "no column 'text' among of tw"
        )
        assert "\n" not in found.reason and len(found.reason) < 300
        placed = tables.placed_rows(source, ["text"], tmp_path, "key")
        if name == "a.csv":
            with pytest.raises(
                UserError, match=r"^key: cannot read a.csv: no column 'text' [^\n]+$"
            ):
                list(placed)


def test_a_table_in_utf_16_is_known_by_its_mark(tmp_path) -> None:
    (tmp_path / "a.csv").write_text("text\nGebühr\n", encoding="utf-16")
    source = SourceConfig(path="a.csv")
    (found,) = tables.documents(source, tmp_path, tmp_path / "a.csv", "a.csv")
    assert getattr(found, "text", "") == "Gebühr"


def test_any_error_of_pyarrow_is_the_damage_of_its_file() -> None:
    """Of a file with a type that it does not read, it is no ValueError."""
    with pytest.raises(pa.ArrowNotImplementedError), contextlib.suppress(*DAMAGE):
        pa.array([[1]]).cast(pa.int8())
    with pytest.raises(ValueError, match=r"Unsupported cast"), rows.arrow():
        pa.array([[1]]).cast(pa.int8())
    with pytest.raises(FileNotFoundError), rows.arrow():
        parquet.ParquetFile("no such file")


def test_marks_at_the_beginning_of_a_line_are_passed_over_however_many() -> None:
    line = codecs.BOM_UTF8 * 5000 + b'{"text": "x"}'
    assert rows.parsed(line, None, json.loads) == {"text": "x"}
    assert isinstance(rows.parsed(codecs.BOM_UTF8 * 5000 + b"x", None, json.loads), Broken)
