"""The inner loop: one seed is asked about, harder each time, until the student fails or gives up.

    propose -> answer -> judge -> record
                 ^         |
                 +- revise-+

After "Agentic Adversarial QA" (arXiv 2602.18137): the grader's comparison is the loss, its critique
the textual gradient, the examiner's revision the step. What is accepted, and when an examination
ends, follows Meta's Autodata (arXiv 2606.25996) where the paper is silent.
"""

import asyncio
import re
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from agents.calls import CallFailed
from agents.expert import false_citation
from elenchus.config import ExaminationConfig
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
from graphs.context import Context
from graphs.state import ExaminationState

Update = dict[str, Any]
# Why a question is put to nobody.
UNFIT = REPEATS, NOT_ALONE = (
    "the question repeats an earlier one",
    "the question does not stand on its own",
)
_NOT_ALONE = re.compile(
    r"\b(the|this|that) (passage|text|document|excerpt|section) (above|below|given|says)\b"
    r"|\baccording to (the|this) (passage|text|excerpt)\b",
    re.IGNORECASE,
)


async def propose(state: ExaminationState, runtime: Runtime[Context]) -> Update:
    """Write the first question on the seed's point."""
    seed, point, passages = _ground(state, runtime.context)
    try:
        question = await runtime.context.examiner.propose(seed, point, passages, "training")
    except CallFailed as failed:
        return _rejected("the examiner's reply could not be used", failed)
    return {"question": question, "flat": 0}


async def answer(state: ExaminationState, runtime: Runtime[Context]) -> Update:
    """Expert and student answer at the same time; then the grader compares.

    Without sight of the student (`examination.sighted`) only the expert is asked.
    """
    context, question = runtime.context, state["question"]
    context.ledger.write(question)
    reason = unfit(question, _asked(state, context))
    if reason:
        return _refused(reason, question.text, question)
    try:
        (expert, passages), student = await asyncio.gather(
            context.expert.answer(question.text), _students(question, state["adapter"], context)
        )
        reason = await unsound(expert, passages, question, context)
        if reason:
            return _refused(reason, "\n".join(a.text for a in expert) or question.text, question)
        verdict = (
            await context.grader.grade(question.text, expert[0].text, [a.text for a in student])
            if student
            else None
        )
    except CallFailed as failed:
        role = failed.failure.role
        return _rejected(f"the {role}'s reply could not be used", failed, question)
    turn = Turn(question=question, expert=tuple(expert), student=tuple(student), verdict=verdict)
    context.ledger.write(turn)
    return {"turns": [turn]}


async def judge(state: ExaminationState, runtime: Runtime[Context]) -> Update:
    """Accept the turn, or count how long the gap has not widened, or give up."""
    settings = runtime.context.config.examination
    *earlier, turn = state["turns"]
    fresh = runtime.context.ledger.get(Seed, state["seed_id"]).fresh
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
        reason = f"the student knows it: widest gap {gap:.2f} in {len(state['turns'])} turns"
        return {"flat": flat, "rejection": Rejection(reason=reason, raw=turn.question.text)}
    return {"flat": flat}


async def revise(state: ExaminationState, runtime: Runtime[Context]) -> Update:
    """Write a harder question on the same point, from the turn with the widest gap."""
    seed, point, passages = _ground(state, runtime.context)
    seed = seed.model_copy(update={"asked": _asked(state, runtime.context)})
    # The widest gap, of equal ones the first; the newest where the student is not looked at.
    best = max(state["turns"], key=lambda turn: turn.gap or 0.0)
    critique = ""
    if best.verdict is None:
        best = state["turns"][-1]
    else:
        critique = " ".join((best.verdict.missed, best.verdict.critique)).strip()
    try:
        question = await runtime.context.examiner.revise(
            seed, point, passages, best.question, critique
        )
    except CallFailed as failed:
        return _rejected("the examiner's reply could not be used", failed)
    return {"question": question}


