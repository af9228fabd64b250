"""Points: what says one thing is one, what belongs together are partners, some are kept back."""

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenchus.ledger import Ledger
from elenchus.records import Citation, Passage, Point
from graphs.points import NEAR, SAME, alike, is_reserved, merged, partners
from retrieval.embedding import Embedder, Vectors


def passage(source: str = "a.md", section: str = "", text: str = "text") -> Passage:
    heading = (f"{section} Things",) if section else ()
    return Passage(document_id="d", source=source, start=0, end=9, heading=heading, text=text)


def a_point(
    statement: str = "Pay in 14 days.",
    place: str | Passage = "p-1",
    topic: str = "the fee",
    **changes: Any,
) -> Point:
    place = place if isinstance(place, str) else place.id
    ground = Citation(passage_id=place, quote=changes.pop("quote", statement))
    fields = {"sort": "rule", "kinds": ("recall",), "grounds": (ground,)} | changes
    return Point.model_validate({"statement": statement, "topic": topic} | fields)


def one_thing(
    points: Sequence[Point], vectors: Vectors, fixed: Collection[str] = ()
) -> list[Point]:
    """Merge the points that may say one thing, as if they all did."""
    return merged(points, alike(points, vectors), fixed)


def at(*cosines: float) -> Vectors:
    """Return unit vectors in a plane, at these cosines to the first one."""
    angles = np.array([math.acos(cosine) for cosine in cosines])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


# --- merged ------------------------------------------------------------------------------------


def test_what_two_passages_say_is_one_point_with_both_grounds(ledger: Ledger) -> None:
    short = a_point("Pay in 14 days.", "p-1", kinds=("recall", "apply"))
    full = a_point("The fee is paid in 14 days.", "p-2", kinds=("apply", "combine"))
    (one,) = one_thing([short, full], at(1, 0.95))
    assert one.statement == full.statement
    assert set(one.grounds) == {*short.grounds, *full.grounds}
    assert one.passage_ids == ("p-1", "p-2")
    assert one.kinds == ("recall", "apply", "combine")
    ledger.write(one)
    assert ledger.get(Point, one.id) == one
    assert [point.id for point in ledger.all(Point)] == [one.id]


@pytest.mark.parametrize(
    ("changes", "cosine"),
    [
        ({"statement": "Pay in 28 days."}, 0.99),
        ({"statement": "Pay in 14 days, and 2 crowns."}, 0.99),
        ({"statement": "Pay, in 1.4 days."}, 0.99),
        ({"statement": "Do not pay in 14 days."}, 0.99),
        ({"statement": "One can't pay in 14 days."}, 0.99),
        ({"statement": "Pay in 14 days unless away."}, 0.99),
        ({"sort": "exception"}, 0.99),
        ({"topic": "a fine"}, 0.99),
        ({}, SAME - 0.01),
    ],
)
def test_what_differs_in_a_figure_a_negation_or_a_sort_is_another_point(
    changes: dict[str, str], cosine: float
) -> None:
    points = [a_point(), a_point(place="p-2", **changes)]
    assert sorted(one_thing(points, at(1, cosine)), key=points.index) == points


@pytest.mark.parametrize(
    ("statement", "topic"),
    [
        ("Pay within 14 days.", "The fee"),
        ("In 14 days pay.", "fee, the"),
        ("In 14 days pay.", "fee"),
    ],
)
def test_other_words_and_another_order_are_the_same_point(statement: str, topic: str) -> None:
    assert len(one_thing([a_point(), a_point(statement, "p-2", topic)], at(1, 0.99))) == 1


def test_points_are_one_through_others_between_them() -> None:
    points = [a_point(place=f"p-{n}") for n in range(3)]
    ends = [1.0, math.cos(0.3), math.cos(0.6)]
    assert math.cos(0.6) < SAME < math.cos(0.3)
    (one,) = one_thing(points, at(*ends))
    assert one.passage_ids == ("p-0", "p-1", "p-2")
    assert len(one_thing(points[::2], at(*ends[::2]))) == 2


def test_a_point_that_was_asked_about_stays_as_it_is() -> None:
    old, new, other = a_point(), a_point("Pay in 14 days or so.", "p-2"), a_point(place="p-3")
    assert one_thing([old, new], at(1, 0.99), {old.id}) == [old]
    both = one_thing([old, new, other], at(1, 0.99, 0.99), {old.id, other.id})
    assert {point.id for point in both} == {old.id, other.id}


PLACES = st.lists(st.sampled_from(["p-1", "p-2", "p-3"]), max_size=12)


@given(PLACES, st.data())
def test_no_ground_is_lost_and_none_is_made(places: list[str], data: st.DataObject) -> None:
    drawn = [a_point(f"Pay in {n % 3} days.", place) for n, place in enumerate(places)]
    points = list({point.id: point for point in drawn}.values())
    cosine = st.floats(-1, 1, allow_nan=False)
    vectors = at(*(data.draw(cosine) for _ in points)) if points else np.zeros((0, 2), np.float32)
    made = one_thing(points, vectors)
    assert {g for p in made for g in p.grounds} == {g for p in points for g in p.grounds}
    assert [p.id for p in made] == sorted({p.id for p in made})
    assert {p.statement for p in made} == {p.statement for p in points}
    assert len(made) <= len({p.id for p in points})


