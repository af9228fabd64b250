"""What the student fails is predicted from how it answers, where that tells more than chance."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenchus.ledger import Ledger
from elenchus.outcomes import Update
from elenchus.questions import AnswerForm
from elenchus.records import Grade, Rejection, Seed
from graphs.adaptation.predictor import LEAST, Predictor, agreement, fit, is_audited
from tests.graphs.making import (
    make_answer,
    make_passage,
    make_point,
    make_question,
    make_turn,
    write_examination,
)

FORM = AnswerForm()
POINTS = [make_point(make_passage(f"Rule {n}."), topic=f"topic {n // 2}") for n in range(12)]
KINDS = ("recall", "apply", "exception")
TEXTS = st.text(max_size=40)
FAILED: list[Grade] = ["incorrect"] * 3
PASSED: list[Grade] = ["correct"] * 3


def seed_of(n: int, round_: int = 1, point: int | None = None) -> Seed:
    place = POINTS[n % len(POINTS) if point is None else point]
    return Seed(point_id=place.id, kind=KINDS[n % 3], round=round_, variation=n)


def results(*given_: str) -> list[str]:
    return [f"It is so.\nAnswer: {result}" for result in given_]


def fill(ledger: Ledger, outcomes: Sequence[bool], tells: bool = True, round_: int = 1) -> None:
    """Write down an examination for each outcome; the answers to what is failed differ, or not."""
    ledger.write(*POINTS)
    rng = random.Random(0)
    for n, fails in enumerate(outcomes):
        said = results("a", "b", "c") if fails else results("a", "a", "a")
        if not tells:
            said = results(*(rng.choice("ab") for _ in range(3)))
        question = make_question(f"Question {n}?", round_=round_)
        turn = make_turn(question, FAILED if fails else PASSED, said)
        write_examination(ledger, seed_of(n, round_), turn)


def outcomes(count: int, share: float, seed: int = 0) -> list[bool]:
    rng = random.Random(seed)
    return [rng.random() < share for _ in range(count)]


def test_where_agreement_tells_of_failure_it_is_learnt(ledger: Ledger) -> None:
    fill(ledger, outcomes(60, 0.4))
    fitted = fit(ledger, 1, FORM, 0.1, 0.3, 0.5)
    assert fitted is not None and fitted.graded == 60 and fitted.round == 1
    assert fitted.brier < fitted.base / 2
    ask = [
        fitted.probability(seed_of(0), POINTS[0], [make_answer(text) for text in said], FORM)
        for said in (results("a", "b", "c"), results("a", "a", "b"), results("a", "a", "a"))
    ]
    assert ask == sorted(ask, reverse=True) and ask[0] > 0.7 > 0.3 > ask[2]


def test_what_a_topic_failed_counts_where_answers_tell_nothing(ledger: Ledger) -> None:
    hard = [n % len(POINTS) < 6 for n in range(10 * len(POINTS))]
    fill(ledger, hard, tells=False)
    fitted = fit(ledger, 1, FORM, 0.1, 0.3, 0.5)
    assert fitted is not None
    answers = [make_answer(text) for text in results("a", "a", "a")]
    one, other = (fitted.probability(seed_of(n), POINTS[n], answers, FORM) for n in (0, 11))
    assert one > 0.7 > 0.3 > other
    assert fitted.tallies[POINTS[0].id] == (10, 10)
    assert fitted.tallies["topic: topic 5"] == (0, 20)
    assert fitted.tallies["kind: recall"][1] == 40


def test_of_too_few_questions_nothing_is_learnt(ledger: Ledger) -> None:
    fill(ledger, outcomes(LEAST - 1, 0.4))
    assert fit(ledger, 1, FORM, 0.1, 0.3, 0.5) is None


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_of_one_outcome_nothing_is_learnt(ledger: Ledger, share: float) -> None:
    fill(ledger, outcomes(LEAST, share))
    assert fit(ledger, 1, FORM, 0.1, 0.3, 0.5) is None


def test_chance_is_seldom_taken_for_knowledge(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Outcomes that nothing tells of: what is fitted to them would spare the expert blindly."""
    taken = 0
    for seed in range(40):
        ledger = Ledger(tmp_path_factory.mktemp("chance") / "ledger.sqlite")
        fill(ledger, outcomes(2 * LEAST, 0.5, seed), tells=False)
        taken += fit(ledger, 1, FORM, 0.1, 0.3, 0.5) is not None
        ledger.close()
    assert taken <= 2


