"""Manners of asking: the strictest that a server accepts is taken."""

import pytest

from elenchus.records import Message
from elenchus.sections import ModelConfig
from models.structured import WAYS, Manner, Structure, folded


@pytest.mark.parametrize("provider", WAYS)
def test_the_strictest_way_first_and_the_prompt_last(provider: str) -> None:
    structure = Structure(ModelConfig(model=f"{provider}:m"))
    seen = [structure.manner.way]
    while structure.weaker(structure.manner, "R", False, "no"):
        seen.append(structure.manner.way)
    assert tuple(seen) == WAYS[provider]
    assert structure.arguments("prompt", "R", {}) == {}
    structure.restart()
    assert structure.manner == Manner(WAYS[provider][0])
    assert structure.arguments(structure.manner.way, "R", {"type": "object"})


def test_a_way_that_is_set_is_kept() -> None:
    structure = Structure(ModelConfig(model="openai:m", structured="json"))
    assert structure.manner == Manner("json")
    assert not structure.weaker(Manner("json"), "R", False, "no")


def test_the_system_role_is_folded_once_all_ways_are_refused_or_when_it_is_named() -> None:
    for error, tries in (("no", 4), ("System role not supported", 1)):
        structure = Structure(ModelConfig(model="openai:m"))
        for _ in range(tries):
            assert structure.weaker(structure.manner, "R", True, error)
        assert structure.manner == Manner("json_schema", folds=True)


def test_what_was_accepted_once_is_not_to_blame() -> None:
    structure = Structure(ModelConfig(model="openai:m"))
    assert structure.weaker(Manner("json_schema"), "R", True, "no")
    structure.accept(Manner("tool"), "R", True)
    assert not structure.weaker(Manner("tool"), "R", True, "filtered")
    assert structure.weaker(Manner("tool"), "S", True, "this schema is not supported")
    while structure.weaker(structure.manner, "S", True, "no"):
        assert not structure.manner.folds, "a message of the system was accepted"
    structure.restart()
    assert structure.manner == Manner("tool")


def test_the_system_message_is_put_before_the_user_s() -> None:
    roles = ("system", "user", "assistant", "user")
    messages = [Message(role=role, content=text) for role, text in zip(roles, "abcd", strict=True)]
    assert [(m.role, m.content) for m in folded(messages)] == [
        ("user", "a\n\nb"), ("assistant", "c"), ("user", "d"),
    ]  # fmt: skip
