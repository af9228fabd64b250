"""Pre-training: whole, killed and resumed, on tasks of a user's own, refused."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from conftest import launched, records
from rich.console import Console

from elenchus import runs
from elenchus.outcomes import ExamItem
from elenchus.records import Passage, Point
from graphs.config import of_run
from graphs.points import is_reserved
from graphs.pretraining import screen
from graphs.pretraining.records import Explanation, Problem, Refusal, TaskPassage
from graphs.pretraining.result import PretrainingResult
from offline.nano.chat import WEIGHTS
from retrieval.selection import select as selection
from tests.graphs.pretraining.making import (
    LENIENT,
    MOCK,
    MOCKS,
    all_of,
    calls_of,
    write,
)
from tests.programs import Program

WORDS = ("moss", "lantern", "quickly", "violet", "over", "river", "cheese", "copper", "danced")
RULE = "A {} {} must be handed back within {} days of the visit. No {} may be kept by the {}."
PARTS = ("swimming", "locker", "pool", "bath", "towel", "cap", "key", "float", "comb", "desk")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of a run that nothing interrupted."""
    home = write(tmp_path_factory.mktemp("whole"))
    return launched(home)


def test_every_stage_is_trained_and_judged(whole: dict[str, Any]) -> None:
    assert [stage["stage"] for stage in whole["stages"]] == ["untouched", "domain", "passages"]
    untouched, domain, passages = whole["stages"]
    assert untouched["exams"]["held-out"]["gain"] is None and untouched["tokens"] is None
    for stage, tokens in ((domain, 600), (passages, 1200)):
        assert tokens <= stage["tokens"] <= 1.6 * tokens + 200
        for exam in ("held-out", "general"):
            gain = stage["exams"][exam]["gain"]
            assert gain["low"] <= gain["value"] <= gain["high"]
    assert whole["exams"]["held-out"]["gain"] == passages["exams"]["held-out"]["gain"]
    assert whole["adapter"] == "adapters/round-2"
    assert whole["stopped"] == "all stages are trained"


def test_the_card_of_a_stage_has_its_figures(whole: dict[str, Any]) -> None:
    folder = Path(whole["path"])
    for number, stage in enumerate(whole["stages"][1:], 1):
        card = (folder / "adapters" / f"round-{number}" / "README.md").read_text("utf-8")
        assert f"| stage | {stage['stage']} |" in card
        assert f"{stage['exams']['held-out']['after']['value']:.1%} [" in card
        assert ("## Verdict" in card) == (number == 2)


def test_a_passage_leads_back_to_everything(whole: dict[str, Any]) -> None:
    folder = Path(whole["path"])
    known = {problem.id: problem for problem in all_of(folder, Problem)}
    paragraphs = {paragraph.id: paragraph for paragraph in all_of(folder, Explanation)}
    texts = {passage.id: passage.text for passage in all_of(folder, Passage)}
    passages = all_of(folder, TaskPassage)
    assert len(passages) == whole["passages_written"] == 6
    for passage in passages:
        tasks = [known[i].task for i in passage.problem_ids]
        assert len(tasks) == 3 and len(set(tasks)) == 3
        for problem_id, explanation_id in zip(
            passage.problem_ids, passage.explanation_ids, strict=True
        ):
            explanation = paragraphs[explanation_id]
            assert explanation.problem_id == problem_id
            assert known[problem_id].question in passage.text and explanation.text in passage.text
            assert all(c.quote in texts[c.passage_id] for c in explanation.citations)
        assert passage.text.endswith(passage.closing) and passage.closing
    lines = (folder / "dataset" / "passages.jsonl").read_text("utf-8").splitlines()
    assert {json.loads(line)["id"] for line in lines} == {passage.id for passage in passages}
    assert "| passages |" in (folder / "dataset" / "README.md").read_text("utf-8")
    assert list(folder.rglob("*.partial")) == []


