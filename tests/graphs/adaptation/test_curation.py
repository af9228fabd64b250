"""A round's shortage, counted on records as runs leave them."""

from types import SimpleNamespace

import pytest

from elenchus.config import DatasetConfig, TrainingConfig
from elenchus.ledger import Ledger
from elenchus.outcomes import Dataset
from elenchus.records import Examination, Rejection
from graphs.adaptation.curation import _held_out, more
from graphs.adaptation.seeds import MOST
from training.encoding import Sample


def dataset(candidates: int, left_out: int = 0) -> Dataset:
    return Dataset(
        round=2, example_ids=(), candidates=candidates, near_duplicates=left_out,
        near_exam=0, too_long=0, nearest_exam_similarity=0.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    "candidates, left_out, accepted, expected",
    [
        (200, 0, 90, False),  # as many as the size
        (230, 30, 90, False),  # what is left out is not missing twice
        (230, 31, 90, True),
        (150, 0, 0, False),  # what earlier rounds left over is no sign that more will be accepted
        (150, 150, 90, False),  # everything accepted is left out
    ],
)
def test_a_round_needs_more_where_usable_candidates_are_fewer_than_its_size(
    ledger: Ledger, candidates: int, left_out: int, accepted: int, expected: bool
) -> None:
    ledger.write(*(examination(n, n < accepted) for n in range(100)))
    config = SimpleNamespace(sizes=(100, 200), dataset=DatasetConfig())
    run = SimpleNamespace(ledger=ledger, config=config)
    missing = more(run, dataset(candidates, left_out), wanted=100)
    assert (missing > 0) == expected
    assert missing <= MOST * 100 - 100


def examination(n: int, accepted: bool) -> Examination:
    return Examination(
        seed_id=str(n),
        round=2,
        turn_ids=(str(n),),
        accepted_turn_id=str(n) if accepted else None,
        rejection=None if accepted else Rejection(code="known", raw="?"),
    )


@pytest.mark.parametrize(("count", "apart"), [(0, 0), (1, 0), (2, 1), (10, 9)])
def test_however_much_is_held_out_something_is_left_to_train_on(count: int, apart: int) -> None:
    samples = [Sample((), str(n)) for n in range(count)]
    learnt, held_out = _held_out(samples, TrainingConfig(held_out=0.95), seed=0)
    assert (len(learnt), len(held_out)) == (count - apart, apart)
