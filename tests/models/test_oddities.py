"""Servers that speak otherwise: read where it can be, stepped down to, or one failure a call."""

import asyncio
import resource
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
from models.usage import estimate
from tests.server.app import MODEL, Server, serving
from tests.server.faults import Kind, Plan
from tests.server.oddities import LOST, READ, USAGES, Habit, Oddity

SUBJECT = Subject("t", "English")


def always(*habits: Habit) -> Server:
    return Server(habits=frozenset(habits))


def judge_at(url: str, ledger: Ledger, budget: Budget | None = None, **settings: object) -> Judge:
    config = ModelConfig(model=f"openai:{MODEL}", base_url=url, timeout=30, **settings)
    rates = RateLimits(LimitsConfig(retry_minutes=0.1, in_flight=4))
    return Judge(Caller(make_model(config), config, ledger, rates, budget), SUBJECT)


async def grade(judge: Judge, *answers: str) -> list[object]:
    """Grade answers, each beside one that is the same."""
    tasks = (judge.grade(f"Is it {a}?", Gold(text=a, result=a), [a]) for a in answers)
    try:
        return await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        await judge._caller.model.close()


def outcomes(server: Server, ledger: Ledger, count: int = 3, **settings: object) -> list[object]:
    """Grade so many answers, all different."""
    with serving(server) as url:
        judge = judge_at(url, ledger, **settings)
        return asyncio.run(grade(judge, *(f"a{n}" for n in range(count))))


def are_correct(verdicts: list[object]) -> bool:
    return all(isinstance(v, Verdict) and v.grades == ("correct",) for v in verdicts)


def only(kind: Kind) -> Plan:
    return Plan({kind: 1.0})


@pytest.mark.parametrize("oddity", sorted(READ))
@pytest.mark.parametrize("structured", ["auto", "tool", "prompt"])
def test_an_answer_in_another_form_is_read(oddity: Oddity, structured: str, ledger: Ledger) -> None:
    server = Server(only(oddity))
    assert are_correct(outcomes(server, ledger, structured=structured))
    assert server.completions == server.plan.drawn[oddity] == 3, "none was asked again"


@pytest.mark.parametrize("oddity", sorted(LOST))
def test_what_nobody_can_use_is_the_failure_of_its_call(oddity: Oddity, ledger: Ledger) -> None:
    server = Server(Plan({oddity: 0.6}, seed=4))
    graded = outcomes(server, ledger, 12, structured="prompt")
    assert server.plan.drawn[oddity]
    failed = [one for one in graded if isinstance(one, CallFailed)]
    assert len(failed) == len(ledger.all(Failure)) < 12
    assert are_correct([one for one in graded if one not in failed])


@pytest.mark.parametrize("oddity", sorted(LOST))
def test_it_ends_at_once_where_it_is_all_that_a_server_says(oddity: Oddity, ledger: Ledger) -> None:
    server = Server(only(oddity))
    (failed,) = outcomes(server, ledger, 1)
    assert isinstance(failed, CallFailed)
    assert server.received <= 8
    (failure,) = ledger.all(Failure)
    says = {
        Oddity.THOUGHT: "in its reasoning (length); raise the limit of tokens under grader.options",
        Oddity.ERROR_200: "No model can take this.",
        Oddity.HTML: "is base_url right?",
        Oddity.DEEP: "nested too deeply",
        Oddity.CODE_LIST: "400: No.",
        Oddity.BOMB: "larger than 16 MiB",
        Oddity.HUGE_BODY: "larger than 16 MiB",
        Oddity.AWAY: "redirects to http://models.invalid/v1: correct base_url",
    }
    assert says[oddity] in failure.detail


