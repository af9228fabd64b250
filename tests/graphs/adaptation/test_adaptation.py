"""Whole runs on a small domain: finished, reused, and traced."""

import asyncio
import json
import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from conftest import ROOT
from langgraph.runtime import Runtime

from elenchus import runs
from elenchus.cli.screen import Screen
from elenchus.ledger import Ledger
from elenchus.outcomes import Adapter, Dataset, ExamItem, Example
from elenchus.questions import UNSTATED
from elenchus.records import Examination, Message, Passage, Point, Question, Rejection, Seed, Turn
from graphs import runner
from graphs.adaptation import examination
from graphs.checkpoints import checkpoints
from graphs.cluster import pool
from graphs.config import of_run
from graphs.services import Services
from graphs.spans import examining
from offline.nano.chat import WEIGHTS
from training.encoding import Sample
from training.likelihood import likelihoods


@pytest.fixture(scope="module")
def whole(built_in_run: tuple[Path, dict]) -> tuple[Path, dict]:
    """A run with the built-in models, which nothing interrupted."""
    return built_in_run


@pytest.fixture
def mocked(mocked_run: tuple[Path, dict], mock_pool: Path) -> tuple[Path, dict]:
    """The small domain, and the result of a run with mocks, a copy of which lies beside it."""
    (home, result), root = mocked_run, mock_pool.parent / "runs"
    shutil.copytree(home.parent / "runs", root)
    return mock_pool, result | {"path": (root / "pool" / result["run"]).as_posix()}


def test_a_run_ends_with_a_result(whole: tuple[Path, dict]) -> None:
    _, result = whole
    assert result["rounds"] == 2
    assert result["examples"] > 0
    assert 22 <= result["examinations"] <= 5 * 22
    assert result["accepted"] + sum(result["rejected"].values()) == result["examinations"]
    assert result["exams"]["held-out"]["questions"] > 0
    assert result["exams"]["hand"] is None
    assert result["readable_passages"] <= result["passages"]


def test_the_run_folder_is_complete(whole: tuple[Path, dict]) -> None:
    _, result = whole
    folder = Path(result["path"])
    train = [json.loads(x) for x in (folder / "dataset" / "train.jsonl").open(encoding="utf-8")]
    exam = [json.loads(x) for x in (folder / "dataset" / "held-out.jsonl").open(encoding="utf-8")]
    assert len(train) == result["examples"]
    assert {r["prompt"][-1]["content"] for r in train}.isdisjoint(
        r["prompt"][-1]["content"] for r in exam
    )
    assert "What was made and not used" in (folder / "dataset" / "README.md").read_text("utf-8")
    adapter = folder / result["adapter"]
    assert (adapter / "adapter_model.safetensors").exists()
    assert json.loads((adapter / "adapter_config.json").read_text("utf-8"))["r"] == 4
    assert list(folder.rglob("*.partial")) == []


def test_adapters_have_cards_and_no_path_of_this_machine(whole: tuple[Path, dict]) -> None:
    folder, result = Path(whole[1]["path"]), whole[1]
    cards = {
        path.parent.name: path.read_text("utf-8") for path in folder.glob("adapters/*/README.md")
    }
    assert sorted(cards) == ["round-1", "round-2"]
    verdict = f"**Verdict: {result['verdict']['word']}**"
    assert verdict in cards["round-2"] and verdict not in cards["round-1"]
    accuracy = f"{result['exams']['held-out']['after']['value']:.1%}"
    assert accuracy in cards["round-2"] and "license: apache-2.0" in cards["round-2"]
    for file in folder.glob("adapters/*/*"):
        text = file.read_bytes()
        assert str(ROOT).encode() not in text and str(folder).encode() not in text, file


