"""Records and the ledger: content ids, idempotent writes, exact round trips."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenchus.errors import UserError
from elenchus.ledger import Call, Ledger
from elenchus.records import Citation, Passage, Point, Retrieval, Seed

TEXT = st.text(max_size=80)


@given(TEXT, TEXT, st.integers(0, 99))
def test_ids_come_from_content(point: str, asked: str, round_: int) -> None:
    def seed(shift: int) -> Seed:
        return Seed(point_id=point, kind="apply", round=round_ + shift, variation=0, asked=(asked,))

    assert seed(0).id == seed(0).id == Seed.model_validate_json(seed(0).model_dump_json()).id
    assert seed(0).id != seed(1).id


@given(TEXT, TEXT)
def test_a_changed_copy_has_an_id_of_its_own(asked: str, other: str) -> None:
    seed = Seed(point_id="o", kind="apply", round=1, variation=0, asked=(asked,))
    before = seed.id
    copied = seed.model_copy(update={"asked": (other,)})
    assert copied.id == Seed.model_validate_json(copied.model_dump_json()).id
    assert (copied.id == before) == (asked == other)
    assert seed.id == before


def test_a_point_stands_in_each_passage_once() -> None:
    grounds = tuple(Citation(passage_id=p, quote=q) for p, q in ("b1", "a2", "b3"))
    point = Point(sort="rule", statement="s", topic="t", grounds=grounds, kinds=("recall",))
    assert point.passage_ids == ("b", "a")


@given(TEXT, TEXT, st.integers(0, 99))
def test_a_passage_is_itself_wherever_it_stands(source: str, text: str, start: int) -> None:
    def passage(start: int, text: str, *heading: str) -> Passage:
        return Passage(
            document_id=f"d-{start}", source=source, start=start, end=start + 9, heading=heading,
            text=text,
        )  # fmt: skip

    assert passage(start, text).id == passage(0, text).id
    named = passage(start, text).model_copy(update={"title": "The rules", "date": "May 2020"})
    assert named.id == passage(0, text).id
    assert len({passage(0, text).id, passage(0, text + ".").id, passage(0, text, "Part 1").id}) == 3


def test_writing_twice_is_writing_once(ledger: Ledger) -> None:
    seed = Seed(point_id="o-1", kind="recall", round=2, variation=7, asked=("a “q”?",))
    ledger.write(seed)
    ledger.write(seed, seed)
    assert ledger.all(Seed) == [seed]
    assert ledger.count(Seed, round=2) == 1
    assert ledger.count(Seed, round=3) == 0
    assert ledger.get(Seed, seed.id) == seed
    assert [(e.kind, e.id) for e in ledger.entries(seed.id[:6])] == [("Seed", seed.id)]
    assert ledger.fields(Seed, "$.round", "$.asked") == {seed.id: (2, '["a “q”?"]')}


def test_kinds_do_not_mix(ledger: Ledger) -> None:
    ground = Citation(passage_id="p", quote="q")
    point = Point(sort="rule", statement="s", topic="t", grounds=(ground,), kinds=("recall",))
    ledger.write(point)
    assert ledger.all(Seed) == []
    assert ledger.all(Point) == [point]


def test_calls_are_kept_once(ledger: Ledger) -> None:
    call = Call(
        id="m-1", role="expert", task="answer", model="m", prompt_sha256="s", request="[]",
        response="é", input_tokens=3, output_tokens=4, seconds=0.5,
    )  # fmt: skip
    ledger.write_call(call)
    ledger.write_call(call.model_copy(update={"response": "other"}))
    assert ledger.call("m-1") == call
    assert ledger.call("m-2") is None
    assert ledger.usage() == (1, 7)


def test_records_outlive_the_process(ledger: Ledger) -> None:
    seed = Seed(point_id="o", kind="apply", round=1, variation=1)
    ledger.write(seed)
    again = Ledger(ledger.path)
    assert again.all(Seed) == [seed]
    again.close()


def test_calls_of_another_run_are_taken_over(ledger: Ledger, tmp_path: Path) -> None:
    other = Ledger(tmp_path / "other.sqlite")
    call = Call(
        id="m-1", role="expert", task="answer", model="m", prompt_sha256="", request="[]",
        response="yes", input_tokens=1, output_tokens=1, seconds=0.1,
    )  # fmt: skip
    retrieval = Retrieval(query="lamps", passage_ids=("p-1",))
    other.write_call(call)
    other.write(retrieval, Seed(point_id="o-1", kind="recall", round=1, variation=1))
    other.close()
    ledger.adopt(tmp_path / "other.sqlite", searches=False)
    assert (ledger.call("m-1"), ledger.all(Retrieval)) == (call, [])
    ledger.adopt(tmp_path / "other.sqlite", searches=True)
    assert (ledger.all(Retrieval), ledger.all(Seed)) == ([retrieval], [])
    assert ledger.usage() == (0, 0), "the other run paid for them"


def test_what_another_process_writes_is_seen_where_nothing_can_be_written(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.write(seed := Seed(point_id="t", kind="apply", round=1, variation=0))
    monkeypatch.setattr("os.access", lambda *_: False)
    reader = Ledger(ledger.path, read_only=True)
    assert reader.all(Seed) == [seed]
    reader.close()


def test_a_closed_ledger_is_read_where_nothing_can_be_written(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Ledger(tmp_path / "other.sqlite")
    other.write(Seed(point_id="t", kind="apply", round=1, variation=0))
    call = Call(id="c", role="expert", task="answer", model="m", prompt_sha256="", request="[]")
    other.write_call(call)
    other.close()
    monkeypatch.setattr("os.access", lambda *_: False)
    reader = Ledger(other.path, read_only=True)
    assert reader.count(Seed) == 1
    reader.close()
    ledger.adopt(other.path, searches=False)
    assert ledger.call("c") == call


def test_a_ledger_without_tables_says_so_where_it_is_only_read(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.touch()
    with pytest.raises(UserError, match="holds nothing: its run stopped before it asked anything"):
        Ledger(path, read_only=True)
