"""The comparison itself, on a small invented code: run, read again, refused with other settings."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from benchmarks import cells, efficiency, invented, strategies
from benchmarks.figure import draw
from elenchus.errors import UserError
from elenchus.loading import merged
from offline.nano import codes
from tests.programs import PROCESSES

SIZES = (4, 8)
SMALL = {
    "exam": {"questions": 10},
    "training": {"rank": 2, "epochs": 1, "least_steps": 1, "learning_rate": 1e-3},
}


def cell(domain: Path, name: str, known: list, **more: dict) -> cells.Cell:
    (whole,) = strategies.cells(name, domain, 0, SIZES, known)
    changes = json.dumps(merged(json.loads(whole.changes), SMALL, more))
    return cells.Cell(domain, 0, whole.strategy, changes, whole.sizes, whole.key)


def texts_of(domain: Path) -> list[str]:
    return [path.read_text("utf-8") for path in sorted((domain.parent / "documents").iterdir())]


def test_an_invented_code_reads_as_it_was_made(tmp_path: Path) -> None:
    path = invented.write(tmp_path, "test", rules=12)
    again = invented.write(tmp_path / "again", "test", rules=12)
    texts = texts_of(path)
    assert texts == texts_of(again)
    assert sum(text.count("\n## ") for text in texts) == 12
    mixed = invented.write(tmp_path / "mixed", "test", rules=12, known=6)
    text = "".join(texts_of(mixed))
    assert text.count("\n## ") == 18
    assert sum(rule.topic.capitalize() in text for rule in codes.known_codes()[0].rules) <= 6
    fewer = invented.write(tmp_path, "test", rules=2)
    assert sum(text.count("\n## ") for text in texts_of(fewer)) == 2, (
        "nothing of the longer code is left"
    )


@pytest.mark.parametrize("name", [*efficiency.REPORTED, *efficiency.OTHERS])
def test_every_domain_is_found_by_the_name_that_its_rows_have(tmp_path: Path, name: str) -> None:
    path = efficiency._domain(tmp_path, name)
    assert path.parent.name == name
    assert yaml.safe_load(path.read_text("utf-8"))["domain"] == name


def test_cells_run_once_and_give_a_row_a_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strategies, "BASE_SIZE", 4)
    domain = invented.write(tmp_path, "test", rules=8)
    out = tmp_path / "out"
    rows = cells.run(cell(domain, "adversarial", []), out)
    assert [r["n"] for r in rows] == [0, 4, 8]
    assert rows[0]["learnt"] == 0 <= rows[2]["learnt"] <= 1
    assert rows[1]["samples"] <= 4 < rows[2]["seen_tokens"]
    assert rows[2]["steps"] > rows[1]["steps"] > 0
    assert cells.run(cell(domain, "adversarial", []), out) == rows
    with pytest.raises(UserError, match="other settings"):
        cells.run(cell(domain, "adversarial", [], exam={"questions": 9}), out)
    for name in ("random", "blind", "raw documents x1", "paraphrase x1", "active reading x1"):
        other = cells.run(cell(domain, name, rows), out)
        assert other[0]["accuracy"] == rows[0]["accuracy"], "the exam is the same for all"
        if " x" in name and "raw" not in name:
            assert other[1]["data_tokens"] >= rows[1]["data_tokens"]
        rows = rows + other
    shutil.rmtree(out / "runs" / f"{domain.parent.name}-seed-0" / "random")
    anew = cells.run(cell(domain, "random", [], exam={"questions": 9}), out)
    assert anew[0]["questions"] == 9, "not what is left of a run that is gone"
    draw(rows, tmp_path / "curves.svg")
    assert "paraphrase" in (tmp_path / "curves.svg").read_text("utf-8")


def test_a_killed_comparison_goes_on_where_it_was(tmp_path: Path) -> None:
    domain = invented.write(tmp_path, "test", rules=8)
    wanted = cells.run(cell(domain, "random", []), tmp_path / "whole")
    out = tmp_path / "out"
    process = PROCESSES.Process(target=cells.run, args=(cell(domain, "random", []), out))
    process.start()
    while process.is_alive() and not any(out.glob("**/adapters/*/adapter_model.safetensors")):
        process.join(0.05)
    process.kill()
    process.join()
    assert not list(out.glob("**/random.json")), "it was killed before its end"
    assert cells.run(cell(domain, "random", []), out) == wanted
    assert len(list(out.glob("runs/*/random/*/*/run.yaml"))) == 1, "no run was begun anew"
