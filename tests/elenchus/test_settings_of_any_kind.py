"""Whatever stands in a domain.yaml or after --set: a configuration, or one message."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from elenchus.errors import UserError
from elenchus.loading import as_change, as_source
from graphs.config import DomainConfig, leaf_keys, load, validate

SECTIONS = sorted({key.rpartition(".")[0] for key in leaf_keys() if "." in key})
KEYS = st.sampled_from([*leaf_keys(), *SECTIONS, "expert.nothing", "profiles.p.training.rank"])
WORDS = st.sampled_from(
    [
        "",
        "~",
        "-",
        "hf:",
        "openai:",
        "builtin:nano",
        "English",
        "{explanation} {result}",
        "p",
        "null",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=6)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS | st.sampled_from(["path", "model", "options"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def told(attempt: Any) -> None:
    """Try something that either works or is refused, in one line."""
    try:
        attempt()
    except UserError as error:
        assert "\n" not in str(error) and str(error)


def nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


@given(KEYS, VALUES)
def test_any_value_of_any_setting(key: str, value: Any) -> None:
    tree = {"domain": "d", "title": "t"} | nested(key, value)
    told(lambda: validate(tree, "here").model_dump_json())


@given(KEYS, VALUES, st.sampled_from([None, "p", "q"]))
def test_any_file(tmp_path_factory: pytest.TempPathFactory, key: str, value: Any, p: Any) -> None:
    path: Path = tmp_path_factory.mktemp("domain") / "domain.yaml"
    tree = {"domain": "d", "title": "t", "profiles": {"p": nested(key, value)}}
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    told(lambda: load(path, p))


@given(KEYS, st.text(max_size=30))
def test_any_argument(key: str, text: str) -> None:
    told(lambda: validate({"domain": "d", "title": "t"} | as_change(f"{key}={text}"), "--set"))
    told(lambda: as_change(text))
    told(lambda: as_source(text))
    told(lambda: as_source(f"{{path: {text}}}"))


@pytest.mark.parametrize(
    "change",
    ["a" * 9000, "a\nb=[", "a" * 9000 + "=[", "\udcff=1", "corpus." + "x" * 9000 + "=1"],
)
def test_what_is_wrong_with_an_argument_is_said_in_a_line(change: str) -> None:
    with pytest.raises(UserError) as caught:
        validate({"domain": "d", "title": "t"} | as_change(change), "--set")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "key", ["method", "expert.model", "questions.personas", "exam.tasks.a.test"]
)
def test_a_long_value_is_told_by_its_beginning(key: str) -> None:
    with pytest.raises(UserError) as caught:
        validate({"domain": "d", "title": "t"} | nested(key, "x\n" * 9000), "here")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 800
    with pytest.raises(UserError, match=r"^this is no source[^\n]{,800}$"):
        as_source("{path: a, encoding: " + "x" * 9000 + "}")


def test_the_first_of_many_mistakes_are_named() -> None:
    with pytest.raises(UserError, match=r"unknown key 'k00'.*; and 20 more$") as caught:
        validate({"domain": "d", "title": "t"} | {f"k{n:02}": 1 for n in range(30)}, "here")
    assert "k09" in str(caught.value) and "k10" not in str(caught.value)


def test_what_was_valid_stays_so() -> None:
    """A run's configuration is read from its run.yaml as it was written."""
    config = validate({"domain": "d", "title": "t"}, "here")
    again = yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json", exclude={"profiles"})))
    assert isinstance(config, DomainConfig) and validate(again, "run.yaml") == config
