"""The card of a dataset: what the hub reads of it, and that texts of others stay texts."""

import re
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from elenchus.config import DatasetConfig
from elenchus.front_matter import read_front_matter
from elenchus.licences import on_hub
from elenchus.results import RunVerdict
from elenchus.sections import SourceConfig
from publishing.dataset_card import Facts, Source, card, size_category
from publishing.markdown import with_section
from publishing.schemas import SCHEMAS

FACTS = Facts(
    run="20260102-030405-abcd",
    title="the byelaws of a pool",
    rows={"train.jsonl": 22, "pairs.jsonl": 0, "held-out.jsonl": 20},
    about=["22 questions with answers."],
    language="en",
    models={"expert": "mock:plain"},
    prompts={"expert/answer.md": "0" * 64},
    corpus="76a170de072157c1",
    sources=[Source("documents")],
    verdict=RunVerdict(word="better", reasons=["a gain beyond chance"]),
)
NASTY = "---\nlicense: mit\n# Head\n- item\n<script>x</script> [a](http://b) | `c` \x1b[31m"


def test_the_hub_finds_licence_language_size_and_files() -> None:
    matter, body = read_front_matter(card(replace(FACTS, licence="CC-BY-4.0")))
    assert matter["license"] == "cc-by-4.0"
    assert matter["language"] == ["en"]
    assert matter["annotations_creators"] == ["machine-generated"]
    assert matter["size_categories"] == ["n<1K"]
    assert matter["source_datasets"] == ["original"]
    # A file without rows has no columns, and nothing loads it.
    assert [one["config_name"] for one in matter["configs"]] == ["default", "exam"]
    assert "Of this dataset: CC-BY-4.0" in body and "**Verdict: better**" in body


def test_a_card_without_a_licence_says_how_to_give_one() -> None:
    matter, body = read_front_matter(card(FACTS))
    assert matter["license"] == "unknown"
    assert "`dataset.licence`" in body and "`licence` of the source" in body


def test_sources_of_the_hub_are_named_with_their_licences() -> None:
    facts = replace(FACTS, sources=[Source("who/what", "CC0-1.0", hub="who/what")])
    matter, body = read_front_matter(card(facts))
    assert matter["source_datasets"] == ["who/what"]
    assert "| who/what | CC0-1.0 |" in body


@given(st.text(max_size=60) | st.just(NASTY))
def test_texts_of_others_stay_texts(text: str) -> None:
    """Wherever they stand, they make no key, no heading, no row, no HTML and no link."""
    title = text or "x"
    facts = replace(
        FACTS,
        title=title,
        sources=[Source(text)],
        models={"expert": text},
        counts={"topics": {text: 3}},
        refused={text: 1},
        review=f"by {text}",
        verdict=RunVerdict(word="worse", reasons=[text]),
    )
    made = card(facts)
    plain = card(replace(facts, title="x", sources=[Source("x")], models={"expert": "x"},
                         counts={"topics": {"x": 3}}, refused={"x": 1}, review="by x",
                         verdict=RunVerdict(word="worse", reasons=["x"])))  # fmt: skip
    matter, body = read_front_matter(made)
    expected, without = read_front_matter(plain)
    assert matter.keys() == expected.keys() and matter["license"] == "unknown"
    if text.split() and text.isprintable():
        assert matter["pretty_name"] == " ".join(text.split())
    headings = re.compile(r"^#+ [^:\n]*", re.MULTILINE)
    assert len(headings.findall(body)) == len(headings.findall(without))
    assert body.count("\n") == without.count("\n")
    assert len(re.findall(r"(?<!\\)\|", body)) == len(re.findall(r"(?<!\\)\|", without))
    assert not re.search(r"<script|(?<!\\)\]\(http|\x1b", body)


@given(st.dictionaries(st.sampled_from(sorted(SCHEMAS)), st.integers(0, 2_000_000), min_size=1))
def test_every_file_with_rows_can_be_loaded_by_one_name(rows: dict[str, int]) -> None:
    matter, _ = read_front_matter(card(replace(FACTS, rows=rows)))
    paths = [one["data_files"][0]["path"] for one in matter["configs"]]
    assert paths == [name for name, count in rows.items() if count]


def test_sizes_are_those_of_the_hub() -> None:
    sizes = [0, 999, 1_000, 9_999, 10_000, 99_999, 100_000, 999_999, 1_000_000]
    assert [size_category(n) for n in sizes] == [
        "n<1K", "n<1K", "1K<n<10K", "1K<n<10K", "10K<n<100K", "10K<n<100K", "100K<n<1M",
        "100K<n<1M", "n>1M",
    ]  # fmt: skip


def test_a_section_is_replaced_alone_or_put_at_the_end() -> None:
    text = "# T\n\n## One\n\nold\n\n## Two\n\nkept\n"
    assert with_section(text, "One", "new") == "# T\n\n## One\n\nnew\n\n## Two\n\nkept\n"
    assert with_section(text, "Two", "new") == "# T\n\n## One\n\nold\n\n## Two\n\nnew\n"
    assert with_section(text, "Three", "x").endswith("kept\n\n## Three\n\nx\n")


def test_licences_are_named_as_spdx_and_as_the_hub_has_them() -> None:
    assert on_hub("GPL-3.0-or-later") == {"license": "gpl-3.0"}
    assert on_hub("ODC-By-1.0") == {"license": "odc-by"}
    assert on_hub("LicenseRef-House") == {"license": "other", "license_name": "licenseref-house"}
    # What others wrote into their cards.
    assert on_hub("My own, (c)")["license_name"] == "my-own-c-"
    with pytest.raises(ValidationError, match=r"SPDX's list"):
        DatasetConfig(licence="free for all\nlicense: mit")
    with pytest.raises(ValidationError, match=r"SPDX's list"):
        SourceConfig(path="documents", licence="")


def test_a_source_without_a_licence_is_written_as_before() -> None:
    """Runs that have none keep what tells them from others."""
    assert SourceConfig(path="documents").model_dump() == "documents"
    assert "licence" not in SourceConfig(hf="who/what").model_dump()
    given_one = SourceConfig(path="documents", licence="MIT").model_dump()
    assert given_one == {"path": "documents", "licence": "MIT"}
    assert yaml.safe_load(yaml.safe_dump(given_one)) == given_one
