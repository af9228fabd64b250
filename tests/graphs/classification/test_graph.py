"""Runs that make classifiers: whole, stopped and resumed, edited by a person, and refused."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from conftest import ROOT, launched, records

from agents.indicators import IndicatorExpert
from agents.prompting import Subject
from elenchus import runs
from elenchus.ledger import Ledger
from elenchus.records import Failure
from elenchus.sections import ModelConfig
from graphs.classification.graph import draw_requests, merge_lists
from graphs.classification.records import (
    Classifier,
    IndicatorList,
    Indicators,
    RealMessage,
    Removal,
    SyntheticMessage,
)
from graphs.config import validate
from models.backend import make_model
from models.calls import Caller
from tests.programs import Program

PLACES = ("home", "work", "the station", "the bank", "my office", "a shop")
DAYS = ("Monday", "Tuesday", "Friday", "Sunday")
ARRIVAL = [
    line.format(place, day.lower())
    for place, day in zip(PLACES * 2, DAYS * 3, strict=True)
    for line in ("my new card has not come to {} since {}", "when will the card be sent to {}, {}?")
]
THEFT = [
    line.format(place, day.lower())
    for place, day in zip(PLACES * 2, DAYS * 3, strict=True)
    for line in (
        "somebody stole my wallet at {} last {}",
        "I lost it near {} on {}, block it",
    )
]
SMALL: dict[str, Any] = {
    "domain": "cards",
    "title": "messages about cards",
    "method": "indicators",
    "messages": {
        "train": "train.csv",
        "test": "test.csv",
        "classes": {"arrival": "a card has not come", "theft": "a card is lost or stolen"},
        "near_duplicate": 0.999,
    },
    "indicators": {"examples": 8},
    "generation": {"per_class": 12, "per_request": 6, "group": 5, "rounds": 2},
    "classifier": {"least_steps": 4},
    "training": {"rank": 2, "epochs": 0.1, "least_steps": 1, "save_steps": 2},
}


MOCK = {"model": "mock:plain"}
# Agents that cost no time; messages that repeat the real ones but for a number are kept.
MOCKED: dict[str, Any] = {
    "expert": MOCK,
    "generation": {"author": MOCK, "judge": False, "near_real": 1.0, "near_duplicate": 1.0},
    "training": {"enabled": False},
}


def write(folder: Path, **changes: Any) -> Path:
    """A domain of messages in a folder of its own, with changes to sections."""
    home = folder / "cards"
    home.mkdir(parents=True)
    rows = [*((t, "arrival") for t in ARRIVAL), *((t, "theft") for t in THEFT)]
    for name, split in (("train.csv", rows[::2] + rows[1::4]), ("test.csv", rows[3::4])):
        lines = [f'"{text}",{label}' for text, label in split]
        (home / name).write_text("\n".join(["text,label", *lines]), "utf-8")
    tree = SMALL | {key: SMALL.get(key, {}) | value for key, value in changes.items()}
    (home / "domain.yaml").write_text(yaml.safe_dump(tree), "utf-8")
    return home


def write_mocked(folder: Path, **changes: Any) -> Path:
    """The same, with agents that are mocked and nothing trained."""
    sections = MOCKED.keys() | changes.keys()
    return write(folder, **{key: MOCKED.get(key, {}) | changes.get(key, {}) for key in sections})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of a run that nothing interrupted."""
    home = write(tmp_path_factory.mktemp("whole"))
    return launched(home)


def test_a_run_judges_every_mix_beside_the_baseline(whole: dict[str, Any]) -> None:
    rows = [(row["mix"], row["model"]) for row in whole["classifiers"]]
    baseline = "TF-IDF, logistic"
    mixes = ("real", "synthetic", "hybrid")
    assert rows == [
        ("untrained", "builtin:nano"),
        *((mix, model) for mix in mixes for model in ("builtin:nano", baseline)),
    ]
    for row in whole["classifiers"]:
        accuracy = row["metrics"]["accuracy"]
        assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    assert whole["test"] == len(ARRIVAL + THEFT) // 4
    assert whole["examples"] + sum(whole["left_out"].values()) == whole["written"]
    assert whole["lost"] == []


def test_a_run_says_which_mix_to_take(whole: dict[str, Any]) -> None:
    verdict, take = whole["verdict"], whole["take"]
    assert verdict["word"] == "not to be trusted"  # of twelve test messages
    assert verdict["reasons"][0].startswith("12 test messages are too few")
    assert (take["mix"], take["model"]) in {(r["mix"], r["model"]) for r in whole["classifiers"]}
    report = (Path(whole["path"]) / "report.md").read_text("utf-8")
    assert report.splitlines()[2] == "**Verdict: not to be trusted**"


