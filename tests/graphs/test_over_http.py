"""Whole runs whose expert, examiner and grader answer over HTTP, with faults and without."""

import contextlib
import json
import shutil
import threading
from pathlib import Path

import pytest
import yaml
from conftest import records

from elenchus import runs
from elenchus.ledger import Ledger
from elenchus.records import Examination, Failure, Seed
from tests.programs import Program
from tests.server.app import MODEL, Server, serving
from tests.server.faults import UNREADABLE, Plan, evenly

KEY = "sk-test-3b1f0c5e"  # in no file of a run
TIMEOUT = 10  # seconds for an answer

TRAINED = {
    "student": {"model": "builtin:nano", "samples": 2},
    "training": {"epochs": 2, "least_steps": 1, "rank": 4},
}
SMALL = {"exam": {"questions": 8, "general": 0}, "adaptation": {"examples": [5, 9]}}


def behind(url: str, pool: Path, **changes: object) -> None:
    """Let the expert, the examiner and the grader of the small domain answer over HTTP."""
    path = pool / "domain.yaml"
    tree = yaml.safe_load(path.read_text("utf-8"))
    role = {"model": f"openai:{MODEL}", "base_url": url, "timeout": TIMEOUT}
    tree |= dict.fromkeys(("expert", "examiner", "grader"), role) | SMALL | changes
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")


def only_run(pool: Path) -> runs.RunFolder:
    (run,) = runs.listed(pool.parent / "runs")
    return run


@pytest.fixture
def pool(mock_pool: Path) -> Path:
    """The small domain, whose student is a mock as long as no test says otherwise."""
    return mock_pool


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def test_faults_change_neither_dataset_nor_ledger(pool: Path, elenchus, key: None) -> None:
    """30 % of responses are faulty; what is paid for beyond the calm run could not be read."""
    outcomes = []
    few = {f"openai:{MODEL}": {"in_flight": 8}}  # a loaded machine answers them all in time
    server = Server(retry_after=0, silence=2 * TIMEOUT, key=KEY)
    with serving(server) as url:
        behind(url, pool, models=few)
        for plan in (Plan(), Plan(evenly(0.3), seed=2)):
            server.plan, server.completions = plan, 0
            ended = elenchus("launch", pool, "--runs", pool.parent / "runs", "--json")
            assert ended.code == 0, ended.err
            run, paid_for = only_run(pool), server.completions
            outcomes.append(
                ((run.dataset / "train.jsonl").read_bytes(), records(run.path), paid_for)
            )
            for path in run.path.rglob("*"):
                assert path.is_dir() or KEY.encode() not in path.read_bytes()
            shutil.rmtree(run.path)
    (calm, calm_ledger, calm_paid), (rough, rough_ledger, rough_paid) = outcomes
    assert calm == rough
    assert calm_ledger == rough_ledger
    drawn = server.plan.drawn
    assert sum(drawn.values()) > 20
    assert rough_paid == calm_paid + sum(drawn[fault] for fault in UNREADABLE)


def test_a_student_on_a_server_gets_a_dataset(pool: Path, elenchus, key: None) -> None:
    server = Server(key=KEY)
    runs_option = ("--runs", pool.parent / "runs", "--json")
    with serving(server) as url:
        student = {"model": f"openai:{MODEL}", "base_url": url, "samples": 1}
        behind(url, pool, student=student, training={"enabled": True})
        refused = elenchus("launch", pool, *runs_option)
        assert refused.code == 2
        assert "training.enabled=false" in refused.err
        estimated = elenchus(
            "launch", pool, "--set", "training.enabled=false", "--dry-run", "--json"
        )
        ended = elenchus("launch", pool, "--set", "training.enabled=false", *runs_option)
    assert ended.code == 0, ended.err
    assert (ended.json["examples"], ended.json["rounds"], ended.json["adapter"]) == (9, 1, "")
    run = only_run(pool)
    assert len((run.dataset / "train.jsonl").read_text("utf-8").splitlines()) == 9
    assert "not trained" in (run.dataset / "README.md").read_text("utf-8")
    (used,) = [use["calls"] for use in estimated.json if use["role"] == "student"]
    ledger = Ledger(run.ledger, read_only=True)
    asked = sum(spent.calls for spent in ledger.spent() if spent.role == "student")
    ledger.close()
    assert 0.75 < used / asked < 1.25


