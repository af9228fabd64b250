"""The estimate of a run: nothing asked, nothing made, and what it depends on."""

from pathlib import Path


def uses(elenchus, pool: Path, *changes: str) -> dict[str, dict]:
    sets = [part for change in changes for part in ("--set", change)]
    ended = elenchus("launch", pool, *sets, "--dry-run", "--json")
    assert ended.code == 0, ended.err
    return {use["role"]: use for use in ended.json}


def test_a_dry_run_makes_nothing(pool: Path, elenchus, tmp_path: Path) -> None:
    found = uses(elenchus, pool)
    assert list(found) == ["expert", "examiner", "grader", "student"]
    assert all(use["calls"] > 0 and use["tokens_read"] > 0 for use in found.values())
    assert all(use["usd"] == 0 for use in found.values()), "built-in models cost nothing"
    assert [p.name for p in tmp_path.iterdir()] == ["pool"]


def test_prices_make_the_cost(pool: Path, elenchus) -> None:
    unknown = uses(elenchus, pool, "expert.model=openai:mine")
    assert unknown["expert"]["usd"] is None
    known = uses(elenchus, pool, "expert.model=openai:gpt-5")["expert"]
    cost = (known["tokens_read"] * 1.25 + known["tokens_written"] * 10) / 1e6
    assert abs(known["usd"] - cost) < 1e-9
    shown = elenchus("launch", pool, "--set", "expert.model=openai:mine", "--dry-run")
    assert "no price known" in shown.out


def test_what_is_asked_for_more_often_costs_more(pool: Path, elenchus) -> None:
    usual = uses(elenchus, pool)
    more = uses(elenchus, pool, "expert.samples=4", "exam.questions=40")
    assert more["expert"]["calls"] > 2 * usual["expert"]["calls"]
    assert more["grader"]["calls"] > usual["grader"]["calls"]
    blind = uses(elenchus, pool, "examination.sighted=false")
    assert blind["student"]["calls"] < usual["student"]["calls"]