def test_what_was_trained_can_be_passed_on(whole: tuple[Path, dict], elenchus) -> None:
    folder, result = Path(whole[1]["path"]), whole[1]
    rest = (folder.name, "--runs", folder.parent.parent, "--json")
    ended = elenchus("export", *rest, "--format", "merged")
    assert ended.code == 0, ended.err
    samples = [
        Sample((Message(role="user", content=f"Where is lamp {n}?"),), "Lamp 1: hall.")
        for n in range(3)
    ]
    alone = likelihoods(folder / "exports" / "merged", samples)
    both = likelihoods(WEIGHTS, samples, folder / result["adapter"])
    assert alone == pytest.approx(both, abs=0.01)  # the nano keeps weights in half precision
    assert alone != pytest.approx(likelihoods(WEIGHTS, samples), abs=0.01)
    assert "with this tokenizer" in elenchus("export", *rest, "--format", "gguf").err
    shown = elenchus("push", *rest, "--to", "owner/pool").json
    assert shown["licence"] == "apache-2.0" and shown["private"] and shown["sent"] is None
    assert {"README.md", "adapter_config.json"} < set(shown["files"])
    told = elenchus("push", *rest[:-1], "--to", "owner/pool").out
    assert " kB\n" in told and " 0.0" not in told
    assert "names no licence" in elenchus("push", *rest, "--to", "owner/pool", "--dataset").err


def test_what_gave_no_example_is_kept_with_its_ground(mocked: tuple[Path, dict]) -> None:
    folder, result = Path(mocked[1]["path"]), mocked[1]
    rows = [json.loads(x) for x in (folder / "dataset" / "rejected.jsonl").open(encoding="utf-8")]
    assert Counter(row["code"] for row in rows) == result["rejected"]
    ledger = Ledger(folder / "ledger.sqlite", read_only=True)
    for row in rows:
        examination = ledger.get(Examination, row["examination_id"])
        refused = examination.rejection
        assert refused is not None and refused.question_id is not None
        question = ledger.get(Question, refused.question_id)
        assert (row["detail"], row["round"]) == (refused.detail, examination.round)
        assert (row["question"], row["kind"]) == (question.text, question.kind)
        assert row["reply"] == refused.raw and row["reply"]
        passages = [ledger.get(Passage, i) for i in refused.passage_ids]
        assert [p["id"] for p in row["passages"]] == [p.id for p in passages]
        assert [p["text"] for p in row["passages"]] == [p.text for p in passages]
        assert {p["document"] for p in row["passages"]} <= {"Part 1. The pool", "Part 2. Charges"}
        if row["code"] == "near-exam":  # the expert was not asked
            assert refused.passage_ids == question.passage_ids
    decided = [row for row in rows if row["code"] == "decided"]
    assert decided and all(row["kind"] == UNSTATED for row in decided)
    assert all(len(row["passages"]) > 1 and "Answer: " in row["reply"] for row in decided)
    ledger.close()


def test_an_example_leads_back_to_everything(whole: tuple[Path, dict]) -> None:
    home, result = whole
    ledger = Ledger(runs.find(home.parent / "runs", result["run"]).ledger)
    (dataset,) = ledger.all(Dataset, round=2)
    assert len(ledger.all(Adapter)) == 2
    for item in ledger.all(ExamItem, exam="held-out"):
        assert set(ledger.get(Point, item.point_id).passage_ids) <= set(item.passage_ids)
    for example in ledger.all(Example):
        turn = ledger.get(Turn, example.turn_id)
        assert ledger.get(Examination, example.examination_id).accepted_turn_id == turn.id
        assert example.completion == turn.expert[0].text
        assert example.completion.endswith(f"So: {example.result}.") and example.result
        assert len(turn.expert) == 2  # the second answer confirmed it
        for citation in turn.expert[0].citations:
            assert citation.quote in ledger.get(Passage, citation.passage_id).text
            assert citation.passage_id in example.passage_ids
        ids = [turn.question.call_id, turn.verdict.call_id]
        for call_id in [*ids, *(a.call_id for a in (*turn.expert, *turn.student))]:
            call = ledger.call(call_id)
            assert call is not None
            assert len(call.prompt_sha256) == 64
            assert call.model.startswith("builtin:")
    assert set(dataset.example_ids) <= {e.id for e in ledger.all(Example)}
    ledger.close()


