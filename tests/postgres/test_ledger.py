"""A ledger in PostgreSQL does what one in a file does, value by value."""

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elenchus.errors import UserError
from elenchus.ledger import Call, Ledger
from elenchus.outcomes import Complaint
from elenchus.postgres import Place
from elenchus.postgres.session import common
from elenchus.records import Passage, Retrieval, Seed

# What a text of a model or a document may hold; code 0 and halves of pairs are taken out of both.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
TOKENS = st.integers(0, 2**40)
SEEDS = st.builds(
    Seed,
    point_id=TEXT,
    kind=st.sampled_from(["recall", "apply"]),
    round=st.integers(0, 3),
    variation=st.integers(0, 9),
    asked=st.tuples(TEXT, TEXT),
)
PASSAGES = st.builds(
    Passage, document_id=TEXT, source=TEXT, start=TOKENS, end=TOKENS, heading=st.tuples(TEXT),
    text=TEXT | st.just('\\u0000 "quoted" \\'),
)  # fmt: skip
CALLS = st.builds(
    Call,
    id=st.sampled_from(["m-1", "m-2", "É-3"]),
    attempt=st.integers(0, 2),
    role=TEXT, task=TEXT, model=TEXT, prompt_sha256=TEXT, request=TEXT, response=TEXT,
    input_tokens=TOKENS, output_tokens=TOKENS, finish_reason=TEXT,
    seconds=st.floats(0, 1e9),
    likelihood=st.none() | st.floats(-1e9, 0).map(lambda n: n + 0.0),  # SQLite knows no -0.0
    estimated=st.booleans(), repaired=st.booleans(),
)  # fmt: skip
DONE = st.one_of(
    st.tuples(st.just("write"), st.lists(SEEDS | PASSAGES, max_size=3)),
    st.tuples(st.just("write_call"), st.tuples(CALLS, st.booleans())),
    st.tuples(st.just("send"), st.tuples(TEXT, TEXT, TOKENS, TOKENS)),
    st.tuples(st.just("withdraw"), st.just(())),
)


def register(address: str, run: str) -> Place:
    common(address).write("INSERT INTO elenchus.runs (id, domain) VALUES (%s, 'pool')", (run,))
    return Place(run, address)


@pytest.fixture
def place(database: str) -> Place:
    """A run of the database, with nothing in it."""
    return register(database, "one")


@pytest.fixture
def ledgers(place: Place, tmp_path: Path) -> Iterator[Callable[[], tuple[Ledger, Ledger]]]:
    """Make an empty ledger in a file, and one in PostgreSQL."""
    made: list[Ledger] = []

    def make() -> tuple[Ledger, Ledger]:
        number = len(made)
        there = register(place.stored, f"run-{number}")
        pair = Ledger(tmp_path / f"{number}.sqlite"), Ledger(there)
        made.extend(pair)
        return pair

    yield make
    for ledger in made:
        ledger.close()


def do(ledger: Ledger, steps: list[tuple[str, Any]]) -> None:
    numbers: list[int] = []
    for verb, given_ in steps:
        if verb == "write":
            ledger.write(*given_)
        elif verb == "send":
            numbers.append(ledger.send(*given_))
        elif verb == "withdraw" and numbers:
            ledger.withdraw(numbers.pop())
        elif verb == "write_call":
            call, answers = given_
            ledger.write_call(call, numbers.pop() if answers and numbers else None)


