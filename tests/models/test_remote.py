"""Models behind a real server: faults are waited out or asked again, and nothing is lost."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path

import pytest

from agents.judge import Judge
from agents.prompting import Subject
from elenchus.config import BudgetConfig, LimitsConfig
from elenchus.errors import RunStopped, UserError
from elenchus.ledger import Ledger
from elenchus.records import Failure, Gold, Verdict
from elenchus.sections import ModelConfig
from models.backend import backend, make_model
from models.budget import Budget
from models.calls import Caller, CallFailed
from models.rate_limits import RateLimits
from tests.server.app import MODEL, Server, serving
from tests.server.faults import KEPT_BACK, UNREADABLE, Fault, Plan, evenly

SUBJECT = Subject("t", "English")


def judge_at(
    url: str, ledger: Ledger, budget: Budget | None = None, timeout: float = 10, **limits: float
) -> Judge:
    config = ModelConfig(model=f"openai:{MODEL}", base_url=url, timeout=timeout)
    rates = RateLimits(LimitsConfig(**limits))
    return Judge(Caller(make_model(config), config, ledger, rates, budget), SUBJECT)


def graded(judge: Judge, question: str, answer: str) -> Coroutine[object, object, Verdict]:
    """Grade an answer beside one that is the same."""
    return judge.grade(question, Gold(text=answer, result=answer), [answer])


async def grade(judge: Judge, count: int) -> list[object]:
    """Grade so many answers, all different."""
    tasks = (graded(judge, f"q{n}", f"a{n}") for n in range(count))
    async with asyncio.timeout(60):
        try:
            return await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            await judge._caller.model.close()


def look(config: ModelConfig) -> int | None:
    return backend(config.model).look(config)


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_now_and_then_loses_nothing(fault: Fault, ledger: Ledger) -> None:
    server = Server(Plan(evenly(0.3, fault), seed=1), retry_after=0, silence=4)
    patience = 1.5 if fault is Fault.TIMEOUT else 20
    with serving(server) as url:
        verdicts = asyncio.run(grade(judge_at(url, ledger, timeout=patience), 12))
    assert [v.grades for v in verdicts] == [("correct",)] * 12
    assert server.plan.drawn[fault] > 0
    assert ledger.all(Failure) == []
    extra = server.plan.drawn[fault] if fault in UNREADABLE else 0
    assert server.completions == ledger.usage()[0] == 12 + extra, "what is paid for is kept"


def test_whatever_goes_wrong_the_answers_are_the_same(ledger: Ledger, tmp_path: Path) -> None:
    calm = Ledger(tmp_path / "calm.sqlite")
    server = Server(retry_after=0, silence=3)
    with serving(server) as url:
        wanted = asyncio.run(grade(judge_at(url, calm), 30))
        calm.close()
        server.plan = Plan(evenly(0.3), seed=5)
        assert asyncio.run(grade(judge_at(url, ledger, timeout=2), 30)) == wanted


def test_the_pause_that_a_server_asks_for_is_kept(ledger: Ledger) -> None:
    server = Server(Plan({Fault.BUSY_UNTIL: 0.5}, seed=3), retry_after=1)
    with serving(server) as url:
        asyncio.run(grade(judge_at(url, ledger), 4))
    assert server.plan.drawn[Fault.BUSY_UNTIL]
    assert server.last - server.first >= 1


def test_a_server_that_stays_down_stops_the_run(ledger: Ledger) -> None:
    with serving(Server(Plan({Fault.DOWN: 1.0}))) as url:
        outcomes = asyncio.run(grade(judge_at(url, ledger, retry_minutes=0.002), 5))
    assert all(isinstance(one, RunStopped) for one in outcomes)
    assert "failed for 0.002 minutes" in str(outcomes[0])
    assert ledger.all(Failure) == [], "the questions are not to blame"


def test_a_key_that_is_refused_stops_the_run_at_once(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "wrong")
    server = Server(key="right")
    with serving(server) as url:
        outcomes = asyncio.run(grade(judge_at(url, ledger), 3))
    assert all(isinstance(one, RunStopped) and "Incorrect API key" in str(one) for one in outcomes)


@pytest.mark.parametrize(
    ("provider", "ends", "stops"),
    [
        ("anthropic", (400, "Your credit balance is too low to access the Anthropic API."), True),
        ("anthropic", (402, "Payment required."), True),
        ("anthropic", (413, "The request is too large."), False),
        ("openai", (402, "Payment required."), True),
    ],
)
def test_what_no_package_translates(
    provider: str,
    ends: tuple[int, str],
    stops: bool,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It ends the run where no call can succeed, and is the prompt's failure where another may."""
    monkeypatch.setenv(f"{provider.upper()}_API_KEY", "any")
    with serving(Server(ends=ends)) as url:
        base = {"openai": url, "anthropic": url.removesuffix("/v1")}[provider]
        monkeypatch.setenv(f"{provider.upper()}_BASE_URL", base)
        config = ModelConfig(model=f"{provider}:{MODEL}")
        judge = Judge(Caller(make_model(config), config, ledger), SUBJECT)
        (outcome,) = asyncio.run(grade(judge, 1))
    assert isinstance(outcome, RunStopped if stops else CallFailed)
    assert ends[1] in str(outcome)
    assert len(ledger.all(Failure)) == (not stops)


