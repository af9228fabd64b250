"""Labelled messages from tables: what is drawn and split, left out, or refused as a whole."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from elenchus.errors import UserError
from graphs.classification.config import MessagesConfig
from graphs.classification.messages import Collected, collect, fingerprint

Rows = list[tuple[str, str]]
TRAIN: Rows = [(f"where is my card number {n}", "arrival") for n in range(20)]
TRAIN += [(f"my card {n} was stolen", "theft") for n in range(10)]
TEST: Rows = [("has it come", "arrival"), ("somebody took it", "theft")]


def write(folder: Path, name: str, rows: Rows) -> None:
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])


def collected(folder: Path, rows: Rows, tests: Rows = TEST, **settings: Any) -> Collected:
    write(folder, "train.csv", rows)
    write(folder, "test.csv", tests)
    tree = {"train": "train.csv", "test": "test.csv"} | settings
    return collect(MessagesConfig.model_validate(tree), folder, seed=0)


def counts(result: Collected) -> dict[tuple[str, str], int]:
    return dict(Counter((m.label, m.split) for m in result.messages))


def test_messages_are_drawn_by_class_and_split(tmp_path: Path) -> None:
    result = collected(tmp_path, TRAIN, per_class=5)
    assert counts(result) == {
        ("arrival", "train"): 4, ("arrival", "validation"): 1, ("arrival", "test"): 1,
        ("theft", "train"): 4, ("theft", "validation"): 1, ("theft", "test"): 1,
    }  # fmt: skip
    assert result == collected(tmp_path, TRAIN, per_class=5)
    more = {m.text for m in collected(tmp_path, TRAIN, per_class=8).messages}
    assert {m.text for m in result.messages} <= more, "a larger draw holds the smaller one"


def test_where_messages_have_dates_the_last_are_for_validation(tmp_path: Path) -> None:
    def dated(name: str, days: range) -> None:
        lines = [f"{label} {day},{label},2025-01-{day:02}" for day in days for label in ("a", "b")]
        (tmp_path / name).write_text("\n".join(["text,label,date", *lines]), "utf-8")

    dated("train.csv", range(1, 11))
    dated("test.csv", range(11, 13))
    tree = {"train": "train.csv", "test": "test.csv", "date": "date"}
    result = collect(MessagesConfig.model_validate(tree), tmp_path, 0).messages
    assert max(m.date for m in result if m.split == "train") == "2025-01-08T00:00:00"
    assert {m.date for m in result if m.split == "validation"} == {
        "2025-01-09T00:00:00",
        "2025-01-10T00:00:00",
    }
    dated("test.csv", range(9, 13))
    (tmp_path / "test.csv").write_text(
        (tmp_path / "test.csv").read_text("utf-8").replace("a ", "a later "), "utf-8"
    )
    (tmp_path / "test.csv").write_text(
        (tmp_path / "test.csv").read_text("utf-8").replace("b ", "b later "), "utf-8"
    )
    with pytest.raises(UserError, match="2 test messages are older"):
        collect(MessagesConfig.model_validate(tree), tmp_path, 0)


def test_only_classes_that_are_named_are_told_apart(tmp_path: Path) -> None:
    train = [*TRAIN, ("what is the rate", "rates")]
    result = collected(tmp_path, train, classes={"theft": "", "arrival": ""})
    assert {m.label for m in result.messages} == {"theft", "arrival"}


def test_odd_messages_are_left_out_or_kept_as_they_are(tmp_path: Path) -> None:
    odd = [
        ("", "arrival"),
        ("x" * 100_000, "theft"),
        ("my card 3 was stolen", "theft"),
        ("MY CARD 4  was stolen", "theft"),
        ("two ways", "theft"),
        ("two ways", "arrival"),
        ("💳 where??", "arrival"),
        ("أين بطاقتي", "arrival"),
    ]
    result = collected(tmp_path, [*TRAIN, *odd])
    reasons = Counter(removal.reason for removal in result.removals)
    assert reasons == {"empty": 1, "too long": 1, "duplicate": 2, "label": 2}
    texts = {m.text for m in result.messages}
    assert {"💳 where??", "أين بطاقتي"} <= texts
    assert "two ways" not in texts
    assert {r.message_id for r in result.removals}.isdisjoint(m.id for m in result.messages)


def test_a_row_that_is_none_is_told_with_its_number(tmp_path: Path) -> None:
    write(tmp_path, "test.csv", TEST)
    lines = ["text,label", *(",".join(row) for row in TRAIN), "one cell too many,theft,more"]
    (tmp_path / "train.csv").write_text("\n".join(lines), "utf-8")
    tree = {"train": "train.csv", "test": "test.csv"}
    (bad,) = collect(MessagesConfig.model_validate(tree), tmp_path, 0).removals
    assert bad.reason == "row" and bad.detail.startswith(f"train.csv#{len(TRAIN) + 1}: ")


def test_rows_without_a_class_or_with_half_a_character_are_none(tmp_path: Path) -> None:
    write(tmp_path, "test.csv", TEST)
    rows = [{"text": text, "label": label} for text, label in TRAIN]
    rows += [{"text": "x", "label": " "}, {"text": "y", "label": None}]
    lines = [*map(json.dumps, rows), '{"text": "half \\ud83d", "label": "theft"}']
    (tmp_path / "train.jsonl").write_text("\n".join(lines), "utf-8")
    tree = {"train": "train.jsonl", "test": "test.csv"}
    result = collect(MessagesConfig.model_validate(tree), tmp_path, 0)
    assert [r.reason for r in result.removals] == ["row"] * 3
    (tmp_path / "train.jsonl").write_text("\n".join(lines[-3:]), "utf-8")
    with pytest.raises(UserError, match=r"no row that can be used: train\.jsonl#1: nothing in"):
        collect(MessagesConfig.model_validate(tree), tmp_path, 0)


def test_a_class_that_is_nothing_but_repeats_is_refused(tmp_path: Path) -> None:
    twice = [(f"odd {n}", label) for n in range(3) for label in ("odd", "theft")]
    with pytest.raises(UserError, match=r"fewer than 2 usable messages of odd \(0\)"):
        collected(tmp_path, [*TRAIN, *twice], classes={"theft": "", "arrival": "", "odd": ""})


def test_dates_sort_as_dates_and_not_as_texts(tmp_path: Path) -> None:
    dates = ["2024-10-01", "2024-09-30T23:00:00+00:00", "2024-09-01", "soon"]
    lines = [f"{label} {n},{label},{date}" for n, date in enumerate(dates) for label in "ab"]
    (tmp_path / "train.csv").write_text("\n".join(["text,label,date", *lines]), "utf-8")
    later = [f"{label} last,{label},2024-11-01T10:00" for label in "ab"]
    (tmp_path / "test.csv").write_text("\n".join(["text,label,date", *later]), "utf-8")
    tree = {"train": "train.csv", "test": "test.csv", "date": "date"}
    result = collect(MessagesConfig.model_validate(tree), tmp_path, 0)
    assert {m.date for m in result.messages if m.split == "validation"} == {"2024-10-01T00:00:00"}
    assert [r.reason for r in result.removals] == ["row", "row"]


@pytest.mark.parametrize(
    ("train", "test", "says"),
    [
        ([("a", "one"), ("b", "one")], [("c", "one")], "there is one class"),
        (
            [*TRAIN, ("x", "Theft ")],
            TEST,
            "differ by case, space or quotes alone: 'Theft ' and 'theft'",
        ),
        ([*TRAIN, TEST[0]], TEST, r"1 messages stand in both .*train.csv#31 = test.csv#1"),
        ([*TRAIN, ("Has it COME", "arrival")], TEST, "1 messages stand in both"),
        ([*TRAIN, ("x", "rare")], TEST, r"fewer than 2 usable messages of rare \(1\)"),
        (TRAIN, [TEST[0]], "no usable message of theft"),
    ],
    ids=["one-class", "case", "leak", "leak-case", "rare", "untested"],
)
def test_what_makes_figures_worthless_is_refused(
    tmp_path: Path, train: Rows, test: Rows, says: str
) -> None:
    with pytest.raises(UserError, match=says):
        collected(tmp_path, train, test)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"train": "none.csv"}, "messages.train: cannot read none.csv"),
        ({"train": "train.txt"}, "is no table"),
        ({"label": "class"}, "no column 'class' among text, label"),
        ({"classes": {"arrival": "", "rates": ""}}, r"fewer than 2 usable messages of rates \(0\)"),
    ],
)
def test_what_is_named_wrongly_is_told(tmp_path: Path, settings: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        collected(tmp_path, TRAIN, **settings)


def test_the_fingerprint_tells_what_is_read(tmp_path: Path) -> None:
    first = fingerprint(collected(tmp_path, TRAIN))
    assert first == fingerprint(collected(tmp_path, TRAIN))
    assert first != fingerprint(collected(tmp_path, [*TRAIN, ("one more", "theft")]))


def test_a_date_that_is_no_moment_is_told(tmp_path: Path) -> None:
    write(tmp_path, "test.csv", TEST)
    dates = ["2026-01-01", "0001-01-01T00:00:00+01:00"] * len(TRAIN)
    lines = ["text,label,day"]
    lines += [f"{text},{label},{day}" for (text, label), day in zip(TRAIN, dates, strict=False)]
    (tmp_path / "train.csv").write_text("\n".join(lines), "utf-8")
    tests = ["text,label,day", *(f"{text},{label},2026-02-01" for text, label in TEST)]
    (tmp_path / "test.csv").write_text("\n".join(tests), "utf-8")
    tree = {"train": "train.csv", "test": "test.csv", "date": "day"}
    result = collect(MessagesConfig.model_validate(tree), tmp_path, 0)
    assert any("no such moment" in r.detail for r in result.removals if r.reason == "row")
