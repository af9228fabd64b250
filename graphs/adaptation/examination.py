"""The inner loop: one seed is asked about by turns, until the student fails or gives up.

    propose -> answer -> decide -> confirm -> record
                 ^         |
                 +- revise-+

After "Agentic Adversarial QA" (arXiv 2602.18137): what the answers differ in is the loss, how to go
on the textual gradient, the examiner's revision the step. What is accepted, and when an examination
ends, follows Meta's Autodata (arXiv 2606.25996) where the paper is silent. Calls that cost most
come last: the expert where the student is likely to fail, its second answer and the checks where
the first one would be accepted.
"""

from collections.abc import Sequence
from typing import Literal

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from agents.examiner import Shown
from agents.expert import gold_of
from elenchus import telemetry
from elenchus.reasons import Code
from elenchus.records import (
    SCORES,
    Answer,
    Examination,
    Passage,
    Point,
    Question,
    Rejection,
    Seed,
    Turn,
)
from graphs.adaptation import complaints
from graphs.adaptation.config import ExaminationConfig
from graphs.adaptation.predictor import Predictor, is_audited
from graphs.adaptation.state import ExaminationState, Nothing, SeedState
from graphs.asking import points_of, task_of
from graphs.checks import failed_call, rejection, unconfirmed, unfit, ungrounded
from graphs.nodes import Changes
from graphs.services import RunRef, Services, services
from graphs.spans import EXAMINATION, OUTCOME, spanned
from models.calls import CallFailed


async def propose(state: ExaminationState, runtime: Runtime[RunRef]) -> Changes:
    """Write the first question on the seed's point, or take the one that a user kept."""
    run, begin = services(runtime), Changes(flat=0, turns=[])
    seed = _seed(state, run)
    if seed.complaint_id:
        question, refused = await complaints.first_question(seed, run)
        run.ledger.write(question)
        return begin | {"question": question} | ({"rejection": refused} if refused else {})
    try:
        question = await run.examiner.propose(task_of(seed, run, exam=False))
    except CallFailed as failed:
        return {"rejection": failed_call(failed)}
    return begin | {"question": question}


async def answer(state: ExaminationState, runtime: Runtime[RunRef]) -> Changes:
    """Have the student answer, and the expert where the student is likely to fail; compare them.

    Without sight of the student (`examination.sighted`) only the expert is asked.
    """
    run, question, seed = services(runtime), state["question"], _seed(state, services(runtime))
    run.ledger.write(question)
    examined, shown = run.examined(seed.point_id), list[str]()
    if refused := unfit(question, _asked(state, run), examined, run.config.checks.novelty):
        return {"rejection": refused, "shown": shown}
    try:
        student = await _students(question, state["adapter"], run)
        if refused := _likely_known(seed, question, student, run):
            return {"rejection": refused, "shown": shown}
        (expert, *_), passages = await run.expert.answer(question.text)
        shown = [passage.id for passage in passages]
        if seed.complaint_id and not state["turns"]:
            question = complaints.as_answered(question, expert, run)
            run.ledger.write(question)
        if refused := ungrounded(expert, passages, question, points_of(seed, run)):
            return {"rejection": refused, "shown": shown}
        verdict = None
        if student:
            texts = [a.text for a in student]
            verdict = await run.grader.grade(question.text, gold_of(expert), texts)
    except CallFailed as failed:
        return {"rejection": failed_call(failed, question), "shown": shown}
    turn = Turn(question=question, expert=(expert,), student=tuple(student), verdict=verdict)
    return {"turns": [*state["turns"], turn], "shown": shown}


async def decide(state: ExaminationState, runtime: Runtime[RunRef]) -> Changes:
    """Accept the turn, or count how long the gap has not widened, or give up."""
    settings = services(runtime).config.examination
    *earlier, turn = state["turns"]
    fresh = _seed(state, services(runtime)).fresh
    most = min(settings.fresh_turns, settings.max_turns) if fresh else settings.max_turns
    last = len(state["turns"]) >= most
    if turn.gap is None:  # nothing tells the questions apart, so the one revised most is taken
        return {"taken": last}
    if accepted(turn, settings):
        return {"taken": True}
    widest = max((t.gap for t in earlier if t.gap is not None), default=-1.0)
    flat = 0 if turn.gap > widest else state["flat"] + 1
    if last or flat >= settings.patience:
        gap = max(widest, turn.gap)
        detail = f"widest gap {gap:.2f} in {len(state['turns'])} turns"
        code: Code = "known" if settings.acceptance == "fail" else "unsuited"
        return {"flat": flat, "rejection": rejection(code, detail, question=turn.question)}
    return {"flat": flat, "taken": False}


async def confirm(state: ExaminationState, runtime: Runtime[RunRef]) -> Changes:
    """Ask what an answer must pass before it is trained on: see `graphs.checks.unconfirmed`."""
    run = services(runtime)
    *earlier, turn = state["turns"]
    passages = [run.ledger.get(Passage, i) for i in state["shown"]]
    points = points_of(_seed(state, run), run)
    try:
        refused, more = await unconfirmed(turn.expert[0], passages, turn.question, points, run)
    except CallFailed as failed:
        return {"rejection": failed_call(failed, turn.question)}
    confirmed = turn.model_copy(update={"expert": (*turn.expert, *more)})
    turns: Changes = {"turns": [*earlier, confirmed]}
    if refused is not None:
        return turns | {"rejection": refused}
    return turns | {"accepted_turn_id": confirmed.id}


