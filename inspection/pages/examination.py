"""The page of one examination: every turn, what each answer cites, every call."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.reasons import sentence
from elenchus.records import Answer, Citation, Examination, Passage, Point, Question, Seed, Turn
from inspection import rows
from inspection.index import Index
from inspection.pages.rendering import opened, page
from inspection.pages.texts import Span
from inspection.rows import Selection


class Call(NamedTuple):
    """A call of an examination, in a list."""

    id: str
    role: str
    task: str
    model: str
    attempts: int
    read: int
    written: int
    seconds: float


class Cited(NamedTuple):
    """A passage with the stretches that quotes are found at, and quotes that are found nowhere."""

    passage: Passage
    spans: list[Span]
    lost: list[str]


class Student(NamedTuple):
    """A student's answer, its grade, whether its result is right, and what it shows."""

    answer: Answer
    grade: str
    right: bool
    critique: str


@dataclass(frozen=True)
class Shown:
    """A turn as its page shows it; `before` is the question that it revises, "" for none."""

    number: int
    turn: Turn
    before: str
    student: list[Student]
    accepted: bool


def shown(request: Request) -> Response:
    """Show one examination, and what is before and after it in the list that it is opened from."""
    run = opened(request)
    index = run.indexed("calls")
    ledger, wanted = run.run.ledger, request.path_params["id"]
    if index is None or ledger is None:
        raise UserError(f"there is no examination {wanted}: the run has not asked anything yet")
    try:
        examination = ledger.get(Examination, wanted)
    except KeyError:
        raise UserError(f"there is no examination {wanted} in run {run.run.id}") from None
    selection = Selection.of(request.query_params)
    row = _row(index, examination.id)
    seed = ledger.get(Seed, examination.seed_id)
    turns = [ledger.get(Turn, i) for i in examination.turn_ids]
    refused = examination.rejection
    question = (
        ledger.get(Question, refused.question_id) if refused and refused.question_id else None
    )
    points = [ledger.get(Point, i) for i in (seed.point_id, *seed.partner_ids)]
    number = index.query("SELECT number FROM examinations WHERE id = ?", examination.id)
    earlier, later = rows.beside(index, selection, number[0][0]) if number else (None, None)
    return page(
        request,
        "examination.html",
        opened=run,
        title=f"Examination {examination.id}",
        examination=examination,
        row=row,
        seed=seed,
        points=points,
        turns=_turns(examination, turns),
        question=question
        if question and question.id not in {t.question.id for t in turns}
        else None,
        reason=sentence(refused) if refused else "",
        quotes={citation: f"quote-{n}" for n, citation in enumerate(_cited(turns), 1)},
        passages=passages(ledger, points, turns, refused.passage_ids if refused else ()),
        calls=_calls(index, examination.id),
        counted=index.ready("calls"),
        selection=selection,
        earlier=earlier,
        later=later,
        others=_others(index, examination.id),
    )


def passages(
    ledger: Ledger, points: list[Point], turns: list[Turn], seen: tuple[str, ...]
) -> list[Cited]:
    """Return the passages that answers cite, that points stand in, or that were shown, in order."""
    quotes: dict[str, dict[str, str]] = {}
    for number, citation in enumerate(_cited(turns), 1):
        quotes.setdefault(citation.passage_id, {})[citation.quote] = f"quote-{number}"
    for point in points:
        for ground in point.grounds:
            quotes.setdefault(ground.passage_id, {}).setdefault(ground.quote, "")
    for passage_id in seen:
        quotes.setdefault(passage_id, {})
    found = []
    for passage_id, texts in quotes.items():
        try:
            passage = ledger.get(Passage, passage_id)
        except KeyError:  # of documents that an update no longer has
            continue
        spans, lost = [], []
        for quote, anchor in texts.items():
            start = passage.text.find(quote) if quote else -1
            if start < 0:
                lost.append(quote)
            else:
                spans.append(Span(start, start + len(quote), anchor))
        found.append(Cited(passage, spans, list(filter(None, lost))))
    return found


def _cited(turns: list[Turn]) -> list[Citation]:
    """Return what answers cite, each quote once, in order."""
    every = (c for turn in turns for answer in turn.expert for c in answer.citations)
    return list(dict.fromkeys(every))


def _turns(examination: Examination, turns: list[Turn]) -> list[Shown]:
    before = {turn.question.id: turn.question.text for turn in turns}
    return [
        Shown(
            number,
            turn,
            before.get(turn.question.parent_id or "", ""),
            students(turn),
            turn.id == examination.accepted_turn_id,
        )
        for number, turn in enumerate(turns, 1)
    ]


def students(turn: Turn) -> list[Student]:
    """Return the student's answers to a question, each with its grade."""
    verdict = turn.verdict
    if verdict is None:
        return [Student(answer, "", False, "") for answer in turn.student]
    critiques = verdict.critiques or ("",) * len(turn.student)
    return [
        Student(*graded)
        for graded in zip(turn.student, verdict.grades, verdict.results, critiques, strict=False)
    ]


def _row(index: Index, examination_id: str) -> rows.Row | None:
    columns = ", ".join(rows.Row._fields)
    found = index.query(f"SELECT {columns} FROM examinations WHERE id = ?", examination_id)
    return rows.row_of(found[0]) if found else None


def _calls(index: Index, examination_id: str) -> list[Call]:
    """Return the calls of an examination, each with its last attempt, in the order of asking."""
    found: list[tuple[Any, ...]] = index.query(
        """
        SELECT c.id, c.role, c.task, c.model, COUNT(*), SUM(c.read), SUM(c.written), SUM(c.seconds)
        FROM named n JOIN examinations e ON e.number = n.number JOIN calls c ON c.id = n.call_id
        WHERE e.id = ? GROUP BY c.id ORDER BY MIN(c.number)
        """,
        examination_id,
    )
    return [Call(*call) for call in found]


def _others(index: Index, examination_id: str) -> list[tuple[str, str, str]]:
    """Return other examinations about the same point: id, question, outcome."""
    return index.query(
        """
        SELECT o.id, o.question, o.outcome FROM examinations e
        JOIN examinations o ON o.point_id = e.point_id AND o.id <> e.id
        WHERE e.id = ? ORDER BY o.number LIMIT 12
        """,
        examination_id,
    )
