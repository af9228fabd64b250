"""Lists of examinations: whatever is selected is what a plain reading of the records selects."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenchus.errors import UserError
from elenchus.ledger import Call, Ledger
from elenchus.records import Examination, Rejection, Seed
from inspection.index import Index
from inspection.reading import Run
from inspection.rows import Row, Selection, beside, facets, matching, select, words
from models.prices import Prices
from tests.graphs.making import (
    make_passage,
    make_point,
    make_question,
    make_turn,
    write_examination,
)


@pytest.fixture(scope="module")
def run(finished: Path) -> Iterator[Run]:
    """That run, opened."""
    with Run(finished) as opened:
        yield opened


@pytest.fixture(scope="module")
def index(run: Run) -> Iterator[Index]:
    """The index of that run, whole."""
    made = Index(run.folder.ledger, Prices({}))
    assert made.refresh("calls", 60)
    yield made
    made.close()


def all_rows(index: Index, selection: Selection = Selection()) -> list[Row]:  # noqa: B008
    return select(index, selection, size=10_000).rows


def test_rows_are_what_the_trace_shows(run: Run, index: Index) -> None:
    rows = {row.id: row for row in all_rows(index)}
    traced = {row["examination"]: row for row in run.overview()}
    assert rows.keys() == traced.keys()
    for i, row in rows.items():
        shown = traced[i]
        assert (row.round, row.kind, row.topic, row.turns) == tuple(
            shown[name] for name in ("round", "kind", "topic", "turns")
        )
        assert row.gap == shown["gap"]
        assert (row.code or "accepted") == shown["outcome"]


def test_calls_of_an_examination_are_counted_with_its_checks(run: Run, index: Index) -> None:
    calls = {call.id: call for call in run.calls}
    accepted = next(e for e in run.examinations if e.accepted_turn_id)
    turns = [turn for turn in run.turns if turn.id in accepted.turn_ids]
    named = {t.question.call_id for t in turns}
    named |= {a.call_id for t in turns for a in (*t.expert, *t.student)}
    named |= {t.verdict.call_id for t in turns if t.verdict and t.verdict.call_id}
    asked = {t.question.text for t in turns}
    checks = {
        i
        for i, call in calls.items()
        if call.task in ("support", "guess", "agree")
        and any(f"<question>\\n{text}\\n<" in call.request for text in asked)
    }
    assert checks
    row = next(row for row in all_rows(index) if row.id == accepted.id)
    of_it = [calls[i] for i in named | checks]
    assert row.calls == len(of_it)
    assert row.tokens == sum(call.input_tokens + call.output_tokens for call in of_it)
    assert set(row.models or ()) == {call.model.partition("+")[0] for call in of_it}
    assert row.usd == 0  # none of these models costs anything


def test_filters_leave_what_they_say(index: Index) -> None:
    rows = all_rows(index)
    counted = facets(index)
    for name in ("outcome", "code", "kind", "topic", "round"):
        assert sum(count for _, count in counted[name]) == sum(
            getattr(row, name) not in ("", None) for row in rows
        )
        for value, count in counted[name]:
            chosen = all_rows(index, Selection.of({name: str(value)}))
            assert len(chosen) == count
            assert {getattr(row, name) for row in chosen} == {value}
    widest = all_rows(index, Selection.of({"gap_from": "0.5", "sort": "gap", "order": "desc"}))
    gaps = [row.gap for row in widest]
    assert gaps == sorted((r.gap for r in rows if r.gap is not None and r.gap >= 0.5), reverse=True)
    two = all_rows(index, Selection.of({"outcome": "accepted", "round": "1"}))
    assert two == [row for row in rows if row.outcome == "accepted" and row.round == 1]
    asked = all_rows(index, Selection.of({"model": "builtin:nano"}))
    assert asked == [row for row in rows if "builtin:nano" in (row.models or ())] != []


def test_a_search_looks_through_all_texts(run: Run, index: Index) -> None:
    turns = {turn.id: turn for turn in run.turns}
    examination = next(e for e in run.examinations if e.accepted_turn_id)
    turn = turns[examination.turn_ids[-1]]
    cited = {c.passage_id for answer in turn.expert for c in answer.citations}
    passages = [p.text for p in run.passages if p.id in cited]
    texts = [turn.question.text, turn.expert[0].text, turn.student[0].text, *passages]
    assert turn.verdict is not None
    texts += [turn.verdict.missed, *turn.verdict.critiques]
    for text in filter(words, texts):
        found = all_rows(index, Selection(q=f'"{" ".join(text.split())[:60]}"'))
        assert examination.id in {row.id for row in found}, text
    # In capitals, and with both words but not beside one another.
    first, *_, last = [w.upper() for w in turn.question.text.split() if w.isalpha()]
    assert examination.id in {r.id for r in all_rows(index, Selection(q=f"{last} {first}"))}
    rejected = next(e for e in run.examinations if e.rejection and e.rejection.raw)
    assert rejected.rejection is not None
    raw = words(rejected.rejection.raw)[0]
    assert rejected.id in {row.id for row in all_rows(index, Selection(q=raw))}


@given(st.text(), st.text(), st.text())
def test_no_query_breaks_a_list(index: Index, first: str, second: str, third: str) -> None:
    query = {"q": first, "round": second, "gap_from": second, "sort": third, "page": second,
             "topic": third, "usd_to": second, "order": third, "tokens_from": second}  # fmt: skip
    selection = Selection.of(query)
    listed = select(index, selection)
    assert 0 <= len(listed.rows) <= listed.total and 1 <= listed.page <= listed.pages
    assert Selection.of(selection.query(page=selection.page)) == selection


def test_marks_alone_find_nothing(index: Index) -> None:
    assert matching('AND "OR (x') == '"AND" * AND "OR (x" *'
    assert not select(index, Selection(q="*\"'(")).total


def test_pages_are_the_list_in_order(index: Index) -> None:
    selection = Selection.of({"sort": "topic", "order": "desc"})
    whole = all_rows(index, selection)
    pages = select(index, selection, size=7).pages
    parts = [
        select(index, selection.model_copy(update={"page": n + 1}), size=7).rows
        for n in range(pages)
    ]
    assert [row for part in parts for row in part] == whole
    (number,) = index.query("SELECT number FROM examinations WHERE id = ?", whole[3].id)[0]
    assert beside(index, selection, number) == (whole[2].id, whole[4].id)
    (first,) = index.query("SELECT number FROM examinations WHERE id = ?", whole[0].id)[0]
    assert beside(index, selection, first) == (None, whole[1].id)


def test_the_index_follows_a_ledger_that_grows(ledger: Ledger) -> None:
    passage = make_passage("A boat may stay for 14 days.")
    point = make_point(passage, topic="stay")
    seed = Seed(point_id=point.id, kind="apply", round=1, variation=1)
    question = make_question("May a heron nest for 20 days?", point.id)
    ledger.write(passage, point)
    index = Index(ledger.path, Prices({}))
    assert index.refresh("calls", 60) and all_rows(index) == []
    turn = make_turn(question, ["incorrect", "correct"], ["Otters may.", "Herons may not."])
    examination = write_examination(ledger, seed, turn, accepted=True)
    call = Call(
        id="m-1", role="student", task="answer", model="openai:gpt-5", prompt_sha256="",
        request="[]", response="Otters may.", input_tokens=1000, output_tokens=100,
    )  # fmt: skip
    ledger.write_call(call)
    ledger.write_call(call.model_copy(update={"attempt": 1, "input_tokens": 2000}))
    assert index.refresh("calls", 60)
    (row,) = all_rows(index)
    assert (row.id, row.outcome, row.gap, row.tokens) == (
        examination.id, "accepted", pytest.approx(0.5), 3200,
    )  # fmt: skip
    assert row.usd == pytest.approx((3000 * 1.25 + 200 * 10) / 1e6)
    assert all_rows(index, Selection(q="otters 14 days")) == [row]
    other = Seed(point_id=point.id, kind="recall", round=1, variation=2)
    asked = make_question("How long may a boat stay?", point.id)
    ledger.write(asked)
    refused = Rejection(code="repeats", raw="zebra", question_id=asked.id)
    write_examination(ledger, other, refused=refused)
    assert index.refresh("calls", 60)
    assert [r.question for r in all_rows(index, Selection(code="repeats", q="zebra"))] == [
        "How long may a boat stay?"
    ]
    assert len(all_rows(index)) == ledger.count(Examination) == 2
    index.close()


def test_a_model_without_a_price_leaves_the_cost_open(ledger: Ledger) -> None:
    point = make_point(make_passage("A boat may stay."))
    seed = Seed(point_id=point.id, kind="apply", round=1, variation=1)
    turn = make_turn(make_question("May it?", point.id), ["incorrect"])
    ledger.write(point)
    write_examination(ledger, seed, turn, accepted=True)
    ledger.write_call(
        Call(id="m-1", role="student", task="answer", model="openai:gpt-unheard-of",
             prompt_sha256="", request="[]", input_tokens=5)
    )  # fmt: skip
    index = Index(ledger.path, Prices({}))
    index.refresh("calls", 60)
    assert [(row.tokens, row.usd) for row in all_rows(index)] == [(5, None)]
    index.close()


def test_a_damaged_ledger_is_said(run: Run, tmp_path: Path) -> None:
    whole = run.folder.ledger.read_bytes()
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    index = None
    with pytest.raises(UserError, match="is damaged"):
        index = Index(path, Prices({}))
        index.refresh("calls", 60)
    if index is not None:
        index.close()