def test_questions_alike_in_all_tell_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A question's outcome must not show in the tallies that another is predicted from."""
    taken = 0
    for seed in range(10):
        ledger = Ledger(tmp_path_factory.mktemp("alike") / "ledger.sqlite")
        ledger.write(*POINTS)
        for n, fails in enumerate(outcomes(2 * LEAST, 0.4, seed)):
            turn = make_turn(make_question(f"Question {n}?"), FAILED if fails else PASSED)
            write_examination(ledger, seed_of(3 * n, point=0), turn)
        taken += fit(ledger, 1, FORM, 0.1, 0.3, 0.5) is not None
        ledger.close()
    assert taken <= 1


def test_a_point_asked_about_once_tells_nothing_of_itself(ledger: Ledger) -> None:
    """Were a question's own outcome in its tallies, it would be learnt in place of agreement."""
    *points, new = [make_point(make_passage(f"R {n}."), topic=f"t {n}") for n in range(101)]
    ledger.write(*points)
    rng = random.Random(0)
    for n, point in enumerate(points):
        fails, misleads = rng.random() < 0.4, rng.random() > 0.8
        said = results("a", "b", "c") if fails != misleads else results("a", "a", "a")
        turn = make_turn(make_question(f"Question {n}?"), FAILED if fails else PASSED, said)
        seed = seed_of(n).model_copy(update={"point_id": point.id})
        write_examination(ledger, Seed.model_validate(seed.model_dump()), turn)
    fitted = fit(ledger, 1, FORM, 0.1, 0.3, 0.5)
    assert fitted is not None
    unlike, alike = (
        fitted.probability(seed_of(0), new, [make_answer(text) for text in said], FORM)
        for said in (results("a", "b", "c"), results("a", "a", "a"))
    )
    assert unlike > 0.55 and alike < 0.25


def test_only_sound_questions_count(ledger: Ledger) -> None:
    fill(ledger, outcomes(LEAST, 0.4, 1), tells=False, round_=1)
    fill(ledger, outcomes(LEAST, 0.4), round_=3)
    turn = make_turn(make_question("Refused?"), FAILED, results("a", "b", "c"))
    refused = Rejection(code="unsupported", raw="r", question_id=turn.question.id)
    write_examination(ledger, seed_of(500, 3), turn, refused=refused)
    unasked = Rejection(code="likely-known", raw="r", question_id="q-1")
    write_examination(ledger, seed_of(501, 3), refused=unasked)
    fitted = fit(ledger, 3, FORM, 0.1, 0.3, 0.5)
    assert fitted is not None and fitted.graded == 2 * LEAST
    of_one = fit(ledger, 3, FORM, 0.1, 0.3, 1e-9)  # as good as the last round alone
    assert of_one is not None and of_one.brier < fitted.brier


def test_what_was_asked_by_chance_stands_for_what_was_not(ledger: Ledger) -> None:
    """Else a prediction that spares the expert would teach the next one that all is failed."""
    ledger.write(*POINTS)
    earlier = Predictor(round=1, weights=(5.0, -10.0, *(0.0,) * 6), tallies={}, graded=60,
                        brier=0.1, base=0.25)  # fmt: skip
    ledger.write(earlier)
    for n in range(40):
        fails = n < 36
        said = results("a", "b", "c") if fails else results("a", "a", "a")
        turn = make_turn(make_question(f"Question {n}?"), FAILED if fails else PASSED, said)
        seed = seed_of(n).model_copy(update={"predictor_id": earlier.id})
        write_examination(ledger, Seed.model_validate(seed.model_dump()), turn)
    fitted = fit(ledger, 2, FORM, 0.1, 0.3, 0.5)
    share = 36 / (36 + 4 / 0.1)
    assert fitted is not None and fitted.base == pytest.approx(share * (1 - share), abs=1e-3)
    known = [make_answer(text) for text in results("a", "a", "a")]
    assert fitted.probability(seed_of(0), POINTS[0], known, FORM) < 0.15


def test_revising_what_is_known_is_learnt_to_be_in_vain(ledger: Ledger) -> None:
    """What a student is right about it is mostly right about when it is asked once more."""
    ledger.write(*POINTS)
    for n, fails in enumerate(outcomes(60, 0.5)):
        said = results("a", "b", "c") if fails else results("a", "a", "b")
        first = make_turn(make_question(f"Question {n}?"), FAILED if fails else PASSED, said)
        again = make_turn(make_question(f"Revised {n}?"), PASSED, results("a", "b", "c"))
        turns = [first] if fails else [first, again]
        write_examination(ledger, seed_of(n), *turns)
    fitted = fit(ledger, 1, FORM, 0.1, 0.3, 0.5)
    assert fitted is not None and fitted.graded > 60
    assert sum(asked for key, (_, asked) in fitted.tallies.items() if key[:4] == "kind") == 60
    unlike = [make_answer(text) for text in results("a", "b", "c")]
    fails, fails_again = (
        fitted.probability(seed_of(0), POINTS[0], unlike, FORM, revised)
        for revised in (False, True)
    )
    assert fails > 0.7 > 0.3 > fails_again


