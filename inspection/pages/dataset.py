"""The dataset: the examples that the newest choice kept, and how they spread."""

from collections import Counter

from starlette.requests import Request
from starlette.responses import Response

from elenchus.records import Point
from inspection.pages.rendering import opened, page

PAGE = 50  # examples


def shown(request: Request) -> Response:
    """Show the examples, a page at a time, those of one kind or with a text where it is asked."""
    run = opened(request)
    examples = run.run.dataset
    kind, text = request.query_params.get("kind", ""), request.query_params.get("q", "").strip()
    chosen = [
        example
        for example in examples
        if kind in ("", example.kind)
        and text.lower() in f"{example.prompt[-1].content}\n{example.completion}".lower()
    ]
    ledger = run.run.ledger
    topics = ledger.fields(Point, "$.topic") if ledger else {}
    number, pages = paged(request.query_params.get("page", ""), len(chosen), PAGE)
    files = run.run.folder.dataset
    return page(
        request,
        "dataset.html",
        opened=run,
        title="Dataset",
        examples=chosen[(number - 1) * PAGE : number * PAGE],
        total=len(chosen),
        all=len(examples),
        kinds=sorted(Counter(e.kind for e in examples).items()),
        points=len({e.point_id for e in examples}),
        topics={i: topic for i, (topic,) in topics.items()},
        kind=kind,
        q=text,
        number=number,
        pages=pages,
        files=sorted(path.name for path in files.glob("*")) if files.is_dir() else [],
    )


def paged(wanted: str, total: int, size: int) -> tuple[int, int]:
    """Return which page is shown, and how many there are."""
    pages = max(1, -(-total // size))
    number = int(wanted) if wanted.isdecimal() and len(wanted) < 10 else 1
    return min(max(1, number), pages), pages
