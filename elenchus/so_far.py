"""The figures of a run that is not finished, as far as its ledger knows them."""

import json
import sqlite3
from contextlib import closing
from typing import Any

from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import Dataset, Score
from elenchus.records import Examination
from elenchus.results import RunRow
from elenchus.runs import RunFolder


def so_far(run: RunFolder, state: str) -> RunRow:
    """Return the row of a run without a result: what its ledger holds by now.

    Shares are those of the held-out exam's answers that have a grade, `after` those of the latest
    round. There is no interval: before the end, nobody says which round counts.
    """
    figures: dict[str, Any] = {}
    if run.ledger.exists():
        try:
            with closing(Ledger(run.ledger, read_only=True)) as ledger:
                figures = _figures(ledger)
        except (UserError, sqlite3.DatabaseError):  # damaged, of another version, or just begun
            figures = {}
    return RunRow(id=run.id, domain=run.path.parent.name, state=state, **figures)


def _figures(ledger: Ledger) -> dict[str, Any]:
    calls, tokens = ledger.usage()
    shares, questions = _shares(ledger)
    rounds = sorted(shares)
    return {
        "questions": questions or None,
        "before": shares[rounds[0]] if rounds else None,
        "after": shares[rounds[-1]] if len(rounds) > 1 else None,
        "examples": _examples(ledger),
        "calls": calls,
        "tokens": tokens,
    }


def _shares(ledger: Ledger) -> tuple[dict[int, float], int]:
    """Return the share of right answers by round, and how many questions the first one had."""
    right: dict[int, list[bool]] = {}
    for exam, round_, grade in ledger.fields(Score, "$.exam", "$.round", "$.grade").values():
        if exam == "held-out":
            right.setdefault(round_, []).append(grade == "correct")
    shares = {round_: sum(each) / len(each) for round_, each in right.items()}
    return shares, len(right[min(right)]) if right else 0


def _examples(ledger: Ledger) -> int | None:
    """Count the examples of the latest dataset; before the first one, what was accepted."""
    datasets = ledger.fields(Dataset, "$.round", "$.example_ids", "$.revises")
    revised = {revises for _, _, revises in datasets.values()}
    sizes = [(round_, len(json.loads(ids))) for dataset_id, (round_, ids, _) in datasets.items()
             if dataset_id not in revised]  # fmt: skip
    if sizes:
        return max(sizes)[1]
    accepted = ledger.fields(Examination, "$.accepted_turn_id").values()
    return sum(1 for (turn_id,) in accepted if turn_id) if accepted else None
