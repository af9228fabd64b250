"""Tests for surveying: which passages are read for points."""

import asyncio
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from langgraph.runtime import Runtime

from elenchus.ledger import Ledger
from elenchus.records import Point
from graphs import nodes
from graphs.surveys import drawn

from .making import Bench, make_passage

TEXTS = st.lists(st.text("abcdefgh ", min_size=1, max_size=8), unique=True, max_size=30)


@given(TEXTS, st.integers(1, 40), st.integers(0, 5))
def test_a_draw_keeps_to_its_number_and_changes_as_little_as_it_can(
    texts: list[str], most: int, seed: int
) -> None:
    passages = [make_passage(text) for text in texts]
    chosen = drawn(passages, most, seed)
    assert len({p.id for p in chosen}) == len(chosen) == min(most, len(passages))
    assert {p.id for p in chosen} == {p.id for p in drawn(passages[::-1], most, seed)}
    more = drawn([*passages, make_passage("one more document")], most, seed)
    assert len({p.id for p in more} - {p.id for p in chosen}) <= 1
    assert drawn(passages, None, seed) == passages


def test_only_drawn_passages_are_read(tmp_path: Path, ledger: Ledger) -> None:
    bench = Bench(tmp_path, ledger, questions={"surveyed": 2})
    passages = [make_passage(f"Boats of kind {n} may stay for {n} nights.") for n in range(5)]
    ledger.write(*passages)
    with bench.services.registered() as ref:
        asyncio.run(nodes.survey({}, Runtime(context=ref)))
    assert len(bench.requests("examiner: survey")) == 2
    read = {place for point in ledger.all(Point) for place in point.passage_ids}
    assert read == {p.id for p in drawn(passages, 2, bench.services.config.seed)}
