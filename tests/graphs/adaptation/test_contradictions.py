"""Answers that cannot all be true: the odd one out goes, of two both, and files say why."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenchus.ledger import Ledger
from elenchus.outcomes import Example
from elenchus.progress import unseen
from elenchus.records import Failure, Message
from graphs.adaptation import contradictions as module
from graphs.adaptation.contradictions import MOST, Contradiction, contradictions
from models.blocks import Request
from tests.graphs.making import Bench


def example(n: int, point_id: str = "o-1", round_: int = 1) -> Example:
    return Example(
        prompt=(Message(role="user", content=f"Question {n}?"),),
        completion=f"Answer {n}.",
        question_id=f"q-{n}", turn_id=f"t-{n}", examination_id=f"e-{n}", point_id=point_id,
        passage_ids=("p-1",), kind="apply", round=round_, weight=1.0,
    )  # fmt: skip


def conflicts(*pairs: tuple[int, int]) -> dict[str, Any]:
    """Return a grader's reply that names pairs of answers by their numbers, from 1."""
    return {"conflicts": [{"first": a, "second": b, "why": f"{a} or {b}"} for a, b in pairs]}


def found(bench: Bench, examples: list[Example], round_: int = 1) -> list[Contradiction]:
    return asyncio.run(contradictions(bench.services, examples, round_, unseen))


@pytest.fixture
def bench(tmp_path: Path, ledger: Ledger) -> Bench:
    return Bench(tmp_path, ledger)


@pytest.mark.parametrize(
    ("pairs", "out"),
    [
        ([], []),
        ([(1, 2)], [0, 1]),  # of two, nothing tells which is wrong
        ([(2, 1)], [0, 1]),
        ([(1, 3), (2, 3)], [2]),
        ([(1, 3), (2, 3), (3, 4)], [2]),
        ([(1, 2), (3, 4)], [0, 1, 2, 3]),
        ([(1, 2), (1, 3), (4, 5)], [0, 3, 4]),
        ([(1, 2), (2, 3), (1, 3)], [0, 1, 2]),
        ([(1, 9), (3, 3)], []),  # no pairs of these answers
    ],
)
def test_the_odd_one_out_is_left_out(
    bench: Bench, pairs: list[tuple[int, int]], out: list[int]
) -> None:
    examples = [example(n) for n in range(5)]
    bench.say("grader: consistent", conflicts(*pairs))
    left_out = found(bench, examples)
    assert sorted(c.example_id for c in left_out) == sorted(examples[n].id for n in out)


def test_what_is_left_out_says_with_what_and_why(bench: Bench) -> None:
    examples = [example(n) for n in range(3)]
    bench.say("grader: consistent", conflicts((1, 3), (2, 3)))
    (one,) = found(bench, examples)
    assert one.other_ids == (examples[0].id, examples[1].id)
    assert (one.why, one.round) == ("1 or 3; 2 or 3", 1)
    (request,) = bench.asked
    shown = [(block.attributes["question"], block.text) for block in request.blocks]
    assert shown == [(f"Question {n}?", f"Answer {n}.") for n in range(3)]


@given(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda p: p[0] < p[1])))
def test_none_of_what_stays_contradicts(pairs: set[tuple[int, int]]) -> None:
    examples = [example(n) for n in range(7)]
    left_out = module._left_out(examples, [(a, b, "why") for a, b in sorted(pairs)], 1)
    out = [one.example_id for one in left_out]
    assert len(out) == len(set(out))
    places = {n for n, e in enumerate(examples) if e.id in out}
    assert all(places.intersection(pair) for pair in pairs)
    assert places <= {n for pair in pairs for n in pair}, "nobody goes without a conflict"


def test_only_answers_about_one_point_are_compared_and_only_with_new_ones(bench: Bench) -> None:
    old = [example(n, "o-old") for n in range(2)]
    mixed = [example(2, "o-mixed"), example(3, "o-mixed", round_=2)]
    found(bench, [*old, *mixed, example(4, "o-alone", round_=2)], round_=2)
    assert [request.texts("answer") for request in bench.asked] == [["Answer 2.", "Answer 3."]]


def test_so_many_are_compared_at_once(bench: Bench) -> None:
    found(bench, [example(n) for n in range(MOST + 2)])
    assert [len(request.texts("answer")) for request in bench.asked] == [MOST, 2]
    found(bench, [example(100 + n, "o-2") for n in range(2 * MOST + 1)])
    assert [len(request.texts("answer")) for request in bench.asked[2:]] == [MOST, MOST]


def test_where_a_reply_cannot_be_used_nothing_is_left_out(bench: Bench, ledger: Ledger) -> None:
    def reply(request: Request) -> Any:
        return "no JSON" if "Answer 0." in request.texts("answer") else conflicts((1, 2))

    bench.say("grader: consistent", reply)
    examples = [example(n, f"o-{n // 2}") for n in range(4)]
    assert {one.example_id for one in found(bench, examples)} == {e.id for e in examples[2:]}
    (failure,) = ledger.all(Failure)
    assert (failure.role, failure.task, failure.raw) == ("grader", "consistent", "no JSON")


def test_a_run_leaves_them_out_and_writes_down_why(
    mock_pool: Path, tmp_path: Path, elenchus
) -> None:
    """The first two answers about every point cannot both be true."""
    replies = {"grader: consistent": json.dumps(conflicts((2, 1)))}
    settings = {"grader.options": {"replies": replies}, "adaptation.examples": [5]}
    sets = [p for k, v in settings.items() for p in ("--set", f"{k}={json.dumps(v)}")]
    ended = elenchus("launch", mock_pool, *sets, "--runs", tmp_path / "runs", "--json")
    assert ended.code == 0, ended.err
    folder = Path(ended.json["path"])
    ledger = Ledger(folder / "ledger.sqlite", read_only=True)
    refuted = {c.example_id: c for c in ledger.all(Contradiction)}
    examples = {e.id: e for e in ledger.all(Example)}
    ledger.close()
    assert ended.json["contradicted"] == len(refuted) > 0
    train, rejected = (
        [json.loads(line) for line in (folder / "dataset" / f"{name}.jsonl").open("rb")]
        for name in ("train", "rejected")
    )
    assert refuted.keys().isdisjoint(row["provenance"]["example_id"] for row in train)
    rows = {row["examination_id"]: row for row in rejected if row["code"] == "contradicts"}
    assert len(rows) == len(refuted)
    for example_id, contradiction in refuted.items():
        one = examples[example_id]
        row = rows[one.examination_id]
        assert (row["detail"], contradiction.why) == ("2 or 1", "2 or 1")
        assert (row["question"], row["reply"]) == (one.prompt[-1].content, one.completion)
        assert [p["id"] for p in row["passages"]] == list(one.passage_ids)
        assert {one.point_id} == {examples[i].point_id for i in contradiction.other_ids}
    card = (folder / "dataset" / "README.md").read_text("utf-8")
    assert f"{len(refuted)} that contradict" in card


def test_the_comparison_can_be_left_out(mock_pool: Path, tmp_path: Path, elenchus) -> None:
    sets = ("--set", "checks.consistent=false", "--set", "adaptation.examples=[5]")
    ended = elenchus("launch", mock_pool, *sets, "--runs", tmp_path / "runs", "--json")
    ledger = Ledger(Path(ended.json["path"]) / "ledger.sqlite", read_only=True)
    assert ledger._query("SELECT COUNT(*) FROM calls WHERE task = 'consistent'") == [(0,)]
    ledger.close()
