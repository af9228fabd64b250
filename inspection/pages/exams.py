"""The exams of a run: each question before and after, what was learnt and what was lost."""

from collections import Counter

from starlette.requests import Request
from starlette.responses import Response

from graphs.test_files import all_kept
from graphs.test_screens import left_out
from inspection import sittings
from inspection.pages.dataset import paged
from inspection.pages.rendering import opened, page

PAGE = 40  # items
CHANGES = ("learnt", "lost", "same", "ungraded")


def shown(request: Request) -> Response:
    """Show the items of one exam, those that changed in one way where it is asked."""
    run = opened(request)
    items, scores, result = run.run.exam_items, run.run.scores, run.run.result
    counts: Counter[str] = Counter(item.exam for item in items)
    there = [name for name in sittings.EXAMS if counts[name]]
    query = request.query_params
    exam = query.get("exam", "") if query.get("exam") in there else (there or [""])[0]
    sat = sittings.sat(items, scores, exam)
    changes: Counter[str] = Counter(one.change for one in sat)
    change, kind, text = (query.get(name, "") for name in ("change", "kind", "q"))
    chosen = [
        one
        for one in sat
        if change in ("", one.change)
        and kind in ("", one.item.kind)
        and text.strip().lower() in _texts(one)
    ]
    number, pages = paged(query.get("page", ""), len(chosen), PAGE)
    return page(
        request,
        "exams.html",
        opened=run,
        title="Exams",
        exams=[(name, counts[name]) for name in there],
        exam=exam,
        changes=[(name, changes[name]) for name in CHANGES if changes[name]],
        kinds=sorted({one.item.kind for one in sat}),
        change=change,
        kind=kind,
        q=text,
        sat=chosen[(number - 1) * PAGE : number * PAGE],
        total=len(chosen),
        number=number,
        pages=pages,
        ends=sittings.rounds(scores, exam),
        tests=(result.tests if result else {}) | all_kept(run.run.folder.path),
        left_out=left_out,
    )


def _texts(one: sittings.Sat) -> str:
    answers = (score.answer for score in (one.before, one.after) if score)
    return "\n".join([one.item.prompt[-1].content, one.item.gold.text, *answers]).lower()
