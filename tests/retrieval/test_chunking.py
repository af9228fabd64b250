"""Splitting: exact spans, heading paths, no text lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenchus.records import Document
from retrieval.chunking import headings, split, title

LINES = st.lists(
    st.one_of(
        st.sampled_from(["# A", "## B 1", "### C ##", "", "```", "#no", "~~~", "---", "==="]),
        st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=300),
    ),
    max_size=30,
)
MARKS = st.sampled_from(
    [
        "# One",
        "## Two",
        "",
        "```",
        "| a | b |",
        "|---|---|",
        f"|{'long words ' * 99}|",
        "\f",
        "- item",
    ]
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=300)


def document(text: str) -> Document:
    return Document(source="a.md", title="a", text=text)


@given(LINES | st.lists(MARKS | TEXT, max_size=40), st.integers(200, 500))
def test_spans_are_exact_and_in_order(lines: list[str], longest: int) -> None:
    text = "\n".join(lines)
    passages = split(document(text), longest)
    end = 0
    for passage in passages:
        assert text[passage.start : passage.end] == passage.text
        assert passage.text.strip()
        assert len(passage.text) <= longest
        assert passage.start >= end
        end = passage.end
    assert len({p.id for p in passages}) == len(passages)


@given(LINES)
def test_no_word_is_lost(lines: list[str]) -> None:
    text = "\n".join(["A preamble", "of two lines.", *lines])
    passages = split(document(text), 200)
    kept = "".join("".join((*p.heading, p.text)) for p in passages)
    for line in lines:
        if line.strip() and not line.startswith("#") and line.strip().strip("-="):
            assert all(character in kept for character in line.strip())
    titles = {part for passage in passages for part in passage.heading}
    assert {heading.title for heading in headings(text)} <= titles


def test_heading_paths() -> None:
    text = "intro\n# Part 1\none\n## 1.1 Fuel ##\ntwo\n#### deep\nthree\n# Part 2\nfour"
    found = {p.text: p.heading for p in split(document(text), 500)}
    assert found == {
        "intro": (),
        "one": ("Part 1",),
        "two": ("Part 1", "1.1 Fuel"),
        "three": ("Part 1", "1.1 Fuel", "deep"),
        "four": ("Part 2",),
    }


def test_clauses_that_are_headings_are_passages() -> None:
    """As Word's numbered clauses come, where they are styled as headings."""
    clauses = ["1 The tenant pays 450 crowns", "1.1 on the first day", "2 Dogs are forbidden"]
    text = "# Lease\n\n## {} ##\n### {}\n\n\f\n## {}\n \n".format(*clauses)
    found = split(document(text), 500)
    assert [(p.heading, p.text) for p in found] == [
        (("Lease", clauses[0], clauses[1]), clauses[1]),
        (("Lease", clauses[2]), clauses[2]),
    ]
    assert [text[p.start : p.end] for p in found] == clauses[1:]
    (signed,) = split(document(f"Signed.\n# {clauses[0]}"), 500)[1:]
    assert signed.text == clauses[0], "one is enough where there is text"
    assert split(document("# Lease\n\n## 1 Rent\n"), 500) == [], "a title and no more"


def test_hashes_in_code_are_no_headings() -> None:
    text = "# Real\n```\n# not one\n```\nbody"
    assert [p.heading for p in split(document(text), 500)] == [("Real",)]


def test_long_lines_and_tables_take_no_long_time() -> None:
    """Each of these took minutes with expressions that go back and forth."""
    blanks = "# A" + " " * 20_000 + "B\n\nA lamp."
    fences = "```\n# no heading\n" * 3_000
    table = "\n".join(["| a | b |", "|---|---|", *(f"| {n} | {n} |" for n in range(20_000))])
    for text in (blanks, fences, table):
        passages = split(document(text), 1200)
        assert passages
    assert passages[-1].heading == ("a | b",)


@pytest.mark.parametrize("before", ["", "A tug.\n\n"])
@pytest.mark.parametrize("after", ["", "\n", "\n\nA tug."])
def test_a_long_row_alone_names_no_columns(before: str, after: str) -> None:
    """As the last line of a file, it has no end that could be looked for."""
    row = f"| {'Long words. ' * 150}|"
    passages = split(document(f"{before}{row}{after}"), 300)
    assert len(passages) > 2 and {p.heading for p in passages} == {()}


def test_lines_that_are_underlined_are_headings() -> None:
    text = "First part\n==========\n\nA tug.\n\nSecond\n---\nA barge.\n\nLast words\nof it\n---\n"
    found = {p.text: p.heading for p in split(document(text), 500)}
    assert found["A tug."] == ("First part",)
    assert found["A barge.\n\nLast words\nof it\n---"] == ("First part", "Second")


def test_a_numbered_line_is_a_heading_where_the_line_below_is_as_long() -> None:
    text = "Rules\n=====\n\n8. Litigation\n-------------\n\nHere.\n\n1. an item of a list\n---\n"
    assert [h.title for h in headings(text)] == ["Rules", "8. Litigation"]


@pytest.mark.parametrize("line", ["- a list", "1. a list", "> quoted", "| a | b |", "* * *"])
def test_what_begins_no_paragraph_is_not_underlined(line: str) -> None:
    assert not list(headings(f"{line}\n---\n"))


@pytest.mark.parametrize(
    ("text", "titled"),
    [
        ("---\ntitle: Rules\nauthor: someone\n---\n\nOne\n===\n", "Rules"),
        ("---\ntitle: 'In quotes'\n---\n# Other\n", "In quotes"),
        ("---\nauthor: someone\n---\n\n# Rules\n", "Rules"),
        ("\n\nRules\n=====\n", "Rules"),
        ("# Rules ##\n", "Rules"),
        ("Words.\n\n# Rules\n", ""),
        ("```\n# no heading\n```\n# Rules\n", ""),
        ("", ""),
    ],
)
def test_the_title_of_a_document(text: str, titled: str) -> None:
    assert title(text) == titled


def test_front_matter_has_no_headings() -> None:
    assert not list(headings("---\n# a comment\nauthor: someone\n---\nText.\n"))


def test_a_bar_in_a_cell_names_no_column() -> None:
    rows = "\n".join(f"| {n} | a\\|b |" for n in range(60))
    passages = split(document(f"| x\\|y | z |\n| --- | --- |\n{rows}\n"), 200)
    assert {p.heading for p in passages[1:]} == {("x|y | z",)}


@pytest.mark.parametrize(
    ("sentence", "end"),
    [("第{}条，拖轮每六个月必须检查一次缆绳。", "。"), ("नियम {} यह है कि नाव को रुकना होगा। ", "।"),
     ("هل يجب على السفينة {} أن تنتظر؟ ", "؟"), ("A tug must wait {} days! ", "!")],
)  # fmt: skip
def test_sentences_of_any_script_stay_whole(sentence: str, end: str) -> None:
    text = "".join(sentence.format(n) for n in range(100))
    assert all(p.text.endswith(end) for p in split(document(text), 200))
