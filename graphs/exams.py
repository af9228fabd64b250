"""Surveying points, writing the held-out exam, collecting the given ones, and taking them."""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence

from agents.graders import Grader
from agents.student import Student
from elenchus.errors import UserError
from elenchus.progress import Advance
from elenchus.reasons import by_code, counted, sentence
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
    Rejection,
    Score,
    Seed,
    Style,
)
from elenchus.results import ExamResult
from graphs.checks import failed_call, unfit, unsound
from graphs.concurrency import each
from graphs.hand_exam import read_hand_exam
from graphs.services import Services
from graphs.state import MeasuredState, is_trained, trained_rounds
from models.backend import backend
from models.calls import CallFailed
from training import evaluation
from training.dataset import without_duplicates

SPARE = 1.15  # more questions are written than wanted, since some are refused
EXAMS = ("held-out", "general", "hand")
CHUNK = 256  # questions under way at once


async def survey(services: Services, passages: Sequence[Passage], advance: Advance) -> list[Point]:
    """Find the points of all passages; one whose survey fails has none, and the failure is kept."""

    async def points_of(passage: Passage) -> list[Point]:
        try:
            return await services.examiner.survey(passage)
        except CallFailed:
            return []

    surveyed = await each(services.turnstile, passages, points_of, advance)
    return sorted({p.id: p for points in surveyed for p in points}.values(), key=lambda p: p.id)


async def held_out(
    services: Services,
    points: Sequence[Point],
    advance: Advance,
    wanted: int,
    needed: bool = True,
) -> list[ExamItem]:
    """Write so many questions in the exam style, all kinds alike, answered by the expert.

    Raises:
        UserError: there is none, and one is needed.
    """
    rng = random.Random(f"exam/{services.config.seed}")
    seeds = even_seeds(points, int(wanted * SPARE), rng, exam=True)
    services.ledger.write(*seeds)
    made = await each(services.turnstile, seeds, lambda seed: _item(services, seed), advance)
    items = list({i.prompt[-1].content: i for i in made if isinstance(i, ExamItem)}.values())
    refused = [one for one in made if isinstance(one, Rejection)]
    why = counted(by_code(refused))
    if not items:
        none = f"no exam question could be written and answered ({why or 'no point allows one'})"
        if needed:
            raise UserError(f"{none}: use documents that lay something down, or other models")
        services.progress.say(none)
        return []
    vectors = await asyncio.to_thread(
        services.embedder.encode, [i.prompt[-1].content for i in items]
    )
    most = services.config.dataset.near_duplicate
    distinct = without_duplicates(vectors, range(len(items)), most)
    if len(distinct) < wanted:
        alike = len(made) - len(refused) - len(distinct)
        reasons = [f"{alike} × too alike"] if alike else []
        reasons += [why] if why else []
        services.progress.say(
            f"{len(distinct)} of {wanted} exam questions; left out: {'; '.join(reasons) or 'none'}"
        )
    return [items[i] for i in distinct][:wanted]


def given(services: Services, strict: bool = True) -> list[ExamItem]:
    """Return the general exam, and the hand-written one where the domain has it.

    Not strict, it leaves out hand-written questions whose quote no document holds any more.
    """
    return [*_general(services), *_hand_written(services, strict)]


async def run_exam(
    services: Services,
    exam: str,
    round_: int,
    adapter: str,
    graders: Mapping[str, Grader] | None = None,
) -> float:
    """Run one exam, record the scores, and return the share of right results.

    It is not a number where there are no questions, or none of the answers has a grade: said, and
    the run goes on, since nothing but a line of its report is lost.

    Args:
        graders: by the kind of a question, those that are not the grader of free answers.

    Raises:
        UserError: none of the answers of the untouched student has a grade in the held-out exam,
            which all else goes by.
    """
    items = services.ledger.all(ExamItem, exam=exam)
    if not items:
        return float("nan")
    name = f"{exam} exam, " + (f"after round {round_}" if round_ else "untouched student")
    with services.progress.stage(f"Run the {name}") as advance:
        outcomes = await _scored(services, items, round_, adapter, graders or {}, advance)
    scores = [one for one in outcomes if isinstance(one, Score)]
    services.ledger.write(*scores)
    if scores:
        return evaluation.share(evaluation.graded(items, scores), scores)
    failures = Counter((f.role, sentence(f)) for f in outcomes if isinstance(f, Failure))
    ((role, reason), _), *_ = failures.most_common(1)
    none = f"{exam} exam: none of {len(items)} answers has a grade; most: the {role}'s: {reason}"
    if exam == "held-out" and not adapter:
        raise UserError(f"{none}. The replies are records of kind Failure; use another {role}")
    services.progress.say(none)
    return float("nan")


def exam_result(
    run: Services, exam: str, state: MeasuredState, among: set[str] | None = None
) -> ExamResult | None:
    """Return before, after and the paired gain on one exam; None where there is no such exam.

    Args:
        among: points whose questions alone count.
    """
    asked = run.ledger.all(ExamItem, exam=exam)
    if among is not None:
        asked = [item for item in asked if item.point_id in among]
    if not asked:
        return None
    before = run.ledger.all(Score, exam=exam, round=state.get("first", 0))
    after = run.ledger.all(Score, exam=exam, round=trained_rounds(state))
    sittings = (before, after) if is_trained(state) else (before,)
    items = evaluation.graded(asked, *sittings)
    trained = bool(items) and is_trained(state)
    return ExamResult(
        questions=len(items),
        ungraded=len(asked) - len(items),
        before=evaluation.accuracy(items, before) if items else None,
        after=evaluation.accuracy(items, after) if trained else None,
        gain=evaluation.gain(items, before, after) if trained else None,
        kinds=_by_kind(items, *sittings),
    )


