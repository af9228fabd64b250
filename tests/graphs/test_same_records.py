"""A small run makes the records and calls that it made before the layout of the house changed."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import launched, records, write_pool

from elenchus.ledger import Ledger

# What commit e93dfea wrote for the same domain and seed.
BEFORE = json.loads(Path(__file__).with_name("before-the-move.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(launched(write_pool(tmp_path_factory.mktemp("same")))["path"])


def test_all_that_comes_before_a_training_is_the_same(run: Path) -> None:
    made = {record_id: kind for record_id, kind, _ in records(run)}
    for kind, ids in BEFORE["until_training"].items():
        assert [record_id for record_id in ids if made.get(record_id) != kind] == []


def test_all_records_and_calls_are_the_same(run: Path) -> None:
    rows = records(run)
    assert len(rows) == BEFORE["records"]
    adapters = {json.loads(body)["sha256"] for _, kind, body in rows if kind == "Adapter"}
    if BEFORE["first_adapter"] not in adapters:
        pytest.skip("this processor trains to other last digits, on which all later answers depend")
    assert digest(sorted([record_id, kind] for record_id, kind, _ in rows)) == BEFORE["all"]
    ledger = Ledger(run / "ledger.sqlite", read_only=True)
    query = "SELECT id, attempt, model, response FROM calls ORDER BY id, attempt"
    calls = [list(row) for row in ledger._query(query)]
    ledger.close()
    assert digest(calls) == BEFORE["calls"]


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()