def test_no_problem_is_about_a_point_of_the_exam_alone(whole: dict[str, Any]) -> None:
    folder = Path(whole["path"])
    config = of_run(runs.RunFolder(folder))
    share, seed = config.questions.untaught, config.seed
    reserved = {p.id for p in all_of(folder, Point) if is_reserved(p.id, seed, share)}
    assert reserved and reserved.isdisjoint(p.place for p in all_of(folder, Problem))
    items = [item for item in all_of(folder, ExamItem) if item.exam == "untaught"]
    assert items and {item.point_id for item in items} <= reserved
    for stage in whole["stages"]:
        assert stage["exams"]["untaught"]["questions"] == len(items)
    card = (folder / "dataset" / "README.md").read_text("utf-8")
    stages = card.partition("## Exams after each stage")[2].partition("\n## ")[0]
    table = [line.count("|") for line in stages.splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(whole["stages"]) and len(set(table)) == 1


def test_trace_and_runs_show_it(whole: dict[str, Any], elenchus) -> None:
    root = Path(whole["path"]).parent.parent
    shown = elenchus("trace", whole["run"], "--runs", root).out
    assert "paragraphs that hold up" in shown and "recall" in shown
    rows = elenchus("trace", whole["run"], "--json", "--runs", root).json
    one = elenchus("trace", whole["run"], rows[0]["passage"], "--runs", root).out
    assert "cites" in one and "gold" in one
    (row,) = elenchus("runs", "--json", "--runs", root).json
    assert row["examples"] == 6 and row["after"] is not None


def test_the_screen_shows_every_stage(whole: dict[str, Any]) -> None:
    console = Console(width=120, record=True)
    result = PretrainingResult.model_validate(whole)
    screen.show(result, runs.RunFolder(Path(whole["path"])), console)
    shown = console.export_text()
    assert shown.startswith(f"\nVerdict: {whole['verdict']['word']}\n")
    names = [stage.stage for stage in result.stages]
    lines = [line for line in shown.splitlines() if line.startswith(tuple(names)) and "%" in line]
    untouched, domain, passages = lines
    assert untouched.split()[:2] == ["untouched", "–"]
    for stage, line in zip(result.stages[1:], (domain, passages), strict=True):
        exam = stage.exams["held-out"]
        assert f"{exam.after.as_share()} ({100 * exam.gain.value:+.1f})" in line
    assert "adapters/round-2/" in shown and f"elenchus trace {whole['run']}" in shown


def test_killed_and_resumed_it_is_the_same(whole: dict[str, Any], tmp_path: Path, elenchus) -> None:
    """Killed while paragraphs are written, and once resumed, in training."""
    home, root = write(tmp_path), tmp_path / "runs"
    run = Program("launch", home, "--runs", root).end_when(root, _explains)
    assert Program("resume", run.id, "--runs", root).end_when(root, _trains) == run
    done = elenchus("resume", run.id, "--runs", root, "--json")
    assert done.code == 0, done.err
    assert records(run.path) == records(Path(whole["path"]))
    assert done.json["calls"] == whole["calls"], "nothing is asked twice"


def test_stopped_by_the_budget_it_goes_on(whole: dict[str, Any], tmp_path: Path, elenchus) -> None:
    home, root = write(tmp_path, budget={"calls": 70}), tmp_path / "runs"
    stopped = elenchus("launch", home, "--runs", root)
    assert stopped.code == 3 and "budget.calls" in stopped.err
    (run,) = runs.listed(root)
    done = elenchus("resume", run.id, "--budget", "calls=5000", "--runs", root, "--json")
    assert done.code == 0, done.err
    assert records(run.path) == records(Path(whole["path"]))


def test_what_a_run_would_use_is_estimated(whole: dict[str, Any], tmp_path: Path, elenchus) -> None:
    rows = elenchus("launch", write(tmp_path), "--dry-run", "--json").json
    assert [row["role"] for row in rows] == ["expert", "author", "examiner", "grader", "student"]
    assert 0.3 < sum(row["calls"] for row in rows) / whole["calls"] < 3
    assert not (tmp_path / "runs").exists()


def test_questions_that_become_no_problem_are_told_and_kept(tmp_path: Path, elenchus) -> None:
    home = write(tmp_path, dataset={"near_exam": 0.01}, **MOCKS)
    ended = elenchus("launch", home, "--runs", tmp_path / "runs")
    assert ended.code == 2 and "no problem about the documents could be written" in ended.err
    (run,) = runs.listed(tmp_path / "runs")
    refusals = [r for r in all_of(run.path, Refusal) if r.code == "near-exam"]
    assert f"{len(refusals)} × it is too near an exam question" in ended.err
    assert all(refusal.question.endswith("?") and refusal.raw for refusal in refusals)


def test_what_is_selected_is_learnt_with_the_documents(
    whole: dict[str, Any], tmp_path: Path, elenchus
) -> None:
    rating = {"expert: rate": json.dumps({"reason": "It lays something down.", "value": 4})}
    models = MOCKS | {"expert": MOCK | {"options": {"replies": rating}}}
    general = {"general": ["general.jsonl"], "precision": 0.5, "sample": 100, "workers": 1}
    settings = general | {"ratings": 24}
    models |= {"selection": settings, "exam": {"questions": 4, "general": 0}}
    home = write(tmp_path, corpus={"passage_chars": 200}, **models)
    rng = random.Random(0)
    rules = [_rule(rng) for _ in range(60)]
    (home / "documents" / "03-more.md").write_text("\n\n".join(rules[:20]), "utf-8")
    like, other = rules[20:], [" ".join(rng.choices(WORDS, k=30)) for _ in range(160)]
    lines = [json.dumps({"text": text}) for text in rng.sample(like + other, 200)]
    (home / "general.jsonl").write_text("\n".join(lines), "utf-8")
    done = elenchus("launch", home, "--runs", tmp_path / "runs", "--json")
    assert done.code == 0, done.err
    run = Path(done.json["path"])
    texts = [selected.text for selected in selection.read(run / "selection")]
    assert len(set(texts) & set(like)) > 35 and len(texts) < 70
    assert sum(call.task == "rate" for call in calls_of(run)) == 24
    sizes = [(p / "packed" / "domain.tokens").stat().st_size for p in (run, Path(whole["path"]))]
    assert sizes[0] > sizes[1]
    (home / "general.jsonl").unlink()
    refused = elenchus("launch", home, "--runs", tmp_path / "runs")
    assert refused.code == 2 and "selection.general" in refused.err


@pytest.mark.parametrize("weights", ["lora", "all"])
def test_a_student_in_a_folder_is_trained(tmp_path: Path, elenchus, weights: str) -> None:
    student = {"model": f"hf:{WEIGHTS}", "options": {"max_new_tokens": 24}}
    ways = {"weights": weights, "order": "mixed", "chat": False}
    exam = {"questions": 4, "general": 0}
    home = write(tmp_path, student=student, pretraining=ways, exam=exam, **LENIENT)
    done = elenchus("launch", home, "--runs", tmp_path / "runs", "--json")
    assert done.code == 0, done.err
    assert [stage["stage"] for stage in done.json["stages"]] == ["untouched", "mixed"]
    trained = Path(done.json["path"]) / done.json["adapter"]
    name = "adapter_model.safetensors" if weights == "lora" else "model.safetensors"
    assert (trained / name).is_file()
    assert (trained / "tokenizer.json").is_file() == (weights == "all")


def _rule(rng: random.Random) -> str:
    names = rng.choices(PARTS, k=4)
    return RULE.format(names[0], names[1], rng.randint(2, 90), *names[2:])


def _explains(run: runs.RunFolder) -> bool:
    return run.checkpoints.exists() and any(call.task == "explain" for call in calls_of(run.path))


def _trains(run: runs.RunFolder) -> bool:
    return any((run.path / "adapters").glob("round-1.partial/checkpoint-*"))
