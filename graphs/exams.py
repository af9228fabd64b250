"""Surveying points, writing the held-out exam, collecting the given ones, and sitting them."""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, Field, ValidationError

from agents.calls import CallFailed
from elenchus.errors import UserError
from elenchus.passage_records import Refusal
from elenchus.records import (
    KINDS,
    Answer,
    Document,
    ExamItem,
    Failure,
    Passage,
    Point,
    Question,
    QuestionKind,
    Score,
    Seed,
    Style,
)
from graphs.context import Advance, Context
from graphs.examination import unfit, unsound
from training import evaluation, general
from training.dataset import without_duplicates

Item = TypeVar("Item")
Made = TypeVar("Made")
SPARE = 1.15  # more questions are written than wanted, since some are refused


async def survey(context: Context, passages: Sequence[Passage], advance: Advance) -> list[Point]:
    """The points of all passages. A passage whose survey fails has none; the failure is kept."""

    async def points_of(passage: Passage) -> list[Point]:
        try:
            return await context.examiner.survey(passage)
        except CallFailed:
            return []

    found = await each(context, passages, points_of, advance)
    return sorted({p.id: p for points in found for p in points}.values(), key=lambda p: p.id)


async def held_out(
    context: Context,
    points: Sequence[Point],
    advance: Advance,
    wanted: int,
    needed: bool = True,
) -> list[ExamItem]:
    """So many questions in the exam style, all kinds alike, answered by the expert.

    Raises:
        UserError: there is none, and one is needed.
    """
    rng = random.Random(f"exam/{context.config.seed}")
    seeds = even_seeds(points, int(wanted * SPARE), rng, exam=True)
    context.ledger.write(*seeds)
    made = await each(context, seeds, lambda seed: _item(context, seed), advance)
    items = list({i.prompt[-1].content: i for i in made if isinstance(i, ExamItem)}.values())
    refused = Counter(one.reason.split(":")[0] for one in made if isinstance(one, Refusal))
    why = "; ".join(f"{count} × {reason}" for reason, count in refused.most_common())
    if not items:
        none = f"no exam question could be written and answered ({why or 'no point allows one'})"
        if needed:
            raise UserError(f"{none}: use documents that lay something down, or other models")
        context.progress.say(none)
        return []
    vectors = await asyncio.to_thread(
        context.embedder.encode, [i.prompt[-1].content for i in items]
    )
    distinct = without_duplicates(vectors, range(len(items)), context.config.dataset.near_duplicate)
    if len(distinct) < wanted:
        alike = len(made) - sum(refused.values()) - len(distinct)
        reasons = [f"{alike} × too alike"] if alike else []
        reasons += [why] if why else []
        context.progress.say(
            f"{len(distinct)} of {wanted} exam questions; left out: {'; '.join(reasons) or 'none'}"
        )
    return [items[i] for i in distinct][:wanted]


def given(context: Context, strict: bool = True) -> list[ExamItem]:
    """The general exam, and the hand-written one where the domain has it.

    Not strict, it leaves out hand-written questions whose quote no document holds any more.
    """
    return [*general.general_exam(context.config), *_hand_written(context, strict)]


async def sit(context: Context, exam: str, round_: int, adapter: str) -> float:
    """Sit one exam, record the scores, and return the share of right results.

    It is not a number where there are no questions, or none of the answers has a grade: said, and
    the run goes on, since nothing but a line of its report is lost.

    Raises:
        UserError: none of the answers of the untouched student has a grade in the held-out exam,
            which all else goes by.
    """
    items = context.ledger.all(ExamItem, exam=exam)
    if not items:
        return float("nan")
    name = f"{exam} exam, " + (f"after round {round_}" if round_ else "untouched student")
    with context.progress.stage(f"Sit {name}") as advance:
        tasks = context.config.tasks if exam == "held-out" else {}
        found = await evaluation.sit(
            context.examinee(adapter), context.grader, items, round_, advance, tasks
        )
    scores = [one for one in found if isinstance(one, Score)]
    context.ledger.write(*scores)
    if scores:
        return evaluation.share(evaluation.graded(items, scores), scores)
    failures = Counter((one.role, one.reason) for one in found if isinstance(one, Failure))
    ((role, reason), _), *_ = failures.most_common(1)
    none = f"{exam} exam: none of {len(items)} answers has a grade; most: the {role}'s: {reason}"
    if exam == "held-out" and not adapter:
        raise UserError(f"{none}. The replies are records of kind Failure; use another {role}")
    context.progress.say(none)
    return float("nan")


def shown(share: float) -> str:
    """What `sit` came to, for people."""
    return "no grades" if math.isnan(share) else f"{share:.1%} right"


