"""Seeds are drawn by what fails and by what is not covered, the same each time."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from elenchus.config import QuestionsConfig
from elenchus.questions import FORMATS, JOINING, KINDS, PERSONAS, STRAIGHT, UNSTATED
from elenchus.records import Citation, Point, Seed
from graphs.adaptation.config import AdaptationConfig
from graphs.adaptation.history import SHOWN, History
from graphs.adaptation.seeds import FEW, MOST, draw_seeds, how_many, how_many_more
from graphs.asking import Asking

CONFIG = AdaptationConfig()
COUNT = 60
# Without what is drawn in place of a kind, the kinds are those that were chosen.
PLAIN = QuestionsConfig(unstated=0, partners=0)
SURVEYED = tuple(kind for kind in KINDS if kind != UNSTATED)


def make_points(count: int, kinds: tuple[str, ...] = SURVEYED) -> list[Point]:
    return [
        Point(
            sort="rule",
            statement=str(n),
            topic=str(n),
            grounds=(Citation(passage_id="p", quote=str(n)),),
            kinds=kinds,
        )
        for n in range(count)
    ]


def draw(
    points: Sequence[Point],
    past: History | None = None,
    round_: int = 1,
    count: int = COUNT,
    config: AdaptationConfig = CONFIG,
    seed: int = 0,
    questions: QuestionsConfig = PLAIN,
    partners: Mapping[str, tuple[str, ...]] | None = None,
    **more: Any,
) -> list[Seed]:
    asking = Asking(questions, partners or {}, seed)
    return draw_seeds(points, past or History(), round_, count, asking, config, **more)


@given(st.integers(1, 30), st.integers(0, 3))
def test_drawing_is_a_function_of_the_past(count: int, seed: int) -> None:
    points = make_points(count)
    first = draw(points, seed=seed)
    assert first == draw(points, seed=seed)
    assert len({s.id for s in first}) == len(first) == 60


def test_all_points_are_drawn_alike_at_first() -> None:
    drawn = Counter(s.point_id for s in draw(make_points(15)))
    assert set(drawn.values()) == {4}


@given(st.integers(1, 5), st.integers(1, 40))
def test_a_point_is_asked_about_in_a_row_by_different_kinds(depth: int, count: int) -> None:
    config = AdaptationConfig(depth=depth)
    seeds = draw(make_points(20), count=count, config=config)
    rows = [seeds[start : start + depth] for start in range(0, count, depth)]
    for row in rows:
        assert len({s.point_id for s in row}) == 1
        assert len({s.kind for s in row}) == len(row)


@given(st.integers(0, 5), st.integers(1, 20))
def test_of_two_questions_in_a_row_one_is_straight(seed: int, pairs: int) -> None:
    seeds = draw(make_points(20), count=2 * pairs, seed=seed)
    for one, other in zip(seeds[::2], seeds[1::2], strict=True):
        assert (one.kind in STRAIGHT) != (other.kind in STRAIGHT)


def test_a_points_first_seed_is_fresh_until_it_was_asked_about() -> None:
    points, past = make_points(5), History()
    past.questions[points[0].id] = ["Was it asked before?"]
    seeds = draw(points, past, 2)
    assert sorted(s.point_id for s in seeds if s.fresh) == sorted(p.id for p in points[1:])
    assert all(s.fresh == (s.point_id not in {e.point_id for e in seeds[:n]}) for n, s in
               enumerate(seeds) if s.point_id != points[0].id)  # fmt: skip


def test_kinds_that_fail_more_are_drawn_more() -> None:
    points, past = make_points(10), History()
    for point in points:
        past.asked[point.id, "recall"] = past.asked[point.id, "apply"] = 10
        past.failed[point.id, "recall"] = 9
    kinds = Counter(s.kind for s in draw(points, past, 2))
    assert kinds["recall"] > 3 * kinds["apply"]


def test_points_that_fail_and_are_uncovered_come_first() -> None:
    points, past = make_points(10), History()
    known, weak = points[0], points[1]
    for point, failed in ((known, 0), (weak, 10)):
        past.asked[point.id, "recall"] = 10
        past.failed[point.id, "recall"] = failed
    past.covered[known.id] = 5
    drawn = Counter(s.point_id for s in draw(points, past, 2))
    assert drawn[weak.id] > drawn[known.id]


def test_only_kinds_that_a_point_can_carry_are_asked() -> None:
    points = [*make_points(3, ("recall",)), *make_points(2, ("apply", "combine"))]
    by_id = {p.id: p for p in points}
    for seed in draw(points):
        assert seed.kind in by_id[seed.point_id].kinds


def test_nothing_to_ask_gives_no_seeds() -> None:
    assert draw([]) == []


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
    first = draw(make_points(5))
    more = draw(make_points(5), done=COUNT)
    assert len({seed.id for seed in (*first, *more)}) == 2 * COUNT
    assert [seed.point_id for seed in first] != [seed.point_id for seed in more]


def test_chance_looks_at_nothing() -> None:
    points, past = make_points(10), History()
    past.covered[points[0].id] = 50
    chance = AdaptationConfig(points="random", kinds="random", depth=1)
    drawn = Counter(s.point_id for s in draw(points, past, 2, 400, chance))
    assert drawn[points[0].id] > 20
    assert drawn == Counter(s.point_id for s in draw(points, History(), 2, 400, chance))


def test_coverage_ignores_what_the_student_fails() -> None:
    points, past = make_points(10), History()
    past.asked[points[0].id, "recall"] = past.failed[points[0].id, "recall"] = 50
    even = AdaptationConfig(points="coverage", kinds="even", depth=1)
    seeds = draw(points, past, 2, 70, even)
    assert set(Counter(s.point_id for s in seeds).values()) == {7}
    assert set(Counter(s.kind for s in seeds).values()) == {10}


@given(st.floats(0, 0.5), st.integers(0, 20))
def test_a_share_asks_for_what_the_documents_do_not_say(share: float, seed: int) -> None:
    asked = draw(make_points(30), count=400, seed=seed, questions=QuestionsConfig(unstated=share))
    unstated = [s for s in asked if s.kind == UNSTATED]
    assert abs(len(unstated) / 400 - share) < 0.1
    assert all(s.wanted == "" and s.partner_ids == () for s in unstated)
    assert share or not unstated


def test_a_domain_without_that_kind_never_asks_so() -> None:
    without = QuestionsConfig(kinds={UNSTATED: None}, unstated=0.9)
    assert UNSTATED not in {s.kind for s in draw(make_points(5), questions=without)}


def test_two_points_are_joined_only_where_there_are_two() -> None:
    points = make_points(6)
    joined = {points[0].id: (points[1].id, points[2].id)}
    seeds = draw(points, count=200, questions=QuestionsConfig(unstated=0), partners=joined)
    joining = [s for s in seeds if s.kind in JOINING]
    assert {s.point_id for s in joining} == {points[0].id}
    assert {s.partner_ids for s in joining} == {joined[points[0].id]}
    assert {s.partner_ids for s in seeds if s.kind not in JOINING} == {()}
    alone = make_points(2, JOINING)
    assert draw(alone, questions=QuestionsConfig(unstated=0)) == []
    assert len(draw(alone)) == COUNT  # without partners at all, a point may join its own quotes


def test_personas_forms_and_wanted_answers_are_drawn_by_turns() -> None:
    seeds = draw(make_points(20), count=300)
    assert {s.persona for s in seeds} == set(PERSONAS)
    assert {s.format for s in seeds} == set(FORMATS)
    wanted = Counter(s.wanted for s in seeds)
    assert set(wanted) == {"yes", "no"} and abs(wanted["yes"] - 150) < 45
    bare = draw(make_points(20), questions=QuestionsConfig(personas=(), formats=()))
    assert {(s.persona, s.format) for s in bare} == {("", "")}


def test_who_asks_changes_nothing_else() -> None:
    """The voice has draws of its own, so that points and kinds stay those of the settings."""
    one, other = (
        draw(make_points(9), questions=QuestionsConfig(unstated=0, personas=p))
        for p in (PERSONAS, ("a diver",))
    )
    assert [(s.point_id, s.kind) for s in one] == [(s.point_id, s.kind) for s in other]


def test_a_seed_knows_what_was_asked_and_how_it_went() -> None:
    points, past = make_points(3), History()
    one = points[0]
    past.questions[one.id] = ["Trained?"]
    past.examined[one.id] = ["Examined?"]
    past.missed["0"] = [f"Missed {n}?" for n in range(SHOWN)]
    past.known["0"] = ["Known?"]
    for seed in draw(points, past, 2, predictor_id="b-1"):
        mine = seed.point_id == one.id
        assert seed.asked == (("Examined?", "Trained?") if mine else ())
        assert seed.failed == (tuple(past.missed["0"]) if mine else ())
        assert seed.passed == (("Known?",) if mine else ())
        assert seed.predictor_id == "b-1"
