"""Several domains at once: what they share, and what concerns one of them alone."""

import asyncio
import contextlib
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import MOCKED, ROOT, Outcome, records, write_pool

from elenchus import runs
from elenchus.config import BudgetConfig, LimitsConfig
from elenchus.errors import RunStopped, UserError
from elenchus.ledger import Call, Ledger
from elenchus.progress import Unseen
from graphs import together
from graphs.config import load
from graphs.shared import Shared, limits_of
from models.budget import Budget, Within
from models.shared_calls import SharedCalls
from models.turns import Turns
from tests.server.app import MODEL, Server, serving

Launch = Callable[..., Outcome]
SMALL = {
    "exam": {"questions": 6, "general": 0},
    "adaptation": {"examples": [4], "stop_failure_share": 0},
    "verdict": {"least_questions": 1},
}
NAMES = ("baths", "lido")
SOON = 15  # seconds to stop at Ctrl-C on a loaded machine; on a quiet one it takes less than one


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")


def domain(folder: Path, name: str, url: str = "", **changes: object) -> Path:
    """Write the small domain with mocks by a name of its own; with an address, on a server."""
    home = write_pool(folder / name, MOCKED)
    path = home / "domain.yaml"
    tree = yaml.safe_load(path.read_text("utf-8")) | SMALL
    tree |= {"domain": name, "title": f"the byelaws of the {name}"}
    if url:
        role = {"model": f"openai:{MODEL}", "base_url": url}
        tree |= dict.fromkeys(("expert", "examiner", "grader"), role)
    path.write_text(yaml.safe_dump(tree | changes), encoding="utf-8")
    return home


def spent(folders: list[runs.RunFolder]) -> int:
    """Count the calls that runs have paid for."""
    total = 0
    for run in folders:
        with contextlib.closing(Ledger(run.ledger)) as ledger:
            total += sum(one.calls for one in ledger.spent())
    return total


def outcome(run: runs.RunFolder) -> tuple[bytes, list[tuple]]:
    return (run.dataset / "train.jsonl").read_bytes(), records(run.path)


def by_domain(root: Path) -> dict[str, runs.RunFolder]:
    return {run.path.parent.name: run for run in runs.listed(root)}