def test_where_every_survey_is_refused_the_reason_is_told_and_kept(
    pool: Path, elenchus, key: None
) -> None:
    with serving(Server(key=KEY, longest=50)) as url:
        behind(url, pool)
        ended = elenchus("launch", pool, "--runs", pool.parent / "runs")
    assert ended.code == 2
    assert "failures, most: the prompt was refused: 400: This model's maximum context" in ended.err
    assert records(only_run(pool).path)


def test_a_spent_budget_keeps_the_dataset_and_goes_on(pool: Path, elenchus, key: None) -> None:
    runs_option = ("--runs", pool.parent / "runs")
    one_by_one = {"examination": {"concurrency": 1}}
    server = Server(key=KEY)
    with serving(server) as url:
        behind(url, pool, **one_by_one)
        whole = elenchus("launch", pool, *runs_option, "--json")
        run = only_run(pool)
        wanted = (run.dataset / "train.jsonl").read_bytes(), records(run.path)
        shutil.rmtree(run.path)
        calls = whole.json["calls"]
        server.completions = 0
        behind(url, pool, budget={"calls": calls * 2 // 3}, **one_by_one)
        stopped = elenchus("launch", pool, *runs_option)
        run = only_run(pool)
        assert stopped.code == 3
        assert f"budget.calls is used up ({calls * 2 // 3} of {calls * 2 // 3})" in stopped.err
        assert f"elenchus resume {run.id} --budget calls=" in stopped.err
        lines = (run.dataset / "train.jsonl").read_text("utf-8").splitlines()
        assert lines and all(json.loads(line)["completion"] for line in lines)
        again = elenchus("resume", run.id, *runs_option)
        assert again.code == 3, "it is still used up"
        ended = elenchus("resume", run.id, "--budget", f"calls={calls}", *runs_option, "--json")
        assert ended.code == 0, ended.err
    assert ended.json["calls"] == calls, "nothing was paid for twice"
    assert ((run.dataset / "train.jsonl").read_bytes(), records(run.path)) == wanted


@pytest.mark.parametrize("status", [400, 403])
def test_questions_that_a_server_filters_are_failures_and_the_run_goes_on(
    status: int, pool: Path, elenchus, key: None
) -> None:
    with serving(Server(key=KEY, filtered='<kind name="apply">', filters=status)) as url:
        behind(url, pool)
        ended = elenchus("launch", pool, "--runs", pool.parent / "runs", "--json")
    assert ended.code == 0, ended.err
    ledger = Ledger(only_run(pool).ledger, read_only=True)
    of_kind = {
        kind: [e for e in ledger.all(Examination) if ledger.get(Seed, e.seed_id).kind == kind]
        for kind in ("apply", "recall")
    }
    ledger.close()
    assert of_kind["apply"] and any(e.accepted_turn_id for e in of_kind["recall"])
    for examination in of_kind["apply"]:
        assert examination.rejection is not None
        assert examination.rejection.code == "examiner-failed"
        assert "was filtered" in examination.rejection.detail


def test_killed_again_and_again_nothing_is_lost_or_paid_for_twice(
    pool: Path, elenchus, key: None
) -> None:
    """Only what was under way at a kill is asked again."""
    runs_option = ("--runs", pool.parent / "runs")
    server = Server(latency=0.01, key=KEY)
    with serving(server) as url:
        behind(url, pool, **TRAINED)
        assert elenchus("launch", pool, *runs_option, "--json").code == 0
        wanted, calm = records(only_run(pool).path), server.completions
        shutil.rmtree(only_run(pool).path)
        server.completions, lost = 0, 0
        for share in (0.4, 0.8):
            begun = runs.listed(pool.parent / "runs")
            what = ("resume", begun[0].id) if begun else ("launch", pool)
            run = Program(*what, *runs_option)
            while run.code is None and server.completions < share * calm:
                run.process.join(0.005)
            run.end()
            while server.in_flight:  # it ends what it has begun
                threading.Event().wait(0.01)
            lost = server.completions - answered(only_run(pool))
            assert counted(only_run(pool)) >= server.completions, "what a kill cost is counted"
        ended = elenchus("resume", only_run(pool).id, *runs_option, "--json")
    assert ended.code == 0, ended.err
    assert records(only_run(pool).path) == wanted
    assert server.completions - calm == lost <= 2 * 64


def answered(run: runs.RunFolder) -> int:
    """Count the calls of the server's models whose answers a run has."""
    with contextlib.closing(Ledger(run.ledger, read_only=True)) as ledger:
        return sum(one.calls for one in ledger.spent_by_task() if one.role != "student")


def counted(run: runs.RunFolder) -> int:
    """Count the calls that a run takes to be paid for."""
    with contextlib.closing(Ledger(run.ledger, read_only=True)) as ledger:
        return sum(spent.calls for spent in ledger.spent() if spent.role != "student")


def test_a_server_that_is_gone_stops_the_run(pool: Path, elenchus, key: None) -> None:
    server = Server(Plan(evenly(0.0)), key=KEY)
    with serving(server) as url:
        behind(url, pool, models={f"openai:{MODEL}": {"retry_minutes": 0}}, budget={"calls": 40})
        elenchus("launch", pool, "--runs", pool.parent / "runs")
        run = only_run(pool)
    more = ("--budget", "calls=900", "--runs", pool.parent / "runs")
    gone = elenchus("resume", run.id, *more)
    assert gone.code == 2
    assert "nothing answers at" in gone.err
    broken = Server(Plan(evenly(0.5)), retry_after=0, silence=2 * TIMEOUT, key=KEY)
    with serving(broken, port=port(url)):
        stopped = elenchus("resume", run.id, *more)
    assert stopped.code == 3
    assert "failed for 0 minutes" in stopped.err
    assert f"`elenchus resume {run.id} --runs {pool.parent / 'runs'}` goes on" in stopped.err
    with serving(Server(key=KEY), port=port(url)):
        ended = elenchus("resume", run.id, "--runs", pool.parent / "runs", "--json")
    assert ended.code == 0, ended.err
    ledger = Ledger(run.ledger, read_only=True)
    assert ledger.all(Failure) == []
    ledger.close()


def port(url: str) -> int:
    return int(url.rpartition(":")[2].removesuffix("/v1"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"budget": {"usd": 5}}, "no price is known for openai:reader"),
        ({"budget": {"usd": 0}}, "budget.usd: Input should be greater than 0"),
        ({"budget": {"calls": -1}}, "budget.calls: Input should be greater than 0"),
        ({"models": {"openai:reader": {"in_flight": -4}}}, "in_flight: Input should be greater"),
        ({"corpus": {"passage_chars": 9000}}, "reads 32768 tokens, but may be given"),
        ({"expert": {"model": "openai:raeder"}}, "the server does not have this model"),
        ({"expert": {"base_url": "http://user:pw@127.0.0.1/v1"}}, "without user and password"),
        ({"budget": {"roles": {"expret": {"usd": 1}}}}, "budget.roles.expret"),
    ],
)
def test_bad_input_is_found_before_anything_is_paid(
    changes: dict, says: str, pool: Path, elenchus, key: None
) -> None:
    server = Server(key=KEY)
    with serving(server) as url:
        behind(url, pool)
        path = pool / "domain.yaml"
        tree = yaml.safe_load(path.read_text("utf-8"))
        for name, change in changes.items():
            tree[name] = {**tree.get(name, {}), **change}
        path.write_text(yaml.safe_dump(tree), encoding="utf-8")
        refused = elenchus("launch", pool, "--runs", pool.parent / "runs")
    assert refused.code == 2
    assert says in refused.err
    assert server.received == 0
    assert runs.listed(pool.parent / "runs") == []


def test_a_cap_that_cannot_be_watched_does_not_stay_with_the_run(
    pool: Path, elenchus, key: None
) -> None:
    with serving(Server(key=KEY)) as url:
        behind(url, pool, budget={"calls": 40})
        assert elenchus("launch", pool, "--runs", pool.parent / "runs").code == 3
        run = only_run(pool)
        before = run.manifest()
        refused = elenchus("resume", run.id, "--budget", "usd=5", "--runs", pool.parent / "runs")
    assert refused.code == 2 and "no price is known" in refused.err
    assert run.manifest() == before