def test_a_reused_run_is_reused_by_a_resume_too(
    mocked: tuple[Path, dict], elenchus, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, expected = mocked
    root = home.parent / "runs"

    def killed(context: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runner, "_adopt", killed)
        begun = elenchus("launch", home, "--reuse", expected["run"], "--runs", root)
    assert begun.code == 130
    result = elenchus("resume", runs.listed(root)[-1].id, "--runs", root, "--json").json
    assert result["exams"] == expected["exams"]
    assert result["calls"] == 0


def test_a_run_that_asked_nothing_cannot_be_reused(
    mocked: tuple[Path, dict], tmp_path: Path, elenchus
) -> None:
    home, result = mocked
    folder, root = Path(result["path"]), tmp_path / "others"
    (root / "pool" / folder.name).mkdir(parents=True)
    shutil.copy(folder / "run.yaml", root / "pool" / folder.name)
    end = elenchus("launch", home, "--reuse", folder.name, "--runs", root)
    assert end.code == 2 and "nothing to reuse" in end.err
    assert len(runs.listed(root)) == 1


def test_an_examination_that_is_recorded_is_not_made_again(mocked: tuple[Path, dict]) -> None:
    """A refusal, which a kill kept from being checkpointed, may not come out the same again."""
    folder = runs.RunFolder(Path(mocked[1]["path"]))
    ledger = Ledger(folder.ledger)
    seed = ledger.all(Seed, round=1)[0]
    with sqlite3.connect(folder.ledger) as db:
        query = "DELETE FROM records WHERE kind = 'Examination' AND body LIKE ?"
        assert db.execute(query, (f'%"{seed.id}"%',)).rowcount == 1
    db.close()
    refused = Rejection(code="examiner-failed", raw="request 1")
    ledger.write(Examination(seed_id=seed.id, round=1, turn_ids=(), rejection=refused))
    before = ledger.usage()
    services = Services(folder, of_run(folder), folder.domain_folder(), ledger, Screen(quiet=True))
    examine = examining(examination.build_graph().compile(), pool.examine)
    try:
        with services.registered() as ref:
            sent = {"seed_id": seed.id, "adapter": ""}
            assert not asyncio.run(examine(sent, Runtime(context=ref)))
        assert ledger.count(Examination, seed_id=seed.id) == 1
        assert ledger.usage() == before
    finally:
        services.close()


def test_a_write_that_was_called_off_leaves_no_lock(tmp_path: Path, ledger: Ledger) -> None:
    path, cursors = tmp_path / "checkpoints.sqlite", []

    async def stopped() -> None:
        async with checkpoints(path, ledger) as saver:
            connection = saver.conn
            await connection.execute("CREATE TABLE writes (value)")
            await connection.commit()
            cursors.append(cursor := await connection.cursor())  # which remembers it
            await cursor.executemany("INSERT INTO writes VALUES (?)", [(1,), (3,)])

    asyncio.run(stopped())
    with sqlite3.connect(path, timeout=0) as other:
        other.execute("INSERT INTO writes VALUES (2)")
    assert other.execute("SELECT value FROM writes").fetchall() == [(2,)]
    other.close()


def test_a_finished_run_is_not_resumed(mocked: tuple[Path, dict], elenchus) -> None:
    home, result = mocked
    end = elenchus("resume", result["run"], "--runs", home.parent / "runs")
    assert end.code == 2
    assert "is finished" in end.err


def test_runs_lists_its_figures(whole: tuple[Path, dict], elenchus) -> None:
    home, result = whole
    (row,) = elenchus("runs", "--json", "--runs", home.parent / "runs").json
    exam = result["exams"]["held-out"]
    assert row["state"] == "finished"
    assert (row["before"], row["after"]) == (exam["before"]["value"], exam["after"]["value"])
    for key in ("questions", "interval", "examples", "seconds", "calls", "tokens", "usd"):
        assert row[key] is not None
    assert result["run"] in elenchus("runs", "--runs", home.parent / "runs").out


def test_trace_shows_all_examinations_and_one_whole(whole: tuple[Path, dict], elenchus) -> None:
    home, result = whole
    root = home.parent / "runs"
    rows = elenchus("trace", result["run"], "--json", "--runs", root).json
    assert len(rows) == result["examinations"]
    *overview, command = elenchus("trace", result["run"], "--runs", root).out.splitlines()
    assert command.endswith(f"--runs {root}")  # whole, so that it can be copied
    accepted = next(row for row in rows if row["outcome"] == "accepted")
    rejected = next((row for row in rows if row["outcome"] != "accepted"), accepted)
    for row in (accepted, rejected):
        shown = elenchus("trace", result["run"], row["examination"], "--runs", root).out
        assert "turn 1" in shown
        assert "expert" in shown
        assert max(map(len, [*overview, *shown.splitlines()])) <= 80
    one = elenchus("trace", result["run"], accepted["examination"], "--json", "--runs", root).json
    assert len(one["turns"]) == accepted["turns"]
    assert elenchus("trace", result["run"], "e-nothing", "--runs", root).code == 2
