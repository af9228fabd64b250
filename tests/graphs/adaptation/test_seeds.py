"""Seeds are drawn by what fails and by what is not covered, the same each time."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from elenchus.records import KINDS, Point
from graphs.adaptation.config import AdaptationConfig
from graphs.adaptation.seeds import (
    FEW,
    MOST,
    STRAIGHT,
    History,
    draw_seeds,
    how_many,
    how_many_more,
)

CONFIG = AdaptationConfig()
COUNT = 60


def make_points(count: int, kinds: tuple = KINDS) -> list[Point]:
    return [Point(passage_id="p", quote=str(n), topic=str(n), kinds=kinds) for n in range(count)]


@given(st.integers(1, 30), st.integers(0, 3))
def test_drawing_is_a_function_of_the_past(count: int, seed: int) -> None:
    points = make_points(count)
    first = draw_seeds(points, History(), 1, COUNT, CONFIG, seed)
    assert first == draw_seeds(points, History(), 1, COUNT, CONFIG, seed)
    assert len({s.id for s in first}) == len(first) == 60


def test_all_points_are_drawn_alike_at_first() -> None:
    drawn = Counter(s.point_id for s in draw_seeds(make_points(15), History(), 1, COUNT, CONFIG, 0))
    assert set(drawn.values()) == {4}


@given(st.integers(1, 5), st.integers(1, 40))
def test_a_point_is_asked_about_in_a_row_by_different_kinds(depth: int, count: int) -> None:
    config = AdaptationConfig(depth=depth)
    seeds = draw_seeds(make_points(20), History(), 1, count, config, 0)
    rows = [seeds[start : start + depth] for start in range(0, count, depth)]
    for row in rows:
        assert len({s.point_id for s in row}) == 1
        assert len({s.kind for s in row}) == len(row)


@given(st.integers(0, 5), st.integers(1, 20))
def test_of_two_questions_in_a_row_one_is_straight(seed: int, pairs: int) -> None:
    seeds = draw_seeds(make_points(20), History(), 1, 2 * pairs, CONFIG, seed)
    for one, other in zip(seeds[::2], seeds[1::2], strict=True):
        assert (one.kind in STRAIGHT) != (other.kind in STRAIGHT)


def test_a_points_first_seed_is_fresh_until_it_was_asked_about() -> None:
    points, past = make_points(5), History()
    past.questions[points[0].id] = ["Was it asked before?"]
    seeds = draw_seeds(points, past, 2, COUNT, CONFIG, 0)
    assert sorted(s.point_id for s in seeds if s.fresh) == sorted(p.id for p in points[1:])
    assert all(s.fresh == (s.point_id not in {e.point_id for e in seeds[:n]}) for n, s in
               enumerate(seeds) if s.point_id != points[0].id)  # fmt: skip


def test_kinds_that_fail_more_are_drawn_more() -> None:
    points, past = make_points(10), History()
    for point in points:
        past.asked[point.id, "recall"] = past.asked[point.id, "apply"] = 10
        past.failed[point.id, "recall"] = 9
    kinds = Counter(s.kind for s in draw_seeds(points, past, 2, COUNT, CONFIG, 0))
    assert kinds["recall"] > 3 * kinds["apply"]


def test_points_that_fail_and_are_uncovered_come_first() -> None:
    points, past = make_points(10), History()
    known, weak = points[0], points[1]
    for point, failed in ((known, 0), (weak, 10)):
        past.asked[point.id, "recall"] = 10
        past.failed[point.id, "recall"] = failed
    past.covered[known.id] = 5
    drawn = Counter(s.point_id for s in draw_seeds(points, past, 2, COUNT, CONFIG, 0))
    assert drawn[weak.id] > drawn[known.id]


def test_only_kinds_that_a_point_can_carry_are_asked() -> None:
    points = [*make_points(3, ("recall",)), *make_points(2, ("apply", "multi"))]
    by_id = {p.id: p for p in points}
    for seed in draw_seeds(points, History(), 1, COUNT, CONFIG, 0):
        assert seed.kind in by_id[seed.point_id].kinds


def test_nothing_to_ask_gives_no_seeds() -> None:
    assert draw_seeds([], History(), 1, COUNT, CONFIG, 0) == []


@given(st.integers(0, 400), st.integers(0, 400), st.floats(0, 1))
def test_more_is_examined_where_less_was_accepted(missing: int, examined: int, part: float) -> None:
    accepted = int(part * examined)
    count = how_many(missing, examined, accepted, 1.08)
    assert missing <= count <= MOST * missing
    assert how_many(missing, examined, min(examined, accepted + 5), 1.08) <= count
    assert how_many(missing, examined, accepted, 2.0) >= count


@given(st.integers(1, 200), st.floats(0, 1), st.randoms())
def test_a_round_goes_on_until_it_has_enough(wanted: int, share: float, random) -> None:
    examined, count, accepted = 0, how_many(wanted, 0, 0, 1.08), 0
    while count:
        examined += count
        accepted += sum(random.random() < share for _ in range(count))
        count = how_many_more(wanted - accepted, wanted, examined, accepted, 1.08)
        assert count == 0 or count >= min(FEW, MOST * wanted - examined)
    assert examined <= MOST * wanted
    assert accepted == 0 or accepted >= wanted or examined == MOST * wanted


def test_seeds_of_a_round_that_goes_on_are_other_ones() -> None:
    first = draw_seeds(make_points(5), History(), 1, COUNT, CONFIG, 0)
    more = draw_seeds(make_points(5), History(), 1, COUNT, CONFIG, 0, done=COUNT)
    assert len({seed.id for seed in (*first, *more)}) == 2 * COUNT
    assert [seed.point_id for seed in first] != [seed.point_id for seed in more]


def test_chance_looks_at_nothing() -> None:
    points, past = make_points(10), History()
    past.covered[points[0].id] = 50
    chance = AdaptationConfig(points="random", kinds="random", depth=1)
    drawn = Counter(s.point_id for s in draw_seeds(points, past, 2, 400, chance, 0))
    assert drawn[points[0].id] > 20
    assert drawn == Counter(s.point_id for s in draw_seeds(points, History(), 2, 400, chance, 0))


def test_coverage_ignores_what_the_student_fails() -> None:
    points, past = make_points(10), History()
    past.asked[points[0].id, "recall"] = past.failed[points[0].id, "recall"] = 50
    even = AdaptationConfig(points="coverage", kinds="even", depth=1)
    seeds = draw_seeds(points, past, 2, 50, even, 0)
    assert set(Counter(s.point_id for s in seeds).values()) == {5}
    assert set(Counter(s.kind for s in seeds).values()) == {10}
