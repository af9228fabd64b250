"""What an id names is shown, and what models and documents say, as it stands."""

import importlib
import resource
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from elenchus.ledger import Ledger
from elenchus.outcomes import Example
from elenchus.records import (
    Answer,
    Citation,
    Examination,
    Point,
    Question,
    Seed,
    Turn,
    verdict,
)
from elenchus.runs import RunFolder
from graphs.adaptation import trace

listing = importlib.import_module("elenchus.cli.trace")  # whose package has its function, too


@pytest.mark.parametrize("topic", ["[/INST] x", "mooring [section 3] fee"])
def test_topics_are_no_markup(
    topic: str, ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"examination": "e-1", "round": 1, "kind": "recall", "topic": topic, "turns": 1}
    trace.show_overview(ledger, [row | {"gap": None, "outcome": "accepted"}], RunFolder(tmp_path))
    assert topic in capsys.readouterr().out


@pytest.fixture
def run(mocked_run: tuple[Path, dict[str, Any]]) -> RunFolder:
    """A finished run, of mocks."""
    return RunFolder(Path(mocked_run[1]["path"]))


def test_any_id_is_shown(run: RunFolder, elenchus: Any) -> None:
    ledger, root = Ledger(run.ledger, read_only=True), run.path.parent.parent
    rows = ledger._query("SELECT kind, MIN(id), body FROM records GROUP BY kind")
    calls = ledger._query("SELECT task, MIN(id), response FROM calls GROUP BY role, task")
    assert len(rows) > 10 and len(calls) > 5
    for kind, record_id, text in (*rows, *calls):
        shown = elenchus("trace", run.id, record_id, "--runs", root)
        told = elenchus("trace", run.id, record_id, "--runs", root, "--json")
        assert shown.code == told.code == 0 and record_id in shown.out, (kind, text)
        if record_id.startswith("m-"):
            assert told.json["record"]["response"] == text
    ledger.close()


def test_lists_are_filtered_and_searched(run: RunFolder, elenchus: Any) -> None:
    root = run.path.parent.parent

    def ids(*options: str) -> list[str]:
        ended = elenchus("trace", run.id, *options, "--runs", root, "--json")
        assert ended.code == 0, ended.err
        return [row["examination"] for row in ended.json]

    every = elenchus("trace", run.id, "--runs", root, "--json").json
    for column in ("outcome", "kind", "topic"):
        for value in {row[column] for row in every}:
            expected = [r["examination"] for r in every if r[column] == value]
            found = ids(f"--{column}", value)
            assert set(expected) <= set(found) and (column == "topic" or expected == found)
    rejected = [row["examination"] for row in every if row["outcome"] != "accepted"]
    assert ids("--outcome", "rejected") == rejected and len(rejected) < len(every)

    with closing(Ledger(run.ledger, read_only=True)) as ledger:
        turns = {turn.id: turn for turn in ledger.all(Turn)}
        made = ledger.all(Examination)
    asked = {e.id: " ".join(turns[i].question.text for i in e.turn_ids) for e in made}
    word = max((w for text in asked.values() for w in text.split() if w.isalpha()), key=len)
    found = set(ids("--search", word))
    assert {i for i, text in asked.items() if word in text.split()} <= found
    assert ids("--search", "xylophones") == []

    halves = [ids("--since", row["examination"]) for row in every]
    assert sorted(map(len, halves)) == list(range(len(every)))
    refused = elenchus("trace", run.id, "--since", "e-nowhere", "--runs", root)
    assert refused.code == 2 and "nothing has an id" in refused.err


def test_a_long_list_is_paged_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"examination": f"e-{n}"} for n in range(120)]
    assert listing._paged(rows, 1, trace) == rows
    monkeypatch.setattr(listing.sys.stdout, "isatty", lambda: True, raising=False)
    assert listing._paged(rows, 3, trace)[0]["examination"] == "e-100"
    assert "page 3 of 3, 120 in all" in capsys.readouterr().out
    assert len(listing._paged(rows, 1, trace)) == 50
    assert "--page 2 shows more" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["Example", "Turn", "Question", "Seed"])
def test_a_part_of_an_examination_is_shown_with_it(
    run: RunFolder, elenchus: Any, kind: str
) -> None:
    ledger, root = Ledger(run.ledger, read_only=True), run.path.parent.parent
    (example_id, (examination_id, turn_id, question_id)), *_ = ledger.fields(
        Example, "$.examination_id", "$.turn_id", "$.question_id"
    ).items()
    seed_id = ledger.get(Examination, examination_id).seed_id
    ids = {"Example": example_id, "Turn": turn_id, "Question": question_id, "Seed": seed_id}
    call_id = ledger.get(Turn, turn_id).question.call_id
    ledger.close()
    for part in (ids[kind], ids[kind][:12]):
        told = elenchus("trace", run.id, part, "--runs", root, "--json").json
        assert told["kind"] == kind and told["examination"]["id"] == examination_id
    assert call_id in str(elenchus("trace", run.id, call_id, "--runs", root).out)


@pytest.mark.parametrize(("part", "says"), [("z-1", "nothing has an id"), ("p-", "ids start")])
def test_what_no_id_begins_with(run: RunFolder, elenchus: Any, part: str, says: str) -> None:
    end = elenchus("trace", run.id, part, "--runs", run.path.parent.parent)
    assert end.code == 2 and says in end.err and end.err.count("\n") == 1


def test_thousands_of_examinations_take_no_time(run: RunFolder, tmp_path: Path) -> None:
    """Measured in processor time, the start of Python included."""
    root = tmp_path / "runs"
    copied = root / "pool" / "20260101-000000-abcd"
    copied.mkdir(parents=True)
    (copied / "run.yaml").write_bytes((run.path / "run.yaml").read_bytes())
    ledger = Ledger(copied / "ledger.sqlite")
    ground = Citation(passage_id="p-1", quote="a quote of some words " * 5)
    point = Point(sort="rule", statement="s", topic="t", grounds=(ground,), kinds=("recall",))
    ledger.write(point)
    answer = Answer(text="an answer " * 30, citations=(ground,), call_id="m-1", tokens=70)
    for n in range(5000):
        seed = Seed(point_id=point.id, kind="recall", round=1, variation=n)
        question = Question(
            text=f"Question {n}? " * 8,
            kind="recall",
            exam=False,
            point_id=point.id,
            passage_ids=("p-1",),
            round=1,
            call_id="m-1",
        )
        turn = Turn(question=question, expert=(answer,) * 2, student=(answer,) * 3,
                    verdict=verdict(("incorrect", "partial", "correct")))  # fmt: skip
        made = Examination(seed_id=seed.id, round=1, turn_ids=(turn.id,), accepted_turn_id=turn.id)
        ledger.write(seed, question, turn, made)
    ledger.close()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "elenchus", "trace", copied.name, "--runs", str(root)]
    done = subprocess.run([*command, "--json"], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.count(b'"examination"') == 5000
    # Most of it is for the libraries.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