async def record(state: ExaminationState, runtime: Runtime[Context]) -> Update:
    """Write the examination with its outcome: an accepted turn, or the reason for none."""
    context = runtime.context
    seed = context.ledger.get(Seed, state["seed_id"])
    context.ledger.write(
        Examination(
            seed_id=seed.id,
            round=seed.round,
            turn_ids=tuple(turn.id for turn in state.get("turns", [])),
            accepted_turn_id=state.get("accepted_turn_id"),
            rejection=state.get("rejection"),
        )
    )
    return {}


def after_propose(state: ExaminationState) -> Literal["answer", "record"]:
    return "record" if "rejection" in state else "answer"


def after_answer(state: ExaminationState) -> Literal["judge", "record"]:
    return "record" if "rejection" in state else "judge"


def after_judge(state: ExaminationState) -> Literal["revise", "record"]:
    return "record" if "rejection" in state or "accepted_turn_id" in state else "revise"


def accepted(turn: Turn, settings: ExaminationConfig) -> bool:
    """Whether the student failed the question clearly enough to be worth training on."""
    if turn.verdict is None:
        return False
    mean = sum(SCORES[g] for g in turn.verdict.grades) / len(turn.verdict.grades)
    return mean < settings.accept_below and turn.verdict.gap >= settings.accept_gap


def unfit(question: Question, asked: tuple[str, ...]) -> str | None:
    """Why a question is not worth asking: it repeats one, or does not stand on its own."""
    if question.text in asked:
        return REPEATS
    if _NOT_ALONE.search(question.text):
        return NOT_ALONE
    return None


async def unsound(
    expert: list[Answer], passages: list[Passage], question: Question, context: Context
) -> str | None:
    """Why the expert's answers cannot be trained on: unanswered, ungrounded, or at odds."""
    if any(answer.abstained for answer in expert):
        return "the documents do not decide it"
    for each in expert:
        if reason := false_citation(each, passages):
            return f"a citation does not hold: {reason}"
    others = [a.text for a in expert[1:] if a.text != expert[0].text]
    if others:
        verdict = await context.grader.grade(question.text, expert[0].text, others)
        if any(grade != "correct" for grade in verdict.grades):
            return "the expert's answers disagree with one another"
    result = expert[0].text.rpartition("So:")[2].strip(" .")
    if len(result.split()) > 2 and result.lower() in question.text.lower():
        return "the question contains its answer"
    return None


def build() -> CompiledStateGraph[ExaminationState, Context, ExaminationState, ExaminationState]:
    """The compiled inner graph. It has no checkpointer of its own: its calls are cached."""
    graph = StateGraph(ExaminationState, context_schema=Context)
    for node in (propose, answer, judge, revise, record):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "propose")
    graph.add_conditional_edges("propose", after_propose)
    graph.add_conditional_edges("answer", after_answer)
    graph.add_conditional_edges("judge", after_judge)
    graph.add_conditional_edges("revise", after_propose)
    graph.add_edge("record", END)
    return graph.compile(checkpointer=False)


async def _students(question: Question, adapter: str, context: Context) -> list[Answer]:
    """The student's answers; none where it is not to be looked at."""
    if not context.config.examination.sighted:
        return []
    return await context.student(adapter).answer(question.text)


def _ground(state: ExaminationState, context: Context) -> tuple[Seed, Point, list[Passage]]:
    seed = context.ledger.get(Seed, state["seed_id"])
    point = context.ledger.get(Point, seed.point_id)
    return seed, point, [context.ledger.get(Passage, point.passage_id)]


def _asked(state: ExaminationState, context: Context) -> tuple[str, ...]:
    """All questions put on the point before: in earlier rounds, and in this examination."""
    seed = context.ledger.get(Seed, state["seed_id"])
    return (*seed.asked, *(turn.question.text for turn in state.get("turns", [])))


def _refused(reason: str, raw: str, question: Question | None) -> Update:
    question_id = question.id if question else None
    return {"rejection": Rejection(reason=reason, raw=raw, question_id=question_id)}


def _rejected(reason: str, failed: CallFailed, question: Question | None = None) -> Update:
    return _refused(f"{reason}: {failed.failure.reason}", failed.failure.raw, question)
