"""The figures of runs that are not finished."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from elenchus.ledger import Call, Ledger
from elenchus.outcomes import Dataset, Score
from elenchus.records import Examination, Grade, Record
from elenchus.results import RunRow
from elenchus.runs import RunFolder
from elenchus.so_far import so_far


def score(number: int, round_: int, grade: Grade, exam: str = "held-out") -> Score:
    return Score(item_id=f"i-{number}", exam=exam, round=round_, answer="a", grade=grade,
                 result=False, call_id="k")  # fmt: skip


def row(tmp_path: Path, records: Sequence[Record]) -> RunRow:
    run = RunFolder(tmp_path / "pool" / "20260101-000000-abcd")
    run.path.mkdir(parents=True)
    ledger = Ledger(run.ledger)
    ledger.write(*records)
    ledger.write_call(
        Call(id="k-1", role="expert", task="answer", model="mock:x", prompt_sha256="", request="[]",
             input_tokens=7, output_tokens=3)
    )  # fmt: skip
    ledger.close()
    return so_far(run, "interrupted")


BEFORE = [
    score(n, 0, grade) for n, grade in enumerate(["correct", "partial", "incorrect", "correct"])
]
ACCEPTED = Examination(seed_id="s-1", round=1, turn_ids=("t-1",), accepted_turn_id="t-1")


def test_an_exam_taken_and_what_was_accepted_are_figures(tmp_path: Path) -> None:
    refused = Examination(seed_id="s-2", round=1, turn_ids=())
    shown = row(tmp_path, [*BEFORE, score(9, 0, "correct", "general"), ACCEPTED, refused])
    assert (shown.before, shown.after, shown.questions) == (0.5, None, 4)
    assert (shown.examples, shown.calls, shown.tokens) == (1, 1, 10)


def test_the_latest_round_and_dataset_count(tmp_path: Path) -> None:
    datasets = [
        Dataset(round=n, example_ids=("x-1",) * n, candidates=9, near_duplicates=0, near_exam=0,
                too_long=0, nearest_exam_similarity=0.1) for n in (2, 1)
    ]  # fmt: skip
    shown = row(tmp_path, [*BEFORE, score(0, 1, "incorrect"), score(0, 2, "correct"), *datasets])
    assert (shown.before, shown.after, shown.examples) == (0.5, 1.0, 2)


def test_nothing_is_made_up_of_a_run_that_has_nothing(tmp_path: Path) -> None:
    shown = row(tmp_path, [])
    assert (shown.before, shown.after, shown.questions, shown.examples) == (None,) * 4


@pytest.mark.parametrize("content", [None, b"", b"SQLite format 3\x00" + b"\xff" * 4000])
def test_a_ledger_that_is_no_ledger_gives_no_figures(tmp_path: Path, content: bytes | None) -> None:
    run = RunFolder(tmp_path / "pool" / "20260101-000000-abcd")
    run.path.mkdir(parents=True)
    if content is not None:
        run.ledger.write_bytes(content)
    assert so_far(run, "interrupted") == RunRow(id=run.id, domain="pool", state="interrupted")
