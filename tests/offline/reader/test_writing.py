"""The author of the built-in reader: what it writes says what it read, in other words."""

import random

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from models.blocks import Extract
from offline.language import drafting
from offline.nano import codes
from offline.reader import writing
from offline.reader.parser import read_code


def passages(seed: int, rules: int = 4) -> list[Extract]:
    rng = random.Random(seed)
    code = codes.fresh_code(rng, rules)
    texts = [drafting.clause(rule, rng) for rule in code.rules]
    texts.append(" ".join(drafting.fine(penalty, rng) for penalty in code.penalties))
    return [Extract(f"p{n}", f"Part 1 > 1.{n}", text) for n, text in enumerate(texts)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 20))
@example(779, 1)  # of whose topic one wording would lose a word
def test_a_paraphrase_states_the_same_rule(seed: int, variation: int) -> None:
    passage = passages(seed)[0]
    norms = read_code([passage]).norms
    assume(norms)  # a rare topic of words that fell together cannot be read
    (rule,) = [norm.rule for norm in norms]
    text = writing.paraphrase(passage, variation)
    assert [n.rule for n in read_code([Extract("p", "Part 1", text)]).norms] == [rule]
    assert text == writing.paraphrase(passage, variation)


def test_other_numbers_ask_for_other_wordings() -> None:
    passage = passages(3)[0]
    assert len({writing.paraphrase(passage, n) for n in range(20)}) > 5


def test_what_cannot_be_read_is_copied() -> None:
    passage = Extract("p", "Part 1", "The sea was calm.")
    assert writing.paraphrase(passage, 0) == "The sea was calm."


def test_entities_are_related() -> None:
    document = passages(5)
    names, summary = writing.entities(document)
    assert "Part 1 lays down 4 rules" in summary
    rules = {norm.rule.topic: norm.rule for norm in read_code(document).norms}
    one, two = list(rules)[:2]
    text = writing.relate(document, (one, two), 1)
    assert text.startswith(f"Part 1 speaks of the {one} and the {two}.")
    for topic in (one, two):
        if rules[topic].exception:
            assert f"When {rules[topic].exception}, the rule on the {topic} does not" in text
    assert set(rules) < set(names)


def test_an_entity_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing of 'moon'"):
        writing.relate(passages(5), ("moon",), 0)
