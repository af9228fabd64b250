"""Ingesting: what is read, what is refused and why, and what an ingest costs the second time."""

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from filelock import FileLock, Timeout
from pyarrow import parquet

from elenchus.errors import UserError
from elenchus.progress import unseen
from graphs.config import DomainConfig, validate
from retrieval.catalogue import Catalogue
from retrieval.embedding import Embedder
from retrieval.index import Index, contents

TEXTS = {f"{n:02}.md": f"# Rule {n}\n\nA lamp of kind {n} must be lit at dusk." for n in range(8)}


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
        counts = dict(index.read(unseen))
        counts["embedded"] = index.embed(store, unseen)
        assert store.ids() == {p.id for p in index.catalogue.passages()}
    return {key: count for key, count in counts.items() if count}


def refused(folder: Path, *sources: Any, **corpus: Any) -> dict[str, str]:
    with closing(Index(configured(folder, *sources, **corpus), folder)) as index:
        index.read(unseen)
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
        index.read(unseen)
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
            index.read(unseen)
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
        ({"loader": "wikis"}, "there is no loader 'wikis'"),
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


def test_a_new_catalogue_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    for n in range(60):  # few of them would meet where nothing kept them apart
        together = threading.Barrier(8)

        def opened(path: Path, together: threading.Barrier = together) -> str:
            together.wait()
            with closing(Catalogue(path)) as catalogue:
                return catalogue.identity()

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(opened, [tmp_path / f"{n}.sqlite"] * 8))
        assert len(set(found)) == 1


def test_documents_never_share_a_name(tmp_path: Path) -> None:
    for place, text in (("one", "A lamp."), ("two", "A rope.")):
        fill(tmp_path / place / "docs", {"a.md": text})
    home = tmp_path / "home"
    home.mkdir()
    sources = ("../one/docs", str(tmp_path / "two" / "docs"))
    documents, _ = contents(configured(tmp_path, *sources), home)
    assert [(d.source, d.text) for d in documents] == [("docs/a.md", "A lamp.")]
    assert refused(home, *sources) == {"docs/a.md (again, 2)": "another document has this name"}


def test_rows_of_one_name_are_each_told(tmp_path: Path) -> None:
    fill(tmp_path, {"a.csv": "id,text\n7,A lamp.\n7,A rope.\n7,A net."})
    why = refused(tmp_path, {"path": "a.csv", "id": "id"})
    assert why == {f"a.csv#7 (again, {n})": "another document has this name" for n in (2, 3)}


def test_odd_files_are_told_and_stop_nothing(tmp_path: Path) -> None:
    docs = fill(tmp_path / "docs", {
        "good.md": "A lamp must be lit.",
        "half.jsonl": json.dumps({"text": "A \ud800 lamp."}) + "\n" + json.dumps({"text": "Two."}),
        "digits.jsonl": '{"text": ' + "9" * 5000 + '}\n{"text": "Three."}',
        "later.jsonl": '{"other": 1}\n{"text": "Four."}',
        "bare.csv": "text\n", "none.csv": "", "blank.jsonl": "\n\n",
    })  # fmt: skip
    (docs / "loop").symlink_to("loop")
    (docs / "nothing").symlink_to("nowhere.md")
    os.mkfifo(docs / "pipe.txt")
    with open(os.fsencode(docs) + b"/caf\xe9.txt", "w") as file:  # noqa: PTH123
        file.write("Five.")
    documents, _ = contents(configured(tmp_path, "docs"), tmp_path)
    assert {d.text for d in documents} == {
        "A lamp must be lit.",
        "Two.",
        "Three.",
        "Four.",
        "Five.",
    }
    why = refused(tmp_path, "docs")
    assert {name.removeprefix("docs/"): reason.split(":")[0] for name, reason in why.items()} == {
        "bare.csv": "there is no row in it",
        "blank.jsonl": "there is no row in it",
        "digits.jsonl#1": "it is not JSON",
        "half.jsonl#1": "it holds half a character (a lone surrogate)",
        "later.jsonl#1": "no column 'text' among other",
        "loop": "a link to nothing",
        "none.csv": "there is no row in it",
        "nothing": "a link to nothing",
        "pipe.txt": "not a regular file",
    }


def test_a_wrong_encoding_of_a_table_is_told(tmp_path: Path) -> None:
    fill(tmp_path, {"a.csv": "text\nA.", "b.jsonl": b'{"text": "\xe9"}', "c.md": "C."})
    with pytest.raises(UserError, match=r"no encoding of text.*'klingon'"):
        configured(tmp_path, {"path": "a.csv", "encoding": "klingon"})
    sources = [{"path": name, "encoding": "ascii"} for name in ("a.csv", "b.jsonl")]
    assert list(refused(tmp_path, *sources, "c.md")) == ["b.jsonl#1"]


def test_a_file_named_by_itself_has_its_own_settings(tmp_path: Path, embedder: Embedder) -> None:
    fill(tmp_path / "docs", {"old.txt": "Gr\u00fc\u00dfe".encode("cp1252"), "new.txt": "A lamp."})
    assert ingest(tmp_path, embedder, "docs") == {"new": 1, "refused": 1, "embedded": 1}
    named = {"path": "docs/old.txt", "encoding": "cp1252"}
    assert ingest(tmp_path, embedder, "docs", named) == {"new": 1, "same": 1, "embedded": 1}
    other = named | {"encoding": "cp1251"}
    assert ingest(tmp_path, embedder, "docs", other) == {"changed": 1, "same": 1, "embedded": 1}


def test_patterns_keep_to_the_rules_of_folders(tmp_path: Path) -> None:
    outside = fill(tmp_path / "outside", {"secret.md": "Not for the index."})
    docs = fill(tmp_path / "docs", {"a.md": "A.", "sub/b.md": "B.", ".git/c.md": "C.",
                                    "d.jsonl": '{"text": "D."}\n{"text": "E."}'})  # fmt: skip
    (docs / "link").symlink_to(outside)
    for pattern in ("docs/*", "docs/*/*.md", "docs/**/*"):
        documents, _ = contents(configured(tmp_path, pattern, "docs/a.md"), tmp_path)
        assert not {d.text for d in documents} & {"Not for the index.", "C."}
        why = refused(tmp_path, pattern, "docs/a.md")
        assert set(why) <= {"docs/link", "docs/link/secret.md"}
        assert set(why.values()) <= {"a link that leaves the folder"}


def test_nobody_reads_other_sources_while_what_was_read_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, {"docs/x.md": "# A\n\nOne rule.", "docs/empty.md": ""})
    with closing(Index(configured(tmp_path, "docs"), tmp_path)) as index:
        index.read(unseen)  # as a launch does; what is refused is told again all the same
        listed = index.catalogue.documents

        def documents() -> Any:
            with pytest.raises(Timeout):
                FileLock(index.place / "update.lock").acquire(timeout=0)
            return listed()

        monkeypatch.setattr(index.catalogue, "documents", documents)
        found, passages, refused_ones = index.take(unseen)
        assert [d.source for d in found] == [p.source for p in passages] == ["docs/x.md"]
        assert refused_ones == 1