def told(ledger: Ledger) -> list[Any]:
    """Return all that a ledger tells, with the types of its values."""
    seeds, passages = ledger.all(Seed), ledger.all(Passage)
    calls = list(ledger.calls())
    first = min([*seeds, *passages], key=lambda r: r.id).id if seeds or passages else "x"
    said = [
        seeds, passages, calls, ledger.kinds(), ledger.usage(), ledger.spent(), ledger.answered(),
        ledger.unanswered(), ledger.spent_by_task(), sorted(ledger.prompts()), ledger.entries(""),
        ledger.entries(first[:6]), ledger.mentioning(first, '"'), sorted(ledger.later(Seed, first)),
        ledger.fields(Seed, "$.round", "$.asked", "$.kind", "$.nothing"),
        ledger.fields(Passage, "$.text", "$.heading", "$.start"),
        ledger.all(Seed, round=1, variation=2), ledger.count(Seed, round=2),
        ledger.of_kind("Seed", 2, 1), ledger.of_kind("Passage", 9, containing="A"),
        [ledger.call(c.id) for c in calls], [ledger.call(c.id, c.attempt) for c in calls],
        [ledger.attempts(c.id) for c in calls],
    ]  # fmt: skip
    return [(one, repr(one)) for one in said]  # 1, 1.0 and True are equal, and read otherwise


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(DONE, max_size=12))
def test_both_tell_the_same(ledgers, steps: list[tuple[str, Any]]) -> None:
    file, there = ledgers()
    for ledger in (file, there):
        do(ledger, steps)
    assert told(there) == told(file)


def test_values_have_the_types_that_sqlite_gives_them(ledgers) -> None:
    for ledger in ledgers():
        ledger.write_call(_call(likelihood=math.nan))
        assert ledger.call("c") == _call(likelihood=None)
        assert ledger._query("SELECT estimated, seconds FROM calls") == [(0, 0.0)]


def _call(**changes: Any) -> Call:
    given_ = {"id": "c", "role": "r", "task": "t", "model": "m", "prompt_sha256": "p"}
    return Call(**given_, request="[]", **changes)


def test_fields_of_a_text_with_the_character_of_code_0_are_read(ledgers) -> None:
    for ledger in ledgers():
        ledger.write(made := Seed(point_id="a\0b", kind="apply", round=1, variation=0))
        assert ledger.all(Seed, round=1) == [made]
        assert ledger.fields(Seed, "$.round") == {made.id: (1,)}


@pytest.mark.parametrize("from_file", [True, False])
@pytest.mark.parametrize("to_file", [True, False])
def test_calls_are_taken_over_from_either_to_either(
    ledgers, from_file: bool, to_file: bool
) -> None:
    source, target = ledgers()[not from_file], ledgers()[not to_file]
    calls = [_call().model_copy(update={"id": f"c-{n}"}) for n in range(450)]
    for call in calls:
        source.write_call(call)
    found, said = (
        Retrieval(query="q", passage_ids=("p",)),
        Seed(point_id="s", kind="apply", round=0, variation=0),
    )
    source.write(found, said)
    target.adopt(source.path, searches=False)
    assert (target.count(Retrieval), target.count(Complaint)) == (0, 0)
    target.adopt(source.path, searches=True)
    assert list(target.calls()) == calls
    assert (target.all(Retrieval), target.all(Seed), target.usage()) == ([found], [], (0, 0))


def test_runs_do_not_see_one_another(database: str) -> None:
    one, other = (Ledger(register(database, run)) for run in ("a", "b"))
    one.write(Seed(point_id="s", kind="apply", round=0, variation=0))
    one.write_call(_call(), one.send("r", "m", 1, 1))
    assert (other.kinds(), other.usage(), other.spent()) == ({}, (0, 0), [])
    assert one.path.exists() and not other.path.exists()
    with pytest.raises(UserError, match="holds nothing: its run stopped before it asked anything"):
        Ledger(other.path, read_only=True)


def test_a_run_that_the_database_does_not_have_is_told(database: str) -> None:
    with pytest.raises(UserError, match=r"run two is not in the database d.* ELENCHUS_DATABASE"):
        Ledger(Place("two", database))


def test_one_decides_at_a_time(place: Place) -> None:
    with closing(Ledger(place)) as ledger, ledger.alone("review.lock"):
        query = "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory'"
        assert common(place.stored).query(query) == [(1,)]
    assert common(place.stored).query(query) == [(0,)]
