"""Writing the exams, collecting the given ones, and taking them."""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from agents.expert import gold_of
from agents.graders import Grader
from agents.student import Student
from elenchus.errors import UserError
from elenchus.outcomes import ExamItem, Score
from elenchus.progress import Advance
from elenchus.questions import kinds_of
from elenchus.reasons import by_code, counted, sentence
from elenchus.records import (
    Answer,
    Document,
    Failure,
    Form,
    Gold,
    Passage,
    Point,
    Question,
    Rejection,
    Seed,
)
from elenchus.results import ExamResult
from graphs.asking import Asking, task_of, voiced
from graphs.checks import failed_call, unconfirmed, unfit, ungrounded
from graphs.concurrency import each
from graphs.general import general
from graphs.hand_exam import read_hand_exam
from graphs.services import Services
from graphs.state import MeasuredState, is_trained, trained_rounds
from models.calls import CallFailed
from training import evaluation
from training.balance import balanced, commonest
from training.dataset import without_duplicates

SPARE = 1.25  # more questions are written than wanted, since some are refused
EXAMS = ("held-out", "untaught", "general", "hand")
Written = Literal["held-out", "untaught"]  # exams that the examiner writes
CHUNK = 256  # questions under way at once


async def held_out(
    services: Services,
    points: Sequence[Point],
    advance: Advance,
    wanted: int,
    exam: Written = "held-out",
    needed: bool = True,
) -> list[ExamItem]:
    """Write so many questions for an exam, all kinds alike, answered by the expert.

    Questions on one point are written one after the other, so that each asks for another use of it.

    Raises:
        UserError: there is none, and one is needed.
    """
    stream = "exam" if exam == "held-out" else exam
    rng = random.Random(f"{stream}/{services.config.seed}")
    seeds = even_seeds(points, int(wanted * SPARE), rng, True, services.asking)
    made = await _written(services, seeds, exam, advance)
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
    distinct = [items[i] for i in without_duplicates(vectors, range(len(items)), most)]
    kept = balanced(distinct, services.config.dataset.one_result, _answer)[:wanted]
    if len(kept) < wanted:
        alike = len(made) - len(refused) - len(distinct)
        reasons = [f"{alike} × too alike"] if alike else []
        uneven = len(distinct) - len(kept)
        reasons += [f"{uneven} × the answer that is too common"] if uneven else []
        reasons += [why] if why else []
        services.progress.say(
            f"{len(kept)} of {wanted} exam questions; left out: {'; '.join(reasons) or 'none'}"
        )
    return kept


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
        graders = graders or _graders(services, exam)
        outcomes = await _scored(services, items, round_, adapter, graders, advance)
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
        constant=commonest([item.gold for item in items]),
        results_before=evaluation.accuracy(items, before, result=True) if items else None,
        results_after=evaluation.accuracy(items, after, result=True) if trained else None,
    )


def shown(share: float) -> str:
    """Return for people what `run_exam` came to."""
    return "no grades" if math.isnan(share) else f"{share:.1%} right"


def even_seeds(
    points: Sequence[Point], wanted: int, rng: random.Random, exam: bool, asking: Asking
) -> list[Seed]:
    """Return so many seeds, all kinds alike, and each point once before any comes again."""
    carried = {point.id: asking.kinds(point) for point in points}
    every = kinds_of(asking.questions.kinds)
    kinds = [kind for kind in every if any(kind in carried[p.id] for p in points)]
    queues: dict[str, list[Point]] = {kind: [] for kind in kinds}
    voice = random.Random(f"voice/{asking.seed}/{exam}")
    seeds = []
    for n in range(wanted if kinds else 0):
        kind = kinds[n % len(kinds)]
        if not queues[kind]:
            queues[kind] = [p for p in points if kind in carried[p.id]]
            rng.shuffle(queues[kind])
        point = queues[kind].pop()
        # Those of an exam are far from the variations of any round: see `graphs.adaptation.seeds`.
        round_, variation = (0, -1 - n) if exam else (1, n)
        seed = Seed(point_id=point.id, kind=kind, round=round_, variation=variation)
        seeds.append(voiced(seed, asking, voice))
    return seeds


class Refused(NamedTuple):
    """A question without a sound answer, which is in no record, or None where none was written."""

    why: Rejection
    question: Question | None


async def answered(
    services: Services, seed: Seed, exam: bool
) -> tuple[Question, list[Answer]] | Refused:
    """Write a question that the expert answers soundly, or say why there is none."""
    task = task_of(seed, services, exam)
    question: Question | None = None
    try:
        question = await services.examiner.propose(task)
        if refused := unfit(question, seed.asked, (), services.config.checks.novelty):
            return Refused(refused, question)
        (answer, *_), passages = await services.expert.answer(question.text)
        refused = ungrounded(answer, passages, question, task.points)
        more: list[Answer] = []
        if refused is None:
            refused, more = await unconfirmed(answer, passages, question, task.points, services)
        if refused is not None:
            shown = tuple(passage.id for passage in passages)
            return Refused(refused.model_copy(update={"passage_ids": shown}), question)
    except CallFailed as failed:
        return Refused(failed_call(failed), question)
    return question, [answer, *more]


