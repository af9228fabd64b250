"""Review: a person accepts, corrects or rejects the examples of a dataset, one after the other.

What is in which order, and whose decisions these are, stands in the address.
"""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import ACTIONS, Correction
from elenchus.records import Citation, Turn
from graphs.adaptation.reviewing import Case, Order, cases, decide, in_words, summary
from inspection.pages.dataset import paged
from inspection.pages.examination import passages, students
from inspection.pages.guard import posted
from inspection.pages.library import Opened
from inspection.pages.rendering import address, opened, page, root_of

PAGE = 100  # examples in the list


def listed(request: Request) -> Response:
    """Show how far the review is, and all examples in the order that is asked for."""
    run = opened(request)
    found = _cases(run, request)
    number, pages = paged(request.query_params.get("page", ""), len(found), PAGE)
    review = summary(found)
    waiting = [case for case in found if case.decision is None]
    return page(
        request,
        "reviews.html",
        opened=run,
        title="Review",
        said=in_words(review),
        decided=len(found) - len(waiting),
        total=len(found),
        first=waiting[0].example.id if waiting else "",
        cases=found[(number - 1) * PAGE : number * PAGE],
        order=_order(request),
        waits=bool(run.run.settings.review) and run.run.state == "interrupted",
        number=number,
        pages=pages,
    )


def shown(request: Request) -> Response:
    """Show one example to decide on."""
    run = opened(request)
    found = _cases(run, request)
    return page(request, "review.html", **_content(request, run, found, _place(request, found)))


async def decided(request: Request) -> Response:
    """Take the decision of a form and go on to the next; show the example again if it is none."""
    fields = await posted(request)
    if fields is None:
        return PlainTextResponse("This form is of another time: open its page again.\n", 403)
    # On a thread, as all pages are made: a run that writes may hold the ledger for a while.
    return await run_in_threadpool(_taken, request, fields)


def _taken(request: Request, fields: Mapping[str, str]) -> Response:
    run = opened(request)
    found = _cases(run, request)
    place = _place(request, found)
    try:
        _decide(run, found[place], fields, sampled=_order(request) == "random")
    except UserError as error:
        content = _content(request, run, found, place, fields, str(error))
        return page(request, "review.html", 422, **content)
    return RedirectResponse(_next(run, request, found, place, fields["reviewer"]), 303)


def _place(request: Request, found: list[Case]) -> int:
    """Return where the example of an address is in the queue; UserError where it is not."""
    wanted = request.path_params["id"]
    for place, case in enumerate(found):
        if case.example.id == wanted:
            return place
    raise UserError(f"there is no example {wanted} to review in this run")


def _content(
    request: Request,
    run: Opened,
    found: list[Case],
    place: int,
    fields: Mapping[str, str] | None = None,
    fault: str = "",
) -> dict[str, Any]:
    """Return what the page of one example shows; `fields` are of a form that was refused."""
    ledger, case = run.run.ledger, found[place]
    assert ledger is not None  # it has examples
    example, decision = case.example, case.decision
    turn = ledger.get(Turn, example.turn_id)
    corrected = decision.corrected if decision else None
    cited = corrected.citations if corrected else ()
    before = {
        "reviewer": request.query_params.get("reviewer", ""),
        "reason": decision.reason if decision else "",
        "question": corrected.question if corrected else example.prompt[-1].content,
        "completion": corrected.completion if corrected else example.completion,
        "citations": _written(cited or turn.expert[0].citations),
    }
    return {
        "opened": run,
        "title": "Review",
        "example": example,
        "decision": decision,
        "turn": turn,
        "students": students(turn),
        "passages": passages(ledger, [], [turn], example.passage_ids),
        "fields": before | dict(fields or {}),
        "fault": fault,
        "number": place + 1,
        "total": len(found),
        "decided": sum(one.decision is not None for one in found),
        "order": _order(request),
        "earlier": found[place - 1].example.id if place else "",
        "later": found[place + 1].example.id if place + 1 < len(found) else "",
    }


def _decide(run: Opened, case: Case, fields: Mapping[str, str], sampled: bool) -> None:
    """Keep the decision of a form; UserError where it cannot be kept."""
    action = fields.get("action")
    if action not in ACTIONS:
        raise UserError("choose whether the example is accepted, corrected or rejected")
    corrected = None
    if action == "correct":
        corrected = Correction(
            # Browsers end lines of a form otherwise than files do.
            question=fields.get("question", "").replace("\r\n", "\n"),
            completion=fields.get("completion", "").replace("\r\n", "\n"),
            citations=_read(fields.get("citations", "")),
        )
    with closing(Ledger(run.run.folder.ledger)) as ledger:
        decide(
            ledger,
            run.run.settings.answer_form,
            case.example,
            action,
            fields.get("reviewer", ""),
            fields.get("reason", ""),
            sampled,
            corrected,
        )


def _read(text: str) -> tuple[Citation, ...]:
    """Read citations, one a line: the passage's id, a space, the quote.

    Raises:
        UserError: a line is none.
    """
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        passage_id, _, quote = line.partition(" ")
        if not quote.strip():
            raise UserError(f"a citation is a passage's id, a space and a quote; this is {line!r}")
        found.append(Citation(passage_id=passage_id, quote=quote.strip()))
    return tuple(found)


def _written(citations: tuple[Citation, ...]) -> str:
    return "\n".join(f"{one.passage_id} {' '.join(one.quote.split())}" for one in citations)


def _next(run: Opened, request: Request, found: list[Case], place: int, reviewer: str) -> str:
    """Return the address of the next example that waits, or of the list where none does."""
    query = {"order": request.query_params.get("order", ""), "reviewer": reviewer}
    after = [*found[place + 1 :], *found[:place]]
    waiting = next((case.example.id for case in after if case.decision is None), "")
    root = f"{root_of(run)}/review"
    return address(f"{root}/{waiting}" if waiting else root, query)


def _cases(run: Opened, request: Request) -> list[Case]:
    found = cases(run.run.ledger, _order(request)) if run.run.ledger else []
    if not found:
        raise UserError("there is no dataset yet, so nothing to review")
    return found


def _order(request: Request) -> Order:
    return "random" if request.query_params.get("order") == "random" else "doubt"
