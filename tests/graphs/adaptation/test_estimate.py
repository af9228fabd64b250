"""The estimate of a run: it asks and makes nothing, and follows the settings."""

from pathlib import Path

from agents.prompting import Subject
from elenchus import runs
from elenchus.ledger import Ledger, TaskSpent
from graphs.adaptation.estimate import UNSEEN, Seen, whole
from graphs.config import load
from graphs.estimate import LOOK_UPS, Measure, Use, template


def uses(elenchus, pool: Path, *changes: str) -> dict[str, dict]:
    sets = [part for change in changes for part in ("--set", change)]
    ended = elenchus("launch", pool, *sets, "--dry-run", "--json")
    assert ended.code == 0, ended.err
    return {use["role"]: use for use in ended.json}


def test_a_dry_run_makes_nothing(mock_pool: Path, elenchus, tmp_path: Path) -> None:
    estimated = uses(elenchus, mock_pool)
    assert list(estimated) == ["expert", "examiner", "grader", "student"]
    assert all(use["calls"] > 0 and use["tokens_read"] > 0 for use in estimated.values())
    assert all(use["usd"] == 0 for use in estimated.values()), "local models cost nothing"
    assert [p.name for p in tmp_path.iterdir()] == ["pool"]


def test_prices_make_the_cost(mock_pool: Path, elenchus) -> None:
    unknown = uses(elenchus, mock_pool, "expert.model=openai:mine")
    assert unknown["expert"]["usd"] is None
    known = uses(elenchus, mock_pool, "expert.model=openai:gpt-5")["expert"]
    cost = (known["tokens_read"] * 1.25 + known["tokens_written"] * 10) / 1e6
    assert abs(known["usd"] - cost) < 1e-9
    shown = elenchus("launch", mock_pool, "--set", "expert.model=openai:mine", "--dry-run")
    assert "no price known" in shown.out and "Together" not in shown.out
    sets = ("--set", "expert.model=openai:gpt-5")
    shown = elenchus("launch", mock_pool, *sets, "--dry-run")
    assert f"Together {known['usd']:.2f} USD.\n" in shown.out
    shown = elenchus("launch", mock_pool, *sets, "--set", "budget.usd=0.001", "--dry-run")
    assert f" tokens, {known['usd']:.2f} USD: over budget.usd=0.001" in shown.out


def test_what_is_asked_for_more_often_costs_more(mock_pool: Path, elenchus) -> None:
    usual = uses(elenchus, mock_pool)
    more = uses(elenchus, mock_pool, "expert.samples=4", "exam.questions=40")
    assert more["expert"]["calls"] > 2 * usual["expert"]["calls"]
    assert more["grader"]["calls"] > usual["grader"]["calls"]
    blind = uses(elenchus, mock_pool, "examination.sighted=false")
    assert blind["student"]["calls"] < usual["student"]["calls"]


def test_answers_that_may_differ_are_compared(mock_pool: Path, elenchus) -> None:
    """The mock's never do; those of other experts cost the grader a call in each order."""
    constant = uses(elenchus, mock_pool)
    twice = uses(elenchus, mock_pool, "expert.model=openai:mine")
    once = uses(elenchus, mock_pool, "expert.model=openai:mine", "expert.samples=1")
    assert once["grader"]["calls"] == constant["grader"]["calls"]
    second = (twice["expert"]["calls"] - once["expert"]["calls"]) / (1 + LOOK_UPS)
    assert abs(twice["grader"]["calls"] - once["grader"]["calls"] - 2 * second) < 3
    off = uses(elenchus, mock_pool, "expert.model=openai:mine", "checks.agree=false")
    assert off == once


def test_every_check_has_its_calls(mock_pool: Path, elenchus) -> None:
    usual = uses(elenchus, mock_pool)["grader"]["calls"]
    for check in ("support", "guess", "consistent"):
        less = uses(elenchus, mock_pool, f"checks.{check}=false")["grader"]["calls"]
        assert 0 < less < usual, check
    three = uses(elenchus, mock_pool, "examination.revision=three calls")
    assert three["examiner"]["calls"] > uses(elenchus, mock_pool)["examiner"]["calls"]


