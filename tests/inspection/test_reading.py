"""Runs are read with types and as tables: finished, under way, interrupted, and of every method."""

import importlib
import json
import shutil
from pathlib import Path

import pytest

import elenchus
from elenchus.errors import UserError
from elenchus.ledger import Ledger, Spent
from elenchus.outcomes import Score
from elenchus.records import Point, Turn
from elenchus.runs import RunFolder
from graphs.adaptation.result import AdaptationResult
from graphs.classification.records import SyntheticMessage
from inspection.reading import KINDS, Run


def test_a_run_is_read_with_types(finished: Path) -> None:
    with elenchus.read_run(finished) as run:
        assert (run.id, run.domain, run.state) == (finished.name, "pool", "finished")
        assert isinstance(run.result, AdaptationResult)
        assert run.result.examinations == len(run.examinations) > 0
        assert run.settings.title == "the byelaws of a small swimming pool"
        assert {p.id for p in run.passages} >= {
            i for point in run.points for i in point.passage_ids
        }
        assert len(run.dataset) == run.result.examples
        assert len(run.rejections) == sum(run.result.rejected.values())
        calls = list(run.calls)
        assert len(calls) == run.result.calls
        named = {turn.question.call_id for turn in run.turns}
        assert named <= {call.id for call in calls}
        assert {s.item_id for s in run.scores} <= {item.id for item in run.exam_items}


def test_every_kind_is_a_table(finished: Path) -> None:
    pandas, arrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    with elenchus.read_run(finished) as run:
        for kind in (*KINDS, "dataset", "rejections", "calls", "overview"):
            frame, table = run.frame(kind), run.table(kind)
            assert isinstance(frame, pandas.DataFrame) and isinstance(table, arrow.Table)
            assert len(frame) == table.num_rows == len(run.rows(kind))
            assert list(frame.columns) == table.column_names, kind
        assert set(run.frame("seeds")["complaint_id"]) == {""}  # which no ledger holds
        assert set(run.frame("turns")["id"]) == {turn.id for turn in run.turns}
        assert run.frame(Score).equals(run.frame("scores"))
        # Tables that hold nothing have their columns, for programs that name them.
        assert list(run.frame(SyntheticMessage).columns) == ["id", *SyntheticMessage.model_fields]
        assert run.table(SyntheticMessage).column_names[0] == "id"


def test_what_a_table_cannot_be_of_is_said(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with elenchus.read_run(finished) as run:
        with pytest.raises(UserError, match=r"no kind 'turn' .*there are: documents, passages"):
            run.frame("turn")

        def missing(name: str) -> None:
            raise ModuleNotFoundError(name)

        monkeypatch.setattr(importlib, "import_module", missing)
        with pytest.raises(UserError, match="pip install pandas"):
            run.frame("turns")
        with pytest.raises(UserError, match="pip install pyarrow"):
            run.table("turns")


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no run\.yaml: give one below runs/DOMAIN"):
        elenchus.read_run(tmp_path)


def test_a_run_under_way_shows_more_each_time(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pool" / finished.name
    folder.mkdir(parents=True)
    shutil.copy(finished / "run.yaml", folder)
    with elenchus.read_run(folder) as run, RunFolder(folder).locked():
        assert (run.state, run.result, run.ledger) == ("running", None, None)
        assert run.turns == run.dataset == list(run.calls) == run.overview() == []
        (folder / "ledger.sqlite").touch()  # as it is for an instant
        assert run.points == []
        writer = Ledger(folder / "ledger.sqlite")
        assert run.points == []
        with Run(finished) as whole:
            points = whole.points
        writer.write(points[0])
        assert run.points == points[:1]
        writer.write(*points)
        assert run.points == points
        writer.close()
    assert Run(folder).state == "interrupted"


def test_a_damaged_ledger_is_said_and_the_rest_is_read(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pool" / finished.name
    shutil.copytree(finished, folder)
    (folder / "ledger.sqlite").write_bytes(b"no database at all" * 300)
    for log in folder.glob("ledger.sqlite-*"):
        log.unlink()
    with elenchus.read_run(folder) as run:
        assert run.state == "finished" and run.result is not None
        with pytest.raises(UserError, match="is damaged"):
            _ = run.turns
        (folder / "result.json").write_text("{", encoding="utf-8")
        with pytest.raises(UserError, match="is damaged, or another version wrote it"):
            _ = run.result


def test_records_are_asked_for_by_their_fields(finished: Path) -> None:
    with elenchus.read_run(finished) as run:
        kinds = {point.sort for point in run.points}
        assert sum(len(run.records(Point, sort=kind)) for kind in kinds) == len(run.points)
        assert run.ledger is not None
        assert run.ledger.kinds()["Turn"] == len(run.records(Turn))
        some = run.ledger.of_kind("Point", 2, containing="CROWNS")
        assert [json.loads(e.text)["statement"] for e in some if "crowns" in e.text.lower()]
        call = next(run.calls)
        assert [c.attempt for c in run.ledger.attempts(call.id)] == [0]


def test_what_calls_cost_is_known_where_models_have_prices(finished: Path) -> None:
    with elenchus.read_run(finished) as run:
        assert run.usd == 0.0, "mocks and built-in models are free"
        ledger = run.ledger
        assert ledger is not None
        ledger.spent = lambda: [Spent("expert", "openai:unheard-of", 1, 10, 10)]  # type: ignore[method-assign]
        assert run.usd is None
