"""The last screens: what is shown, and the commands that they name."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from elenchus import runs
from elenchus.cli.screen import Screen, show_result, show_table, table
from elenchus.progress import Prefixed
from elenchus.results import Estimate, ExamResult, Result, RunVerdict
from graphs.adaptation import screen as adaptation
from graphs.adaptation.result import AdaptationResult
from graphs.classification.result import ClassificationResult, ClassifierRow, MainMetrics
from graphs.classification.screen import show
from graphs.pretraining import screen as pretraining
from graphs.pretraining.result import PretrainingResult, Stage
from publishing.markdown import verdict_in_markdown

SHARE = Estimate(value=0.9, low=0.8, high=1.0)
METRICS = MainMetrics(
    accuracy=SHARE, precision=None, recall=None, f1=None, brier=SHARE, calibration_error=SHARE,
    roc_auc=None, pr_auc=None,
)  # fmt: skip


SUMMARY = {
    "domain": "d", "run": "r-1", "stopped": "all is done", "rounds": 1, "examples": 3, "calls": 5,
    "tokens": 6, "resumed": False, "seconds": 7.0,
}  # fmt: skip
VERDICT = RunVerdict(
    word="worse",
    reasons=["The change on what people asked is -9.0 [-16.0, -2.0] points: a [loss].", "Second."],
)
EXAM = ExamResult(
    questions=420, ungraded=0, before=SHARE, after=SHARE, gain=SHARE, kinds={},
    results_before=SHARE, results_after=SHARE, constant=0.255,
)  # fmt: skip


def adapted(verdict: RunVerdict | None, adapter: str = "adapters/round-1") -> AdaptationResult:
    untrained = {"after": None, "gain": None, "results_after": None}
    exam = EXAM if adapter else EXAM.model_copy(update=untrained)
    own = EXAM.model_copy(update={"constant": None, "results_before": None})
    return AdaptationResult(
        **SUMMARY, method="examination", verdict=verdict, accuracy_by_round=[],
        exams={"held-out": exam, "untaught": exam, "general": None, "hand": own},
        failure_share_by_round=[], passages=9, readable_passages=8, points=7, examinations=6,
        accepted=5, rejected={}, candidates=4, near_duplicates=0, near_exam=0, too_long=0,
        nearest_exam_similarity=None, points_covered=2, adapter=adapter, update=None,
    )  # fmt: skip


def lines_of(show: Callable[..., None], result: Result) -> list[str]:
    console = Console(width=80, record=True)
    show(result, runs.RunFolder(Path("runs/d/r-1")), console)
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_the_verdict_leads_the_screen() -> None:
    lines = lines_of(adaptation.show, adapted(VERDICT))
    assert lines[:2] == ["", "Verdict: worse"]
    assert lines[2].startswith("  The change on what people asked is -9.0")
    assert "a [loss]." in lines[2] and lines[3] == "  Second."
    long = VERDICT.model_copy(update={"reasons": ["one reason of many words " * 9]})
    wrapped = lines_of(adaptation.show, adapted(long))[2:5]
    assert all(line.startswith("  ") and line[2] != " " for line in wrapped)


def test_results_of_earlier_versions_have_no_verdict() -> None:
    for lines in (lines_of(adaptation.show, adapted(None)), lines_of(pretraining.show, staged())):
        assert not any("Verdict" in line for line in lines)


def test_exams_say_what_a_constant_answer_would_score() -> None:
    lines = lines_of(adaptation.show, adapted(VERDICT))
    (row,) = (line for line in lines if line.startswith(" held-out exam"))
    assert row.split()[-2:] == ["+100.0]", "25.5%"]
    (hand,) = (line for line in lines if line.startswith(" hand-written exam"))
    assert hand.endswith("–")
    assert all(len(line) <= 80 for line in lines)
    assert "always the" in " ".join(lines) and "commonest" in " ".join(lines)
    shown = lines_of(adaptation.show, adapted(None, ""))
    (untrained,) = (line for line in shown if line.startswith(" held-out exam"))
    assert untrained.split() == ["held-out", "exam", "420", "90.0%", "25.5%"]


def test_right_results_whatever_the_reason_stand_below() -> None:
    text = " ".join(" ".join(lines_of(adaptation.show, adapted(VERDICT))).split())
    assert (
        "Right results, whatever the reason: held-out exam 90.0% -> 90.0%; "
        "points not taught 90.0% -> 90.0%."
    ) in text
    untrained = " ".join(" ".join(lines_of(adaptation.show, adapted(None, ""))).split())
    assert "held-out exam 90.0%; points not taught 90.0%." in untrained


def staged(verdict: RunVerdict | None = None) -> PretrainingResult:
    untouched = EXAM.model_copy(update={"after": None, "gain": None})
    return PretrainingResult(
        **SUMMARY, method="passages", verdict=verdict, exams={"held-out": EXAM},
        stages=[
            Stage(stage="untouched", tokens=None, steps=None, exams={"held-out": untouched}),
            Stage(stage="passages", tokens=9, steps=2, exams={"held-out": EXAM}),
        ],
        passages=9, points=8, problems=7, explanations=6, passages_written=5, refused={},
        adapter="adapters/round-1",
    )  # fmt: skip


def test_a_pre_training_shows_the_same() -> None:
    lines = lines_of(pretraining.show, staged(VERDICT))
    assert lines[1] == "Verdict: worse"
    (row,) = (line for line in lines if line.startswith("always the commonest"))
    assert row.split()[-1] == "25.5%"


def test_a_card_leads_with_it() -> None:
    assert verdict_in_markdown(VERDICT).startswith("**Verdict: worse**\n\n- The change on")
    assert "a \\[loss\\]" in verdict_in_markdown(VERDICT)
    assert verdict_in_markdown(None) == "No verdict: nothing was trained."


def test_the_last_line_says_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    show_result(adapted(VERDICT), Path("runs"), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "Verdict: worse, run r-1"
    assert any(line.startswith("report") and line.endswith("/report.html") for line in lines)
    show_result(adapted(None), Path("runs"), as_json=False)
    assert "Verdict" not in capsys.readouterr().out
    show_result(adapted(VERDICT), Path("runs"), as_json=True)
    assert json.loads(capsys.readouterr().out)["verdict"]["word"] == "worse"


@pytest.mark.parametrize("model", ["hf:/data/[old]/m", "hf:/data/[/m]"])
def test_folders_are_no_markup(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELENCHUS_RUNS", raising=False)
    row = ClassifierRow(mix="real", model=model, samples=3, metrics=METRICS)
    result = ClassificationResult(
        **SUMMARY, method="indicators", verdict=VERDICT, classes=["a", "b"], student=model,
        train=3, validation=1, test=9, rows_left_out=[], real_left_out={}, written=4, left_out={},
        indicators={}, lost=[], diversity={}, retained={}, classifiers=[row], notes=[],
    )  # fmt: skip
    console = Console(width=120, record=True)
    show(result, runs.RunFolder(Path("runs/d/r-1")), console)
    shown = console.export_text()
    assert shown.startswith("\nVerdict: worse\n")
    assert model in shown and "90.0% [80.0, 100.0]" in shown
    assert "3 synthetic messages kept of 4; 5 calls, 6 tokens, 7 s." in shown
    assert "runs/d/r-1/classifiers" in shown
    assert "elenchus trace r-1 " in shown and "--runs" not in shown


def test_commands_say_where_runs_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELENCHUS_RUNS", raising=False)
    here, there = (runs.RunFolder(Path(root, "d", "r-1")) for root in ("runs", "/my data/runs"))
    assert here.command("resume") == "elenchus resume r-1"
    assert there.command("trace", "e-1") == 'elenchus trace r-1 e-1 --runs "/my data/runs"'
    monkeypatch.setenv("ELENCHUS_RUNS", "/my data/runs")
    assert there.command("resume") == "elenchus resume r-1"


def printed(width: int, terminal: bool, whole: bool = False) -> list[str]:
    """Return the lines of a table that holds a long name and a number."""
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None)
    rows = [("documents/" + "long-" * 40 + "name.md\nin two lines", f"{1234:,}")]
    show_table(console, table(("document", "characters"), rows, right=("characters",)), whole)
    return file.getvalue().rstrip("\n").split("\n")


def test_names_end_in_an_ellipsis_where_the_terminal_does() -> None:
    _, row = printed(60, terminal=True)
    assert len(row) <= 60 and row.split()[0].endswith("…") and row.split()[-1] == "1,234"


@pytest.mark.parametrize("terminal", [True, False])
def test_files_and_ids_have_names_whole(terminal: bool) -> None:
    _, row = printed(60, terminal, whole=terminal)
    assert "long-name.md in two lines" in row and row.split()[-1] == "1,234"


def test_bars_of_several_runs_stand_below_one_another() -> None:
    written = io.StringIO()
    screen = Screen()
    screen._console = Console(file=written, width=120, force_terminal=True, highlight=False)
    one, two = Prefixed(screen, "baths"), Prefixed(screen, "lido")
    with two.stage("Survey") as longer:
        with one.stage("Index") as advance:
            advance(2, 2)
            assert [bar.description for bar in screen._bars.tasks] == [
                "lido: Survey",
                "baths: Index",
            ]
        assert [bar.description for bar in screen._bars.tasks] == ["lido: Survey"]
        one.say("9 passages")
        longer(1, 3)
    assert screen._bars is None
    with one.stage("Train"):  # bars begin anew
        pass
    shown = written.getvalue()
    for text in ("baths: Index", "2/2", "baths: 9 passages", "lido: Survey", "1/3", "baths: Train"):
        assert text in shown
