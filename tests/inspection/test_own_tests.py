"""Tests of the user's own, on the pages and in the report of a run: whatever their names say."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from elenchus.own_tests import TestConfig
from elenchus.results import Estimate, TestResult, TestSitting
from elenchus.runs import RunFolder
from graphs import test_files
from inspection import report
from inspection.pages.app import make_app
from tests.inspection.making import fill, finish, make_run

TEST = TestConfig.model_validate({"rows": "own.csv"})
HOSTILE = "<script>alert(1)</script>"


def sat(value: float, **more: object) -> TestSitting:
    return TestSitting(accuracy=Estimate(value=value, low=value, high=value), **more)  # type: ignore[arg-type]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A finished run, with a test that was taken afterwards by a model of an odd name."""
    made = make_run(tmp_path / "runs")
    fill(made).close()
    finish(made)
    gain = Estimate(value=0.25, low=0.125, high=0.375)
    taken = TestResult(
        score="exact", questions=1234, leaked=3, chance=0.625,
        models={"before": sat(0.5), HOSTILE: sat(0.75, gain=gain, won=10, lost=2, p=0.0386)},
    )  # fmt: skip
    test_files.write(made, "swim", TEST, taken)
    (made.path / "tests" / "broken.json").write_text("{", encoding="utf-8")
    return made


def test_they_are_on_the_page_of_exams_and_in_the_report(run: RunFolder) -> None:
    with TestClient(make_app(run.path.parents[1]), base_url="http://localhost") as client:
        answer = client.get(f"/runs/{run.path.parent.name}/{run.id}/exams")
    assert answer.status_code == 200, answer.text
    for page in (answer.text, report.write(run).read_text("utf-8")):
        assert "Tests of your own" in page and ">swim</th>" in page
        assert "1,234" in page and "75.0%" in page and "62.5%" in page
        assert "+25.0 [+12.5, +37.5]" in page and "0.039" in page
        assert "3 questions seen in training are left out" in page
        assert HOSTILE not in page and "&lt;script&gt;" in page
        assert "broken" not in page


def test_a_run_without_any_shows_none(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs")
    fill(run).close()
    finish(run)
    assert "Tests of your own" not in report.write(run).read_text("utf-8")
