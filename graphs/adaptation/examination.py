"""The inner loop: one seed is asked about, harder each time, until the student fails or gives up.

    begin -> propose -> answer -> decide -> record
                          ^         |
                          +- revise-+

After "Agentic Adversarial QA" (arXiv 2602.18137): the grader's comparison is the loss, its critique
the textual gradient, the examiner's revision the step. What is accepted, and when an examination
ends, follows Meta's Autodata (arXiv 2606.25996) where the paper is silent.
"""

import asyncio
from typing import Literal

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from elenchus.records import (
    SCORES,
    Answer,
    Examination,
    Passage,
    Point,
    Question,
    Seed,
    Turn,
)
from graphs.adaptation.config import ExaminationConfig
from graphs.adaptation.state import ExaminationState, Nothing, SeedState
from graphs.checks import failed_call, rejection, unfit, unsound
from graphs.nodes import Changes
from graphs.services import RunRef, Services, services
from models.calls import CallFailed


async def begin(state: ExaminationState, runtime: Runtime[RunRef]) -> Changes:
    """Wait for a place among the examinations under way.

    One that was recorded right before a kill is not made again: where a model refused, it would
    end otherwise, since only answers are kept.
    """
    fan_out, seed_id = services(runtime).fan_out, state["seed_id"]
    if fan_out.is_done(seed_id):
        fan_out.leave(seed_id)
        return {"done": True}
    await fan_out.enter(seed_id)
    return {"done": False}


async def propose(state: ExaminationState, runtime: Runtime[RunRef]) -> Changes:
    """Write the first question on the seed's point."""
    seed, point, passages = _ground(state, services(runtime))
    try:
        question = await services(runtime).examiner.propose(seed, point, passages, "training")
    except CallFailed as failed:
        return {"rejection": failed_call(failed)}
    return {"question": question, "flat": 0}


async def answer(state: ExaminationState, runtime: Runtime[RunRef]) -> Changes:
    """Expert and student answer at the same time; then the grader compares.

    Without sight of the student (`examination.sighted`) only the expert is asked.
    """
    run, question = services(runtime), state["question"]
    run.ledger.write(question)
    if refused := unfit(question, _asked(state, run)):
        return {"rejection": refused}
    try:
        (expert, passages), student = await asyncio.gather(
            run.expert.answer(question.text), _students(question, state["adapter"], run)
        )
        if refused := await unsound(expert, passages, question, run):
            return {"rejection": refused}
        verdict = (
            await run.grader.grade(question.text, expert[0].text, [a.text for a in student])
            if student
            else None
        )
    except CallFailed as failed:
        return {"rejection": failed_call(failed, question)}
    turn = Turn(question=question, expert=tuple(expert), student=tuple(student), verdict=verdict)
    run.ledger.write(turn)
    return {"turns": [turn]}


async def decide(state: ExaminationState, runtime: Runtime[RunRef]) -> Changes:
    """Accept the turn, or count how long the gap has not widened, or give up."""
    settings = services(runtime).config.examination
    *earlier, turn = state["turns"]
    fresh = services(runtime).ledger.get(Seed, state["seed_id"]).fresh
    most = min(settings.fresh_turns, settings.max_turns) if fresh else settings.max_turns
    last = len(state["turns"]) >= most
    if turn.gap is None:  # nothing tells the questions apart, so the one revised most is taken
        return {"accepted_turn_id": turn.id} if last else {}
    if accepted(turn, settings):
        return {"accepted_turn_id": turn.id}
    widest = max((t.gap for t in earlier if t.gap is not None), default=-1.0)
    flat = 0 if turn.gap > widest else state["flat"] + 1
    if last or flat >= settings.patience:
        gap = max(widest, turn.gap)
        detail = f"widest gap {gap:.2f} in {len(state['turns'])} turns"
        return {"flat": flat, "rejection": rejection("known", detail, turn.question.text)}
    return {"flat": flat}