async def _written(
    services: Services, seeds: Sequence[Seed], exam: Written, advance: Advance
) -> list[ExamItem | Rejection]:  # fmt: skip
    """Write the items of an exam: first one on each point, then another one on it, and so on."""
    waves: list[list[Seed]] = []
    turns: Counter[str] = Counter()
    for seed in seeds:
        turns[seed.point_id] += 1
        if turns[seed.point_id] > len(waves):
            waves.append([])
        waves[turns[seed.point_id] - 1].append(seed)
    asked = _trained_on(services)
    made: list[ExamItem | Rejection] = []
    for wave in waves:
        informed = [s.model_copy(update={"asked": asked.get(s.point_id, ())}) for s in wave]
        services.ledger.write(*informed)
        before = len(made)
        outcomes = await each(
            services.turnstile,
            informed,
            lambda seed: _item(services, seed, exam),
            lambda done, _, before=before: advance(before + done, len(seeds)),  # type: ignore[misc]
        )
        made += outcomes
        for seed, outcome in zip(informed, outcomes, strict=True):
            if isinstance(outcome, ExamItem):
                text = outcome.prompt[-1].content
                asked[seed.point_id] = (*asked.get(seed.point_id, ()), text)
    return made


def _trained_on(services: Services) -> dict[str, tuple[str, ...]]:
    """Return by point what was asked in training before the exam is written, as in a preview."""
    asked: dict[str, tuple[str, ...]] = {}
    for question in services.ledger.all(Question, exam=False):
        asked[question.point_id] = (*asked.get(question.point_id, ()), question.text)
    return asked


async def _item(services: Services, seed: Seed, exam: Written) -> ExamItem | Rejection:
    """Write an exam item, or say why there is none."""
    outcome = await answered(services, seed, exam=True)
    if isinstance(outcome, Refused):
        return outcome.why
    question, answers = outcome
    cited = (c.passage_id for a in answers for c in a.citations)
    return ExamItem(
        exam=exam,
        kind=question.kind,
        prompt=services.examinee("").prompt(question.text).messages,
        gold=gold_of(answers[0]),
        point_id=seed.point_id,
        passage_ids=tuple(dict.fromkeys((*question.passage_ids, *cited))),
        call_ids=(question.call_id, *(a.call_id for a in answers)),
    )


def _answer(item: ExamItem) -> tuple[Form, str]:
    return item.gold.form, item.gold.result


def _by_kind(items: list[ExamItem], *sittings: list[Score]) -> dict[str, list[float]]:
    """Return for each kind of question the share right before and, where trained, after."""
    kinds = {}
    for kind in sorted({i.kind for i in items}):
        of_kind = [i for i in items if i.kind == kind]
        kinds[kind] = [round(evaluation.share(of_kind, scores), 4) for scores in sittings]
    return kinds


def _general(services: Services) -> list[ExamItem]:
    """Return `exam.general` questions on what the student could do before, where that is known."""
    known = general(services.config, services.domain_folder)
    exchanges = known.exam(services.config.exam.general, services.config.seed) if known else ()
    return [
        ExamItem(exam="general", kind="general", prompt=prompt, gold=_given(services, gold))
        for prompt, gold in exchanges
    ]


def _graders(services: Services, exam: str) -> dict[str, Grader]:
    """Return the grader of the general exam, which need not be that of free answers."""
    known = general(services.config, services.domain_folder) if exam == "general" else None
    return {"general": services.grader_of(known.grader)} if known else {}


def _hand_written(services: Services, strict: bool) -> list[ExamItem]:
    """Return the user's own exam; UserError when a line is not what it should be."""
    if services.config.exam.hand is None:
        return []
    path, form = services.domain_folder / services.config.exam.hand, services.subject.form
    passages = services.ledger.all(Passage)
    return [
        ExamItem(
            exam="hand",
            kind=row.kind,
            prompt=services.examinee("").prompt(row.question).messages,
            gold=Gold(text=form.text("", row.answer), result=row.answer),
            passage_ids=tuple(p.id for p in passages if row.quote and row.quote in p.text),
        )
        for row in read_hand_exam(path, services.ledger.all(Document), strict)
    ]


def _given(services: Services, text: str) -> Gold:
    """Return an answer that a backend gives, as graders compare with it."""
    return Gold(text=text, result=services.subject.form.result(text))


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
    brief = all(item.exam != "general" for item in items)  # whose answers are of any length
    student = services.examinee(adapter, brief)
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
        result=verdict.results[0],
        call_id=verdict.call_id or answer.call_id,
    )
