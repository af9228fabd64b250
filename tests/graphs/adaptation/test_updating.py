"""Updates after documents change: what is kept, what is examined anew, what the student says."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from elenchus import runs
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import ExamItem, Example, Score, Update
from elenchus.records import Passage, Point, Seed
from graphs.adaptation.history import EXAMS
from graphs.config import of_run
from graphs.points import is_reserved


def launch(elenchus, pool: Path) -> runs.RunFolder:
    end = elenchus("launch", pool, "--runs", pool.parent / "runs", "--json")
    assert end.code == 0, end.err
    return runs.find(pool.parent / "runs", end.json["run"])


@pytest.fixture
def finished(elenchus, pool: Path) -> runs.RunFolder:
    """A run with the built-in models, in which every point is taught."""
    set_untaught(pool, 0)
    settings = pool / "domain.yaml"
    text = settings.read_text("utf-8").replace("general: 8", "general: 0")
    settings.write_text(text.replace("[11, 22]", "[6, 12]"), "utf-8")
    return launch(elenchus, pool)


@pytest.fixture
def trained(trained_run: Path, tmp_path: Path) -> runs.RunFolder:
    """A copy of the run with the built-in student among mocks, and beside it of its domain."""
    place = trained_run.parents[2]
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    run = runs.RunFolder(tmp_path / trained_run.relative_to(place))
    run._write_manifest(
        json.loads(json.dumps(run.manifest()).replace(place.as_posix(), tmp_path.as_posix()))
    )
    return run


@pytest.fixture
def trained_pool(trained: runs.RunFolder) -> Path:
    """The domain of that run."""
    return trained.domain_folder()


@pytest.fixture
def mocked(elenchus, mock_pool: Path) -> runs.RunFolder:
    """A run with mocks."""
    return launch(elenchus, mock_pool)


def set_untaught(pool: Path, share: float) -> None:
    with (pool / "domain.yaml").open("a") as settings:
        settings.write(f"questions: {{untaught: {share}}}\n")


def change(pool: Path) -> None:
    file = pool / "documents" / "01-pool.md"
    text = file.read_text("utf-8")
    assert "within 12 days" in text
    file.write_text(text.replace("within 12 days", "within 31 days"), "utf-8")


def test_what_changed_is_examined_anew_and_the_rest_is_kept(
    elenchus, finished: runs.RunFolder, pool: Path, tmp_path: Path
) -> None:
    end = elenchus("update", finished.id, "--runs", tmp_path / "runs")
    assert (end.code, "nothing to update" in end.err) == (2, True)
    change(pool)
    end = elenchus("update", finished.id, "--runs", tmp_path / "runs", "--json")
    assert end.code == 0, end.err
    before, after = (
        Ledger(folder.ledger, read_only=True)
        for folder in (finished, runs.find(tmp_path / "runs", end.json["run"]))
    )
    (account,) = after.all(Update)
    (gone,), (new,) = (
        [ledger.get(Passage, i) for i in ids]
        for ledger, ids in ((before, account.passages_gone), (after, account.passages_new))
    )
    assert new.text == gone.text.replace("12", "31")
    assert account.retired
    for example in before.all(Example):
        if example.id in account.retired:
            assert gone.id in example.passage_ids
        elif example.id in account.kept:
            assert gone.id not in example.passage_ids
    lines = (Path(end.json["path"]) / "dataset" / "train.jsonl").read_text("utf-8").splitlines()
    dataset = [json.loads(line) for line in lines]
    assert [d["provenance"]["example_id"] for d in dataset][: len(account.kept)] == list(
        account.kept
    )
    assert not any(gone.id in d["provenance"]["passage_ids"] for d in dataset)
    fresh = [i for i in after.all(ExamItem, exam="held-out") if new.id in i.passage_ids]
    assert fresh
    assert any("31" in item.gold.text for item in fresh)
    scored = {s.item_id for s in after.all(Score, round=account.round + 1)}
    assert {item.id for item in fresh} <= scored
    moved = end.json["update"]
    assert (moved["run"], moved["passages_gone"], moved["passages_new"]) == (finished.id, 1, 1)
    assert moved["examples_kept"] == len(account.kept)
    assert moved["new_passages"]["questions"] == len(fresh)
    assert end.json["calls"] < before.usage()[0]
    shown = elenchus("trace", end.json["run"], "--runs", tmp_path / "runs")
    assert shown.code == 0
    for ledger in (before, after):
        ledger.close()


def test_points_that_are_not_taught_stay_so(elenchus, mock_pool: Path, tmp_path: Path) -> None:
    set_untaught(mock_pool, 0.5)
    earlier, root = launch(elenchus, mock_pool), tmp_path / "runs"
    more = "".join(f"## 3.{n} Rule\n\nNo {name} may be kept by the pool after noon.\n\n"
                   for n, name in enumerate(("boat", "dog", "ladder", "lamp", "bell")))  # fmt: skip
    (mock_pool / "documents" / "03-more.md").write_text(f"# Part 3\n\n{more}", "utf-8")
    end = elenchus("update", earlier.id, "--runs", root, "--json")
    assert end.code == 0, end.err
    run = runs.find(root, end.json["run"])
    with closing(Ledger(run.ledger, read_only=True)) as ledger:
        new = set(next(iter(ledger.all(Update))).passages_new)
        seed, share = of_run(run).seed, of_run(run).questions.untaught
        points = {p.id: is_reserved(p.id, seed, share) for p in ledger.all(Point)}
        asked = {exam: [i.point_id for i in ledger.all(ExamItem, exam=exam)] for exam in EXAMS}
        fresh = {p.id for p in ledger.all(Point) if new.intersection(p.passage_ids)}
        seeds = [s for s in ledger.all(Seed) if s.round > 0]
        scored = {s.item_id for s in ledger.all(Score, exam="untaught")}
        untaught = {i.id for i in ledger.all(ExamItem, exam="untaught")}
        texts = {(i.point_id, i.prompt[-1].content) for i in ledger.all(ExamItem, exam="held-out")}
    assert not any(points[i] for i in asked["held-out"]) and fresh & set(asked["held-out"])
    assert all(points[i] for i in asked["untaught"]) and fresh & set(asked["untaught"])
    assert set(asked["untaught"]) - fresh, "those of the earlier run are asked again"
    assert seeds and not any(points[i] for s in seeds for i in (s.point_id, *s.partner_ids))
    assert untaught and scored == untaught
    for seed in (s for s in seeds if s.point_id in fresh):
        assert set(seed.asked) == {text for point_id, text in texts if point_id == seed.point_id}


def test_an_update_goes_on_where_it_stopped(
    elenchus, trained: runs.RunFolder, trained_pool: Path, tmp_path: Path, monkeypatch
) -> None:
    change(trained_pool)
    root = tmp_path / "runs"
    whole = elenchus("update", trained.id, "--runs", root, "--json").json
    with monkeypatch.context() as patch:
        patch.setattr("training.lora.train", refuse)
        assert elenchus("update", trained.id, "--runs", root).code == 2
    last = runs.listed(root)[-1]
    again = elenchus("resume", last.id, "--runs", root, "--json").json
    assert records(runs.find(root, last.id)) == records(runs.find(root, whole["run"]))
    assert again["exams"] == whole["exams"]
    assert again["update"] == whole["update"]


def test_an_update_takes_the_sources_that_are_named_now(
    elenchus, mocked: runs.RunFolder, mock_pool: Path, tmp_path: Path
) -> None:
    more = tmp_path / "more.md"
    more.write_text("# 3.1 Towels\n\nA towel must be handed back within 3 hours.", "utf-8")
    assert elenchus("corpus", "add", mock_pool, more).code == 0
    end = elenchus("update", mocked.id, "--runs", tmp_path / "runs", "--json")
    moved = end.json["update"]
    assert (moved["passages_gone"], moved["passages_new"]) == (0, 1)
    assert moved["examples_retired"] == 0


def test_a_profile_has_sources_of_its_own(elenchus, mock_pool: Path, tmp_path: Path) -> None:
    with (mock_pool / "domain.yaml").open("a") as settings:
        settings.write("profiles: {whole: {corpus: {sources: [documents]}}}\n")
        settings.write("corpus: {sources: [documents/01-pool.md]}\n")
    launched = elenchus(
        "launch", mock_pool, "--profile", "whole", "--runs", tmp_path / "runs", "--json"
    )
    assert launched.code == 0, launched.err
    end = elenchus("update", launched.json["run"], "--runs", tmp_path / "runs")
    assert end.code == 2 and "nothing to update" in end.err


def test_an_update_whose_news_cannot_be_asked_about(
    elenchus, trained: runs.RunFolder, trained_pool: Path, tmp_path: Path
) -> None:
    for file in (trained_pool / "documents").iterdir():
        file.write_text("# Poems\n\nGrey sea.\n" * (1 + len(file.name)), "utf-8")
    end = elenchus("update", trained.id, "--runs", tmp_path / "runs")
    assert end.code == 0, end.err
    assert "Stopped: no example is left." in end.out
    assert elenchus("runs", "--runs", tmp_path / "runs").code == 0


def test_what_only_went_is_retired(
    elenchus, trained: runs.RunFolder, trained_pool: Path, tmp_path: Path
) -> None:
    file = trained_pool / "documents" / "01-pool.md"
    head, _, rest = file.read_text("utf-8").partition("## 1.1 Swimming")
    file.write_text(head + "## 1.2 Lanes" + rest.partition("## 1.2 Lanes")[2], "utf-8")
    result = elenchus("update", trained.id, "--runs", tmp_path / "runs", "--json").json
    moved = result["update"]
    assert (moved["passages_gone"], moved["passages_new"], moved["new_passages"]) == (1, 0, None)
    assert moved["examples_retired"] > 0
    assert result["examples"] == moved["examples_kept"]
    assert result["adapter"] == "adapters/round-3"


def test_a_resumed_run_says_that_documents_changed(
    elenchus, mock_pool: Path, tmp_path: Path, monkeypatch
) -> None:
    root = tmp_path / "runs"
    with monkeypatch.context() as patch:
        patch.setattr("graphs.adaptation.curation.choose", refuse)
        assert elenchus("launch", mock_pool, "--runs", root).code == 2
    (run,) = runs.listed(root)
    before = records(run)
    change(mock_pool)
    end = elenchus("resume", run.id, "--runs", root)
    assert end.code == 0, end.err
    changed = "or how they are read, have changed since the launch: this run goes on"
    assert changed in " ".join(end.err.split())
    passages = {i for i in records(run) if i.startswith("p-")}
    assert passages == {i for i in before if i.startswith("p-")}


def refuse(*_: object, **__: object) -> None:
    raise UserError("no room")


def records(run: runs.RunFolder) -> dict[str, str]:
    with closing(sqlite3.connect(run.ledger)) as db:
        return dict(db.execute("SELECT id, body FROM records"))


@pytest.mark.parametrize("given", [("--set", "corpus.sources=[other]"), ("variant.yaml",)])
def test_a_run_keeps_to_sources_of_its_own(
    elenchus, mock_pool: Path, tmp_path: Path, monkeypatch, given: tuple[str, ...]
) -> None:
    shutil.copytree(mock_pool / "documents", mock_pool / "other")
    (mock_pool / "documents" / "02-charges.md").unlink()
    settings = (mock_pool / "domain.yaml").read_text("utf-8") + "corpus: {sources: [other]}\n"
    (mock_pool / "variant.yaml").write_text(settings, "utf-8")
    given = given if given[0].startswith("--") else (mock_pool / given[0],)
    named = () if isinstance(given[0], Path) else (mock_pool,)
    root = tmp_path / "runs"
    with monkeypatch.context() as patch:
        patch.setattr("graphs.adaptation.curation.choose", refuse)
        assert elenchus("launch", *named, *given, "--runs", root).code == 2
    (run,) = runs.listed(root)
    ended = elenchus("resume", run.id, "--runs", root)
    assert ended.code == 0 and "have changed" not in ended.err
    assert "nothing to update" in elenchus("update", run.id, "--runs", root).err
    change(mock_pool)  # whose documents are not this run's
    assert "nothing to update" in elenchus("update", run.id, "--runs", root).err
