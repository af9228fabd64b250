"""Any record of a run by its kind or its id, whatever the method: its fields, and what names it."""

import json
from collections import Counter
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from elenchus.errors import UserError
from elenchus.ledger import Call, Entry
from elenchus.records import Examination
from graphs.trace import Found, find, whole
from inspection.pages.dataset import paged
from inspection.pages.library import Opened
from inspection.pages.rendering import opened, page

PAGE = 50  # records
USERS = 40  # that name a record, at most
TELLING = (
    "text", "statement", "question", "query", "prompt", "quote", "completion", "answer", "topic",
    "title", "detail", "label", "path", "code",
)  # fmt: skip


class Line(NamedTuple):
    """A record in a list: its kind, id, and the text that tells it from others."""

    kind: str
    id: str
    text: str


def kinds(request: Request) -> Response:
    """Show which kinds of records a run has, and how many of each."""
    run = opened(request)
    counts = run.run.ledger.kinds() if run.run.ledger else {}
    index = run.indexed()
    calls = index.query("SELECT COUNT(*) FROM calls") if index else [(0,)]
    return page(
        request,
        "kinds.html",
        opened=run,
        title="Records",
        counts=counts | ({"Call": calls[0][0]} if calls[0][0] else {}),
    )


def of_kind(request: Request) -> Response:
    """Show the records of one kind, those that hold a text where it is asked."""
    run, kind = opened(request), request.path_params["kind"]
    text = request.query_params.get("q", "")
    lines, number, pages, total = (_calls if kind == "Call" else _records)(
        run, kind, text, request.query_params.get("page", "")
    )
    return page(
        request,
        "records.html",
        opened=run,
        title=f"Records of kind {kind}",
        kind=kind,
        q=text,
        lines=lines,
        number=number,
        pages=pages,
        total=total,
    )


def shown(request: Request) -> Response:
    """Show whatever has an id, or a start of one."""
    run, wanted = opened(request), request.path_params["id"]
    ledger = run.run.ledger
    if ledger is None:
        raise UserError(f"there is no record {wanted}: the run has not asked anything yet")
    if wanted.startswith("m-") and (attempts := ledger.attempts(wanted)):
        return _call(request, run, attempts)
    if not ledger.entries(wanted):
        raise UserError(f"there is no record {wanted} in run {run.run.id}")
    found = find(ledger, wanted)
    examination = whole(ledger, found, Examination)
    counts = Counter(user.kind for user in found.used_by)
    return page(
        request,
        "record.html",
        opened=run,
        title=f"{found.entry.kind} {found.entry.id}",
        entry=found.entry,
        examination=examination,
        counts=sorted(counts.items()),
        users=[_line(user) for user in found.used_by[:USERS]],
    )


def _call(request: Request, run: Opened, attempts: list[Call]) -> Response:
    """Show a call: its prompt, and the reply of each attempt."""
    ledger = run.run.ledger
    assert ledger is not None
    last = attempts[-1]
    entry = Entry("Call", last.id, last.model_dump_json(exclude={"id"}))
    users = Found(entry, ledger.mentioning(last.id)).used_by
    return page(
        request,
        "call.html",
        opened=run,
        title=f"Call {last.id}",
        call=last,
        messages=_messages(last.request),
        attempts=attempts,
        users=[_line(user) for user in users[:USERS]],
    )


def _messages(request: str) -> list[tuple[str, str]]:
    """Return the messages of a call, by who says them; as they stand where they are none."""
    try:
        return [(str(m["role"]), str(m["content"])) for m in json.loads(request)]
    except (ValueError, TypeError, KeyError):
        return [("request", request)]


def _records(
    run: Opened, kind: str, text: str, wanted: str
) -> tuple[list[Line], int, int, int | None]:
    """Return a page of a kind's records; how many there are is unknown where a text is asked."""
    ledger = run.run.ledger
    counts = ledger.kinds() if ledger else {}
    if ledger is None or kind not in counts:
        raise UserError(f"there is no record of kind {kind} in run {run.run.id}")
    number, pages = paged(wanted, counts[kind], PAGE)
    entries = ledger.of_kind(kind, PAGE + 1, (number - 1) * PAGE, text)
    if text:
        pages = number + (len(entries) > PAGE)
    return [_line(e) for e in entries[:PAGE]], number, pages, None if text else counts[kind]


def _calls(
    run: Opened, kind: str, text: str, wanted: str
) -> tuple[list[Line], int, int, int | None]:
    """Return a page of calls, those of a role, a task or a model where a text is asked."""
    index = run.indexed("calls")
    if index is None:
        raise UserError(f"there is no call in run {run.run.id} yet")
    where = "instr(lower(role || ' ' || task || ' ' || model || ' ' || id), lower(?))"
    ((total,),) = index.query(f"SELECT COUNT(*) FROM calls WHERE {where}", text)
    number, pages = paged(wanted, total, PAGE)
    found = index.query(
        "SELECT id, role || ': ' || task || ', ' || model || ', attempt ' || (attempt + 1) || ', ' "
        f"|| (read + written) || ' tokens' FROM calls WHERE {where} ORDER BY number "
        "LIMIT ? OFFSET ?",
        text,
        PAGE,
        (number - 1) * PAGE,
    )
    return [Line(kind, i, described) for i, described in found], number, pages, total


def _line(entry: Entry) -> Line:
    """Return a record with the first of its fields that tells it from others."""
    body = entry.body
    text = next((body[name] for name in TELLING if body.get(name)), "")
    if isinstance(text, dict):  # the question of a turn
        text = text.get("text", text)
    if isinstance(text, list) and text and isinstance(text[-1], dict):  # a prompt's last message
        text = text[-1].get("content", "")
    return Line(entry.kind, entry.id, _shown(text))


def _shown(value: Any) -> str:
    """Return a field as a text: as it stands, or as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    nested = isinstance(value, list | dict) and value
    return json.dumps(value, ensure_ascii=False, indent=2 if nested else None)
