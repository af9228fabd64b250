"""Ablations: wrong answers are counted, a trend is found, and what is missed is said."""

import functools
import json
from pathlib import Path

import pytest

from benchmarks import ablations, invented, strategies
from elenchus.loading import merged
from graphs.config import validate


def row(name: str, n: int, accuracy: float, seed: int = 0, wrong: float = 0.0) -> dict:
    return {
        "domain": "d", "seed": seed, "strategy": name, "n": n, "accuracy": accuracy, "wrong": wrong,
        "learnt": accuracy,
        "samples": n, "data_tokens": n, "seen_tokens": n, "steps": n, "examined": n, "asked": n,
        "exams": {"general": {"before": 0.9, "after": 0.8}},
    }  # fmt: skip


def test_every_change_is_a_configuration_of_its_own() -> None:
    tree = {"domain": "d", "title": "t"}
    configurations = {
        name: validate(merged(tree, strategies.COMMON, changes), name).model_dump_json()
        for name, changes in ablations.CHANGES.items()
    }
    assert len(set(configurations.values())) == len(configurations), (
        "a change that changes nothing measures nothing"
    )


def test_less_replay_is_trained_on_for_as_many_steps() -> None:
    usual = validate({"domain": "d", "title": "t"}, "").training.replay
    epochs = strategies.COMMON["training"]["epochs"]
    for name in ("replay 0.0", "replay 0.5"):
        changed = ablations.CHANGES[name]["training"]
        assert changed["epochs"] * (1 + changed["replay"]) == pytest.approx(epochs * (1 + usual))


def test_a_trend_over_refinements_is_found() -> None:
    rising = [
        row(name, 200, 0.5 + 0.02 * place + 0.01 * seed, seed)
        for seed in range(4)
        for place, name in enumerate(ablations.REFINEMENTS)
    ]
    trend = ablations.refinement_trend(rising)
    assert trend is not None
    assert trend["slope"]["mean"] == pytest.approx(0.02)
    assert trend["p"] < 0.01
    level = ablations.refinement_trend([r | {"accuracy": 0.5} for r in rising])
    assert level is not None
    assert level["p"] > 0.05


def test_the_report_names_what_is_missed() -> None:
    rows = [row("unchanged", 200, 0.7), row("expert errs, checked", 200, 0.6, wrong=0.05)]
    rows.append(row("kinds evenly", 200, 0.6))
    figures = ablations.report(rows)
    assert figures["minus_unchanged"].keys() == {"kinds evenly"}, "an erring expert errs in exams"
    assert figures["minus_unchanged"]["kinds evenly"]["200"]["mean"] == pytest.approx(-0.1)
    (wrong,) = figures["missed"]
    assert "5.0 %" in wrong
    rows.append(row("expert errs, unchecked", 200, 0.6, wrong=0.2))
    assert ablations.report(rows)["wrong_let_through"]["mean"] == pytest.approx(0.15)
    rows += [row(name, 200, 0.7) for name in ablations.REFINEMENTS]
    assert "not measured" in ablations.report(rows)["missed"][1], "one replicate makes no trend"


def test_only_what_was_asked_for_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rows(job: functools.partial, *_: object) -> list[dict]:
        return [row(name, n, 0.7) for name in job.args[0] for n in (0, 200)]

    monkeypatch.setattr(ablations.harness, "in_processes", rows)
    out = ["--out", str(tmp_path), "--seeds", "1"]
    erring = [part for name in ablations.ERRING for part in ("--only", name)]
    assert ablations.main([*erring, *out]) == 0
    assert ablations.main(["--only", "3 refinements", *out]) == 0
    assert ablations.main(out) == 1, "one replicate makes no trend"


def test_wrong_examples_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {
        "exam": {"questions": 10, "general": 4},
        "training": {"rank": 2, "epochs": 1, "learning_rate": 1e-3},
    }
    monkeypatch.setattr(strategies, "COMMON", merged(strategies.COMMON, small))
    monkeypatch.setattr(ablations, "_GENERAL", {})
    unchecked = ablations.CHANGES["expert errs, unchecked"]
    always = merged(unchecked, {"expert": {"options": {"wrong": 0.5}}})
    monkeypatch.setitem(ablations.CHANGES, "expert errs, unchecked", always)
    domain = invented.write(tmp_path, "test", rules=8)
    names = ["unchanged", "expert errs, unchecked", "expert errs, checked"]
    rows = ablations.group(names, (8,), tmp_path / "out", domain, 0)
    wrong = {r["strategy"]: r["wrong"] for r in rows if r["n"] == 8}
    assert wrong["unchanged"] == 0.0
    assert wrong["expert errs, unchecked"] > 0.2
    costs = json.loads(json.dumps(ablations.report(rows)))["costs"]
    assert costs["unchanged"]["examined"]["mean"] >= 8
    asked, examined = (costs["expert errs, checked"][key]["mean"] for key in ("asked", "examined"))
    assert asked >= examined, "questions are put to the expert that it cannot be trusted in"
    ablations.show(ablations.report(rows))
