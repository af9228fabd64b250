"""A preview: a few examinations printed whole, which leave nothing, or the beginning of a run."""

import shutil
import sqlite3
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import MOCKED, records, write_pool

from elenchus import runs
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import ExamItem, Example
from elenchus.progress import Unseen
from elenchus.records import (
    Citation,
    Examination,
    Gold,
    Message,
    Passage,
    Point,
    Question,
    Seed,
)
from graphs.adaptation import curation, examination
from graphs.adaptation import graph as adaptation
from graphs.adaptation.seeds import how_many
from graphs.config import load
from graphs.points import merged
from graphs.previews import Shown, previewed
from tests.programs import Program

# The built-in student, which takes a moment to answer; nothing is trained.
SLOW = """student: {model: "builtin:nano", temperature: 0.7, samples: 2}
training: {enabled: false}
examination: {concurrency: 3}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Shown]:
    """A preview of three examinations with mocks, which is kept; and the folder of all runs."""
    home = write_pool(tmp_path_factory.mktemp("made"), MOCKED)
    root, config = home.parent / "runs", load(home / "domain.yaml")
    with previewed(config, home, root, None, 3, True, Unseen()) as shown:
        return root, shown


@pytest.fixture
def kept(made: tuple[Path, Shown], tmp_path: Path) -> runs.RunFolder:
    """A copy of the kept preview, below `tmp_path / "runs"`."""
    root, shown = made
    shutil.copytree(root, tmp_path / "runs")
    return runs.find(tmp_path / "runs", shown.run.id)


def of_kind(path: Path, kind: Any, **equal: Any) -> list[Any]:
    ledger = Ledger(path / "ledger.sqlite", read_only=True)
    try:
        return ledger.all(kind, **equal)
    finally:
        ledger.close()


def spent(path: Path) -> dict[str, int]:
    """The number of calls that a run made, by role."""
    ledger = Ledger(path / "ledger.sqlite", read_only=True)
    try:
        return {spent.role: spent.calls for spent in ledger.spent()}
    finally:
        ledger.close()


def test_examinations_are_printed_whole_and_nothing_stays(
    mock_pool: Path, elenchus, tmp_path: Path
) -> None:
    root = tmp_path / "runs"
    ended = elenchus("preview", mock_pool, "-n", 2, "--runs", root)
    assert ended.code == 0, ended.err
    assert ended.out.count("Examination e-") == 2
    for shown in ("point", "question", "asked by"):
        assert ended.out.count(f"\n{shown} ") >= 2, shown
    assert "turn 1: " in ended.out and "\nstudent " in ended.out
    used, whole = ended.out.split("Used for 2 examinations")[1].split("The whole run")
    for table in (used, whole):
        assert all(f" {role} " in table for role in ("expert", "examiner", "grader", "student"))
    assert f"with --keep, {root.as_posix()}/pool/" in ended.out
    assert runs.listed(root) == []
    assert list((root / "pool").iterdir()) == []


def test_as_few_passages_as_needed_are_surveyed(made: tuple[Path, Shown]) -> None:
    _, shown = made
    ledger = Ledger(shown.run.ledger, read_only=True)
    tasks = {spent.task: spent.calls for spent in ledger.spent_by_task()}
    passages = ledger.count(Passage)
    ledger.close()
    assert 0 < tasks["survey"] < passages
    assert len(shown.made) == 3 <= tasks["propose"]
    assert {use.role: use.calls for use in shown.used} == spent(shown.run.path)


def test_as_json_it_is_all_there(mock_pool: Path, elenchus, tmp_path: Path) -> None:
    ended = elenchus("preview", mock_pool, "-n", 1, "--runs", tmp_path / "runs", "--json")
    assert ended.code == 0, ended.err  # which loading an embedding may write to
    (one,) = ended.json["examinations"]
    assert one["seed"]["round"] == 1 and one["point"]["statement"]
    assert not ended.json["kept"] and not Path(ended.json["path"]).exists()
    used, whole = (
        {use["role"]: use["calls"] for use in ended.json[part]} for part in ("used", "whole")
    )
    assert all(0 < used[role] < whole[role] for role in ("expert", "examiner", "student"))


def test_a_kept_preview_is_the_beginning_of_a_run(
    kept: runs.RunFolder, made: tuple[Path, Shown], elenchus, tmp_path: Path
) -> None:
    root, path = tmp_path / "runs", kept.path
    (row,) = elenchus("runs", "--runs", root, "--json").json
    assert (row["id"], row["state"]) == (kept.id, "interrupted")
    before, calls = records(path), sum(spent(path).values())
    ended = elenchus("resume", kept.id, "--runs", root, "--json")
    assert ended.code == 0, ended.err
    result = ended.json
    assert result["resumed"], "its seconds are not all that it took"
    assert set(before) <= set(records(path))
    all_made = of_kind(path, Examination, round=1)
    assert {e.id for e in made[1].made} < {e.id for e in all_made}
    # 22 is the size wanted: without training there is one round.
    assert len(all_made) >= how_many(22, 0, 0, 1.08) and result["examples"] == 22
    assert len(of_kind(path, Seed, round=1)) == len(all_made)
    assert result["calls"] == sum(spent(path).values()) > calls
    again = elenchus("resume", kept.id, "--runs", root)
    assert again.code == 2 and "is finished" in again.err


def test_those_of_a_preview_count_among_a_round_s(
    kept: runs.RunFolder, elenchus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The round's first draw is as much smaller; and the exam is told what they asked."""
    asked = {q.text: q.point_id for q in of_kind(kept.path, Question, exam=False)}
    drawn = []
    draw = adaptation.draw

    async def seen(state, runtime):
        drawn.append(await draw(state, runtime))
        return drawn[-1]

    seen.__name__ = "draw"
    monkeypatch.setattr(adaptation, "draw", seen)
    ended = elenchus("resume", kept.id, "--runs", tmp_path / "runs", "--json")
    assert ended.code == 0, ended.err
    assert len(drawn[0]["seed_ids"]) == how_many(22, 0, 0, 1.08) - 3
    exam = {item.prompt[-1].content for item in of_kind(kept.path, ExamItem, exam="held-out")}
    assert exam.isdisjoint(asked)
    told = [s for s in of_kind(kept.path, Seed, round=0) if s.point_id in asked.values()]
    assert told
    for seed in told:
        assert {text for text, point in asked.items() if point == seed.point_id} <= {*seed.asked}