def test_the_run_folder_is_complete(whole: dict[str, Any]) -> None:
    folder = Path(whole["path"])
    for name in ("metrics.json", "report.md", "reliability.svg", "clusters.svg", "result.json"):
        assert (folder / name).stat().st_size > 0, name
    assert "| hybrid, builtin:nano |" in (folder / "report.md").read_text("utf-8")
    lines = (folder / "dataset" / "messages.jsonl").read_text("utf-8").splitlines()
    dataset = [json.loads(line) for line in lines]
    assert sum(m["synthetic"] for m in dataset) == whole["examples"]
    assert {m["text"] for m in dataset if m["synthetic"]}.isdisjoint(ARRIVAL + THEFT)
    (hybrid,) = (folder / "predictions").glob("hybrid-student.jsonl")
    for line in hybrid.read_text("utf-8").splitlines():
        assert sum(json.loads(line)["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert list(folder.rglob("*.partial")) == []


def test_the_card_of_a_classifier_has_its_measures(whole: dict[str, Any]) -> None:
    folder = Path(whole["path"])
    trained = {one["mix"]: one for one in whole["classifiers"] if one["model"] == whole["student"]}
    cards = {path.parent.name: path for path in (folder / "classifiers").glob("*/README.md")}
    assert cards.keys() == trained.keys() - {"untrained"} != set()
    for mix, path in cards.items():
        card, accuracy = path.read_text("utf-8"), trained[mix]["metrics"]["accuracy"]["value"]
        assert "pipeline_tag: text-classification" in card
        assert f"| accuracy | {accuracy:.3f} [" in card
        settings = (path.parent / "adapter_config.json").read_text("utf-8")
        assert str(ROOT) not in settings and str(ROOT) not in card


def test_a_synthetic_message_leads_back_to_everything(whole: dict[str, Any]) -> None:
    ledger = Ledger(Path(whole["path"]) / "ledger.sqlite", read_only=True)
    try:
        real = {m.id: m for m in ledger.all(RealMessage)}
        lists = {listed.id for listed in ledger.all(IndicatorList)}
        removed = {removal.message_id for removal in ledger.all(Removal)}
        assert all(set(one.list_ids) <= lists for one in ledger.all(Indicators))
        for message in ledger.all(SyntheticMessage):
            shown = [real[i] for i in message.example_ids]
            assert {m.label for m in shown} == {message.label}
            assert {m.split for m in shown} == {"train"}, "none of the test may be shown"
            assert removed.isdisjoint(m.id for m in shown)
            assert ledger.call(message.call_id) is not None
        assert {c.mix for c in ledger.all(Classifier)} == {"real", "synthetic", "hybrid"}
    finally:
        ledger.close()


def test_trace_and_runs_show_it(whole: dict[str, Any], elenchus) -> None:
    root = Path(whole["path"]).parent.parent
    shown = elenchus("trace", whole["run"], "--runs", root).out
    assert "Indicators of theft" in shown and "kept" in shown
    rows = elenchus("trace", whole["run"], "--json", "--runs", root).json
    assert len(rows) == whole["written"]
    one = elenchus("trace", whole["run"], rows[0]["message"], "--runs", root)
    assert rows[0]["class"] in one.out and "shown" in one.out
    (row,) = elenchus("runs", "--json", "--runs", root).json
    assert row["examples"] == whole["examples"]


def test_stopped_by_the_budget_and_resumed_it_is_the_same(tmp_path: Path, elenchus) -> None:
    home, root = write_mocked(tmp_path), tmp_path / "runs"
    once = elenchus("launch", home, "--runs", root, "--json").json
    stopped = elenchus("launch", home, "--set", "budget.calls=9", "--runs", root)
    assert stopped.code == 3 and "budget.calls" in stopped.err
    run = runs.listed(root)[-1]
    done = elenchus("resume", run.id, "--budget", "calls=1000", "--runs", root, "--json")
    assert done.code == 0, done.err
    assert records(run.path) == records(Path(once["path"]))
    assert done.json["calls"] == once["calls"], "nothing is asked twice"


def test_killed_while_writing_and_resumed_it_is_the_same(
    whole: dict[str, Any], tmp_path: Path, elenchus
) -> None:
    # Training has tests of its own; what it learns from is the same without it.
    home, root = write(tmp_path, training={"enabled": False}), tmp_path / "runs"
    run = Program("launch", home, "--runs", root).end_when(root, lambda run: _calls(run) > 6)
    done = elenchus("resume", run.id, "--runs", root, "--json")
    assert done.code == 0, done.err
    trained = records(Path(whole["path"]))
    assert records(run.path) == [row for row in trained if row[1] != "Classifier"]


def test_a_person_may_edit_the_indicators(tmp_path: Path, elenchus) -> None:
    home, root = write_mocked(tmp_path, indicators={"approve": True}), tmp_path / "runs"
    waiting = elenchus("launch", home, "--runs", root)
    assert waiting.code == 3
    (run,) = runs.listed(root)
    path = run.path / "indicators.yaml"
    assert str(path) in waiting.err and f"elenchus resume {run.id}" in waiting.err
    texts = yaml.safe_load(path.read_text("utf-8"))
    path.write_text(yaml.safe_dump({"theft": texts["theft"]}), "utf-8")
    refused = elenchus("resume", run.id, "--runs", root)
    assert refused.code == 2 and "arrival, theft" in refused.err
    edited = f"{texts['theft']} They speak of a pickpocket."
    path.write_text(yaml.safe_dump(texts | {"theft": edited}), "utf-8")
    done = elenchus("resume", run.id, "--runs", root, "--json")
    assert done.code == 0, done.err
    assert done.json["indicators"]["theft"] == edited
    ledger = Ledger(run.ledger, read_only=True)
    message = ledger.all(SyntheticMessage, label="theft")[0]
    call = ledger.call(message.call_id)
    ledger.close()
    assert call is not None and "They speak of a pickpocket." in call.request


def test_what_a_run_would_use_is_estimated(whole: dict[str, Any], tmp_path: Path, elenchus) -> None:
    rows = elenchus("launch", write(tmp_path), "--dry-run", "--json").json
    assert [row["role"] for row in rows] == ["expert", "expert", "author", "grader"]
    assert 0.3 < sum(row["calls"] for row in rows) / whole["calls"] < 3
    assert not (tmp_path / "runs").exists()


def test_without_indicators_none_are_asked_for(tmp_path: Path, elenchus) -> None:
    home = write_mocked(
        tmp_path, indicators={"enabled": False}, classifier={"mixes": ["synthetic"]}
    )
    done = elenchus("launch", home, "--runs", tmp_path / "runs", "--json")
    assert done.code == 0, done.err
    assert done.json["indicators"] == {}
    assert {row["mix"] for row in done.json["classifiers"]} == {"synthetic"}


def test_without_training_messages_are_made_and_the_baseline_judged(
    tmp_path: Path, elenchus
) -> None:
    home = write_mocked(tmp_path, student={"model": "openai:any"})
    done = elenchus("launch", home, "--runs", tmp_path / "runs", "--json")
    assert done.code == 0, done.err
    assert {row["model"] for row in done.json["classifiers"]} == {"TF-IDF, logistic"}


def test_a_merge_that_cannot_be_read_keeps_the_ideas_as_they_are(ledger: Ledger) -> None:
    settings = ModelConfig(model="mock:plain", options={"replies": ["no JSON"]})
    caller = Caller(make_model(settings), settings, ledger)
    expert = IndicatorExpert(caller, Subject("cards", "English"), {})
    ideas = ("a wallet", "It is gone!")
    lists = [IndicatorList(label="theft", model=x, ideas=ideas, call_id="c") for x in ("m", "n")]
    indicators = asyncio.run(merge_lists(expert, lists))
    assert indicators.text == "a wallet. It is gone!"
    assert indicators.lost == ideas
    assert indicators.list_ids == tuple(one.id for one in lists) and not indicators.approved


def test_an_author_that_refuses_is_told_and_kept(tmp_path: Path, elenchus) -> None:
    author = MOCK | {"options": {"replies": ["I'm sorry, I can't help with that."]}}
    generation = MOCKED["generation"] | {"author": author, "purpose": "to warn people early"}
    home = write_mocked(tmp_path, generation=generation)
    ended = elenchus("launch", home, "--runs", tmp_path / "runs")
    assert ended.code == 2
    assert "wrote no message that could be used" in ended.err and "calls failed" in ended.err
    (run,) = runs.listed(tmp_path / "runs")
    assert (
        "author: the reply is not the JSON"
        in elenchus("trace", run.id, "--runs", run.path.parent.parent).out
    )
    ledger = Ledger(run.ledger, read_only=True)
    failures = ledger.all(Failure, role="author")
    call = ledger.call(failures[0].call_id)
    ledger.close()
    assert failures and all("I'm sorry" in failure.raw for failure in failures)
    assert call is not None and "to warn people early" in call.request


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"messages": {"test": None}}, "needs messages.train and messages.test"),
        ({"messages": {"label": "class"}}, "no column 'class'"),
        ({"student": {"model": "openai:x"}}, "student.model"),
    ],
)
def test_bad_input_leaves_no_run_behind(tmp_path: Path, elenchus, changes: dict, says: str) -> None:
    home = write(tmp_path, **changes)
    ended = elenchus("launch", home, "--runs", tmp_path / "runs")
    assert ended.code == 2 and says in ended.err
    assert runs.listed(tmp_path / "runs") == []


def _calls(run: runs.RunFolder) -> int:
    if not run.checkpoints.exists():  # made after the ledger's tables
        return 0
    ledger = Ledger(run.ledger, read_only=True)
    try:
        return ledger.usage()[0]
    finally:
        ledger.close()


def test_messages_that_come_in_every_round_are_another_request_in_each(ledger: Ledger) -> None:
    """Whatever became of the earlier ones: of those that failed, nothing tells their number."""
    ledger.write(*(real(f"my card {n}", "theft") for n in range(2)))
    config = validate(SMALL | {"generation": {"per_class": 100, "rounds": 3}}, "test")
    run: Any = SimpleNamespace(config=config, ledger=ledger)
    asked = [
        {(frozenset(m.id for m in examples), n) for _, examples, n in draw_requests(run, round_)}
        for round_ in (1, 2, 3)
    ]
    assert all(asked) and not asked[0] & asked[1] and not asked[1] & asked[2]


def real(text: str, label: str) -> RealMessage:
    return RealMessage(text=text, label=label, split="train", place=text, date="")