def test_a_body_that_unpacks_to_a_gigabyte_is_not_unpacked(ledger: Ledger) -> None:
    outcomes(Server(), ledger, 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes(Server(only(Oddity.BOMB)), ledger, 4)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


def test_a_pause_until_the_year_9999_is_none(ledger: Ledger) -> None:
    assert are_correct(outcomes(Server(Plan({Oddity.YEAR_9999: 0.5}, seed=2)), ledger, 6))


def test_a_server_that_forbids_one_prompt_is_not_gone(ledger: Ledger) -> None:
    """The first is forbidden, so that nothing is known of the server yet."""
    server = Server(filtered="Is it bad?", filters=403)
    with serving(server) as url:
        failed, *others = asyncio.run(grade(judge_at(url, ledger), "bad", "good", "fair"))
        assert isinstance(failed, CallFailed) and are_correct(others)
        (failed,) = asyncio.run(grade(judge_at(url, ledger), "bad"))
    assert isinstance(failed, CallFailed), "nor is it after a resume"
    (failure,) = ledger.all(Failure)
    assert failure.code == "refused" and "This prompt was filtered." in failure.detail
    assert server.completions == ledger.usage()[0], "the call that looked is in the ledger, too"


def test_prompts_that_a_server_moderates_are_failures(ledger: Ledger) -> None:
    graded = outcomes(always(Habit.MODERATES), ledger, 20)
    failed = [one for one in graded if isinstance(one, CallFailed)]
    assert 0 < len(failed) == len(ledger.all(Failure)) < 20
    assert are_correct([one for one in graded if one not in failed])


def test_a_server_that_forbids_everything_is_gone(ledger: Ledger) -> None:
    graded = outcomes(Server(ends=(403, "This key may not use the model.")), ledger)
    assert all(isinstance(one, RunStopped) and "may not use" in str(one) for one in graded)
    assert ledger.all(Failure) == []


@pytest.mark.parametrize("habit", [Habit.BREAKS_AT_SCHEMA, Habit.NO_SYSTEM])
def test_what_a_server_cannot_do_is_not_asked_of_it(habit: Habit, ledger: Ledger) -> None:
    server = always(habit)
    assert are_correct(outcomes(server, ledger, 8))
    strictest = "tool" if habit is Habit.BREAKS_AT_SCHEMA else "json_schema"
    assert server.ways == {strictest: 8}
    assert server.received <= 8 + 8 * 3


@pytest.mark.parametrize(
    ("habit", "settings", "says"),
    [
        (Habit.NO_TEMPERATURE, {}, "see grader.temperature: null leaves it out"),
        (Habit.NO_MAX_TOKENS, {"options": {"max_tokens": 9}}, "see grader.options.max_tokens"),
    ],
)
def test_a_setting_that_a_server_refuses_is_named(
    habit: Habit, settings: dict[str, object], says: str, ledger: Ledger
) -> None:
    graded = outcomes(always(habit), ledger, **settings)
    assert all(isinstance(one, RunStopped) and says in str(one) for one in graded)
    assert ledger.all(Failure) == []


@pytest.mark.parametrize("habit", sorted(USAGES))
def test_tokens_that_cannot_be_believed_are_estimated(
    habit: Habit, ledger: Ledger, tmp_path: Path
) -> None:
    usual = Ledger(tmp_path / "usual.sqlite")
    assert are_correct(outcomes(Server(), usual, 8))
    assert are_correct(outcomes(always(habit), ledger, 8))
    (_, told), (_, estimated) = usual.usage(), ledger.usage()
    usual.close()
    assert estimated == pytest.approx(told, rel=0.3)  # it counts four characters a token
    assert ledger._query("SELECT SUM(estimated) FROM calls") == [(8,)]


def test_a_cap_holds_without_usage_and_says_that_it_is_an_estimate(ledger: Ledger) -> None:
    budget = Budget(BudgetConfig(tokens=3000))
    with serving(always(Habit.NO_USAGE)) as url:
        judge = judge_at(url, ledger, budget)
        graded = asyncio.run(grade(judge, *(f"a{n}" for n in range(40))))
    stopped = [one for one in graded if isinstance(one, RunStopped)]
    assert stopped and "tokens is used up" in str(stopped[0])
    assert "partly estimated, as the server does not count its tokens" in str(stopped[0])


def test_a_server_that_lists_no_models_is_asked_one_short_call() -> None:
    for habit in (Habit.NO_MODELS, Habit.ANY_MODEL):
        server = always(habit)
        with serving(server) as url:
            assert (
                backend("openai:x").look(ModelConfig(model=f"openai:{MODEL}", base_url=url)) is None
            )
            assert server.received == 1
            with pytest.raises(UserError, match="does not exist"):
                backend("openai:x").look(ModelConfig(model="openai:raeder", base_url=url))


def test_an_estimate_grows_with_the_text() -> None:
    text = "The porter may, if asked, open gate 12 after 22:30; see section 4.1.\n"
    assert estimate("") == 0
    assert 15 <= estimate(text) <= 26
    assert estimate(text * 9000) == pytest.approx(9000 * estimate(text), rel=0.05)
    assert estimate("港口管理局收取费用。") >= 8


def test_a_trial_call_finds_a_setting_that_is_refused() -> None:
    with serving(always(Habit.NO_MODELS, Habit.NO_TEMPERATURE)) as url:
        settings = ModelConfig(model=f"openai:{MODEL}", base_url=url)
        with pytest.raises(UserError, match=r"see temperature and options: .*'temperature'"):
            backend("openai:x").look(settings)
        assert backend("openai:x").look(settings.model_copy(update={"temperature": None})) is None


def test_a_list_of_models_that_is_elsewhere_or_endless_is_refused() -> None:
    for habit, says in (
        (Habit.MODELS_AWAY, "it redirects to http://models.invalid"),
        (Habit.ENDLESS_MODELS, "answers no JSON"),
    ):
        with serving(always(habit)) as url, pytest.raises(UserError, match=says):
            backend("openai:x").look(ModelConfig(model=f"openai:{MODEL}", base_url=url))
