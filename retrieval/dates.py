"""The title and the stated date of a document, given to its passages."""

import re
from collections.abc import Sequence

from elenchus.records import Document, Passage

OPENING = 1500  # characters in which a document states its date
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_DATE = (
    rf"\d{{4}}-\d{{2}}-\d{{2}}|\d{{1,2}}\.? (?:{_MONTHS}) \d{{4}}"
    rf"|(?:{_MONTHS}) \d{{1,2}}, \d{{4}}|(?:{_MONTHS}) \d{{4}}"
)
_STATED = re.compile(
    r"\b(?:date[d]?|effective(?: date| as of| from)?|last (?:updated|revised|modified)|updated|"
    rf"published|adopted|version|in force (?:from|since)|as of)\b[^\n]{{0,20}}?({_DATE})",
    re.IGNORECASE,
)


def stated_date(text: str) -> str:
    """Return the date that a document states at its head, as it is written there; "" for none."""
    found = _STATED.search(text[:OPENING])
    return found[1] if found else ""


def with_titles(passages: Sequence[Passage], documents: Sequence[Document]) -> list[Passage]:
    """Return the passages with title and date of the documents that they are from."""
    known = {d.id: {"title": d.title, "date": stated_date(d.text)} for d in documents}
    return [p.model_copy(update=known.get(p.document_id, {})) for p in passages]