def test_without_memory_old_rounds_count_for_nothing(ledger: Ledger) -> None:
    fill(ledger, outcomes(60, 0.4))
    assert fit(ledger, 5, FORM, 0.1, 0.3, 0.0) is None


def test_the_round_before_counts(ledger: Ledger) -> None:
    fill(ledger, outcomes(60, 0.4), round_=2)
    fitted = fit(ledger, 3, FORM, 0.1, 0.3, 0.5)
    assert fitted is not None and fitted.graded == 60


def test_an_update_predicts_from_its_own_rounds(ledger: Ledger) -> None:
    """What it took over from the earlier run is what was accepted there: all of it was failed."""
    fill(ledger, outcomes(60, 0.4), round_=3)
    taken = Update(
        run="r", round=3, adapter="", passages_gone=(), passages_new=(), kept=(), retired=(),
        items_retired=0, examples_a_point=2.0,
    )  # fmt: skip
    ledger.write(taken)
    assert fit(ledger, 4, FORM, 0.1, 0.3, 0.5) is None
    fill(ledger, outcomes(60, 0.5, 1), round_=4)
    fitted = fit(ledger, 4, FORM, 0.1, 0.3, 0.5)
    assert fitted is not None and fitted.graded == 60


def test_the_same_ledger_gives_the_same_prediction(ledger: Ledger) -> None:
    """As a run that was killed finds it: in the ledger's order, whatever the order of writing."""
    fill(ledger, outcomes(LEAST, 0.4))
    again = Ledger(ledger.path.with_name("again.sqlite"))
    rows = ledger._query("SELECT id, kind, body FROM records ORDER BY body")
    again._db.connection.executemany("INSERT INTO records VALUES (?, ?, ?)", rows)
    one, other = (fit(led, 1, FORM, 0.1, 0.3, 0.5) for led in (ledger, again))
    again.close()
    assert one is not None and other is not None and one.id == other.id


@given(
    st.lists(st.floats(-30, 30), min_size=8, max_size=8),
    st.lists(st.tuples(TEXTS, st.none() | st.floats(-20, 0)), max_size=4),
    st.integers(0, 30),
    st.integers(0, 30),
)
def test_a_probability_is_one(
    weights: list[float], said: list[tuple[str, float | None]], fails: int, passes: int
) -> None:
    tallies = {POINTS[0].id: (1, 2), "topic: topic 0": (fails + 1, fails + passes + 2),
               "kind: apply": (fails, fails + passes)}  # fmt: skip
    fitted = Predictor(round=1, weights=tuple(weights), tallies=tallies, graded=60, brier=0.1,
                       base=0.2)  # fmt: skip
    answers = [make_answer(text, n, likelihood=odds) for n, (text, odds) in enumerate(said)]
    assert 0 <= fitted.probability(seed_of(1), POINTS[0], answers, FORM) <= 1


@given(st.lists(TEXTS, min_size=2, max_size=5), st.randoms())
def test_agreement_is_a_share_and_knows_no_order(texts: list[str], rng: random.Random) -> None:
    answers = [make_answer(text) for text in texts]
    shares = agreement(answers, FORM)
    assert all(0 <= share <= 1 for share in shares)
    rng.shuffle(answers)
    assert agreement(answers, FORM) == pytest.approx(shares)
    assert agreement([answers[0]] * 3, FORM)[0] == 1.0


def test_agreement_is_of_results_and_of_words() -> None:
    whole = [make_answer(text) for text in ("Two days.\nAnswer: 2 days.", "Long.\nAnswer: 2 DAYS")]
    results_, words = agreement(whole, FORM)
    assert results_ == 1.0 and words == pytest.approx(3 / 5)
    assert agreement(whole[:1], FORM) == (1.0, 1.0)


def test_audits_are_a_share_that_a_seed_belongs_to_always() -> None:
    seeds = [seed_of(n) for n in range(2000)]
    drawn = [is_audited(seed, 0.1) for seed in seeds]
    assert 140 < sum(drawn) < 260
    assert drawn == [is_audited(seed, 0.1) for seed in seeds]
    assert all(is_audited(seed, 0.3) for seed, taken in zip(seeds, drawn, strict=True) if taken)