def test_each_comes_out_as_alone_and_ctrl_c_and_kills_change_nothing(
    tmp_path: Path, elenchus: Launch, interruptible: None
) -> None:
    server = Server(latency=0.02)
    with serving(server) as url:
        homes = [domain(tmp_path, name, url) for name in NAMES]
        for home in homes:
            alone = elenchus("launch", home, "--runs", tmp_path / "alone", "--json")
            assert alone.code == 0, alone.err
        wanted = {name: outcome(run) for name, run in by_domain(tmp_path / "alone").items()}
        calm = server.completions

        root = ("--runs", str(tmp_path / "runs"))
        server.completions = 0
        with begun("launch", *map(str, homes), *root) as process:
            reached(server, calm // 4, process)
            server.latency = 60.0
            threading.Event().wait(0.1)  # calls are under way that would take a minute
            asked = time.monotonic()
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=60)[1].strip().splitlines()[-1]
            assert time.monotonic() - asked < SOON
        server.latency = 0.02
        left = runs.listed(tmp_path / "runs")
        ids = {run.id for run in left}
        assert process.returncode == 130
        assert said.startswith("elenchus: stopped; `elenchus resume ") and root[1] in said
        assert len(ids) == 2 and ids < set(said.split())
        with begun("resume", *ids, *root) as process:
            reached(server, calm // 2, process)
            process.kill()
        ended = elenchus("resume", *ids, *root, "--json")
        assert ended.code == 0, ended.err
    made = by_domain(tmp_path / "runs")
    assert {run["run"]: run["domain"] for run in ended.json["runs"]} == {
        run.id: name for name, run in made.items()
    }
    assert {name: outcome(run) for name, run in made.items()} == wanted


def begun(*arguments: str) -> subprocess.Popen[str]:
    """Start the command line in a process of its own."""
    command = [sys.executable, "-m", "elenchus", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def reached(server: Server, completions: int, process: subprocess.Popen[str]) -> None:
    """Wait until the server has answered so often."""
    while process.poll() is None and server.completions < completions:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.005)
    assert process.poll() is None, "it was over before"


def test_a_cap_on_all_together_stops_all_and_is_raised_for_all(
    tmp_path: Path, elenchus: Launch
) -> None:
    homes, root = [domain(tmp_path, name) for name in NAMES], ("--runs", tmp_path / "runs")
    stopped = elenchus("launch", *homes, "--budget", "calls=40", *root)
    folders = runs.listed(tmp_path / "runs")
    ids = [run.id for run in folders]
    assert stopped.code == 3
    assert spent(folders) == 40
    shown = [line for line in stopped.err.splitlines() if line.startswith("elenchus: ")]
    assert len(shown) == 1, "once, not for each"
    assert "elenchus resume" not in stopped.out, "without --budget it would stop at once"
    assert stopped.err.count("elenchus resume") == 1
    assert "the shared budget.calls is used up (40 of 40). `elenchus resume " in shown[0]
    assert all(run_id in shown[0] for run_id in ids) and "--budget calls=…" in shown[0]

    alone = elenchus("resume", ids[0], *root)
    assert alone.code == 3, "what the others have spent counts"
    assert spent(folders) == 40

    ended = elenchus("resume", *ids, "--budget", "calls=900", *root, "--json")
    assert ended.code == 0, ended.err
    assert 40 < spent(folders) == sum(run["calls"] for run in ended.json["runs"])
    assert [run.shared_budget() for run in folders] == [{"calls": 900}] * 2
    over = elenchus("resume", *ids, *root)
    assert over.code == 2 and "all of these runs are finished" in over.err


def test_a_domain_that_fails_under_way_ends_alone(tmp_path: Path, elenchus: Launch) -> None:
    with serving(Server(longest=50)) as refusing, serving(Server()) as url:
        homes = [domain(tmp_path, "baths", url), domain(tmp_path, "lido", refusing)]
        ended = elenchus("launch", *homes, "--runs", tmp_path / "runs")
    assert ended.code == 2
    assert "elenchus: lido: openai:reader found nothing to ask about" in ended.err
    states = {line.split()[0]: line.split()[2] for line in ended.out.splitlines()[1:3]}
    assert states == {"baths": "finished", "lido": "failed"}
    assert by_domain(tmp_path / "runs")["baths"].result.exists()


def test_all_are_looked_through_before_anything_is_paid_for(
    tmp_path: Path, elenchus: Launch
) -> None:
    server = Server()
    with serving(server) as url:
        wrong = {"model": "openai:raeder", "base_url": url}
        homes = [
            domain(tmp_path, "baths", url),
            domain(tmp_path, "lido", url, expert=wrong),
            domain(tmp_path, "spa", url, corpus={"sources": [{"path": "nowhere"}]}),
        ]
        refused = elenchus("launch", *homes, "--runs", tmp_path / "runs")
    assert refused.code == 2
    for said in ("nothing was begun; lido: openai:raeder: the server does", "; spa: "):
        assert said in refused.err
    assert server.received == 0
    assert runs.listed(tmp_path / "runs") == []


def test_what_one_has_asked_another_does_not_ask(tmp_path: Path, elenchus: Launch) -> None:
    title = {"title": "the byelaws of a bath"}
    homes = [domain(tmp_path, name, **title) for name in NAMES]
    alone = elenchus("launch", homes[0], "--runs", tmp_path / "alone", "--json")
    ended = elenchus("launch", *homes, "--runs", tmp_path / "runs", "--json")
    assert ended.code == 0, ended.err
    assert sum(run["calls"] for run in ended.json["runs"]) == alone.json["calls"]
    first, other = [outcome(run)[0] for run in runs.listed(tmp_path / "runs")]
    assert first == other


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["baths", "baths"], "two domains are called baths"),
        (["baths", "lido", "--reuse", "x"], "--reuse takes over the calls of one run"),
        (["baths", "lido", "--budget", "usd=-1"], "--budget: usd: Input should be greater than 0"),
        (["baths", "lido", "--budget", "euro=1"], "--budget: unknown key 'euro'"),
        (["baths", "lido", "--budget", "cals=1"], "unknown key 'cals'; did you mean 'calls'?"),
    ],
)
def test_what_several_cannot_have_is_refused(
    arguments: list[str], says: str, tmp_path: Path, elenchus: Launch
) -> None:
    for name in ("baths", "lido"):
        domain(tmp_path, name)
    given = [tmp_path / a / "pool" if a in ("baths", "lido") else a for a in arguments]
    refused = elenchus("launch", *given, "--runs", tmp_path / "runs")
    assert refused.code == 2 and says in refused.err
    assert runs.listed(tmp_path / "runs") == []