def test_never_more_calls_in_flight_than_allowed(ledger: Ledger) -> None:
    server = Server(latency=0.01)
    with serving(server) as url:
        asyncio.run(grade(judge_at(url, ledger, in_flight=3), 20))
    assert server.most_in_flight == 3


def test_a_cap_overshoots_by_the_calls_in_flight_at_most(ledger: Ledger) -> None:
    budget = Budget(BudgetConfig(tokens=1000))
    server = Server(latency=0.01)
    with serving(server) as url:
        outcomes = asyncio.run(grade(judge_at(url, ledger, budget, in_flight=4), 40))
    stopped = [one for one in outcomes if isinstance(one, RunStopped)]
    assert stopped and "budget.tokens is used up" in str(stopped[0])
    calls, tokens = ledger.usage()
    assert calls + len(stopped) == 40
    assert server.completions == calls, "no answer that was paid for is lost"
    assert tokens <= 1000 + 4 * (tokens // calls + 20)


def test_calls_are_capped_exactly_and_by_role(ledger: Ledger) -> None:
    caps = BudgetConfig.model_validate({"roles": {"grader": {"calls": 7}}})
    server = Server()
    with serving(server) as url:
        outcomes = asyncio.run(grade(judge_at(url, ledger, Budget(caps)), 20))
    assert server.completions == 7
    assert sum(isinstance(one, RunStopped) for one in outcomes) == 13


def test_what_was_spent_before_counts(ledger: Ledger) -> None:
    caps = BudgetConfig(usd=1.0)

    def price(model: str, read: int, written: int) -> float:
        return 0.4 * bool(read)

    with serving(Server()) as url:
        first = asyncio.run(grade(judge_at(url, ledger, Budget(caps, price=price), in_flight=1), 2))
        assert not any(isinstance(one, RunStopped) for one in first)
        again = Budget(caps, ledger.answered(), price=lambda *_: 1.0)
        outcomes = asyncio.run(grade(judge_at(url, ledger, again), 3))
    assert "budget.usd is used up (1.00 of 1.00)" in str(outcomes[2])
    assert not isinstance(outcomes[0], RunStopped), "an answer that is known costs nothing"


@pytest.mark.parametrize("way", ["json_schema", "tool", "json", "prompt"])
def test_every_way_of_asking_for_json(way: str, ledger: Ledger) -> None:
    server = Server()
    with serving(server) as url:
        config = ModelConfig(model=f"openai:{MODEL}", base_url=url, structured=way)
        judge = Judge(Caller(make_model(config), config, ledger), SUBJECT)
        asyncio.run(graded(judge, "q", "a"))
    assert server.ways == {way: 1}


def test_an_answer_in_parts_is_their_text(ledger: Ledger) -> None:
    with serving(Server(parts=True)) as url:
        (verdict,) = asyncio.run(grade(judge_at(url, ledger), 1))
    assert verdict.grades == ("correct",)


def test_the_proxy_of_the_environment_is_used(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server takes requests for any host, as a proxy does; there is no other of that name."""
    away = "http://models.invalid/v1"
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving(Server()) as url:
        monkeypatch.setenv("http_proxy", url.removeprefix("http://").removesuffix("/v1"))
        assert look(ModelConfig(model=f"openai:{MODEL}", base_url=away))
        (verdict,) = asyncio.run(grade(judge_at(away, ledger), 1))
        assert verdict.grades == ("correct",)
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # where nobody answers
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        (verdict,) = asyncio.run(grade(judge_at(url, ledger), 1))
        assert verdict.grades == ("correct",)
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:9")
    (refused,) = asyncio.run(grade(judge_at("http://models.invalid/v2", ledger), 1))
    assert isinstance(refused, UserError) and "kind socks5 for models.invalid" in str(refused)


def test_the_packages_of_providers_go_the_same_way(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without base_url, OpenAI's own package is used, here with the server's address."""
    server = Server(Plan(evenly(0.3), seed=8), retry_after=0, silence=3)
    with serving(server) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        config = ModelConfig(model=f"openai:{MODEL}", timeout=2)
        model = make_model(config)
        assert type(model.chat).__name__ == "ChatOpenAI"
        judge = Judge(Caller(model, config, ledger), SUBJECT)
        verdicts = asyncio.run(grade(judge, 15))
    assert [v.grades for v in verdicts] == [("correct",)] * 15
    assert len(server.plan.drawn) > 4


def test_a_server_that_takes_no_schema_is_asked_in_another_way(ledger: Ledger) -> None:
    server = Server(refuses=("json_schema", "tool"))
    with serving(server) as url:
        asyncio.run(grade(judge_at(url, ledger), 3))
    assert server.ways == {"json": 3}


def test_a_prompt_that_the_server_refuses_is_a_recorded_failure(ledger: Ledger) -> None:
    with serving(Server(longest=5000)) as url:
        judge = judge_at(url, ledger)

        async def both() -> list[object]:
            asked = (graded(judge, text, "a") for text in ("q" * 6000, "short"))
            return await asyncio.gather(*asked, return_exceptions=True)

        failed, answered = asyncio.run(both())
    assert isinstance(failed, CallFailed)
    assert answered.grades == ("correct",)
    (failure,) = ledger.all(Failure)
    assert failure.code == "refused" and "context length" in failure.detail


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": "nosuch:model"}, "nosuch"),
        ({"model": "openai:gpt-5"}, "set OPENAI_API_KEY in the environment"),
        ({"model": "anthropic:claude"}, "set ANTHROPIC_API_KEY in the environment"),
        ({"options": {"max_tokenz": 1}}, "no option 'max_tokenz'; did you mean 'max_tokens'"),
        ({"options": {"api_key": "x"}}, "secrets are set in the environment"),
    ],
)
def test_models_that_cannot_be_made(
    changes: dict, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    usual = {"model": f"openai:{MODEL}"}
    if "options" in changes:
        usual["base_url"] = "http://127.0.0.1:9/v1"
    with pytest.raises(UserError, match=says):
        make_model(ModelConfig(**{**usual, **changes}))


def test_a_server_is_looked_at_before_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "right")

    def settings(url: str, model: str = MODEL) -> ModelConfig:
        return ModelConfig(model=f"openai:{model}", base_url=url)

    server = Server(key="right", context=4096)
    with serving(server) as url:
        assert look(settings(url)) == 4096
        with pytest.raises(UserError, match="does not have this model; it has reader"):
            look(settings(url, "raeder"))
        with pytest.raises(UserError, match="answers 404: is base_url right"):
            look(settings(url.removesuffix("/v1")))
        monkeypatch.setenv("OPENAI_API_KEY", "wrong")
        with pytest.raises(UserError, match="answers 401: the key is not accepted"):
            look(settings(url))
        monkeypatch.setenv("OPENAI_API_KEY", "sk-abc…")
        with pytest.raises(UserError, match="OPENAI_API_KEY cannot be sent"):
            look(settings(url))
        monkeypatch.setenv("OPENAI_API_KEY", "right")
    with pytest.raises(UserError, match="start the server, or correct base_url"):
        look(settings(url))
    assert server.received == 0
    with serving(Server(context=4096, bare=True)) as url:
        assert look(settings(url)) == 4096


def test_every_fault_is_of_one_sort() -> None:
    assert not KEPT_BACK & UNREADABLE
