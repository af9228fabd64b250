"""Figures of a run: what of its budget is used."""

from contextlib import closing
from pathlib import Path

import pytest

from elenchus.config import BudgetConfig
from elenchus.ledger import Call, Ledger
from inspection.figures import Cap, caps
from models.prices import Prices

BUDGET = BudgetConfig(calls=10, tokens=5000, usd=1.0)


def test_calls_that_were_taken_over_use_nothing_of_the_budget(tmp_path: Path) -> None:
    call = Call(
        id="m-1", role="expert", task="answer", model="openai:gpt-5", prompt_sha256="",
        request="[]", input_tokens=1000, output_tokens=100,
    )  # fmt: skip
    with closing(Ledger(tmp_path / "earlier.sqlite")) as earlier:
        earlier.write_call(call)
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        ledger.adopt(tmp_path / "earlier.sqlite", searches=False)
        assert [cap.used for cap in caps(BUDGET, ledger.spent(), Prices({}), None)] == [0, 0, 0]
        ledger.write_call(call.model_copy(update={"id": "m-2"}))
        ledger.send("expert", "openai:gpt-5", 200, 0)  # which a kill has cost
        used = caps(BUDGET, ledger.spent(), Prices({}), 30.0)
        assert used == [
            Cap("USD", pytest.approx((1200 * 1.25 + 100 * 10) / 1e6), 1.0),
            Cap("tokens", 1300, 5000),
            Cap("calls", 2, 10),
        ]
        ledger.write_call(call.model_copy(update={"id": "m-3", "model": "openai:unheard-of"}))
        assert caps(BUDGET, ledger.spent(), Prices({}), None)[0].used is None