def test_estimates_are_of_each_domain_and_of_all(tmp_path: Path, elenchus: Launch) -> None:
    priced = {"models": {"mock:plain": {"usd_in": 1.0, "usd_out": 1.0}}}
    homes = [domain(tmp_path, name, **priced) for name in ("baths", "lido")]
    told = elenchus("launch", *homes, "--dry-run", "--json").json["domains"]
    assert told.keys() == {"baths", "lido"}
    usd = sum(use["usd"] for uses in told.values() for use in uses)
    shown = elenchus("launch", *homes, "--dry-run", "--budget", "usd=0.01").out
    assert f" tokens, {usd:.2f} USD: over budget.usd=0.01" in shown
    shown = elenchus("launch", *homes, "--dry-run", "--budget", "calls=3").out
    assert "Together " in shown and ": over budget.calls=3" in shown
    refused = elenchus("launch", *homes, "--dry-run", "--budget", "usd=much")
    assert refused.code == 2 and "--budget: usd: Input should be a valid number" in refused.err


def test_runs_that_were_not_launched_together_share_no_budget(
    tmp_path: Path, elenchus: Launch
) -> None:
    root = ("--runs", tmp_path / "runs")
    for name in ("baths", "lido"):
        home = domain(tmp_path, name, budget={"calls": 5})
        assert elenchus("launch", home, *root).code == 3
    ids = [run.id for run in runs.listed(tmp_path / "runs")]
    refused = elenchus("resume", *ids, "--budget", "calls=900", *root)
    assert refused.code == 2
    assert "were not launched together" in refused.err


def test_of_limits_the_stricter_holds_and_prices_must_agree(tmp_path: Path) -> None:
    def limited(name: str, **limits: float) -> Path:
        return domain(tmp_path, name, models={"mock:plain": limits}) / "domain.yaml"

    one = load(limited("baths", in_flight=8, usd_in=1.0))
    two = load(limited("lido", in_flight=3, requests_per_minute=90))
    both = limits_of([one, two])
    assert both == {"mock:plain": LimitsConfig(in_flight=3, requests_per_minute=90, usd_in=1.0)}
    shared = Shared(both)
    assert shared.rates(one.expert) is shared.rates(two.grader)
    with pytest.raises(UserError, match="usd_in is 1 and 2 in these domains"):
        limits_of([one, load(limited("spa", usd_in=2.0))])


def test_of_runs_that_share_a_budget_each_counts(tmp_path: Path) -> None:
    one, two = (
        runs.create(tmp_path / "runs", load(home / "domain.yaml"), home, None, "")
        for home in (domain(tmp_path, "baths"), domain(tmp_path, "lido"))
    )
    for run in (one, two):
        run.set_together([one, two], {"calls": 5})
    with contextlib.closing(Ledger(two.ledger)) as ledger:
        ledger.write_call(a_call(9))
        ledger.send("expert", "m", 1, 1)
    said: list[str] = []
    with two.locked(), pytest.raises(UserError, match="is in use by another process"):
        Shared.of([one], said.append)
    with two.locked(), pytest.raises(UserError, match="is in use by another process"):
        together.resume([one], Unseen(), {"calls": 9})
    assert one.shared_budget() == two.shared_budget() == {"calls": 5}
    budgets = Shared.of([one], said.append).budgets
    assert budgets[one.id] is budgets[two.id] and budgets[one.id].total.calls == 2
    assert said == []
    shutil.rmtree(two.path)
    assert Shared.of([one], said.append).budgets[one.id].total.calls == 0
    assert "is gone: what it spent is not counted" in said[0]


