"""`elenchus evaluate`: a labelled test after a run, and one message for each bad input."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elenchus.ledger import Ledger
from elenchus.outcomes import Example
from elenchus.own_tests import TestConfig
from elenchus.runs import RunFolder
from graphs import evaluating
from graphs.adaptation.reviewing import newest
from graphs.config import checked
from tests.graphs.test_exams import Lines
from tests.server.app import MODEL, Server, serving
from tests.server.faults import Plan

ROWS = "clause,label\n" + "".join(
    f"A person may swim on day {n}.,{'Yes' if n % 3 else 'No'}\n" for n in range(12)
)
Command = Callable[..., Any]


@pytest.fixture(scope="module")
def run(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A copy of a finished run, with an adapter of the built-in student."""
    copied = tmp_path_factory.mktemp("evaluated") / "runs" / "pool" / trained_run.name
    shutil.copytree(trained_run, copied)
    return RunFolder(copied)


@pytest.fixture
def evaluate(run: RunFolder, tmp_path: Path, elenchus: Command) -> Command:
    """Evaluate the run on a table; --answer and --template are given unless a test gives them."""
    (tmp_path / "own.csv").write_text(ROWS, encoding="utf-8")

    def done(*more: str, test: str | None = "own.csv") -> Any:
        plain = {"--template": "Clause: {clause}", "--answer": "label"} if test else {}
        given = [
            part for name, value in plain.items() if name not in more for part in (name, value)
        ]
        table = ["--test", str(tmp_path / test)] if test else []
        return elenchus("evaluate", run.id, *table, *given, *more, "--runs", run.path.parent.parent)

    return done


def test_a_choice_before_and_after_and_beside_another_model(
    run: RunFolder, evaluate: Command, tmp_path: Path
) -> None:
    more = ("--score", "choice", "--name", "swim", "--model", "builtin:nano")
    done = evaluate(*more, "--json")
    assert done.code == 0, done.err
    taken = done.json["swim"]
    assert taken["questions"] == 12 and taken["labels"] == {"No": 4, "Yes": 8}
    assert taken["chance"] == pytest.approx(8 / 12)
    assert list(taken["models"]) == ["before", "after", "builtin:nano"]
    before, other = taken["models"]["before"], taken["models"]["builtin:nano"]
    assert other["accuracy"] == before["accuracy"] and other["p"] == 1.0
    assert other["brier"] == pytest.approx(before["brier"])
    file = json.loads((run.path / "tests" / "swim.json").read_text("utf-8"))
    assert file["result"] == taken and file["settings"]["score"] == "choice"
    assert "<svg" in (run.path / "tests" / "swim.svg").read_text("utf-8")
    shown = evaluate(*more)
    assert "always the commonest" in shown.out and "66.7%" in shown.out and "Brier" in shown.out
    listed = evaluate("--score", "exact", "--name", "swim")
    assert listed.code == 2 and "another test of the name 'swim'" in listed.err


def test_answers_are_asked_once_and_stay_in_the_ledger(run: RunFolder, evaluate: Command) -> None:
    def calls() -> int:
        ledger = Ledger(run.ledger, read_only=True)
        try:
            return ledger.usage()[0]
        finally:
            ledger.close()

    first = evaluate("--score", "exact", "--name", "said", "--json")
    assert first.code == 0, first.err
    made = calls()
    again = evaluate("--score", "exact", "--name", "said", "--json")
    assert again.json == first.json and calls() == made
    page = evaluate("--score", "exact", "--name", "said")
    assert page.out.strip().endswith("/tests/")


def test_a_table_with_other_rows_is_another_test(evaluate: Command, tmp_path: Path) -> None:
    more = ("--score", "choice", "--name", "grown")
    assert evaluate(*more).code == 0
    with (tmp_path / "own.csv").open("a", encoding="utf-8") as table:
        table.write("A person may dive.,Yes\n")
    done = evaluate(*more)
    assert done.code == 2 and "is not what it was when the test 'grown' was taken" in done.err


