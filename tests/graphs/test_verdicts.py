"""The verdict on a run: each reason that decides it, and what can never raise or lower it."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenchus.config import VerdictConfig
from elenchus.reasons import Code
from elenchus.results import Basis, Estimate, ExamResult, RunVerdict, Spread
from graphs.verdicts import FEW, RANK, decide, rejected_share, spread

LIMITS = VerdictConfig()
SOUND = Basis(
    passages_with_points=0.8,
    dataset=Spread(count=400, points=90, effective=80.4, largest=9),
    exam=Spread(count=420, points=95, effective=90.1, largest=6),
    rejected=0.1,
)


def estimate(value: float, width: float = 0.1) -> Estimate:
    return Estimate(value=value, low=value - width / 2, high=value + width / 2)


def exam(gain: float, width: float = 0.1, questions: int = 100, **more: Any) -> ExamResult:
    """An exam whose share of right answers was 40 % before."""
    fields = {
        "questions": questions,
        "ungraded": 0,
        "before": estimate(0.4),
        "after": estimate(0.4 + gain),
        "gain": estimate(gain, width),
        "kinds": {},
    }
    return ExamResult.model_validate(fields | more)


def without_grades(questions: int) -> ExamResult:
    return ExamResult(questions=0, ungraded=questions, before=None, after=None, gain=None, kinds={})


def judged(basis: Basis = SOUND, limits: VerdictConfig = LIMITS, **exams: ExamResult) -> RunVerdict:
    """The verdict on a run that trained; its exams, `held_out` among them, by their names."""
    verdict = decide({n.replace("_", "-"): e for n, e in exams.items()}, basis, limits, True)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("gain", "word", "said"),
    [
        (0.2, "better", "a gain beyond chance"),
        (0.04, "no difference", "it may be nothing"),
        (-0.04, "no difference", "it may be nothing"),
        (-0.2, "worse", "a loss beyond chance"),
    ],
)
def test_the_interval_of_the_gain_gives_the_word(gain: float, word: str, said: str) -> None:
    verdict = judged(held_out=exam(gain), general=exam(0, 0.02))
    assert verdict.word == word and said in verdict.reasons[0]
    assert verdict.gain == exam(gain).gain and verdict.basis == SOUND
    assert "the dataset is in effect about 80.4 points" in verdict.reasons[-1]


def test_what_people_asked_decides_against_the_exam_that_the_run_wrote() -> None:
    lost = judged(held_out=exam(0.5), hand=exam(-0.09))
    assert lost.word == "worse" and "what people asked is -9.0" in lost.reasons[0]
    assert judged(held_out=exam(0.5), hand=exam(-0.02)).word == "no difference"
    assert judged(held_out=exam(0.5), hand=exam(0.02)).word == "better"
    few = exam(-0.5, questions=LIMITS.least_questions - 1)
    assert judged(held_out=exam(0.5), hand=few).word == "no difference"


def test_what_people_asked_makes_no_run_better() -> None:
    assert judged(held_out=exam(0.0), hand=exam(0.5)).word == "no difference"


def test_a_sure_loss_of_what_was_known_must_be_worth_it() -> None:
    forgot = judged(held_out=exam(0.08), general=exam(-0.117))
    assert forgot.word == "worse" and "it forgot, and gained nothing" in forgot.reasons[0]
    worth = judged(held_out=exam(0.3), general=exam(-0.117))
    assert worth.word == "better" and any("less than it gained" in r for r in worth.reasons)
    unsure = judged(held_out=exam(0.3, width=0.7), general=exam(-0.117))
    assert unsure.word == "worse"


def test_a_loss_that_is_small_or_may_be_none_is_named_alone() -> None:
    for change in (exam(-0.04, width=0.02), exam(-0.1, width=0.3), exam(-0.5, questions=5)):
        verdict = judged(held_out=exam(0.02), general=change)
        assert verdict.word == "no difference"
        assert any(f"is {change.gain and change.gain.as_gain()}" in r for r in verdict.reasons)


def test_the_quick_profile_that_got_worse_is_no_success() -> None:
    held_out = exam(-0.09, width=0.26)  # 43.0 -> 34.0 [-21.1, +4.3]
    verdict = judged(held_out=held_out, general=exam(-0.117), hand=exam(-0.02, width=0.13))
    assert verdict.word == "worse"


def test_an_answer_that_is_always_the_same_is_no_knowledge() -> None:
    verdict = judged(held_out=exam(0.2, constant=0.65))
    assert verdict.word == "no difference" and "65.0%" in verdict.reasons[0]
    assert judged(held_out=exam(0.2, constant=0.55)).word == "better"
    # A constant answer gives no reason, so it is compared with the results alone.
    assert judged(held_out=exam(0.2, constant=0.65, results_after=estimate(0.9))).word == "better"


def test_an_exam_of_what_was_known_is_missed() -> None:
    assert any("no general exam" in reason for reason in judged(held_out=exam(0.2)).reasons)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"passages_with_points": 0.059}, "Only 5.9% of the passages"),
        (
            {"dataset": Spread(count=40, points=2, effective=1.1, largest=39)},
            "39 of 40 examples are about one point",
        ),
        (
            {"exam": Spread(count=100, points=20, effective=12, largest=11)},
            "11 of 100 questions of the held-out exam are about one point",
        ),
        ({"rejected": 0.95}, "refused 95.0%"),
    ],
)
def test_what_a_run_rests_on_may_be_too_little(changes: Mapping[str, Any], said: str) -> None:
    verdict = judged(SOUND.model_copy(update=changes), held_out=exam(0.768))
    assert verdict.word == "not to be trusted"
    assert said in verdict.reasons[0] and "+76.8" in verdict.reasons[-1]


@pytest.mark.parametrize(
    ("held_out", "said"),
    [
        (None, "no held-out exam"),
        (exam(0.5, questions=19), "19 graded questions are too few"),
        (exam(0.5, ungraded=20), "16.7% of the held-out exam has no grade"),
        (without_grades(30), "100.0%"),
        (without_grades(0), "no held-out exam"),
    ],
)
def test_an_exam_may_tell_nothing(held_out: ExamResult | None, said: str) -> None:
    verdict = decide({"held-out": held_out}, SOUND, LIMITS, True)
    assert verdict is not None and verdict.word == "not to be trusted"
    assert any(said in reason for reason in verdict.reasons)


def test_the_limits_are_settings() -> None:
    basis = SOUND.model_copy(update={"passages_with_points": 0.1})
    assert judged(basis, held_out=exam(0.2)).word == "not to be trusted"
    limits = VerdictConfig(least_passages=0.05)
    assert judged(basis, limits, held_out=exam(0.2)).word == "better"


def test_a_few_examples_about_a_point_are_no_fault_of_a_small_dataset() -> None:
    for largest, word in ((FEW, "better"), (FEW + 1, "not to be trusted")):
        small = Spread(count=15, points=5, effective=4, largest=largest)
        basis = SOUND.model_copy(update={"dataset": small})
        assert judged(basis, held_out=exam(0.2)).word == word


def test_a_run_that_trained_nothing_is_judged_by_what_it_made() -> None:
    untrained = exam(0).model_copy(update={"after": None, "gain": None})
    before = {"held-out": untrained}
    assert decide(before, SOUND, LIMITS, False) is None
    thin = SOUND.model_copy(update={"passages_with_points": 0.1})
    verdict = decide(before, thin, LIMITS, False)
    assert verdict is not None and verdict.word == "not to be trusted"
    idle = decide(before, SOUND, LIMITS, False, missed="no examination was accepted")
    assert idle is not None and idle.word == "no difference"
    assert idle.reasons[0] == "Nothing was trained: no examination was accepted."


def test_points_are_counted_by_how_evenly_they_are_spread() -> None:
    assert spread([]) is None
    even = spread(["a", "b", "c", "d"] * 3)
    assert even == Spread(count=12, points=4, effective=4, largest=3)
    skewed = spread(["a"] * 39 + ["b"])
    assert skewed is not None and skewed.effective == 1.1 and skewed.largest == 39


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1))
def test_effective_points_are_no_more_than_there_are(ids: list[str]) -> None:
    found = spread(ids)
    assert found is not None
    assert 1 <= found.effective <= found.points
    # The point with most of them alone keeps the number down.
    assert found.effective <= round((found.count / found.largest) ** 2, 1)


def test_to_be_known_or_asked_before_is_no_fault() -> None:
    rejected: dict[Code, int] = {"known": 60, "repeats": 10, "disagreement": 10}
    assert rejected_share(20, rejected) == 0.1
    assert rejected_share(0, {}) is None
    assert rejected_share(0, {"undecided": 3}) == 1


changes = st.floats(-0.4, 0.6)
exams = st.builds(exam, changes, st.floats(0, 0.5), st.sampled_from([5, 100]))


@given(changes, st.floats(0, 0.3), st.floats(0, 0.5), exams, exams, st.floats(0, 1))
def test_more_gain_never_makes_the_word_worse(
    gain: float, more: float, width: float, general: ExamResult, hand: ExamResult, constant: float
) -> None:
    low, high = (
        judged(held_out=exam(change, width, constant=constant), general=general, hand=hand)
        for change in (gain, gain + more)
    )
    assert RANK[low.word] <= RANK[high.word]


@given(exams, exams, exams)
def test_only_a_gain_beyond_chance_is_better(
    held_out: ExamResult, general: ExamResult, hand: ExamResult
) -> None:
    verdict = judged(held_out=held_out, general=general, hand=hand)
    if verdict.word == "better":
        assert held_out.gain is not None and held_out.gain.low > 0
        assert hand.gain is not None and hand.gain.value >= 0
    assert verdict.reasons