def test_an_estimate_is_near_what_a_run_uses(mock_pool: Path, elenchus, tmp_path: Path) -> None:
    """The pool's texts are short, and its mocks terse, so that calls alone can be compared."""
    estimated = uses(elenchus, mock_pool)
    ended = elenchus("launch", mock_pool, "--runs", tmp_path / "runs", "--json")
    assert ended.code == 0, ended.err
    (run,) = runs.listed(tmp_path / "runs")
    ledger = Ledger(run.ledger, read_only=True)
    spent = {spent.role: spent.calls for spent in ledger.spent()}
    ledger.close()
    for role, calls in spent.items():
        assert 0.6 < estimated[role]["calls"] / calls < 1.4, role


def test_prompts_are_measured_with_all_that_is_filled_in(mock_pool: Path, elenchus) -> None:
    subject = Subject.of(load(mock_pool / "domain.yaml"), mock_pool)
    for name in ("examiner/survey", "student/answer"):
        role, _, task = name.partition("/")
        bare = len(subject.templates[name].shown(subject.settings))
        assert template(subject, role, task) > bare + 20, name
    usual = uses(elenchus, mock_pool)
    alone, kind = "questions.partners=0", "questions.kinds.history=asks what held before, and when"
    fewer, more = (uses(elenchus, mock_pool, alone, *own) for own in ((), (kind,)))
    assert fewer["examiner"]["tokens_read"] < more["examiner"]["tokens_read"]
    assert fewer["examiner"]["tokens_read"] < usual["examiner"]["tokens_read"], "nothing is joined"
    own = mock_pool / "prompts" / "expert" / "answer.md"
    own.parent.mkdir(parents=True)
    own.write_text("# Expert: answer\n\n" + 20_000 * "x", encoding="utf-8")
    mine = uses(elenchus, mock_pool)
    assert mine["expert"]["tokens_read"] > usual["expert"]["tokens_read"] + 4000
    assert mine["examiner"] == usual["examiner"]


def planned(pool: Path, seen: Seen) -> dict[str, Use]:
    config = load(pool / "domain.yaml")
    measure = Measure(config, pool, 300)
    return {use.role: use for use in whole(config, measure, 40, 0, seen)}


def test_what_was_seen_takes_the_place_of_what_was_supposed(mock_pool: Path) -> None:
    """Longer answers, more points and refusals weigh; without tokens, the estimate stands."""

    def seen(accepted: int = 5, read: int = 1000, written: int = 100, calls: int = 10) -> Seen:
        spent = TaskSpent("expert", "answer", calls, read * calls, written * calls)
        return Seen(20, 30, 5, accepted, {("expert", "answer"): spent})

    before, one = planned(mock_pool, UNSEEN), planned(mock_pool, seen())
    assert one["expert"].tokens_written != before["expert"].tokens_written
    double = planned(mock_pool, seen(written=200))["expert"]
    assert abs(double.tokens_written - 2 * one["expert"].tokens_written) < 2
    assert double[2:4] == one["expert"][2:4]
    untold = planned(mock_pool, seen(read=0, written=0))["expert"]
    each = before["expert"].tokens_read / before["expert"].calls
    assert abs(untold.tokens_read / untold.calls - each) < 0.05 * each
    refused, more = planned(mock_pool, seen(accepted=0)), planned(mock_pool, seen(calls=20))
    assert refused["student"].calls > one["student"].calls
    assert more["expert"].calls > one["expert"].calls
    assert more["grader"].calls == one["grader"].calls


def test_only_the_built_in_student_sits_the_general_exam(mock_pool: Path, elenchus) -> None:
    def calls(model: str, general: int) -> int:
        changes = (f"student.model={model}", f"exam.general={general}", "training.enabled=false")
        return uses(elenchus, mock_pool, *changes)["student"]["calls"]

    assert calls("builtin:nano", 300) == calls("builtin:nano", 0) + 300
    assert calls("openai:mine", 300) == calls("openai:mine", 0)


def test_documents_of_headings_alone_are_refused(mock_pool: Path, elenchus) -> None:
    for path in (mock_pool / "documents").iterdir():
        path.write_text("# Part 1\n\n## 1.1 Ladders\n", encoding="utf-8")
    ended = elenchus("launch", mock_pool, "--dry-run")
    assert ended.code == 2
    assert "nothing but headings" in ended.err
