"""Which answers of the student make a question worth training on, in each mode."""

from typing import Any

import pytest

from elenchus.errors import UserError
from elenchus.records import Grade, Turn
from graphs.adaptation.config import ExaminationConfig
from graphs.adaptation.examination import accepted
from graphs.config import validate
from tests.graphs.making import make_question, make_turn

RIGHT: tuple[Grade, ...] = ("correct",)
WRONG: tuple[Grade, ...] = ("incorrect",)


@pytest.mark.parametrize(
    ("settings", "grades", "takes"),
    [
        ({}, WRONG * 4, True),
        ({}, RIGHT * 4, False),
        ({}, RIGHT * 2 + WRONG * 2, False),  # 0.5 is not below it
        ({}, RIGHT + WRONG * 3, True),
        ({"accept_below": 1, "accept_gap": 0.3}, RIGHT * 3 + WRONG, False),
        ({"acceptance": "band"}, WRONG * 4, False),
        ({"acceptance": "band"}, RIGHT * 4, False),
        ({"acceptance": "band"}, RIGHT + WRONG * 3, True),
        ({"acceptance": "band"}, RIGHT * 2 + WRONG * 2, True),
        ({"acceptance": "band"}, RIGHT * 3 + WRONG, False),
        ({"acceptance": "band", "band": (0.75, 1)}, RIGHT * 3 + WRONG, True),
        ({"acceptance": "band", "band": (0.25, 0.25)}, ("partial",) * 4, True),
        ({"acceptance": "spread"}, WRONG * 4, False),
        ({"acceptance": "spread"}, RIGHT * 4, False),
        ({"acceptance": "spread"}, RIGHT + WRONG * 3, True),  # a variance of 0.1875
        ({"acceptance": "spread", "least_spread": 0.2}, RIGHT + WRONG * 3, False),
        ({"acceptance": "spread", "least_spread": 0.2}, RIGHT * 2 + WRONG * 2, True),
    ],
)
def test_what_is_accepted(settings: dict[str, Any], grades: tuple[Grade, ...], takes: bool) -> None:
    turn = make_turn(make_question("Q?"), grades)
    assert accepted(turn, ExaminationConfig.model_validate(settings)) is takes


@pytest.mark.parametrize("acceptance", ["fail", "band", "spread"])
def test_without_a_verdict_nothing_is(acceptance: str) -> None:
    turn = make_turn(make_question("Q?"), WRONG).model_copy(update={"verdict": None})
    assert not accepted(Turn.model_validate(turn), ExaminationConfig(acceptance=acceptance))


@pytest.mark.parametrize("band", [(0.6, 0.2), (0.2, 1.1), (-0.1, 0.5)])
def test_a_band_goes_upwards_and_holds_scores(band: tuple[float, float]) -> None:
    tree = {"domain": "d", "title": "t", "examination": {"band": band}}
    with pytest.raises(UserError, match=r"examination\.band"):
        validate(tree, "test")
