"""Pre-training: whole, killed and resumed, on tasks of a user's own, refused."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import BYELAWS, ROOT, launched, records, write_pool
from rich.console import Console
from transformers import AutoTokenizer

from elenchus import runs
from elenchus.ledger import Call, Ledger
from elenchus.outcomes import ExamItem
from elenchus.records import Passage, Point, Question, Rejection
from graphs.config import of_run
from graphs.exams import Refused
from graphs.points import is_reserved
from graphs.pretraining import problems, report, screen
from graphs.pretraining.config import PassagesConfig
from graphs.pretraining.records import Explanation, Problem, Refusal, TaskPassage
from graphs.pretraining.result import PretrainingResult
from offline.nano.chat import WEIGHTS
from retrieval.selection import select as selection
from retrieval.selection.overlap import Overlap
from training import pretraining

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has no other
SMALL: dict[str, Any] = {
    "method": "passages",
    "exam": {"questions": 12, "general": 6},
    "passages": {"count": 6, "written": 20},
    "pretraining": {
        "domain_tokens": 600,
        "passage_tokens": 1200,
        "block": 64,
        "replay": 0.2,
        "shots": 1,
    },
}
WORDS = ("moss", "lantern", "quickly", "violet", "over", "river", "cheese", "copper", "danced")
RULE = "A {} {} must be handed back within {} days of the visit. No {} may be kept by the {}."
PARTS = ("swimming", "locker", "pool", "bath", "towel", "cap", "key", "float", "comb", "desk")
ENTRY = {"result": "right", "reason": "right", "checks": [], "critique": ""}
RIGHT = json.dumps({"answers": [ENTRY], "missed": ""})
# The student is trained, and so no mock. To the lenient grader whatever is said is right.
MOCK = {"model": "mock:plain"}
MOCKS = dict.fromkeys(("expert", "examiner", "grader"), MOCK)
LENIENT = MOCKS | {"grader": MOCK | {"options": {"replies": {"grader: grade": RIGHT}}}}
RULES = [
    ("Is a towel fight at noon a breach?", "So: breach."),
    ("May pool music be played at noon?", "So: no breach."),
    ("A diving lesson took 50 minutes. A breach?", "So: breach."),
    ("A diving lesson took 40 minutes. A breach?", "So: no breach."),
]
LIMITS = [
    ("Within how many days must a swimming cap be handed back?", "12"),
    ("Within how many minutes must a locker key be returned?", "30"),
    ("How many lost combs may be kept at the desk at most?", "20"),
    ("How many minutes may a diving lesson take at most?", "45"),
]


def write(folder: Path, **changes: Any) -> Path:
    """Write the small domain with settings of pre-training."""
    home = write_pool(folder)
    tree = yaml.safe_load((home / "domain.yaml").read_text("utf-8")) | SMALL
    for key, value in changes.items():
        tree[key] = tree.get(key, {}) | value if isinstance(value, dict) else value
    (home / "domain.yaml").write_text(yaml.safe_dump(tree), "utf-8")
    return home


def write_tasks(folder: Path, **changes: Any) -> Path:
    """Write the small domain with two tasks in tables, half of each to learn from."""
    home = write(folder, **changes)
    for name, rows in (("rules", RULES), ("limits", LIMITS)):
        for split, part in (("train", rows[::2]), ("test", rows[1::2])):
            with (home / f"{name}-{split}.csv").open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([("question", "answer"), *part])
    return home


def task(name: str, **settings: Any) -> dict[str, Any]:
    return {"train": f"{name}-train.csv", "test": f"{name}-test.csv", **settings}


TASKS = {"rules": task("rules"), "limits": task("limits", match="number")}
ALONE = {"problems": 1, "across": False, "count": 4}  # passages about one problem each


def all_of(folder: Path, kind: type) -> list[Any]:
    ledger = Ledger(folder / "ledger.sqlite", read_only=True)
    try:
        return ledger.all(kind)
    finally:
        ledger.close()


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


@pytest.mark.parametrize("moment", ["explaining", "training"])
def test_killed_and_resumed_it_is_the_same(
    whole: dict[str, Any], tmp_path: Path, elenchus, moment: str
) -> None:
    home, root = write(tmp_path), tmp_path / "runs"
    command = [sys.executable, "-m", "elenchus", "launch", str(home), "--runs", str(root)]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ, stderr=subprocess.DEVNULL)
    while not any(_reached(run, moment) for run in runs.listed(root)):
        assert process.poll() is None
    process.send_signal(KILL)
    process.wait()
    (run,) = runs.listed(root)
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


def test_tasks_are_asked_with_solved_ones_and_graded_as_they_say(tmp_path: Path, elenchus) -> None:
    home = write_tasks(tmp_path, tasks=TASKS, passages={"problems": 2, "count": 4}, **LENIENT)
    done = elenchus("launch", home, "--runs", tmp_path / "runs", "--json")
    assert done.code == 0, done.err
    folder = Path(done.json["path"])
    exam = [item for item in all_of(folder, ExamItem) if item.exam == "held-out"]
    assert Counter(item.kind for item in exam) == {"rules": 2, "limits": 2}
    for item in exam:
        assert [message.role for message in item.prompt] == ["system", "user", "assistant", "user"]
    learnt = {problem.task for problem in all_of(folder, Problem) if not problem.test}
    assert learnt == {"rules", "limits"}
    grades = [call for call in _calls(folder) if call.task == "grade"]
    assert grades and all("How many" not in call.request for call in grades)


def test_a_paragraph_with_another_result_than_the_gold_one_is_refused(
    tmp_path: Path, elenchus
) -> None:
    home = write_tasks(tmp_path, tasks=TASKS, passages=ALONE, pretraining={"shots": 0}, **MOCKS)
    done = elenchus("launch", home, "--runs", tmp_path / "runs", "--json")
    assert done.code == 0, done.err
    folder = Path(done.json["path"])
    refusals = [r for r in all_of(folder, Refusal) if r.code == "other-result"]
    of_rules = [refusal for refusal in refusals if _task(folder, refusal) == "rules"]
    assert [refusal.detail for refusal in of_rules] == ["So: breach."] * 2, "the mock quotes"
    # Numbers are compared with the result alone, and no model says what was missed.
    assert {r.detail for r in refusals if r not in of_rules} == {""}
    reason = "it comes to another result than the gold answer"
    rows = [row for row in _rejected(folder) if row["code"] == "other-result"]
    assert {r["reason"] for r in rows if r["kind"] == "rules"} == {f"{reason}: So: breach."}
    problems = {problem.id: problem for problem in all_of(folder, Problem)}
    texts = {passage.text for passage in all_of(folder, Passage)}
    assert {(row["question"], row["reply"]) for row in rows} == {
        (problems[refusal.problem_ids[0]].question, refusal.raw) for refusal in refusals
    }
    for row in rows:
        (problem,) = row["problems"]
        assert problem["answer"] and row["reply"] and row["passages"]
        assert {passage["text"] for passage in row["passages"]} <= texts
    shown = elenchus("trace", done.json["run"], "--runs", tmp_path / "runs").out
    assert f"{len(refusals)} refused: {reason}" in shown


def test_a_paragraph_that_copies_a_test_problem_is_refused(tmp_path: Path, elenchus) -> None:
    home = write_tasks(tmp_path, tasks=TASKS, passages=ALONE, pretraining={"shots": 0}, **LENIENT)
    with (home / "limits-test.csv").open("a", encoding="utf-8") as file:
        file.write("The visit: a swimming cap must be handed back within 12 days of the visit,12\n")
        file.write("A swimming cap must be handed back within 12 days,12\n")
    done = elenchus("launch", home, "--runs", tmp_path / "runs", "--json")
    assert done.code == 0, done.err
    assert "copies-test" in done.json["refused"]


def test_questions_that_become_no_problem_are_told_and_kept(tmp_path: Path, elenchus) -> None:
    home = write(tmp_path, dataset={"near_exam": 0.01}, **MOCKS)
    ended = elenchus("launch", home, "--runs", tmp_path / "runs")
    assert ended.code == 2 and "no problem about the documents could be written" in ended.err
    (run,) = runs.listed(tmp_path / "runs")
    refusals = [r for r in all_of(run.path, Refusal) if r.code == "near-exam"]
    assert f"{len(refusals)} × it is too near an exam question" in ended.err
    assert all(refusal.question.endswith("?") and refusal.raw for refusal in refusals)


def test_a_question_without_a_sound_answer_is_kept_with_the_reply(ledger: Ledger) -> None:
    passage = Passage(document_id="d", source="pool.md", title="Pool", start=0, end=9,
                      heading=("1 Caps",), text="Wear caps.")  # fmt: skip
    question = Question(text="May he swim?", kind="apply", exam=False, point_id="p",
                        passage_ids=(), round=1, call_id="c")  # fmt: skip
    why = Rejection(code="false-citation", detail="no such words", raw="He may: “none”.",
                    passage_ids=(passage.id,))  # fmt: skip
    refusal = problems.unwritten(Refused(why, question), "apply")
    ledger.write(passage, refusal)
    row = report.refusal_row(ledger, refusal)
    shown = [row[key] for key in ("code", "detail", "question", "kind", "reply", "left_out")]
    assert shown == ["false-citation", "no such words", "May he swim?", "apply", why.raw, ""]
    assert [part["text"] for part in row["passages"]] == ["Wear caps."]
    failed = problems.unwritten(Refused(why.model_copy(update={"passage_ids": ()}), None), "apply")
    assert (failed.question, failed.passage_ids) == ("", ())


def test_what_is_selected_is_learnt_with_the_documents(
    whole: dict[str, Any], tmp_path: Path, elenchus
) -> None:
    rating = {"expert: rate": json.dumps({"reason": "It lays something down.", "value": 4})}
    models = MOCKS | {"expert": MOCK | {"options": {"replies": rating}}}
    general = {"general": ["general.jsonl"], "precision": 0.5, "sample": 100, "workers": 1}
    settings = general | {"ratings": 24}
    home = write(tmp_path, selection=settings, corpus={"passage_chars": 200}, **models)
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
    assert sum(call.task == "rate" for call in _calls(run)) == 24
    sizes = [(p / "packed" / "domain.tokens").stat().st_size for p in (run, Path(whole["path"]))]
    assert sizes[0] > sizes[1]
    (home / "general.jsonl").unlink()
    refused = elenchus("launch", home, "--runs", tmp_path / "runs")
    assert refused.code == 2 and "selection.general" in refused.err


def test_a_document_that_holds_a_test_is_learnt_without_it(tmp_path: Path, elenchus) -> None:
    home = write_tasks(tmp_path, tasks=TASKS, passages=ALONE | {"count": 2}, **LENIENT)
    puzzle = "Two boys have nine lamps each.\n\nThey sell four of them. How many are left?"
    copies = f"{BYELAWS}\n\nA minute that tells of lessons: {LIMITS[3][0]} Nobody knew.\n"
    (home / "documents" / "01-pool.md").write_text(copies, "utf-8")
    (home / "documents" / "04-puzzle.md").write_text(puzzle, "utf-8")
    with (home / "limits-test.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow([puzzle, "14"])
    done = elenchus("launch", home, "--runs", tmp_path / "runs", "--json")
    assert done.code == 0, done.err
    folder = Path(done.json["path"])
    tokens = pretraining.packed(folder / "packed" / "domain.tokens").tolist()
    text = AutoTokenizer.from_pretrained(WEIGHTS).decode(tokens)
    assert "towel fights" in text and "nobody knew" not in text
    assert "nine lamps" not in text, "a problem that spans paragraphs"
    left_out = [r.raw for r in all_of(folder, Refusal) if r.code == "source-copies-test"]
    assert len(left_out) == 2 and any("Nobody knew" in raw for raw in left_out)
    rows = [row for row in _rejected(folder) if row["code"] == "source-copies-test"]
    assert [row["left_out"] for row in rows] == left_out and not any(row["reply"] for row in rows)


@pytest.mark.parametrize("weights", ["lora", "all"])
def test_a_student_in_a_folder_is_trained(tmp_path: Path, elenchus, weights: str) -> None:
    student = {"model": f"hf:{WEIGHTS}", "options": {"max_new_tokens": 24}}
    ways = {"weights": weights, "order": "mixed", "chat": False}
    home = write(tmp_path, student=student, pretraining=ways, exam={"questions": 6}, **LENIENT)
    done = elenchus("launch", home, "--runs", tmp_path / "runs", "--json")
    assert done.code == 0, done.err
    assert [stage["stage"] for stage in done.json["stages"]] == ["untouched", "mixed"]
    trained = Path(done.json["path"]) / done.json["adapter"]
    name = "adapter_model.safetensors" if weights == "lora" else "model.safetensors"
    assert (trained / name).is_file()
    assert (trained / "tokenizer.json").is_file() == (weights == "all")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"training": {"enabled": False}}, "needs training.enabled"),
        ({"pretraining": {"domain_tokens": 0, "passage_tokens": 0}}, "are both 0"),
        ({"tasks": {"rules": task("rules")}}, "passages.problems is 3"),
        ({"tasks": {"rules": task("none")}, "passages": {"problems": 1}}, "tasks.rules.test"),
        (
            {"tasks": {"rules": task("rules", answer="gold")}, "passages": {"problems": 1}},
            "no column 'gold'",
        ),
        ({"tasks": {"rules": task("rules", match="words")}}, "known: grader, exact, number"),
        ({"student": {"model": "openai:x"}}, "student.model"),
    ],
)
def test_bad_input_leaves_no_run_behind(tmp_path: Path, elenchus, changes: dict, says: str) -> None:
    home = write_tasks(tmp_path, **changes)
    ended = elenchus("launch", home, "--runs", tmp_path / "runs")
    assert ended.code == 2 and says in ended.err
    assert runs.listed(tmp_path / "runs") == []


def test_groups_use_every_problem_before_any_again() -> None:
    rng = random.Random(0)
    sizes = {"one": 7, "two": 5, "three": 9, "four": 2}
    known = [
        Problem(task=task, question=f"{task} {n} {rng.random()}", answer="", place="", bare="")
        for task, size in sizes.items()
        for n in range(size)
    ]
    across = problems.groups(known, PassagesConfig(count=8, problems=3), 0)
    assert len(across) == 8
    assert all(len({p.task for p in group}) == 3 for group in across)
    used = Counter(p.id for group in across for p in group)
    for task in sizes:
        counts = [used[p.id] for p in known if p.task == task]
        assert max(counts) - min(counts) <= 1
    alone = problems.groups(known, PassagesConfig(count=8, problems=2, across=False), 0)
    assert all(len({p.task for p in group}) == 1 for group in alone)
    few = problems.groups(known[-2:], PassagesConfig(count=50, problems=2, across=False), 0)
    assert len(few) == 1, "there is one group of two problems"
    odd = problems.groups(known[:5], PassagesConfig(count=9, problems=3, across=False), 0)
    assert all(len(group) == 3 for group in odd), "also where a deck ends within a group"


def test_an_overlap_is_of_words_in_a_row() -> None:
    overlap = Overlap.of(["One, two three; four FIVE six seven?", "a shorter one of six"], 6)
    assert overlap.copies("zero one two three four five six")
    assert not overlap.copies("one two three four and five six seven")
    assert overlap.copies("Such: a Shorter\none of six!")
    assert not overlap.copies("a shorter one of seven")
    assert not Overlap.of(["two words", "and four words here"]).copies("two words and four here")
    assert not Overlap.of([]).copies("anything")


def _rejected(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "dataset" / "rejected.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _task(folder: Path, refusal: Refusal) -> str:
    """Return the task of the one problem that a refused text is about."""
    (problem_id,) = refusal.problem_ids
    return next(p.task for p in all_of(folder, Problem) if p.id == problem_id)


def _rule(rng: random.Random) -> str:
    names = rng.choices(PARTS, k=4)
    return RULE.format(names[0], names[1], rng.randint(2, 90), *names[2:])


def _reached(run: runs.RunFolder, moment: str) -> bool:
    if moment == "training":
        return any((run.path / "adapters").glob("round-1.partial/checkpoint-*"))
    return run.checkpoints.exists() and any(call.task == "explain" for call in _calls(run.path))


def _calls(folder: Path) -> list[Call]:
    ledger = Ledger(folder / "ledger.sqlite", read_only=True)
    try:
        ids = [i for (i,) in ledger._query("SELECT DISTINCT id FROM calls")]
        return [call for i in ids if (call := ledger.call(i))]
    finally:
        ledger.close()
