"""The estimate of a run: it asks and makes nothing, and follows the settings."""

from pathlib import Path


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
    sets = ("--set", "expert.model=openai:gpt-5", "--set", "budget.usd=0.001")
    shown = elenchus("launch", mock_pool, *sets, "--dry-run")
    assert f"Together {known['usd']:.2f} USD: over budget.usd=0.001" in shown.out


def test_what_is_asked_for_more_often_costs_more(mock_pool: Path, elenchus) -> None:
    usual = uses(elenchus, mock_pool)
    more = uses(elenchus, mock_pool, "expert.samples=4", "exam.questions=40")
    assert more["expert"]["calls"] > 2 * usual["expert"]["calls"]
    assert more["grader"]["calls"] > usual["grader"]["calls"]
    blind = uses(elenchus, mock_pool, "examination.sighted=false")
    assert blind["student"]["calls"] < usual["student"]["calls"]


def test_answers_that_may_differ_are_compared(mock_pool: Path, elenchus) -> None:
    """The mock's never do; those of other experts cost the grader a call a question."""
    constant = uses(elenchus, mock_pool)
    twice = uses(elenchus, mock_pool, "expert.model=openai:mine")
    once = uses(elenchus, mock_pool, "expert.model=openai:mine", "expert.samples=1")
    assert once["grader"]["calls"] == constant["grader"]["calls"]
    questions = once["expert"]["calls"] / 1.04  # without look-ups
    assert abs(twice["grader"]["calls"] - once["grader"]["calls"] - questions) < 2


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
