"""Drafted clauses, fines and definitions state all of what they are made from."""

import random

from offline.language import drafting
from offline.language.rules import Definition, Penalty, Rule
from offline.nano import codes


def test_a_clause_states_the_whole_rule() -> None:
    rng = random.Random(2)
    for _ in range(100):
        code = codes.fresh_code(rng, 3)
        for rule in code.rules:
            text = drafting.clause(rule, rng).lower()
            assert rule.topic in text
            assert rule.value is None or f"{rule.value} {rule.unit}" in text
            assert rule.exception is None or rule.exception in text
            assert rule.grade is None or rule.grade in text
            assert "{" not in text and "[" not in text


def test_one_of_a_unit_is_singular_in_a_clause() -> None:
    rule = Rule("maximum", "queue", 1, "lamps", None, None)
    assert "1 lamp" in drafting.clause(rule, random.Random(0))
    assert "1 lamps" not in drafting.clause(rule, random.Random(0))


def test_fines_and_definitions_are_stated() -> None:
    rng = random.Random(0)
    for _ in range(30):
        text = drafting.fine(Penalty("odd", 450, "crowns"), rng).lower()
        assert "450 crowns" in text and "an odd breach" in text
        assert "a rest" in drafting.meaning(Definition("stay", "a rest"), rng)
        assert drafting.prose(rng).endswith((".", ")"))