def test_what_was_seen_in_training_counts_in_no_figure_and_fails_if_strict(
    run: RunFolder, evaluate: Command, tmp_path: Path
) -> None:
    ledger = Ledger(run.ledger, read_only=True)
    learnt = [ledger.get(Example, i) for i in newest(ledger).example_ids]
    ledger.close()
    asked = learnt[0].prompt[-1].content
    with (tmp_path / "own.csv").open("a", encoding="utf-8") as table:
        csv.writer(table).writerow((asked, "Yes"))
    more = ("--score", "choice", "--name", "seen")
    done = evaluate(*more, "--json", "--strict")
    assert done.code == 1 and "questions of seen were seen in training" in done.err
    assert (done.json["seen"]["questions"], done.json["seen"]["leaked"]) == (12, 1)
    assert done.json["seen"]["labels"] == {"No": 4, "Yes": 8}  # of what counts alone
    table = {"rows": str(tmp_path / "own.csv"), "template": "Clause: {clause}", "answer": "label"}
    test = checked(TestConfig, table | {"score": "choice"}, "")
    again = evaluating.evaluate(run, {"seen": test}, [], Lines())  # as from Python
    assert again["seen"].model_dump(mode="json") == done.json["seen"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--label", "Yes", "--label", "No", "--label", "Maybe"), "has the label 'Maybe'"),
        (("--template", "{text}"), "no column 'text' among clause, label"),
        (("--score", "guess"), "tests.own: score: Input should be"),
        (("--count", "0"), "tests.own: count: Input should be greater than or equal to 1"),
        (("--name", "../own"), "cannot name a test"),
        (("--score", "choice", "--model", "mock:plain"), "mock:plain are not here: use score"),
        (("--model", "nonsense"), "--model: model: 'nonsense' is not provider:model"),
    ],
)
def test_bad_input_is_told_in_one_line(
    run: RunFolder, evaluate: Command, more: tuple[str, ...], said: str
) -> None:
    done = evaluate(*more)
    assert done.code == 2 and said in done.err and done.err.count("\n") == 1, done.err
    assert not (run.path / "tests" / "own.json").exists()


def test_an_empty_test_and_one_of_one_class_are_refused(evaluate: Command, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("clause,label\n", encoding="utf-8")
    assert "empty.csv has no row that can be asked" in evaluate(test="empty.csv").err
    (tmp_path / "one.csv").write_text("clause,label\na,Yes\nb,Yes\n", encoding="utf-8")
    assert "all 2 rows have the answer 'Yes'" in evaluate(test="one.csv").err


def test_a_model_that_the_server_lacks_is_told_before_anything_is_asked(
    evaluate: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-3b1f0c5e")
    server = Server(Plan({}, 0))
    with serving(server) as url:
        missing = evaluate("--model", "openai:absent", "--base-url", url, "--name", "far")
        assert missing.code == 2 and "absent" in missing.err
        there = evaluate(
            "--model", f"openai:{MODEL}", "--base-url", url, "--name", "far", "--own-prompt",
            "--json",
        )  # fmt: skip
    assert there.code == 0, there.err
    assert list(there.json["far"]["models"])[:2] == ["before", "after"]


def test_a_run_without_tests_of_its_own_says_so(evaluate: Command) -> None:
    done = evaluate(test=None)
    assert done.code == 2 and "has no tests of its own: name a table with --test FILE" in done.err
    done = evaluate("--name", "swimming", test=None)
    assert done.code == 2 and "has no test 'swimming'" in done.err
    done = evaluate("--score", "exact", test=None)
    assert done.code == 2 and "--score is of a table" in done.err


def test_an_unfinished_run_is_resumed_first(
    run: RunFolder, tmp_path: Path, elenchus: Command
) -> None:
    copied = tmp_path / "runs" / "pool" / run.id
    shutil.copytree(run.path, copied)
    (copied / "result.json").unlink()
    (tmp_path / "own.csv").write_text(ROWS, encoding="utf-8")
    done = elenchus(
        "evaluate", run.id, "--test", tmp_path / "own.csv", "--template", "{clause}", "--answer",
        "label", "--runs", tmp_path / "runs",
    )  # fmt: skip
    assert done.code == 2 and "is not finished: `elenchus resume" in done.err
