"""The examples of docs/extending.md: written out, installed as a package, and run."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, write_pool

from tests.programs import Program

EXAMPLE = re.compile(r"^`([\w./]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANSWERS = {"How long does black tea steep?": "About 4 minutes.", "How hot is the water?": "50"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed package."""
    source = tmp_path_factory.mktemp("source")
    text = (ROOT / "docs" / "extending.md").read_text("utf-8")
    for name, content in EXAMPLE.findall(text):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(content, "utf-8")
    place = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run(
        [*command, "--no-build-isolation", "--target", str(place), str(source)], check=True
    )
    return place


def launch(site: Path, home: Path, *changes: str) -> Any:
    """Run a domain's folder in a process that finds the package."""
    sets = [part for change in changes for part in ("--set", change)]
    done = Program("launch", home, "--json", "--runs", home.parent / "runs", *sets, site=site)
    return done if done.ended().code == 2 else json.loads(done.out or done.err)


@pytest.fixture
def tea(tmp_path: Path) -> Path:
    home = tmp_path / "tea"
    (home / "documents").mkdir(parents=True)
    document = "# Tea\n\nBlack tea steeps for 4 minutes in water of 95 degrees.\n"
    (home / "documents" / "tea.md").write_text(document, "utf-8")
    rows = [
        {"question": "How long does black tea steep?", "answer": "4 minutes"},
        {"question": "How hot is the water?", "answer": "95 degrees"},
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (home / "exam.jsonl").write_text(lines, "utf-8")
    given = "".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in ANSWERS.items())
    (home / "answers.jsonl").write_text(given, "utf-8")
    settings = (
        "domain: tea\ntitle: how tea is made\nmethod: quiz\nexam: {hand: exam.jsonl}\n"
        f"student: {{model: 'recorded:{home / 'answers.jsonl'}'}}\nquiz: {{grader: within}}\n"
        f"retrieval: {{index: {tmp_path / 'indexes'}}}\n"
    )
    (home / "domain.yaml").write_text(settings, "utf-8")
    return home


def test_a_method_with_its_backend_and_its_grader(site: Path, tea: Path) -> None:
    result = launch(site, tea)
    assert result["method"] == "quiz"
    assert result["right"]["value"] == 0.5
    root = tea.parent / "runs"
    shown = Program("trace", result["run"], "--json", "--runs", root, site=site).ended()
    assert {row["grade"] for row in json.loads(shown.out)} == {"correct", "incorrect"}


def test_unknown_names_are_answered_with_the_nearest(site: Path, tea: Path) -> None:
    refused = launch(site, tea, "quiz.grader=witin")
    assert refused.code == 2
    assert "did you mean 'within'?" in refused.err
    assert not list((tea.parent / "runs").glob("*/*"))
    refused = launch(site, tea, "method=quizz")
    assert "did you mean 'quiz'?" in refused.err


def test_a_stopping_rule(site: Path, tmp_path: Path) -> None:
    changes = ["exam.questions=5", "exam.general=0", "adaptation.examples=[6, 9]"]
    result = launch(site, write_pool(tmp_path), *changes, "adaptation.stopping=[asked]")
    assert re.fullmatch(r"\d fresh questions were asked", result["stopped"]), result
    assert result["rounds"] == 1