def test_embeddings_alone_would_take_other_figures_for_the_same() -> None:
    """The reason for comparing figures and negations at all."""
    statements = (
        "A boat that stays longer than 14 days pays the harbour fee twice.",
        "A boat that stays longer than 28 days pays the harbour fee twice.",
        "The harbour fee is paid twice by a boat that stays longer than 14 days.",
    )
    points = [a_point(s, f"p-{n}", "harbour fee") for n, s in enumerate(statements)]
    vectors = Embedder("minilm").encode(statements)
    assert vectors[0] @ vectors[1] > SAME
    places = {point.passage_ids for point in one_thing(points, vectors)}
    assert places == {("p-0", "p-2"), ("p-1",)}


# --- partners ----------------------------------------------------------------------------------


def joined(
    points: Sequence[Point], vectors: Vectors, passages: Sequence[Passage], most: int = 9
) -> list[list[int]]:
    """Return the partners of each point, by their places."""
    found = partners(points, vectors, {p.id: p for p in passages}, most)
    places = {point.id: n for n, point in enumerate(points)}
    assert list(found) == [point.id for point in points]
    return [[places[other] for other in found[point.id]] for point in points]


def test_what_is_near_in_meaning_belongs_together() -> None:
    passages = [passage(text=str(n)) for n in range(4)]
    points = [a_point(f"s{n}", p, f"topic {n} of {n}") for n, p in enumerate(passages)]
    cosines = (1.0, 0.8, 0.6, NEAR - 0.01)
    assert joined(points, at(*cosines), passages)[0] == [1, 2]
    assert joined(points, at(*cosines), passages, most=1)[0] == [1]
    assert partners(points, at(*cosines), {p.id: p for p in passages}, 0) == {}


def test_what_says_the_same_is_no_partner() -> None:
    """To join two points that hardly differ asks for nothing more than one of them."""
    passages = [passage(text=str(n)) for n in range(2)]
    points = [a_point(f"s{n}", p) for n, p in enumerate(passages)]
    assert joined(points, at(1, SAME + 0.01), passages) == [[], []]


def test_a_topic_decides_between_points_as_near_as_each_other() -> None:
    passages = [passage(text=str(n)) for n in range(3)]
    topics = ("harbour fee", "lost boats", "the harbour fee")
    points = [a_point(f"s{n}", p, topics[n]) for n, p in enumerate(passages)]
    assert joined(points, at(1, 0.8, 0.8), passages)[0] == [2, 1]


def test_another_document_goes_before_the_same_passage() -> None:
    here, below, away = passage(), passage(text="below"), passage("b.md")
    places = (here, here, below, away)
    points = [a_point(f"s{n}", p, f"topic {n} of {n}") for n, p in enumerate(places)]
    assert joined(points, at(1, 0.8, 0.8, 0.8), [here, below, away])[0] == [3, 2, 1]


def test_a_reference_joins_what_is_far_in_meaning() -> None:
    fees, delay = passage("a.md", "2.1"), passage("a.md", "3.4")
    other = passage("b.md", "3.4")
    points = [
        a_point("Pay.", fees, quote="Who is late pays as section 3.4 says."),
        a_point("Late is after 14 days.", delay, "delay"),
        a_point("Boats are green.", other, "paint"),
    ]
    assert joined(points, at(1, 0, -1), [fees, delay, other])[0] == [1]


def test_a_reference_counts_more_than_nearness() -> None:
    fees, delay, near = passage("a.md", "2.1"), passage("a.md", "3.4"), passage("a.md", "2.2")
    points = [
        a_point("Pay.", fees, "fee", quote="See sections 3.4 and 9."),
        a_point("Late is after 14 days.", delay, "delay"),
        a_point("Pay at the desk.", near, "desk"),
    ]
    assert joined(points, at(1, 0, 0.9), [fees, delay, near])[0] == [1, 2]


def test_a_point_is_no_partner_of_its_own() -> None:
    own = passage("a.md", "2.1")
    point = a_point("Pay.", own, quote="This section 2.1 tells of the fee.")
    assert joined([point], at(1), [own]) == [[]]


# --- reserved ----------------------------------------------------------------------------------

IDS = [f"o-{n}" for n in range(4000)]


def reserved(seed: int, share: float) -> set[str]:
    return {i for i in IDS if is_reserved(i, seed, share)}


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_about_the_share_of_points_is_kept_for_the_exam(share: float) -> None:
    slack = 4 * math.sqrt(share * (1 - share) / len(IDS))
    assert abs(len(reserved(0, share)) / len(IDS) - share) <= slack


def test_what_is_kept_depends_on_the_point_and_the_seed_alone() -> None:
    tenth = reserved(0, 0.1)
    assert tenth == reserved(0, 0.1) < reserved(0, 0.2)
    assert 0.02 < len(tenth & reserved(1, 0.1)) / len(tenth) < 0.25
    # Pinned: another hash would teach what the exam of an earlier run kept back.
    assert sorted(tenth, key=IDS.index)[:3] == ["o-8", "o-11", "o-18"]
