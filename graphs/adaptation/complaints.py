"""Questions that users kept, as the adapted student answered them badly: asked in the next run.

A complaint is a record of the run that was chatted with. An update of that run, and a run that
reuses it, take it over and examine it: the first question of such an examination is the user's own,
word for word. It is trained on only if it passes what any other question must pass.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import Complaint, ExamItem
from elenchus.questions import JOINING, UNSTATED
from elenchus.reasons import sentence
from elenchus.records import Answer, Examination, Point, Question, Rejection, Seed
from graphs.adaptation.history import History
from graphs.checks import rejection, unfit
from graphs.services import Services

# Cosine to the nearest point below which a question is about something else altogether. It says no
# more: what the documents leave open is as near to them as what they lay down.
FLOOR = 0.25
EXAMS = ("held-out", "untaught", "hand")
RESERVED = "it is about a point that is kept from training, for the exam (questions.untaught)"


class Placed(NamedTuple):
    """The point that a question is nearest to, and the cosine of the two."""

    point: Point
    cosine: float


def keep(run: Services, complaint: Complaint) -> Placed:
    """Write a complaint down, once it is sure that it can be asked; return what it is about.

    Raises:
        UserError: nothing in the documents is near the question, an exam asks it, training has
            asked it already, or it does not stand on its own.
    """
    text = complaint.question
    placed = nearest(run, [text])
    if not placed:
        raise UserError(f"run {run.folder.id} has no points: nothing can be asked of its documents")
    point, cosine = placed[0]
    if cosine < FLOOR:
        raise UserError(
            f"the documents do not seem to cover this; the nearest that they say is: "
            f"{point.statement} (cosine {cosine:.2f}). Not kept: add documents that say it first "
            "(`elenchus corpus add`)"
        )
    question = _question(text, point, [])
    asked = [q.text for q in run.ledger.all(Question, exam=False, point_id=point.id)]
    refused = refusal(question, run) or unfit(
        question, asked, run.examined(point.id), run.config.checks.novelty
    )
    if refused is not None:
        raise UserError(f"not kept: {sentence(refused)}")
    run.ledger.write(complaint)
    return placed[0]


def waiting(ledger: Ledger) -> list[Complaint]:
    """Return the complaints that no examination of the run was about, one for each question."""
    seeds = {seed.id: seed for seed in ledger.all(Seed)}
    examined = {seeds[e.seed_id].complaint_id for e in ledger.all(Examination)}
    complaints = ledger.all(Complaint)
    done = {one.question for one in complaints if one.id in examined}
    by_question = {one.question: one for one in complaints if one.question not in done}
    return sorted(by_question.values(), key=lambda one: one.id)


def draw(run: Services, round_: int, past: History) -> list[Seed]:
    """Return a seed for each complaint that waits, on the point that it is nearest to.

    The student's failure is not predicted: a person has seen it.
    """
    complaints = waiting(run.ledger)
    placed = nearest(run, [one.question for one in complaints])
    # The last numbers of the round, whose first ones are those of what is drawn.
    first = run.config.seed * 1_000_000 + round_ * 10_000 + 9_999
    seeds = [
        Seed(
            point_id=point.id,
            kind=_kind(point),
            round=round_,
            variation=first - n,
            asked=tuple(sorted({*past.questions[point.id], *past.examined[point.id]})),
            complaint_id=one.id,
        )
        for n, (one, (point, _)) in enumerate(zip(complaints, placed, strict=False))
    ]
    if seeds:
        run.progress.say(f"questions that users kept, to be asked now: {len(seeds)}")
    return seeds


async def first_question(seed: Seed, run: Services) -> tuple[Question, Rejection | None]:
    """Return the question that a complaint is about, and why it is put to nobody, if it is not."""
    complaint, point = (
        run.ledger.get(Complaint, seed.complaint_id),
        run.ledger.get(Point, seed.point_id),
    )
    question = _question(complaint.question, point, list(point.passage_ids), seed.round)
    return question, await asyncio.to_thread(refusal, question, run)


def refusal(question: Question, run: Services) -> Rejection | None:
    """Say why a user's question is not trained on: it is about what exams alone ask."""
    if run.is_untaught(run.ledger.get(Point, question.point_id)):
        return rejection("near-exam", RESERVED, question=question)
    items = [item for exam in EXAMS for item in run.ledger.all(ExamItem, exam=exam)]
    others = [item.prompt[-1].content for item in items]
    ours, *theirs = run.embedder.encode([question.text, *others])
    for other, vector in zip(others, theirs, strict=True):
        if float(ours @ vector) >= run.config.dataset.near_exam:
            return rejection("near-exam", f"an exam asks: {other}", question=question)
    return None


def as_answered(question: Question, answer: Answer, run: Services) -> Question:
    """Return a user's question as one of the kind that the expert's answer makes it.

    Whoever asks does not know whether the documents tell it. Where they do not, to say so is right.
    """
    if answer.abstained and UNSTATED in run.subject.kinds:
        return question.model_copy(update={"kind": UNSTATED})
    return question


def examinations(run: Services, among: Sequence[Examination]) -> set[str]:
    """Return the ids of those examinations that began with a complaint."""
    return {e.id for e in among if run.ledger.get(Seed, e.seed_id).complaint_id}


def nearest(run: Services, questions: Sequence[str]) -> list[Placed]:
    """Return the nearest point of each question; nothing where there are no points."""
    points = run.ledger.all(Point)
    if not (points and questions):
        return []
    statements = run.embedder.encode([point.statement for point in points])
    cosines = run.embedder.encode(questions) @ statements.T
    return [Placed(points[row.argmax()], float(row.max())) for row in cosines]


def _kind(point: Point) -> str:
    """Return a kind that the point carries alone, where there is one."""
    return next((kind for kind in point.kinds if kind not in JOINING), point.kinds[0])


def _question(text: str, point: Point, passage_ids: Sequence[str], round_: int = 0) -> Question:
    return Question(
        text=text,
        kind=_kind(point),
        exam=False,
        point_id=point.id,
        passage_ids=tuple(passage_ids),
        round=round_,
        call_id="",
    )
