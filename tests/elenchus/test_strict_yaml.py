"""YAML of any kind ends as a value or as one message, within bounds of time and memory."""

import math
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from elenchus.errors import UserError
from elenchus.strict_yaml import DEEPEST, LARGEST, parse

DOUBLED = "".join(f"a{i}: &a{i} {{x: *a{i - 1}, y: *a{i - 1}}}\n" for i in range(1, 40))
MERGED = "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], k{i}: 1}}\n" for i in range(1, 40))
LONG = "a: &a " + "x" * 9000 + "\nb: [" + "*a, " * 900 + "]"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a0: &a0 {k: v}\n" + DOUBLED, "aliases that stand for more than"),
        ("a0: &a0 {k: v}\n" + MERGED, "aliases that stand for more than"),
        (LONG, "aliases that stand for more than"),
        ("a: &a {b: *a}", "of nothing, or within"),
        ("a: &a [*a]", "of nothing, or within"),
        ("a: *b", "of nothing, or within"),
        ("a: " + "[" * 5000 + "]" * 5000, f"more than {DEEPEST} lists"),
        ("a:\n" + "".join(f"{' ' * n}a:\n" for n in range(1, 900)), f"more than {DEEPEST} lists"),
        ("x" * (LARGEST + 1), "more than 1,000,000 characters"),
        ("a: " + "9" * 5000, "not finite, or too large"),
        ("a: 0x" + "f" * 5000, "not finite, or too large"),
        ("a: 1" + ":59" * 100_000, "not finite, or too large"),
        ("a: 0x_", "not finite, or too large"),
        ("a: 18446744073709551616", "not finite, or too large"),
        *(
            (f"a: [{number}]", "not finite, or too large")
            for number in (".nan", "-.inf", "1.0e+999")
        ),
        ("a: !!int abc", "has the tag"),
        ("a: !!timestamp abc", "has the tag"),
        ("a: !!python/object/apply:os.system [ls]", "has the tag"),
        ("a: 1\na: 2", "has the key 'a' twice: remove one (line 2)"),
        ("? [a, b]\n: 1", "a key that is no text"),
        ("1: 2", "a key 1 that is no text"),
        ("a: {~: 2}", "a key ~ that is no text"),
        ("a: !" + "x" * 5000 + " b", "has the tag !xxx"),
        ("a: *" + "b" * 5000, "has the alias *bbb"),
        ("? !!int " + "9" * 5000 + "\n: 1", "has the tag"),
        ("b" * 1000 + ": 1\n" + "b" * 1000 + ": 2", "twice: remove one"),
        ("a: [", "is not valid YAML"),
        ("a: 1\n---\nb: 1", "is not valid YAML"),
        ("a: \x00", "is not valid YAML"),
        ("a: \udcff", "is not UTF-8"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(text, "here")
    assert str(caught.value).startswith("here ") and says in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def test_a_bomb_takes_neither_time_nor_memory() -> None:
    """In a process that may take neither: 4 kB stood for more than 800 MB before."""
    code = (
        "from elenchus.strict_yaml import parse\nfrom elenchus.errors import UserError\n"
        f"try: parse({'a0: &a0 [v]' + chr(10) + DOUBLED!r}, 'here')\n"
        "except UserError: print('told')"
    )

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
        resource.setrlimit(resource.RLIMIT_DATA, (300_000_000, 300_000_000))

    told = subprocess.run([sys.executable, "-c", code], preexec_fn=bounded, capture_output=True)
    assert told.stdout == b"told\n"


def test_dates_and_quoted_numbers_are_text_and_aliases_work() -> None:
    assert parse("a: 2024-02-31\nb: '9'", "here") == {"a": "2024-02-31", "b": "9"}
    merged = parse("a: &a {k: 1, l: 2}\nb: {<<: *a, k: 3}\nc: *a", "here")
    assert merged == {"a": {"k": 1, "l": 2}, "b": {"k": 3, "l": 2}, "c": {"k": 1, "l": 2}}
    assert parse("\ufeff# nothing", "here") is None


# Without ends of lines: PyYAML does not keep all of Unicode's in keys.
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=8)
NUMBERS = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(-1e15, 1e15)
TREES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
)


@given(TREES)
def test_what_yaml_writes_is_read_as_it_was(tree: Any) -> None:
    assert parse(yaml.safe_dump(tree, allow_unicode=True), "here") == tree


MARKS = st.sampled_from(
    ["&a ", "*a", "<<: ", "!!", "? ", ": ", "[", "]", "{", "}", "- ", "\n", "  ", "|", ".inf", "9"]
)


@given(st.lists(MARKS | TEXT, max_size=30).map("".join))
def test_any_text_is_a_value_or_one_message(text: str) -> None:
    try:
        value = parse(text, "here")
    except UserError as error:
        assert str(error).startswith("here ")
    else:
        assert all(map(math.isfinite, numbers_in(value)))


def numbers_in(value: Any) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for one in value for number in numbers_in(one)]
    return [value] if isinstance(value, int | float) else []


def test_files_that_are_none(tmp_path: Path) -> None:
    from elenchus.loading import read_text

    (tmp_path / "a").write_bytes("\ufeffa: ä".encode("utf-8-sig")[3:])
    assert read_text(tmp_path / "a") == "a: ä"
    (tmp_path / "b").write_bytes("a: ä".encode("utf-16"))
    with pytest.raises(UserError, match="is not UTF-8: save it as UTF-8"):
        read_text(tmp_path / "b")
    for path, says in ((tmp_path / "c", "No such file"), (Path("/dev/zero"), "it is no file")):
        with pytest.raises(UserError, match=says):
            read_text(path)
    with pytest.raises(UserError, match="cannot read"):
        read_text(tmp_path)