def even_seeds(points: Sequence[Point], wanted: int, rng: random.Random, exam: bool) -> list[Seed]:
    """So many seeds, all kinds alike, and each point once before any comes again."""
    kinds = [kind for kind in KINDS if any(kind in p.kinds for p in points)]
    queues: dict[QuestionKind, list[Point]] = {kind: [] for kind in kinds}
    seeds = []
    for n in range(wanted if kinds else 0):
        kind = kinds[n % len(kinds)]
        if not queues[kind]:
            queues[kind] = [p for p in points if kind in p.kinds]
            rng.shuffle(queues[kind])
        point = queues[kind].pop()
        # Those of an exam are far from the variations of any round: see `graphs.drawing`.
        round_, variation = (0, -1 - n) if exam else (1, n)
        seeds.append(Seed(point_id=point.id, kind=kind, round=round_, variation=variation))
    return seeds


async def answered(
    context: Context, seed: Seed, style: Style
) -> tuple[Question, list[Answer]] | Refusal:
    """A question that the expert answers soundly, or why there is none."""
    point = context.ledger.get(Point, seed.point_id)
    passage = context.ledger.get(Passage, point.passage_id)
    try:
        question = await context.examiner.propose(seed, point, [passage], style)
        reason, answers = unfit(question, ()), list[Answer]()
        if reason is None:
            answers, passages = await context.expert.answer(question.text)
            reason = await unsound(answers, passages, question, context)
    except CallFailed as failed:
        reason = f"the {failed.failure.role}'s reply could not be used: {failed.failure.reason}"
        return Refusal(problem_ids=(), reason=reason, raw=failed.failure.raw)
    if reason is not None:
        return Refusal(problem_ids=(), reason=reason, raw=question.text)
    return question, answers


async def _item(context: Context, seed: Seed) -> ExamItem | Refusal:
    """An exam item, or why there is none."""
    found = await answered(context, seed, "exam")
    if isinstance(found, Refusal):
        return found
    question, answers = found
    cited = (c.passage_id for a in answers for c in a.citations)
    return ExamItem(
        exam="held-out",
        kind=question.kind,
        prompt=context.examinee("").prompt(question.text).messages,
        gold=answers[0].text,
        point_id=seed.point_id,
        passage_ids=tuple(dict.fromkeys((*question.passage_ids, *cited))),
        call_ids=(question.call_id, *(a.call_id for a in answers)),
    )


def _hand_written(context: Context, strict: bool) -> list[ExamItem]:
    """The user's own exam; UserError when a line is not what it should be."""
    if context.config.exam.hand is None:
        return []
    path = context.domain_folder / context.config.exam.hand
    passages = context.ledger.all(Passage)
    return [
        ExamItem(
            exam="hand",
            kind=row.kind,
            prompt=context.examinee("").prompt(row.question).messages,
            gold=f"So: {row.answer}.",
            passage_ids=tuple(p.id for p in passages if row.quote and row.quote in p.text),
        )
        for row in read_hand_exam(path, context.ledger.all(Document), strict)
    ]


class HandQuestion(BaseModel):
    """One line of an exam written by people. `quote` stands in the documents and decides it; a
    question that no document decides has none."""

    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)
    quote: str = ""
    kind: str = "hand"
    document: str = ""


def read_hand_exam(
    path: Path, documents: Sequence[Document], strict: bool = True
) -> list[HandQuestion]:
    """The lines of a hand-written exam; UserError names the line that is wrong.

    Not strict, lines whose quote does not stand in the documents are left out.
    """
    rows = []
    for number, row in hand_questions(path):
        held = [d for d in documents if d.source.endswith(row.document)]
        stands = any(row.quote in document.text for document in held)
        if strict and not stands:
            where = row.document or "any document"
            raise UserError(f"{path}, line {number}: the quote does not stand in {where}")
        if stands:
            rows.append(row)
    return rows


def hand_questions(path: Path) -> list[tuple[int, HandQuestion]]:
    """All lines of a hand-written exam with their numbers, whatever they quote.

    Raises:
        UserError: names a line that is wrong; blank ones are passed over.
    """
    try:
        # Not `splitlines`, which breaks lines at characters that JSON leaves as they are.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise UserError(f"exam.hand: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"exam.hand: {path} is not UTF-8: save it as UTF-8") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = HandQuestion.model_validate_json(line)
        except ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(map(str, problem["loc"])) or "the line"
            raise UserError(f"{path}, line {number}: {key}: {problem['msg']}") from error
        rows.append((number, row))
    return rows


async def each(
    context: Context,
    items: Sequence[Item],
    work: Callable[[Item], Awaitable[Made]],
    advance: Advance,
) -> list[Made]:
    """Work on all items, as many at once as the turnstile lets through, results in order."""
    done = 0

    async def one(item: Item) -> Made:
        nonlocal done
        async with context.turnstile:
            made = await work(item)
        done += 1
        advance(done, len(items))
        return made

    return list(await asyncio.gather(*(one(item) for item in items)))
