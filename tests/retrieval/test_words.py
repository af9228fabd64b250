"""Words of many languages are found, and embeddings that cannot read them are refused."""

import unicodedata
from pathlib import Path

import pytest

from elenchus.config import RetrievalConfig
from elenchus.errors import UserError
from elenchus.records import Passage
from retrieval.embedding import Embedder
from retrieval.search import Search
from retrieval.words import Words, language_of

CHINESE = (
    "拖轮每六个月必须检查一次缆绳，检查记录应当保存三年以上。",
    "港池内禁止在夜间进行明火作业，违反者将被处以五千元罚款。",
    "引航员应当在船舶抵达锚地前两小时登船，并报告港务长。",
)
THAI = (
    "เรือลากจูงต้องตรวจเชือกทุกหกเดือนและเก็บบันทึกไว้สามปี",
    "ห้ามจุดไฟในท่าเรือตอนกลางคืน ผู้ฝ่าฝืนต้องเสียค่าปรับห้าพันบาท",
    "นักบินนำร่องต้องขึ้นเรือสองชั่วโมงก่อนถึงที่จอดเรือ",
)
GERMAN = (
    "Die Schlepper müssen ihre Leinen alle sechs Monate von einem Prüfer ansehen lassen.",
    "Offenes Feuer ist während der Nacht im ganzen Hafenbecken verboten, bei einer Geldbuße.",
    "Der Lotse hat zwei Stunden vor der Ankunft des Schiffes an Bord zu gehen.",
)


class NoStore:
    """Stands for vectors, which lexical search does not want."""


def lexical(texts: tuple[str, ...], query: str) -> list[int]:
    """Return the places of the passages that share words with a query, best first."""
    passages = [
        Passage(document_id="a", source="a", start=n, end=n + 1, heading=(), text=text)
        for n, text in enumerate(texts)
    ]
    search = Search(passages, NoStore(), RetrievalConfig())  # type: ignore[arg-type]
    found = {i: score for i, score in search.lexical(query).items() if score > 0}
    return [n for i in found for n, passage in enumerate(passages) if passage.id == i]


@pytest.mark.parametrize(
    ("texts", "query", "place"),
    [
        (CHINESE, "缆绳多久检查一次？", 0),
        (CHINESE, "夜间明火罚款", 1),
        (THAI, "ค่าปรับเท่าไร", 1),
        (GERMAN, "Wann gehen Lotsen an Bord?", 2),
        (GERMAN, unicodedata.normalize("NFD", "Wer muss die Leine prüfen? Ein Prüfer"), 0),
    ],
)
def test_words_are_found_in_the_way_of_their_language(
    texts: tuple[str, ...], query: str, place: int
) -> None:
    assert lexical(texts, query)[0] == place


def test_the_language_of_a_corpus_is_that_of_its_texts() -> None:
    assert Words(GERMAN).language == "de"
    assert Words(CHINESE).language == "zh"
    assert Words(["A tug must carry two lines at all times and be towed by day."]).language == "en"
    assert language_of("short") == "und"


def test_texts_that_an_embedding_cannot_read_are_refused_with_the_remedy() -> None:
    minilm = Embedder("minilm")
    for unread in (THAI, CHINESE):
        with pytest.raises(UserError, match=r"retrieval\.embedding: minilm cannot read.*take a mo"):
            minilm.check_reads([*unread, unread[0] + unread[1]])
    minilm.check_reads(GERMAN * 2)
    minilm.check_reads(["A tug waits.", "A barge waits.", "A line is tied.", "The fine is ten."])
    minilm.check_reads([])


def test_a_name_is_found_however_its_letters_are_composed(tmp_path: Path) -> None:
    from elenchus.progress import unseen
    from graphs.config import validate
    from retrieval.index import Index

    name = unicodedata.normalize("NFD", "Hafengebühr.md")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / name).write_text("# Gebühren\n\nVierzig Euro.", encoding="utf-8")
    tree = {"domain": "x", "title": "x", "corpus": {"sources": ["docs"]}}
    index = Index(validate(tree, "test"), tmp_path, keep=False)
    index.read(unseen)
    for form in ("NFC", "NFD"):
        found = index.catalogue.document(unicodedata.normalize(form, "docs/Hafengebühr.md"))
        assert found is not None and found.title == "Gebühren"
    index.close()
