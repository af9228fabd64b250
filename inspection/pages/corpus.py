"""The documents of a run: found by a text, and read passage by passage, with what covers each."""

from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from elenchus.errors import UserError
from elenchus.records import Document, Passage
from inspection import figures, rows
from inspection.index import Index
from inspection.pages.dataset import paged
from inspection.pages.rendering import opened, page

PAGE = 30  # passages found, or of a document
DOCUMENTS = 200  # listed at once


class Coverage(NamedTuple):
    """What covers a passage: points that stand in it, examinations of them, and examples."""

    points: int
    examinations: int
    accepted: int


def searched(request: Request) -> Response:
    """Show the passages that hold a text; without one, all documents and what covers each topic."""
    run = opened(request)
    index, ledger = run.indexed(), run.run.ledger
    text = request.query_params.get("q", "")
    found: list[tuple[Passage, Coverage]] = []
    total, number, pages = 0, 1, 1
    if index and ledger and (wanted := rows.matching(text)):
        ((total,),) = index.query(
            "SELECT COUNT(*) FROM passage_texts WHERE passage_texts MATCH ?", wanted
        )
        number, pages = paged(request.query_params.get("page", ""), total, PAGE)
        ids = index.query(
            "SELECT p.id FROM passage_texts t JOIN passages p ON p.number = t.rowid "
            "WHERE passage_texts MATCH ? ORDER BY t.rank LIMIT ? OFFSET ?",
            wanted,
            PAGE,
            (number - 1) * PAGE,
        )
        found = [(ledger.get(Passage, i), coverage(index, i)) for (i,) in ids]
    return page(
        request,
        "corpus.html",
        opened=run,
        title="Corpus",
        q=text,
        words=rows.words(text),
        found=found,
        total=total,
        number=number,
        pages=pages,
        documents=_documents(index) if index else [],
        most=DOCUMENTS,
        topics=figures.topics(index) if index else [],
        covered=figures.covered(index) if index else None,
    )


def document(request: Request) -> Response:
    """Show a document, passage by passage."""
    run = opened(request)
    index, ledger, wanted = run.indexed(), run.run.ledger, request.path_params["id"]
    if index is None or ledger is None:
        raise UserError(f"there is no document {wanted}: the run has not read anything yet")
    ids = [
        i
        for (i,) in index.query(
            "SELECT id FROM passages WHERE document_id = ? ORDER BY start", wanted
        )
    ]
    try:
        whole: Document | None = ledger.get(Document, wanted)
    except KeyError:
        whole = None
    if whole is None and not ids:
        raise UserError(f"there is no document {wanted} in run {run.run.id}")
    at = request.query_params.get("passage", "")
    start = str(ids.index(at) // PAGE + 1) if at in ids else request.query_params.get("page", "")
    number, pages = paged(start, len(ids), PAGE)
    part = [ledger.get(Passage, i) for i in ids[(number - 1) * PAGE : number * PAGE]]
    return page(
        request,
        "document.html",
        opened=run,
        title=whole.title if whole else part[0].title or part[0].source,
        document=whole,
        source=whole.source if whole else part[0].source,
        passages=[(one, coverage(index, one.id)) for one in part],
        total=len(ids),
        number=number,
        pages=pages,
    )


def coverage(index: Index, passage_id: str) -> Coverage:
    """Return what covers a passage."""
    ((points, made, accepted),) = index.query(
        """
        SELECT COUNT(DISTINCT g.point_id), COUNT(e.id), COALESCE(SUM(e.outcome = 'accepted'), 0)
        FROM grounds g LEFT JOIN examinations e ON e.point_id = g.point_id WHERE g.passage_id = ?
        """,
        passage_id,
    )
    return Coverage(points, made, accepted)


def _documents(index: Index) -> list[tuple[Any, ...]]:
    """Return documents by source: id, source, title, passages, characters, points, accepted."""
    return index.query(
        """
        SELECT p.document_id, p.source, p.title, COUNT(*), SUM(p.characters),
            COALESCE(SUM(g.points), 0), COALESCE(SUM(g.accepted), 0)
        FROM passages p LEFT JOIN (
            SELECT g.passage_id, COUNT(DISTINCT g.point_id) AS points,
                SUM(e.outcome = 'accepted') AS accepted
            FROM grounds g LEFT JOIN examinations e ON e.point_id = g.point_id GROUP BY g.passage_id
        ) g ON g.passage_id = p.id
        GROUP BY p.document_id ORDER BY p.source LIMIT ?
        """,
        DOCUMENTS,
    )
