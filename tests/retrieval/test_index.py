"""Ingesting: what is read, what is refused and why, and what an ingest costs the second time."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from elenchus.config import DomainConfig
from elenchus.errors import UserError
from elenchus.loading import validate
from elenchus.records import Document
from retrieval.chunking import split
from retrieval.embedding import Embedder
from retrieval.index import Index, contents

TEXTS = {f"{n:02}.md": f"# Rule {n}\n\nA lamp of kind {n} must be lit at dusk." for n in range(8)}


def silent(*counts: int | None) -> None:
    """Progress that nobody looks at."""


def configured(folder: Path, *sources: Any, **corpus: Any) -> DomainConfig:
    tree = {"domain": "x", "title": "x", "retrieval": {"index": str(folder / "index")}}
    return validate(tree | {"corpus": {"sources": list(sources)} | corpus}, "test")


def fill(folder: Path, texts: dict[str, str | bytes]) -> Path:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder("minilm")


def ingest(folder: Path, embedder: Embedder, *sources: Any) -> dict[str, int]:
    """What one ingest did, in a process of its own as far as files go."""
    config = configured(folder, *(sources or ("docs",)))
    with closing(Index(config, folder)) as index, closing(index.store(embedder)) as store:
        counts = dict(index.read(silent))
        counts["embedded"] = index.embed(store, silent)
        assert store.ids() == {p.id for p in index.catalogue.passages()}
    return {key: count for key, count in counts.items() if count}


def refused(folder: Path, *sources: Any, **corpus: Any) -> dict[str, str]:
    with closing(Index(configured(folder, *sources, **corpus), folder)) as index:
        index.read(silent)
        return {e.source: e.reason for e in index.catalogue.entries() if e.reason}


def test_only_what_changed_is_embedded(tmp_path: Path, embedder: Embedder) -> None:
    docs = fill(tmp_path / "docs", TEXTS)
    assert ingest(tmp_path, embedder) == {"new": 8, "embedded": 8}
    assert ingest(tmp_path, embedder) == {"same": 8}
    (docs / "03.md").touch()
    assert ingest(tmp_path, embedder) == {"same": 8}
    fill(docs, {"03.md": "# Rule 3\n\nNo lamp is needed."})
    assert ingest(tmp_path, embedder) == {"same": 7, "changed": 1, "embedded": 1}
    (docs / "03.md").unlink()
    assert ingest(tmp_path, embedder) == {"same": 7, "removed": 1}
    fill(docs, {"new/9.md": "A lamp of kind 9 is lit at noon."})
    assert ingest(tmp_path, embedder) == {"same": 7, "new": 1, "embedded": 1}


def test_a_changed_document_keeps_what_did_not_change(tmp_path: Path, embedder: Embedder) -> None:
    docs = fill(tmp_path / "docs", {"a.md": "# One\n\nFirst.\n\n# Two\n\nSecond."})
    assert ingest(tmp_path, embedder)["embedded"] == 2
    fill(docs, {"a.md": "# Zero\n\nNew.\n\n# One\n\nFirst.\n\n# Two\n\nOther."})
    assert ingest(tmp_path, embedder) == {"changed": 1, "embedded": 2}
    _, passages = contents(configured(tmp_path, "docs"), tmp_path)
    assert [p.text for p in passages] == ["New.", "First.", "Other."]


def test_an_ingest_goes_on_where_it_was_killed(tmp_path: Path, embedder: Embedder) -> None:
    fill(tmp_path / "docs", TEXTS)
    config = configured(tmp_path, "docs")
    with closing(Index(config, tmp_path)) as index, closing(index.store(embedder)) as store:
        index.read(silent)
        some = index.catalogue.unembedded(3)
        store.add(some)  # killed before the catalogue knew of it
    assert ingest(tmp_path, embedder) == {"same": 8, "embedded": 5}


def test_a_store_that_was_changed_by_others_is_mended(tmp_path: Path, embedder: Embedder) -> None:
    fill(tmp_path / "docs", TEXTS)
    ingest(tmp_path, embedder)
    config = configured(tmp_path, "docs")
    with closing(Index(config, tmp_path)) as index, closing(index.store(embedder)) as store:
        store.delete(sorted(store.ids())[:2])
    assert ingest(tmp_path, embedder) == {"same": 8, "embedded": 2}


def test_the_fingerprint_tells_content_and_settings(tmp_path: Path) -> None:
    def fingerprint(**corpus: Any) -> str:
        with closing(Index(configured(tmp_path, "docs", **corpus), tmp_path)) as index:
            index.read(silent)
            return index.fingerprint()

    docs = fill(tmp_path / "docs", TEXTS)
    first = fingerprint()
    assert fingerprint() == first
    assert fingerprint(passage_chars=300) != first
    fill(docs, {"03.md": "Another."})
    assert fingerprint() != first
    fill(docs, TEXTS)
    assert fingerprint() == first


def test_bad_files_are_refused_one_by_one(tmp_path: Path) -> None:
    outside = fill(tmp_path / "outside", {"secret.md": "Not for the index."})
    docs = fill(
        tmp_path / "docs",
        {
            "good.md": "A lamp must be lit.", "copy.md": "A lamp must be lit.", "empty.md": "",
            "binary.txt": bytes(range(256)), "latin.txt": "Grüße".encode("latin-1"),
            "broken.docx": b"PK\x03\x04", "long.txt": "x" * 2_000_000, "photo.png": b"\x89PNG",
            ".hidden.md": "Passed over.", "sub/b.md": "A rope must be dry.",
        },
    )  # fmt: skip
    (docs / "away.md").symlink_to(outside / "secret.md")
    (docs / "sub" / "up").symlink_to(docs)  # a loop
    (docs / "near.md").symlink_to(docs / "sub" / "b.md")
    why = refused(tmp_path, "docs", file_mb=1)
    assert {name.removeprefix("docs/"): reason.split(":")[0] for name, reason in why.items()} == {
        "away.md": "a link that leaves the folder",
        "binary.txt": "it is no text, whatever its name says",
        "broken.docx": "it is damaged",
        "empty.md": "the file is empty",
        "good.md": "the same text as docs/copy.md",
        "latin.txt": "it is not UTF-8 (byte 2)",
        "long.txt": "2 MB, and corpus.file_mb allows 1",
        "photo.png": "no reader for .png",
        "sub/b.md": "the same text as docs/near.md",
        "sub/up": "a link to a folder is not followed",
    }
    assert all("\n" not in reason for reason in why.values())


def test_a_copy_stands_in_when_its_original_goes(tmp_path: Path, embedder: Embedder) -> None:
    docs = fill(tmp_path / "docs", {"a.md": "A lamp.", "b.md": "A lamp."})
    assert ingest(tmp_path, embedder) == {"new": 1, "refused": 1, "embedded": 1}
    assert ingest(tmp_path, embedder) == {"same": 1, "refused": 1}
    (docs / "a.md").unlink()
    assert ingest(tmp_path, embedder) == {"new": 1, "removed": 1, "embedded": 1}


def test_rows_of_tables_are_documents(tmp_path: Path) -> None:
    rows = [{"key": n, "name": f"Rule {n}", "body": f"Lamp {n} is lit."} for n in (7, 8, 9)]
    lines = [json.dumps(row) for row in rows]
    lines[1:1] = ["{broken", "[1]", json.dumps({"key": 1, "name": "Empty", "body": " "})]
    fill(tmp_path, {
        "a.jsonl": "\n".join(lines),
        "b.csv": "key,name,body\n7,Rule,Ropes are dry.\n8,Rule\n",
        "c.tsv": "text\nNets are mended.",
        "d.csv": "other\nNo column is named text.",
    })  # fmt: skip
    parquet.write_table(pa.table({"body": ["Boats are dry.", None]}), tmp_path / "e.parquet")
    columns = {"text": "body", "title": "name", "id": "key"}
    sources = [{"path": "a.jsonl", **columns}, {"path": "b.csv", **columns}, "c.tsv", "d.csv",
               {"path": "e.parquet", "text": "body"}]  # fmt: skip
    documents, _ = contents(configured(tmp_path, *sources), tmp_path)
    assert [(d.source, d.title, d.text) for d in documents] == [
        ("a.jsonl#7", "Rule 7", "Lamp 7 is lit."),
        ("a.jsonl#8", "Rule 8", "Lamp 8 is lit."),
        ("a.jsonl#9", "Rule 9", "Lamp 9 is lit."),
        ("b.csv#7", "Rule", "Ropes are dry."),
        ("c.tsv#1", "c.tsv#1", "Nets are mended."),
        ("e.parquet#1", "e.parquet#1", "Boats are dry."),
    ]
    why = refused(tmp_path, *sources)
    assert [(name, reason.split(":")[0]) for name, reason in why.items()] == [
        ("a.jsonl#1", "nothing in the column 'body'"),
        ("a.jsonl#2", "it is not JSON"),
        ("a.jsonl#3", "it is no JSON object"),
        ("b.csv#2", "it has not as many cells as the first line"),
        ("d.csv", "no column 'text' among other"),
        ("e.parquet#2", "nothing in the column 'body'"),
    ]


def test_datasets_of_a_hub_are_read_as_they_stream(tmp_path: Path) -> None:
    fill(tmp_path / "set", {"train.jsonl": '{"body": "Lamps."}\n{"body": "Ropes."}'})
    config = configured(tmp_path, {"hf": "set", "text": "body"})
    documents, _ = contents(config, tmp_path)
    assert [(d.source, d.text) for d in documents] == [
        ("hf:set/train#1", "Lamps."),
        ("hf:set/train#2", "Ropes."),
    ]
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="hf: cannot load none"):
        contents(configured(tmp_path, "hf:none"), tmp_path)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("nowhere", "does not exist"),
        ("*.md", "does not exist"),
        ({"loader": "wikis"}, "no installed package offers the loader 'wikis'"),
    ],
)
def test_sources_that_are_not_there(tmp_path: Path, source: Any, says: str) -> None:
    with pytest.raises(UserError, match=says):
        contents(configured(tmp_path, source), tmp_path)


def test_nothing_loaded_says_why(tmp_path: Path) -> None:
    fill(tmp_path / "docs", {f"{n}.md": "" for n in range(5)})
    with pytest.raises(UserError, match=r"docs/0.md: the file is empty; .* and 2 more"):
        contents(configured(tmp_path, "docs"), tmp_path)


def test_patterns_choose_files(tmp_path: Path) -> None:
    fill(tmp_path / "docs", {"a.md": "A.", "b.txt": "B.", "sub/c.md": "C.", "sub/d.txt": "D."})
    documents, _ = contents(configured(tmp_path, "docs/**/*.md", "docs/b.*"), tmp_path)
    assert [d.source for d in documents] == ["docs/a.md", "docs/b.txt", "docs/sub/c.md"]
    assert [d.title for d in documents] == ["a", "b", "c"]


def test_estimates_leave_nothing_behind(tmp_path: Path) -> None:
    fill(tmp_path / "docs", TEXTS)
    contents(configured(tmp_path, "docs"), tmp_path)
    assert not (tmp_path / "index").exists()


LINES = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=300),
        st.sampled_from(["# One", "## Two", "", "```", "| a | b |", "|---|---|", "\f", "- item"]),
    ),
    max_size=40,
)


@given(LINES, st.integers(200, 500))
def test_passages_are_exact_spans(lines: list[str], longest: int) -> None:
    document = Document(source="a", title="a", text="\n".join(lines))
    passages = split(document, longest)
    for passage in passages:
        assert document.text[passage.start : passage.end] == passage.text
        assert 0 < len(passage.text) <= longest
    starts = [p.start for p in passages]
    assert starts == sorted(starts)
    assert len({p.id for p in passages}) == len(passages)


@pytest.fixture
def catalogue_file(tmp_path: Path, embedder: Embedder) -> Iterator[Path]:
    fill(tmp_path / "docs", {"a.md": "\f".join(("One.", "Två é.", "Three. 🙂"))})
    ingest(tmp_path, embedder)
    (file,) = (tmp_path / "index" / "x").glob("x-*.sqlite")
    yield file


def test_the_catalogue_can_be_asked_by_others(catalogue_file: Path) -> None:
    with closing(sqlite3.connect(catalogue_file)) as db:
        ((whole,),) = db.execute("SELECT text FROM documents")
        for start, end, text in db.execute("SELECT start, end, text FROM passages"):
            assert whole[start:end] == text


def test_documents_never_share_a_name(tmp_path: Path) -> None:
    for place, text in (("one", "A lamp."), ("two", "A rope.")):
        fill(tmp_path / place / "docs", {"a.md": text})
    home = tmp_path / "home"
    home.mkdir()
    sources = ("../one/docs", str(tmp_path / "two" / "docs"), "../one/docs/a.md")
    documents, _ = contents(configured(tmp_path, *sources), home)
    assert [(d.source, d.text) for d in documents] == [("docs/a.md", "A lamp.")]
    with closing(Index(configured(tmp_path, *sources), home)) as index:
        index.read(silent)
        assert {e.source: e.reason for e in index.catalogue.entries() if e.reason} == {
            "docs/a.md (again)": "another document has this name",
            "a.md": "the same text as docs/a.md",
        }
