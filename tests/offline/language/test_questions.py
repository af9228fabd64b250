"""Cases, wording and canonical answers."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline.language import frames_asks, frames_scenes, wording
from offline.language.questions import (
    KINDS,
    STYLES,
    Case,
    answer,
    ask,
    definition_case,
    draw_case,
    harder,
    outcome,
    over,
    verdict,
)
from offline.language.rules import Definition, Penalty, Rule
from offline.nano.codes import fresh_code

REPORT = Rule("deadline", "fuel spill report", 21, "days", "a storm warning is in force", "serious")
DEPTH = Rule("minimum", "trench", 3, "metres", None, "minor")
DIVING = Rule("prohibition", "night diving", None, None, None, "extreme")
WALKS = Rule("permission", "evening walks", None, None, None, None)
FINE = Penalty("serious", 400, "crowns")
HELD = "a storm warning is in force"
STORM = "Fuel spill report. Grade: serious. Exception: when a storm warning is in force."


@pytest.mark.parametrize(
    ("case", "penalty", "expected"),
    [
        (
            Case("recall", REPORT, "limit"),
            None,
            f"{STORM} Limit: within 21 days. So: 21 days.",
        ),
        (
            Case("recall", REPORT, "exception"),
            None,
            f"{STORM} Limit: within 21 days. So: when a storm warning is in force.",
        ),
        (
            Case("recall", DEPTH, "exception"),
            None,
            "Trench. Grade: minor. Exception: none. Limit: at least 3 metres. So: none.",
        ),
        (
            Case("recall", REPORT, "grade"),
            None,
            f"{STORM} Limit: within 21 days. So: serious.",
        ),
        (
            Case("apply", REPORT, "verdict", number=18),
            None,
            f"{STORM} Not met. Limit: within 21 days. 18 is not over 21. So: no breach.",
        ),
        (
            Case("apply", REPORT, "verdict", number=25),
            None,
            f"{STORM} Not met. Limit: within 21 days. 25 is over 21. So: breach.",
        ),
        (
            Case("apply", DEPTH, "verdict", number=2),
            None,
            "Trench. Grade: minor. Exception: none. Limit: at least 3 metres. 2 is under 3. "
            "So: breach.",
        ),
        (
            Case("apply", DIVING, "verdict"),
            None,
            "Night diving. Grade: extreme. Exception: none. Rule: forbidden. So: breach.",
        ),
        (Case("apply", WALKS, "verdict"), None, "Evening walks. Rule: allowed. So: no breach."),
        (
            Case("except", REPORT, "verdict", number=25, exception_stated=HELD),
            None,
            f"{STORM} Here: a storm warning is in force. Met. Limit: within 21 days. "
            "25 is over 21. So: no breach.",
        ),
        (
            Case("except", REPORT, "verdict", number=25, exception_stated="the lock is closed"),
            None,
            f"{STORM} Here: the lock is closed. Not met. Limit: within 21 days. "
            "25 is over 21. So: breach.",
        ),
        (
            Case("multi", REPORT, "fine", number=25),
            FINE,
            f"{STORM} Not met. Limit: within 21 days. 25 is over 21. So far breach. "
            "A serious breach costs 400 crowns. So: 400 crowns.",
        ),
        (
            Case("multi", DIVING, "fine"),
            Penalty("extreme", 900, "crowns"),
            "Night diving. Grade: extreme. Exception: none. Rule: forbidden. So far breach. "
            "An extreme breach costs 900 crowns. So: 900 crowns.",
        ),
        (Case("multi", WALKS, "fine"), None, "Evening walks. Rule: allowed. So: no fine."),
        (
            Case("counter", REPORT, "change", number=25, hypothetical=30),
            None,
            f"{STORM} Limit: within 21 days. 25 is over 21. Instead: within 30 days. "
            "25 is not over 30. So: changed.",
        ),
        (
            Case("counter", REPORT, "change", number=25, hypothetical=24),
            None,
            f"{STORM} Limit: within 21 days. 25 is over 21. Instead: within 24 days. "
            "25 is over 24. So: same.",
        ),
        (
            definition_case(Definition("short stay", "a stay of under three nights")),
            None,
            "Short stay. Meaning: a stay of under three nights. So: a stay of under three nights.",
        ),
    ],
)
def test_canonical_answers(case: Case, penalty: Penalty | None, expected: str) -> None:
    assert answer(case, penalty) == expected


def test_a_breach_without_a_stated_grade_has_no_fine() -> None:
    case = Case("multi", replace(DIVING, grade=None), "fine")
    assert verdict(answer(case, None)) == "no fine"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Trench: at least 3 metres. So: 3 metres.", "3 metres"),
        ("so: No  Breach", "no breach"),
        ("So: one. So: two.", "two"),
        ("Also: nothing", ""),
        ("breach", ""),
    ],
)
def test_verdict_is_what_stands_after_the_last_so(text: str, expected: str) -> None:
    assert verdict(text) == expected


@given(st.integers(0, 10_000))
def test_drawn_cases_are_answerable_and_their_figures_near(seed: int) -> None:
    rng = random.Random(seed)
    code = fresh_code(rng, 8)
    for rule in code.rules:
        for kind in KINDS:
            case = draw_case(rule, kind, rng, code.rules)
            if case is None:
                assert rule.kind == "permission" or kind in ("counter", "except")
                continue
            if case.number is not None:
                assert rule.value is not None
                assert 1 <= abs(case.number - rule.value) <= 8
            assert verdict(answer(case, code.penalty(rule)))
            assert rule.topic in ask(case, "exam", rng).lower()


def test_figures_do_not_give_the_verdict_away() -> None:
    """Neither the figure nor, in a counterfactual, the other limit foretells the verdict."""
    rng = random.Random(3)
    breaches = {"low": [0, 0], "high": [0, 0]}
    changes = {True: [0, 0], False: [0, 0]}
    for _ in range(6000):
        rule = replace(REPORT, value=rng.randint(3, 95), kind=rng.choice(["maximum", "minimum"]))
        applied = draw_case(rule, "apply", rng, [])
        assert applied is not None and applied.number is not None
        half = breaches["low" if applied.number < 50 else "high"]
        half[0] += outcome(applied)
        half[1] += 1
        counter = draw_case(rule, "counter", rng, [])
        assert counter is not None and counter.number is not None
        side = changes[over(replace(rule, value=counter.hypothetical), counter.number)]
        side[0] += verdict(answer(counter, None)) == "changed"
        side[1] += 1
    for yes, of in [*breaches.values(), *changes.values()]:
        assert 0.45 < yes / of < 0.55


def test_an_exception_of_another_rule_is_not_met() -> None:
    rng = random.Random(0)
    other = replace(DIVING, exception="the lock is closed")
    seen = set()
    for _ in range(50):
        case = draw_case(REPORT, "except", rng, [REPORT, other])
        assert case is not None
        seen.add((case.exception_stated, outcome(case)))
    assert (HELD, False) in seen
    assert ("the lock is closed", True) in seen
    assert (HELD, True) not in seen


def test_except_needs_a_circumstance() -> None:
    assert draw_case(DEPTH, "except", random.Random(0), [DEPTH]) is None
    assert draw_case(WALKS, "except", random.Random(0), [REPORT]) is None


def test_harder_keeps_the_point_and_moves_on() -> None:
    rng = random.Random(1)
    far = Case("apply", REPORT, "verdict", number=28)
    cases = [harder(far, rng, [REPORT, DIVING]) for _ in range(60)]
    assert {case.rule for case in cases} == {REPORT}
    assert any(case.number == 22 for case in cases)
    assert any(case.asked == "fine" for case in cases)
    assert any(case.exception_stated for case in cases)
    recall = harder(Case("recall", REPORT, "limit"), rng, [REPORT])
    assert recall.kind in ("apply", "except", "multi")
    term = definition_case(Definition("stay", "a night"))
    assert harder(term, rng, [REPORT]) == term


def _blocks() -> list[dict[str, str]]:
    blocks = [*frames_scenes.SCENES.values(), frames_scenes.HELD, *frames_scenes.DIRECT.values()]
    blocks += [*frames_asks.LIMIT.values(), frames_asks.VERDICT, frames_asks.FINE]
    blocks += [frames_asks.EXCEPTION, frames_asks.GRADE, frames_asks.CHANGE, frames_asks.MEANING]
    return blocks


def test_the_styles_share_no_form() -> None:
    for block in _blocks():
        forms = [set(wording.frames(block[style])) for style in STYLES]
        assert sum(map(len, forms)) == len(set.union(*forms)), forms


def test_there_are_dozens_of_forms() -> None:
    whole = [b for b in _blocks() if b not in frames_scenes.DIRECT.values()]
    for block in whole:
        if block is not frames_asks.MEANING:
            assert sum(len(wording.frames(block[style])) for style in STYLES) >= 26
        assert len(wording.frames(block["exam"])) >= 8
        assert len(wording.frames(block["novel"])) >= 4


def test_frames_use_known_slots_only() -> None:
    for block in _blocks():
        for style in STYLES:
            for frame in wording.frames(block[style]):
                slots = set(wording._SLOT.findall(frame))
                assert slots <= {"topic", "n", "unit", "exc", "h", "hunit", "who"}, frame


def test_the_wording_is_a_function_of_the_seed() -> None:
    case = Case("except", REPORT, "verdict", number=25, exception_stated=HELD)
    texts = {ask(case, "training", random.Random(seed)) for seed in range(50)}
    assert texts == {ask(case, "training", random.Random(seed)) for seed in range(50)}
    assert len(texts) == 50
    for text in texts:
        assert "25 days" in text and HELD in text.lower()


@pytest.mark.parametrize(
    ("plural", "singular"),
    [("days", "day"), ("boxes", "box"), ("feet", "foot"), ("branches", "branch"), ("cm", "cm")],
)
def test_singular_units(plural: str, singular: str) -> None:
    assert wording.one_unit(plural) == singular


def test_one_of_a_unit_is_singular() -> None:
    case = Case("apply", replace(REPORT, value=3), "verdict", number=1)
    assert " 1 day" in ask(case, "exam", random.Random(0))
    assert " 1 days" not in ask(case, "exam", random.Random(0))
    assert verdict(answer(Case("recall", replace(REPORT, value=1), "limit"), None)) == "1 day"