async def revise(state: ExaminationState, runtime: Runtime[RunRef]) -> Changes:
    """Write a harder question on the same point, from the turn with the widest gap."""
    seed, point, passages = _ground(state, services(runtime))
    seed = seed.model_copy(update={"asked": _asked(state, services(runtime))})
    # The widest gap, of equal ones the first; the newest where the student is not looked at.
    best = max(state["turns"], key=lambda turn: turn.gap or 0.0)
    critique = ""
    if best.verdict is None:
        best = state["turns"][-1]
    else:
        critique = " ".join((best.verdict.missed, best.verdict.critique)).strip()
    try:
        question = await services(runtime).examiner.revise(
            seed, point, passages, best.question, critique
        )
    except CallFailed as failed:
        return {"rejection": failed_call(failed)}
    return {"question": question}


async def record(state: ExaminationState, runtime: Runtime[RunRef]) -> Changes:
    """Write the examination with its outcome: an accepted turn, or the reason for none."""
    run = services(runtime)
    seed = run.ledger.get(Seed, state["seed_id"])
    run.ledger.write(
        Examination(
            seed_id=seed.id,
            round=seed.round,
            turn_ids=tuple(turn.id for turn in state.get("turns", [])),
            accepted_turn_id=state.get("accepted_turn_id"),
            rejection=state.get("rejection"),
        )
    )
    run.fan_out.leave(seed.id)
    return {}


def after_begin(state: ExaminationState) -> Literal["propose", "__end__"]:
    return "__end__" if state["done"] else "propose"


def after_propose(state: ExaminationState) -> Literal["answer", "record"]:
    return "record" if "rejection" in state else "answer"


def after_answer(state: ExaminationState) -> Literal["decide", "record"]:
    return "record" if "rejection" in state else "decide"


def after_decide(state: ExaminationState) -> Literal["revise", "record"]:
    return "record" if "rejection" in state or "accepted_turn_id" in state else "revise"


def accepted(turn: Turn, settings: ExaminationConfig) -> bool:
    """Tell whether the student failed the question clearly enough to be worth training on."""
    if turn.verdict is None:
        return False
    mean = sum(SCORES[g] for g in turn.verdict.grades) / len(turn.verdict.grades)
    return mean < settings.accept_below and turn.verdict.gap >= settings.accept_gap


def build_graph() -> StateGraph[ExaminationState, RunRef, SeedState, Nothing]:
    """Build the inner graph. Its steps are not checkpointed: its calls are cached."""
    graph = StateGraph(
        ExaminationState, context_schema=RunRef, input_schema=SeedState, output_schema=Nothing
    )
    for node in (begin, propose, answer, decide, revise, record):
        graph.add_node(node)
    graph.add_edge(START, "begin")
    graph.add_conditional_edges("begin", after_begin)
    graph.add_conditional_edges("propose", after_propose)
    graph.add_conditional_edges("answer", after_answer)
    graph.add_conditional_edges("decide", after_decide)
    graph.add_conditional_edges("revise", after_propose)
    graph.add_edge("record", END)
    return graph


async def _students(question: Question, adapter: str, run: Services) -> list[Answer]:
    """Return the student's answers; none where it is not to be looked at."""
    if not run.config.examination.sighted:
        return []
    return await run.student(adapter).answer(question.text)


def _ground(state: ExaminationState, run: Services) -> tuple[Seed, Point, list[Passage]]:
    seed = run.ledger.get(Seed, state["seed_id"])
    point = run.ledger.get(Point, seed.point_id)
    return seed, point, [run.ledger.get(Passage, point.passage_id)]


def _asked(state: ExaminationState, run: Services) -> tuple[str, ...]:
    """Return all questions put on the point before: in earlier rounds, and in this examination."""
    seed = run.ledger.get(Seed, state["seed_id"])
    return (*seed.asked, *(turn.question.text for turn in state.get("turns", [])))
