"""Reading a test: tables of all forms give the same items, and bad input is told in one message."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.prompting import Subject
from elenchus.errors import UserError
from elenchus.own_tests import TestConfig
from evaluation.reading import Read, read
from graphs.config import DomainConfig, validate

ROWS = [
    {"clause": "The buyer pays the tax.", "label": "Yes"},
    {"clause": "The seller ships the goods.", "label": "No"},
    {"clause": "No tax is due.", "label": "Yes"},
    {"clause": "Goods are shipped.", "label": "No"},
]
SUBJECT = Subject("contracts", "English")
Test = Callable[..., Read]


def csv(rows: list[dict[str, Any]], between: str = ",") -> str:
    lines = [between.join(rows[0]), *(between.join(map(str, row.values())) for row in rows)]
    return "\n".join(lines) + "\n"


def jsonl(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def own(tmp_path: Path) -> Test:
    """Reads a test of some rows, or of a file; keys of the section are arguments."""

    def made(rows: Any = ROWS, seed: int = 0, **tree: Any) -> Read:
        if isinstance(rows, list):
            (tmp_path / "rows.jsonl").write_text(jsonl(rows), encoding="utf-8")
            rows = "rows.jsonl"
        plain = {"rows": rows, "template": "Clause: {clause}", "answer": "label", "score": "choice"}
        tree = {key: value for key, value in (plain | tree).items() if value is not None}
        return read("own", TestConfig.model_validate(tree), tmp_path, SUBJECT, seed)

    return made


def test_tables_of_all_forms_give_the_same_items(tmp_path: Path, own: Test) -> None:
    from pyarrow import Table, parquet

    (tmp_path / "t.csv").write_text(csv(ROWS), encoding="utf-8")
    (tmp_path / "t.tsv").write_text(csv(ROWS, "\t"), encoding="utf-8")
    (tmp_path / "t.jsonl").write_text(jsonl(ROWS), encoding="utf-8")
    parquet.write_table(Table.from_pylist(ROWS), tmp_path / "t.parquet")
    asked = {}
    for suffix in ("csv", "tsv", "jsonl", "parquet"):
        items = own(f"t.{suffix}").items
        assert [item.place for item in items] == [f"t.{suffix}#{n}" for n in (1, 2, 3, 4)]
        asked[suffix] = [(item.prompt, item.answer, item.labels, item.asked) for item in items]
    assert asked["csv"] == asked["tsv"] == asked["jsonl"] == asked["parquet"]
    prompt, answer, labels, bare = asked["csv"][0]
    assert [message.content for message in prompt] == ["Clause: The buyer pays the tax."]
    assert (answer, labels, bare) == ("Yes", ("No", "Yes"), "The buyer pays the tax.")


def test_a_prompt_of_legalbench_is_sent_whole(tmp_path: Path, own: Test) -> None:
    examples = "Is tax meant?\n\nClause: {a}\nLabel: Yes\n\nClause: {{clause}}\nLabel:"
    (tmp_path / "prompt.txt").write_text(examples, encoding="utf-8")
    item = own(template=None, prompt="prompt.txt").items[0]
    (message,) = item.prompt
    assert message.role == "user"
    assert message.content == examples.replace("{{clause}}", "The buyer pays the tax.")


def test_the_domains_prompt_can_be_used(own: Test) -> None:
    system, user = own(own_prompt=True, instruction="Yes or no?").items[0].prompt
    assert system.role == "system" and "contracts" in system.content
    assert user.content == "Yes or no?\nClause: The buyer pays the tax."


def test_rows_are_drawn_by_the_seed_and_keep_their_order(own: Test) -> None:
    many = [{"clause": f"c{n}", "label": "Yes" if n % 2 else "No"} for n in range(40)]
    first, again, other = (own(many, seed=n, count=10).items for n in (1, 1, 2))
    assert first == again != other and len(first) == 10
    places = [int(item.place.partition("#")[2]) for item in first]
    assert places == sorted(places)


def test_rows_that_cannot_be_asked_are_told_apart(own: Test) -> None:
    found = own([*ROWS, {"clause": "", "label": "No"}, {"clause": "x", "label": None}])
    assert len(found.items) == 4
    assert [row.place for row in found.unusable] == ["rows.jsonl#5", "rows.jsonl#6"]
    assert "nothing in the column" in found.unusable[0].reason


def test_a_label_may_be_given_by_its_place_or_in_another_case(own: Test) -> None:
    rows = [{"clause": "a", "label": 1}, {"clause": "b", "label": 0}]
    assert [item.answer for item in own(rows, labels=["No", "Yes"]).items] == ["Yes", "No"]
    rows = [{"clause": "a", "label": "yes"}, {"clause": "b", "label": "No."}]
    assert [item.answer for item in own(rows, labels=["No", "Yes"]).items] == ["Yes", "No"]


def test_a_rubric_may_be_a_column(own: Test) -> None:
    rows = [{"clause": "a", "criteria": "names the tax\nsays who pays"}]
    item = own(rows, score="rubric", rubric="{criteria}", answer=None).items[0]
    assert item.rubric == ("names the tax", "says who pays") and item.answer == ""


def test_free_answers_have_no_labels(own: Test) -> None:
    rows = [{"clause": f"c{n}", "label": f"answer {n}"} for n in range(4)]
    assert own(rows, score="exact").items[0].labels == ()
    assert own(score="exact").items[0].labels == ("No", "Yes")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": ["Yes", "No", "Maybe"]}, r"no row of rows.jsonl has the label 'Maybe'"),
        ({"labels": ["Yes", "No", "no."], "score": "exact"}, r"'No' and 'no\.' are one answer"),
        ({"labels": ["Yes", "Perhaps"]}, r"rows.jsonl#2 has the answer 'No', which is none of"),
        ({"template": "{text}"}, r"rows.jsonl has no column 'text' among clause, label"),
        ({"answer": "gold"}, r"has no column 'gold' among clause, label"),
        ({"rows": ROWS[::2]}, r"all 2 rows have the answer 'Yes', so that a test of one class"),
        ({"rows": ROWS, "count": 1}, r"one class tells nothing"),
        ({"rows": []}, r"rows.jsonl has no row that can be asked"),
        ({"score": "number"}, r"no row that can be asked: .*'Yes' by score: number"),
        ({"rows": "gone.csv"}, r"tests.own.rows: cannot read gone.csv"),
        ({"rows": "rows.docx"}, r"tests.own.rows: rows.docx is no table"),
        ({"template": None, "prompt": "gone.txt"}, r"tests.own.prompt: cannot read"),
    ],
)  # fmt: skip
def test_bad_input_is_told_in_one_message(own: Test, changes: dict[str, Any], said: str) -> None:
    rows = changes.pop("rows", ROWS)
    with pytest.raises(UserError, match=said) as error:
        own(rows, **changes)
    assert str(error.value).startswith("tests.own") and "\n" not in str(error.value)


def test_a_column_missing_in_a_table_with_a_first_line_is_named(tmp_path: Path, own: Test) -> None:
    (tmp_path / "t.csv").write_text(csv(ROWS), encoding="utf-8")
    with pytest.raises(UserError, match=r"no column 'text' among clause, label"):
        own("t.csv", template="{text}")


def test_many_different_answers_are_no_choice(own: Test) -> None:
    rows = [{"clause": f"c{n}", "label": f"answer {n}"} for n in range(60)]
    with pytest.raises(
        UserError, match=r"60 different answers in the column 'label' are no labels"
    ):
        own(rows)


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"template": "{label}", "answer": "label"}, "the template shows the answer"),
        ({"template": "nothing"}, "a template names columns"),
        ({"template": "{a}", "prompt": "p.txt"}, "one of template and prompt"),
        ({"score": "rubric"}, "wants a rubric"),
        ({"labels": ["a", "b"], "score": "judge"}, "labels are for score"),
        ({"labels": ["a"]}, "one label is no choice"),
        ({"tolerance": 0.1}, "tolerance is for score: number"),
        ({"score": "guess"}, "score"),
    ],
)
def test_keys_that_do_not_fit_together_are_refused(tree: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TestConfig.model_validate({"rows": "t.csv"} | tree)


@pytest.mark.parametrize("names", [("a b",), ("../up",), ("Tax", "tax"), ("",)])
def test_names_that_no_file_can_have_are_refused(names: tuple[str, ...]) -> None:
    tree = {"domain": "d", "title": "t", "tests": {name: {"rows": "t.csv"} for name in names}}
    with pytest.raises(UserError, match=r"tests: .*name"):
        validate(tree, "domain.yaml")


def test_a_test_survives_its_way_through_a_file() -> None:
    tree = {
        "rows": {"hf": "a/b", "split": "test"}, "template": "{q}", "answer": "a", "score": "number",
        "tolerance": {"relative": 0.1}, "count": 3,
    }  # fmt: skip
    config = DomainConfig.model_validate({"domain": "d", "title": "t", "tests": {"x": tree}})
    again = DomainConfig.model_validate(config.model_dump(mode="json"))
    assert again.tests == config.tests


@given(st.text(min_size=1).filter(str.strip), st.text(min_size=1).filter(str.strip))
def test_what_a_row_says_is_never_read_as_a_template(clause: str, other: str) -> None:
    import tempfile

    clause += "{label}{{clause}}"
    rows = [{"clause": clause, "label": "Yes"}, {"clause": other, "label": "No"}]
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "rows.jsonl").write_text(jsonl(rows), encoding="utf-8")
        config = TestConfig.model_validate(
            {"rows": "rows.jsonl", "template": "{clause}", "answer": "label", "score": "choice"}
        )
        item = read("own", config, Path(place), SUBJECT, 0).items[0]
    assert item.prompt[-1].content == clause.strip()