def shown(share: float) -> str:
    """Return for people what `run_exam` came to."""
    return "no grades" if math.isnan(share) else f"{share:.1%} right"


def even_seeds(points: Sequence[Point], wanted: int, rng: random.Random, exam: bool) -> list[Seed]:
    """Return so many seeds, all kinds alike, and each point once before any comes again."""
    kinds = [kind for kind in KINDS if any(kind in p.kinds for p in points)]
    queues: dict[QuestionKind, list[Point]] = {kind: [] for kind in kinds}
    seeds = []
    for n in range(wanted if kinds else 0):
        kind = kinds[n % len(kinds)]
        if not queues[kind]:
            queues[kind] = [p for p in points if kind in p.kinds]
            rng.shuffle(queues[kind])
        point = queues[kind].pop()
        # Those of an exam are far from the variations of any round: see `graphs.adaptation.seeds`.
        round_, variation = (0, -1 - n) if exam else (1, n)
        seeds.append(Seed(point_id=point.id, kind=kind, round=round_, variation=variation))
    return seeds


async def answered(
    services: Services, seed: Seed, style: Style
) -> tuple[Question, list[Answer]] | Rejection:
    """Write a question that the expert answers soundly, or say why there is none."""
    point = services.ledger.get(Point, seed.point_id)
    passage = services.ledger.get(Passage, point.passage_id)
    try:
        question = await services.examiner.propose(seed, point, [passage], style)
        if refused := unfit(question, ()):
            return refused
        answers, passages = await services.expert.answer(question.text)
        if refused := await unsound(answers, passages, question, services):
            return refused.model_copy(update={"raw": question.text})  # which is in no record yet
    except CallFailed as failed:
        return failed_call(failed)
    return question, answers


async def _item(services: Services, seed: Seed) -> ExamItem | Rejection:
    """Write an exam item, or say why there is none."""
    outcome = await answered(services, seed, "exam")
    if isinstance(outcome, Rejection):
        return outcome
    question, answers = outcome
    cited = (c.passage_id for a in answers for c in a.citations)
    return ExamItem(
        exam="held-out",
        kind=question.kind,
        prompt=services.examinee("").prompt(question.text).messages,
        gold=answers[0].text,
        point_id=seed.point_id,
        passage_ids=tuple(dict.fromkeys((*question.passage_ids, *cited))),
        call_ids=(question.call_id, *(a.call_id for a in answers)),
    )


def _by_kind(items: list[ExamItem], *sittings: list[Score]) -> dict[str, list[float]]:
    """Return for each kind of question the share right before and, where trained, after."""
    kinds = {}
    for kind in sorted({i.kind for i in items}):
        of_kind = [i for i in items if i.kind == kind]
        kinds[kind] = [round(evaluation.share(of_kind, scores), 4) for scores in sittings]
    return kinds


def _general(services: Services) -> list[ExamItem]:
    """Return `exam.general` questions on what the student could do before, where that is known."""
    student, seed = services.config.student, services.config.seed
    general = backend(student.model).general(student)
    exchanges = general.exam(services.config.exam.general, seed) if general else ()
    return [
        ExamItem(exam="general", kind="general", prompt=prompt, gold=gold)
        for prompt, gold in exchanges
    ]


def _hand_written(services: Services, strict: bool) -> list[ExamItem]:
    """Return the user's own exam; UserError when a line is not what it should be."""
    if services.config.exam.hand is None:
        return []
    path = services.domain_folder / services.config.exam.hand
    passages = services.ledger.all(Passage)
    return [
        ExamItem(
            exam="hand",
            kind=row.kind,
            prompt=services.examinee("").prompt(row.question).messages,
            gold=f"So: {row.answer}.",
            passage_ids=tuple(p.id for p in passages if row.quote and row.quote in p.text),
        )
        for row in read_hand_exam(path, services.ledger.all(Document), strict)
    ]


async def _scored(
    services: Services,
    items: Sequence[ExamItem],
    round_: int,
    adapter: str,
    graders: Mapping[str, Grader],
    advance: Advance,
) -> list[Score | Failure]:
    """Have each item answered once, and grade the answer beside the gold one.

    What the student cannot answer or the grader cannot grade has, instead of a score, the failure,
    which is in the ledger already.
    """
    student = services.examinee(adapter)
    outcomes: list[Score | Failure] = []
    for start in range(0, len(items), CHUNK):
        chunk = items[start : start + CHUNK]
        outcomes += await asyncio.gather(
            *(_score(student, graders.get(i.kind, services.grader), i, round_) for i in chunk)
        )
        advance(start + len(chunk), len(items))
    return outcomes


async def _score(student: Student, grader: Grader, item: ExamItem, round_: int) -> Score | Failure:
    try:
        answer = await student.take(item.prompt)
        verdict = await grader.grade(item.prompt[-1].content, item.gold, [answer.text])
    except CallFailed as failed:
        return failed.failure
    return Score(
        item_id=item.id,
        exam=item.exam,
        round=round_,
        answer=answer.text,
        grade=verdict.grades[0],
        call_id=verdict.call_id or answer.call_id,
    )
