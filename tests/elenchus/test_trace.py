"""What models and documents say is shown as it stands, whatever it looks like."""

from pathlib import Path

import pytest

from elenchus.ledger import Ledger
from elenchus.runs import RunFolder
from graphs.adaptation import trace


@pytest.mark.parametrize("topic", ["[/INST] x", "mooring [section 3] fee"])
def test_topics_are_no_markup(
    topic: str, ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"examination": "e-1", "round": 1, "kind": "recall", "topic": topic, "turns": 1}
    trace.show_overview(ledger, [row | {"gap": None, "outcome": "accepted"}], RunFolder(tmp_path))
    assert topic in capsys.readouterr().out
