"""Statistics of comparisons: pairing, intervals, equivalents, and the report they make."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import comparison, efficiency, harness, strategies, tables
from elenchus.errors import UserError
from elenchus.loading import merged
from graphs.config import validate

SHARES = st.floats(0, 1)


def row(strategy: str, n: int, accuracy: float, seed: int = 0, tokens: int | None = None) -> dict:
    data = 70 * n if tokens is None else tokens
    return {
        "domain": "d", "seed": seed, "strategy": strategy, "n": n, "accuracy": accuracy,
        "samples": n, "data_tokens": data, "seen_tokens": 5 * data, "steps": n,
        "learnt": accuracy / 2,
        "by_samples": {"0": [1, 2], "1": [round(10 * accuracy), 10]},
    }  # fmt: skip


@given(st.lists(SHARES, min_size=2, max_size=9))
def test_the_mean_lies_in_its_interval(values: list[float]) -> None:
    interval = comparison.interval(values)
    assert interval["low"] - 1e-9 <= interval["mean"] <= interval["high"] + 1e-9
    assert interval["replicates"] == len(values)


def test_differences_are_paired() -> None:
    """Replicates that differ much, but always by the same, leave no doubt."""
    rows = [row("adversarial", 100, 0.1 * s + 0.2, s) for s in range(5)]
    rows += [row("random", 100, 0.1 * s + 0.1, s) for s in range(5)]
    rows += [row("random", 200, 0.9)]  # nothing to pair it with
    differences = comparison.differences(rows, "adversarial", "random")
    assert differences.keys() == {"100"}
    assert differences["100"]["low"] == pytest.approx(0.1)
    assert differences["100"]["high"] == pytest.approx(0.1)
    differences = comparison.differences(rows, "adversarial", "random", "learnt")
    assert differences["100"]["mean"] == pytest.approx(0.05)


@given(st.lists(SHARES, min_size=2, max_size=9))
def test_seeds_of_one_domain_are_its_replicates(values: list[float]) -> None:
    alone, interval = comparison.of_seeds([values]), comparison.interval(values)
    assert alone == pytest.approx({key: interval[key] for key in ("mean", "low", "high")})


@given(st.lists(st.lists(SHARES, min_size=2, max_size=5), min_size=2, max_size=4), SHARES)
def test_seeds_alone_do_not_see_how_domains_differ(values: list[list[float]], by: float) -> None:
    one = comparison.of_seeds(values)
    other = comparison.of_seeds([[v + by for v in values[0]], *values[1:]])
    assert one is not None and other is not None
    assert other["high"] - other["low"] == pytest.approx(one["high"] - one["low"], abs=1e-9)
    assert other["mean"] == pytest.approx(one["mean"] + by / len(values))


def test_seeds_alone_with_more_seeds_on_one_domain() -> None:
    """Worked out by hand: squares .02 and .02 over 3 degrees of freedom, t = 3.182."""
    interval = comparison.of_seeds([[0.1, 0.3], [0.0, 0.1, 0.2]])
    assert interval is not None and interval["mean"] == pytest.approx(0.15)
    width = 3.1824 * math.sqrt(0.04 / 3 * (1 / 2 + 1 / 3)) / 2
    assert interval["high"] - interval["mean"] == pytest.approx(width, rel=1e-4)


def test_seeds_alone_want_two_of_each_domain() -> None:
    assert comparison.of_seeds([[0.1, 0.2], [0.1]]) is None


@given(st.floats(0.3, 0.9))
def test_what_is_needed_gives_the_accuracy_back(accuracy: float) -> None:
    along = [(0.0, 0.1), (100.0, 0.3), (400.0, 0.9)]
    amount = comparison.needed(accuracy, along)
    assert amount * 1.0001 >= 100 and amount <= 400.0001
    part = math.log(amount / 100) / math.log(4)
    assert 0.3 + part * 0.6 == pytest.approx(accuracy)


def test_the_least_amount_that_reaches_an_accuracy_is_taken() -> None:
    along = [(100.0, 0.5), (200.0, 0.5), (400.0, 0.6)]
    assert comparison.needed(0.5, along) == 100
    assert comparison.needed(0.6, along) == 400
    assert comparison.needed(0.5, along[:1]) == 100


def test_at_equal_tokens_the_adversarial_accuracy_is_read_between_its_sizes() -> None:
    rows = [row("adversarial", n, accuracy) for n, accuracy in ((0, 0.2), (100, 0.4), (200, 0.8))]
    # Training of as many tokens as 50, 150 and 300 adversarial samples take; of the last, no more
    # is known than what 200 came to.
    rows += [row("paraphrase x1", 100, 0.1, tokens=70 * 50)]
    rows += [row("paraphrase x10", 100, 0.1, tokens=70 * 150)]
    rows += [row("random", 300, 0.5)]
    gaps = comparison.at_equal_tokens(rows)
    means = {name: cell["mean"] for name, by_size in gaps.items() for cell in by_size.values()}
    assert means == pytest.approx({"paraphrase x1": 0.2, "paraphrase x10": 0.5, "random": 0.3})
    assert gaps["random"]["300"]["seen_tokens"] == 5 * 70 * 300


def test_an_interval_over_seeds_and_questions_knows_both() -> None:
    certain = comparison.crossed([[1.0] * 50, [1.0] * 50])
    assert certain["low"] == certain["high"] == 1
    one = comparison.crossed([[0.0, 1.0] * 50])
    assert one["low"] == pytest.approx(0.5 - 1.96 * 0.05, abs=0.015), "binomial, of 100 questions"
    seeds = comparison.crossed([[0.0] * 50, [1.0] * 50])
    assert seeds["high"] - seeds["low"] == 1, "either seed may be drawn twice"


def test_what_lies_beyond_the_sizes_tried_has_no_amount() -> None:
    assert comparison.needed(0.95, [(100.0, 0.3), (400.0, 0.9)]) == math.inf
    assert comparison.needed(0.2, [(100.0, 0.3), (400.0, 0.9)]) == 0
    assert comparison.needed(0.65, [(25.0, 0.7), (50.0, 0.6), (100.0, 0.8)]) == 0


def test_an_equivalent_has_an_interval_over_replicates() -> None:
    """Random ones double from .3 to .9 in four replicates; in the fifth they get there sooner."""
    rows = []
    for seed in range(5):
        rows += [row("adversarial", 100, 0.6, seed), row("random", 100, 0.3, seed)]
        rows.append(row("random", 200, 0.9 if seed else 1.0, seed))
    ratio = comparison.equivalents(rows, "random", "samples")["100"]
    assert 1.3 < ratio["low"] <= ratio["mean"] <= ratio["high"] == pytest.approx(math.sqrt(2))
    beyond = [row("adversarial", 100, 0.95), row("random", 100, 0.3), row("random", 200, 0.9)]
    nothing = {"mean": None, "low": None, "high": None}
    assert comparison.equivalents(beyond, "random", "samples") == {
        "100": nothing | {"replicates": 1}
    }


def test_sizes_of_a_few_replicates_make_no_curve() -> None:
    rows = [row("random", n, 0.5, seed) for n in (100, 200) for seed in range(2)]
    rows.append(row("random", 400, 0.9))
    assert comparison.curve(rows, "random", "samples") == [(100, 0.5), (200, 0.5)]


def test_one_replicate_has_no_interval() -> None:
    assert comparison.interval([0.5]) == {"mean": 0.5, "low": None, "high": None, "replicates": 1}


def test_the_multiples_of_a_text_are_sizes_of_one_curve() -> None:
    rows = [row("adversarial", 100, 0.5, tokens=7000)]
    for times, accuracy in ((1, 0.2), (10, 0.3), (40, 0.6)):
        rows.append(row(f"paraphrase x{times}", 100, accuracy, tokens=7000 * times))
    ratio = efficiency.report(rows)["paraphrase_tokens_per_adversarial_token"]["100"]
    assert 10 < ratio["mean"] < 40, "half way between 30 and 60 %, so between x10 and x40"


def test_the_untouched_student_counts_once_a_replicate() -> None:
    """A run for each size has it in each, and so has each multiple of a text."""
    rows = [row("adversarial", 100, 0.5, seed, tokens=7000) for seed in range(2)]
    for seed in range(2):
        for n in (100, 200):
            rows += [row("plain", 0, 0.1 + 0.1 * seed, seed), row("plain", n, 0.4, seed)]
        for times in (1, 10, 40, 70):
            rows.append(row(f"paraphrase x{times}", 0, 0.1, seed))
            rows.append(row(f"paraphrase x{times}", 100, times / 100, seed, 7000 * times))
    families = strategies.families(rows)
    table = comparison.table(families)
    assert table["plain"]["0"].items() >= comparison.interval([0.1, 0.2]).items()
    assert {n: cell["replicates"] for n, cell in table["paraphrase"].items()} == dict.fromkeys(
        ("0", "100", "1000", "4000", "7000"), 2
    )
    assert len(comparison.curve(families, "paraphrase", "data_tokens")) == 4
    assert len(comparison.curve(rows, "plain", "samples")) == 2


def test_the_report_names_what_is_missed() -> None:
    rows = []
    for seed in range(3):
        for n, adversarial, random in ((100, 0.6, 0.5), (200, 0.8, 0.6), (400, 0.95, 0.9)):
            rows.append(row("adversarial", n, adversarial + 0.01 * seed, seed))
            rows.append(row("random", n, random, seed))
        rows.append(row("paraphrase x10", 100, 0.4, seed, tokens=70_000))
    figures = efficiency.report(rows)
    assert figures["replicates"] == 3
    assert figures["random_per_adversarial"]["100"]["mean"] == pytest.approx(2, rel=0.15)
    assert figures["paraphrase_tokens_per_adversarial_token"]["100"]["mean"] is None
    assert figures["right_by_samples"]["random"] == pytest.approx({"0": 0.5, "1": 0.6667}, rel=1e-3)
    missed = "\n".join(figures["missed"])
    assert "random at n = 400: +0.060" in missed
    assert "random at n = 200" not in missed
    assert "paraphrase" not in missed, "x70 was not asked for"
    shorter = [r for r in rows if (r["strategy"], r["n"], r["seed"]) != ("random", 200, 0)]
    missed = "\n".join(efficiency.report(shorter)["missed"])
    assert "random at n = 200: not measured, with 2 of 3 replicates" in missed
    assert figures["equal_tokens"]["random"]["100"]["mean"] == pytest.approx(0.11)


def test_every_strategy_is_a_valid_configuration() -> None:
    rows = [row("adversarial", n, 0.5) for n in strategies.SIZES]
    for name in strategies.ALL:
        for cell in strategies.cells(name, harness.ROOT, 0, strategies.SIZES, rows):
            tree = {"domain": "d", "title": "t"}
            config = validate(merged(tree, json.loads(cell.changes)), name)
            assert config.adaptation.examples == cell.sizes
            rate = 5e-3 if config.method == "rewriting" else 4e-3
            assert config.training.learning_rate == rate, "what published figures were made with"


def test_what_is_printed_tells_fewer_replicates_and_samples(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = []
    for seed in range(2):
        for name in ("adversarial", "random"):
            rows += [row(name, n, 0.3, seed) for n in (25, 50)]
    rows += [row("adversarial", 100, 0.5), row("random", 100, 0.4) | {"samples": 98}]
    tables.show(efficiency.report(rows) | {"rows": rows})
    shown = capsys.readouterr().out
    assert "50.0 of 1" in shown
    assert "d, seed 0: random has 98 samples, not 100" in shown
    assert "random samples for one of 25 adversarial ones: 1\n" in shown


def test_one_process_at_a_time_has_a_comparison(tmp_path: Path) -> None:
    lock = harness.claim(tmp_path)
    with pytest.raises(UserError, match="in use by another process"):
        harness.claim(tmp_path)
    lock.release()
    harness.claim(tmp_path)


def test_a_comparison_is_of_one_version_of_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    for folder in ("agents", "models", "prompts", "offline"):
        (program / folder).mkdir(parents=True)
    (program / "agents" / "expert.py").write_text("one", "utf-8")
    (program / "offline" / "model.safetensors").write_text("one", "utf-8")
    monkeypatch.setattr(harness, "ROOT", program)
    parser = harness.parser("efficiency", "", seeds=1)
    out = tmp_path / "out"
    for _ in range(2):
        harness.parsed(parser, ["--out", str(out)])
    parts = ("agents/expert.py", "models/calls.py", "prompts/ask.md", "offline/model.safetensors")
    for place in parts:
        (program / place).write_text("another", "utf-8")
        with pytest.raises(UserError, match="another version of the program"):
            harness.parsed(parser, ["--out", str(out)])
        (out / "program").unlink()
        harness.parsed(parser, ["--out", str(out)])
    (out / "runs").mkdir()
    (out / "program").unlink()
    with pytest.raises(UserError, match="another version of the program"):
        harness.parsed(parser, ["--out", str(out)])
