"""What the built-in author writes to study a document: all that it states is the document's."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.author import STUDIES
from models.blocks import Extract
from offline.language import drafting
from offline.nano import codes
from offline.reader import studying
from offline.reader.parser import read_code

SEEDS, VARIATIONS = st.integers(0, 10_000), st.integers(0, 20)
COPIED = [Extract("p", "Part 1", "The sea was calm."), Extract("q", "Part 1", "So was the sky.")]


def document(seed: int, rules: int = 4) -> list[Extract]:
    rng = random.Random(seed)
    code = codes.fresh_code(rng, rules)
    texts = [drafting.clause(rule, rng) for rule in code.rules]
    texts.append(" ".join(drafting.fine(penalty, rng) for penalty in code.penalties))
    return [Extract(f"p{n}", f"Part 1 > 1.{n}", text) for n, text in enumerate(texts)]


def test_the_seven_kinds_are_those_of_the_author() -> None:
    assert tuple(studying.FORMS) == STUDIES
    with pytest.raises(ValueError, match="none of concepts, map"):
        studying.study(document(1), "poem", 0)


@settings(max_examples=60, deadline=None)
@given(SEEDS, VARIATIONS, st.sampled_from(STUDIES))
def test_a_study_speaks_of_rules_of_the_document(seed: int, variation: int, form: str) -> None:
    extracts = document(seed)
    text = studying.study(extracts, form, variation)
    assert text == studying.study(extracts, form, variation)
    topics = [norm.rule.topic for norm in read_code(extracts).norms]
    assert not topics or any(topic in text.lower() for topic in topics)


@settings(max_examples=60, deadline=None)
@given(SEEDS, VARIATIONS)
def test_every_strategy_proposed_can_be_followed(seed: int, variation: int) -> None:
    extracts = document(seed)
    proposed = studying.strategies(extracts)
    texts = [studying.apply(extracts, strategy, variation) for strategy in proposed]
    assert len(set(proposed)) == len(proposed) and all(texts)


@pytest.mark.parametrize("form", STUDIES)
def test_another_number_asks_for_another_text(form: str) -> None:
    extracts = document(3)
    assert len({studying.study(extracts, form, n) for n in range(20)}) > 5


def test_questions_are_answered_with_what_the_document_states() -> None:
    extracts = document(5)
    (rule,) = {n.rule for n in read_code(extracts[:1]).norms}
    only = [extracts[0], extracts[-1]]
    text = studying.study(only, "questions", 0)
    assert text.startswith("Question: ") and "\nAnswer: " in text
    assert rule.exception is None or f"when {rule.exception}" in text


def test_no_breach_is_said_to_be_free_where_its_fine_is_elsewhere() -> None:
    extracts = document(5)[:-1]
    texts = [
        studying.study(extracts, form, n) for form in ("questions", "cases") for n in range(20)
    ]
    graded = {n.rule.topic.lower() for n in read_code(extracts).norms if n.rule.grade}
    assert graded
    for text in texts:
        for answer in text.split("\n"):
            free = answer.rstrip().endswith("no fine.")
            assert not (free and any(f": {topic}." in answer.lower() for topic in graded)), answer


def test_what_is_proposed_depends_on_the_document() -> None:
    plain = [Extract("p", "Part 1 > 1.1", "Reports are due within 3 days of the accident.")]
    assert len(studying.strategies(plain)) < len(studying.strategies(document(5)))
    with pytest.raises(ValueError, match=r"no strategy of the reader: 'Sleep on it\.'"):
        studying.apply(plain, "Sleep on it.", 0)


def test_what_cannot_be_read_is_copied() -> None:
    whole = "The sea was calm. So was the sky."
    assert [studying.study(COPIED, form, 0) for form in STUDIES] == [whole] * len(STUDIES)
    (strategy,) = studying.strategies(COPIED)
    assert studying.apply(COPIED, strategy, 0) == whole