def a_call(tokens: int) -> Call:
    return Call(
        id="m-1", role="expert", task="answer", model="m", prompt_sha256="", request="",
        output_tokens=tokens,
    )  # fmt: skip


def test_a_further_attempt_of_one_is_known_to_all(tmp_path: Path) -> None:
    """The first run has stopped after the first answer, which could not be used."""
    shared, first = SharedCalls(several=True), a_call(9)
    again = first.model_copy(update={"attempt": 1})
    with contextlib.ExitStack() as opened:
        one, two, three = (
            opened.enter_context(contextlib.closing(Ledger(tmp_path / name))) for name in "abc"
        )
        one.write_call(first)
        shared.note(first, one)
        assert shared.answered(first, two) == first
        assert shared.answered(again, two) is None
        two.write_call(again)
        shared.note(again, two)
        assert [shared.answered(asked, three) for asked in (first, again)] == [first, again]
        assert [ledger.usage()[0] for ledger in (one, two, three)] == [1, 1, 0]


def test_a_shared_budget_is_exceeded_by_no_more_than_the_calls_in_flight() -> None:
    """Every answer is far longer than any before, so that no estimate of it holds."""
    together = Budget(BudgetConfig(tokens=20_000), shared=True)
    most, under_way, tokens = 4, 0, 0
    gate = asyncio.Semaphore(most)

    async def domain(budget: Within) -> str:
        nonlocal under_way, tokens
        while True:
            async with gate:
                try:
                    async with budget.spending("expert", "m", 10) as (_, spend):
                        under_way += 1
                        assert tokens < 20_000, "no call begins once the cap is reached"
                        await asyncio.sleep(0)
                        tokens += 3000
                        spend(a_call(3000))
                        under_way -= 1
                except RunStopped as stopped:
                    assert stopped.shared and stopped.cap == "tokens" and not under_way
                    return str(stopped)

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*(domain(Within(Budget(), together)) for _ in range(12)))

    (said,) = set(asyncio.run(all_of_them()))
    assert said.startswith("the shared budget.tokens is used up (")
    assert tokens <= 20_000 + most * 3000


def test_a_call_that_waits_for_others_does_not_begin_once_its_own_run_stops() -> None:
    together, own = Budget(BudgetConfig(tokens=2000), shared=True), Budget()

    async def call(budget: Budget | Within) -> None:
        async with budget.spending("expert", "m", 10) as (_, spend):
            spend(a_call(1))

    async def main() -> RunStopped:
        async with together.spending("expert", "m", 1700):
            waiting = asyncio.create_task(call(Within(own, together)))
            await asyncio.sleep(0)
            stopping = asyncio.create_task(own.stopped("a disk is full"))
            await asyncio.sleep(0)
            assert not waiting.done() and not stopping.done()
        with pytest.raises(RunStopped, match="a disk is full"):
            await waiting
        return await stopping

    assert str(asyncio.run(main())) == "a disk is full"
    assert (own.total.calls, together.total.calls) == (0, 0)


def test_a_training_waits_for_answers_and_keeps_others_waiting() -> None:
    async def main() -> list[str]:
        turns, done = Turns(), list[str]()

        async def ask(name: str) -> None:
            async with turns.asking():
                await asyncio.sleep(0)
                done.append(name)

        async def train(name: str) -> None:
            async with turns.training():
                done.append(f"{name} begins")
                await asyncio.sleep(0)
                done.append(f"{name} ends")

        first = asyncio.create_task(ask("asked"))
        await asyncio.sleep(0)
        both = [asyncio.create_task(train(name)) for name in ("one", "two")]
        await asyncio.sleep(0)
        await asyncio.gather(first, *both, ask("asked later"))
        return done

    done = asyncio.run(main())
    assert done[0] == "asked"
    assert done.index("one ends") == done.index("one begins") + 1
    assert done.index("two ends") == done.index("two begins") + 1
    assert done.index("asked later") > done.index("one ends")