async def revise(state: ExaminationState, runtime: Runtime[RunRef]) -> Changes:
    """Write a further question on the same point, from the turn with the widest gap."""
    run = services(runtime)
    seed = _seed(state, run).model_copy(update={"asked": _asked(state, run)})
    # The widest gap, of equal ones the first; the newest where the student is not looked at.
    best = max(state["turns"], key=lambda turn: turn.gap or 0.0)
    if best.verdict is None:
        best = state["turns"][-1]
    grades = best.verdict.grades if best.verdict else ()
    answers = [(a.text, g) for a, g in zip(best.student, grades, strict=True)]
    shown = Shown(best.question, gold_of(best.expert[0]), answers)
    try:
        question = await run.examiner.revise(task_of(seed, run, exam=False), shown)
    except CallFailed as failed:
        return {"rejection": failed_call(failed)}
    return {"question": question}


async def record(state: ExaminationState, runtime: Runtime[RunRef]) -> Changes:
    """Write the examination with its outcome: an accepted turn, or the reason for none."""
    run, turns, refused = services(runtime), state.get("turns", []), state.get("rejection")
    seed = _seed(state, run)
    if refused is not None and refused.question_id:
        refused = refused.model_copy(update={"passage_ids": _passage_ids(refused, state, run)})
    examination = Examination(
        seed_id=seed.id,
        round=seed.round,
        turn_ids=tuple(turn.id for turn in turns),
        accepted_turn_id=state.get("accepted_turn_id"),
        rejection=refused,
    )
    run.ledger.write(*turns, examination)
    if span := telemetry.current():
        outcome = "accepted" if refused is None else refused.code
        span.outer.set({EXAMINATION: examination.id, OUTCOME: outcome})
    return {}


def after_propose(state: ExaminationState) -> Literal["answer", "record"]:
    return "record" if "rejection" in state else "answer"


def after_answer(state: ExaminationState) -> Literal["decide", "record"]:
    return "record" if "rejection" in state else "decide"


def after_decide(state: ExaminationState) -> Literal["revise", "confirm", "record"]:
    if "rejection" in state:
        return "record"
    return "confirm" if state["taken"] else "revise"


def accepted(turn: Turn, settings: ExaminationConfig) -> bool:
    """Tell whether the student's answers make a question worth training on.

    `fail` takes what it fails clearly, `band` what it is right about by turns (Autodata's legal
    gain came from questions that were just right, not hardest), `spread` where answers differ most.
    """
    if turn.verdict is None:
        return False
    mean = sum(SCORES[g] for g in turn.verdict.grades) / len(turn.verdict.grades)
    if settings.acceptance == "band":
        return settings.band[0] <= mean <= settings.band[1]
    if settings.acceptance == "spread":
        return turn.verdict.spread >= settings.least_spread
    return mean < settings.accept_below and turn.verdict.gap >= settings.accept_gap


def build_graph() -> StateGraph[ExaminationState, RunRef, SeedState, Nothing]:
    """Build the inner graph. Its steps are not checkpointed: its calls are cached."""
    graph = StateGraph(
        ExaminationState, context_schema=RunRef, input_schema=SeedState, output_schema=Nothing
    )
    for node in spanned(propose, answer, decide, confirm, revise, record):
        graph.add_node(node)
    graph.add_edge(START, "propose")
    graph.add_conditional_edges("propose", after_propose)
    graph.add_conditional_edges("answer", after_answer)
    graph.add_conditional_edges("decide", after_decide)
    graph.add_conditional_edges("revise", after_propose)
    graph.add_edge("confirm", "record")
    graph.add_edge("record", END)
    return graph


async def _students(question: Question, adapter: str, run: Services) -> list[Answer]:
    """Return the student's answers; none where it is not to be looked at."""
    if not run.config.examination.sighted:
        return []
    return await run.student(adapter).answer(question.text)


def _likely_known(
    seed: Seed, question: Question, answers: Sequence[Answer], run: Services
) -> Rejection | None:
    """Say that the expert is not asked, where the student is predicted to be right."""
    settings = run.config.examination
    if not (answers and seed.predictor_id) or is_audited(seed, settings.audit):
        return None
    predictor = run.ledger.get(Predictor, seed.predictor_id)
    point = run.ledger.get(Point, seed.point_id)
    revised = question.parent_id is not None
    fails = predictor.probability(seed, point, answers, run.subject.form, revised)
    if fails >= settings.ask_above:
        return None
    return rejection("likely-known", f"probability of failing {fails:.2f}", question=question)


def _seed(state: ExaminationState, run: Services) -> Seed:
    return run.ledger.get(Seed, state["seed_id"])


def _asked(state: ExaminationState, run: Services) -> tuple[str, ...]:
    """Return all questions put on the point before: in earlier rounds, and in this examination."""
    seed = _seed(state, run)
    return (*seed.asked, *(turn.question.text for turn in state["turns"]))


def _passage_ids(refused: Rejection, state: ExaminationState, run: Services) -> tuple[str, ...]:
    """Return the passages that decided a rejection: those shown to the expert, or asked about."""
    question = run.ledger.get(Question, refused.question_id or "")
    return tuple(state.get("shown") or question.passage_ids)