@pytest.mark.parametrize("where", ["survey", "draw"])
def test_a_kept_preview_goes_on_exactly_when_killed_on_the_way(
    kept: runs.RunFolder,
    where: str,
    elenchus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kill comes after the step has written its records, and before its checkpoint."""
    root, other = tmp_path / "runs", tmp_path / "others"
    shutil.copytree(root, other)
    whole = elenchus("resume", kept.id, "--runs", root, "--json")
    assert whole.code == 0, whole.err
    place = adaptation.nodes if where == "survey" else adaptation
    step = getattr(place, where)

    async def killed(state, runtime):
        await step(state, runtime)
        raise KeyboardInterrupt

    killed.__name__ = where
    with monkeypatch.context() as patch:
        patch.setattr(place, where, killed)
        assert elenchus("resume", kept.id, "--runs", other).code == 130
    assert elenchus("resume", kept.id, "--runs", other).code == 0
    assert records(other / "pool" / kept.id) == records(kept.path)


@pytest.mark.parametrize("keep", [False, True])
def test_ctrl_c_leaves_what_was_asked_for(
    keep: bool, mock_pool: Path, elenchus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, options = tmp_path / "runs", ["--keep"] if keep else []

    async def killed(state, runtime):
        raise KeyboardInterrupt

    killed.__name__ = "confirm"
    with monkeypatch.context() as patch:
        patch.setattr(examination, "confirm", killed)
        ended = elenchus("preview", mock_pool, "-n", 2, "--runs", root, *options)
    left = runs.listed(root)
    if not keep:
        assert ended.code == 3 and "nothing of the preview is kept" in ended.err
        assert left == []
        return
    assert ended.code == 130 and f"elenchus resume {left[0].id}" in ended.err
    assert elenchus("resume", left[0].id, "--runs", root, "--json").json["examples"] == 22


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use cannot be looked into there")
def test_what_a_killed_preview_leaves_can_be_resumed(tmp_path: Path, elenchus) -> None:
    home, root = write_pool(tmp_path, SLOW), tmp_path / "runs"
    run = Program("preview", home, "-n", 20, "--runs", root).end_when(root, _examined)
    assert run.state() == "interrupted"
    ended = elenchus("resume", run.id, "--runs", root, "--json")
    assert ended.code == 0, ended.err
    assert ended.json["examples"] > 0


def _examined(run: runs.RunFolder) -> bool:
    try:
        return bool(of_kind(run.path, Examination))
    except (sqlite3.Error, UserError):  # the ledger is being made
        return False


def test_a_cap_that_is_reached_ends_a_preview(mock_pool: Path, elenchus, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    arguments = ("preview", mock_pool, "-n", 2, "--set", "budget.calls=7", "--runs", root)
    ended = elenchus(*arguments)
    assert ended.code == 3
    assert "nothing of the preview is kept" in ended.err and ended.err.count("elenchus:") == 1
    assert runs.listed(root) == []
    ended = elenchus(*arguments, "--keep")
    (run,) = runs.listed(root)
    assert ended.code == 3 and f"elenchus resume {run.id} --budget calls=…" in ended.err
    done = elenchus("resume", run.id, "--budget", "calls=5000", "--runs", root, "--json")
    assert done.json["examples"] == 22


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-n", "0"), "-n is 0"),
        (("-n", "-3"), "-n is -3"),
        (("--set", "method=passages", "--set", "training.enabled=true"), "no examinations"),
        (("--set", "method=rewriting", "--set", "training.enabled=true"), "no examinations"),
        (("--set", "expert.model=nobody:x"), "nobody"),
        (("--set", "expert.model=mock:nothing"), "mock:nothing"),
        (("--set", "examination.turns=3"), "examination.turns"),
    ],
)
def test_bad_input_is_said_in_one_message_and_makes_nothing(
    arguments: tuple[str, ...], said: str, mock_pool: Path, elenchus, tmp_path: Path
) -> None:
    ended = elenchus("preview", mock_pool, *arguments, "--runs", tmp_path / "runs")
    assert ended.code == 2
    assert ended.err.count("elenchus:") == 1 and said in ended.err, ended.err
    assert not (tmp_path / "runs").exists()


def test_a_domain_without_documents_or_points_says_so(
    mock_pool: Path, elenchus, tmp_path: Path
) -> None:
    root, documents = tmp_path / "runs", mock_pool / "documents"
    for path in documents.iterdir():
        path.write_text("# Part 1\n\nIt was dug by volunteers.\n", encoding="utf-8")
    reader = ("--set", "examiner.model=builtin:reader")
    for options in ((), ("--keep",)):
        ended = elenchus("preview", mock_pool, *reader, "--runs", root, *options)
        assert ended.code == 2, ended.err
        assert "found nothing to ask about" in ended.err and ended.err.count("elenchus:") == 1
        assert "--set examiner.model=" in ended.err
        assert runs.listed(root) == []
    for path in documents.iterdir():
        path.unlink()
    ended = elenchus("preview", mock_pool, "--runs", root)
    assert ended.code == 1 and ended.err.count("elenchus:") == 1
    assert "there is no file" in ended.err and runs.listed(root) == []


def test_points_that_questions_are_about_stay_as_they_are() -> None:
    """All but they is merged, however often the survey is made."""

    def point(passage: str, statement: str, topic: str = "hire of caps") -> Point:
        grounds = (Citation(passage_id=passage, quote=statement),)
        return Point(
            sort="rule", statement=statement, topic=topic, grounds=grounds, kinds=("recall",)
        )

    short, long, other = point("p-1", "A cap."), point("p-2", "A cap!!"), point("p-3", "B.", "b")
    points, vectors = [short, long, other], np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    (joined,) = [p for p in merged(points, vectors) if p.id != other.id]
    assert (joined.statement, joined.passage_ids) == ("A cap!!", ("p-1", "p-2"))
    assert {p.id for p in merged(points, vectors, {short.id})} == {short.id, other.id}
    again = merged([*points, joined], np.vstack([vectors, vectors[1]]), {joined.id, other.id})
    assert {p.id for p in again} == {joined.id, other.id}


def test_a_question_in_the_words_of_an_exam_question_is_too_near() -> None:
    """Its embedding need not say so; and nothing is compared across points."""
    asked = "When must a cap be handed back after a visit, and why?"

    def example(text: str, point_id: str) -> Example:
        return Example(
            prompt=(Message(role="user", content=text),), completion="", question_id="q-1",
            turn_id="t-1", examination_id="e-1", point_id=point_id, passage_ids=(), kind="recall",
            round=1, weight=1.0, form="", result="", rubric=(),
        )  # fmt: skip

    item = ExamItem(
        exam="held-out", kind="recall", prompt=(Message(role="user", content=asked),),
        gold=Gold(text="", result=""), point_id="o-1",
    )  # fmt: skip
    run: Any = SimpleNamespace(
        embedder=SimpleNamespace(encode=lambda texts: np.zeros((len(texts), 2), np.float32)),
        config=SimpleNamespace(checks=SimpleNamespace(novelty=0.5)),
        examined=lambda point: (asked,) if point == "o-1" else (),
    )
    texts = [asked.replace("why", "where"), "How long may a lesson be?", asked]
    examples = [example(t, p) for t, p in zip(texts, ("o-1", "o-1", "o-2"), strict=True)]
    flat = np.zeros((3, 2), np.float32)
    assert list(curation._nearness(run, examples, [item], flat, flat[:1])) == [1.0, 0.0, 0.0]
