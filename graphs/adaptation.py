"""The outer loop: a domain's state machine, from documents to an adapted student.

    index -> survey -> write_exam -> evaluate -> draw -> examine (one a seed) -> curate -> train
                                        ^ |       ^                                |       |
                                        | |       +------- the round falls short --+       |
                                        | +-> conclude                                     |
                                        +--------------------------------------------------+

Nodes do what can fail; routers are pure functions of the state. The outer rounds, which the paper
lacks (arXiv 2602.18137), go on until a rule of `graphs/stopping.py` ends them.
"""

import asyncio
import contextlib
import functools
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import RetryPolicy, Send

from elenchus.errors import UserError
from elenchus.records import Adapter, Dataset, Examination, Failure, Passage, Point
from graphs import curation, exams, report
from graphs.context import Advance, Context
from graphs.drawing import draw_seeds, how_many
from graphs.examination import build as build_examination
from graphs.state import AdaptationState, SeedState, is_trained, trained_rounds
from graphs.stopping import stopping_rule
from graphs.threads import thread_stage

Update = dict[str, Any]
# LangGraph 1.2.22 hands the outer graph's durability "sync" down to a subgraph without a
# checkpointer and fails there; giving another one helps, and warns that it has no effect.
warnings.filterwarnings("ignore", message="`durability` has no effect")
# Only what passes by itself is tried again; a bug or bad input never is.
TRANSIENT = RetryPolicy(max_attempts=3, retry_on=(ConnectionError, TimeoutError))


async def index(state: AdaptationState, runtime: Runtime[Context]) -> Update:
    """Read, split and embed the corpus; what did not change costs nothing.

    A run that was killed right after keeps to the passages that it wrote down.
    """
    context = runtime.context
    begin = {"round": 0, "adapter": "", "stopped": ""}
    if context.ledger.count(Passage):
        return begin
    own = context.index
    with thread_stage(context.progress, "Read documents") as step:
        documents, passages, refused = await asyncio.to_thread(own.take, step)
    with thread_stage(context.progress, "Embed passages") as step:
        await asyncio.to_thread(own.embed, context.store, step)
    context.ledger.write(*documents, *passages)
    context.progress.say(
        f"{len(documents)} documents, {len(passages)} passages"
        + (f"; {refused} refused: `elenchus corpus stats` says why" if refused else "")
    )
    return begin


async def survey(state: AdaptationState, runtime: Runtime[Context]) -> Update:
    """Find the points that can be examined; UserError when the corpus has none."""
    context = runtime.context
    passages = context.ledger.all(Passage)
    with context.progress.stage("Survey points") as advance:
        found = await exams.survey(context, passages, advance)
    context.ledger.write(*found)
    readable = len({point.passage_id for point in found})
    failures = context.ledger.all(Failure, role="examiner", task="survey")
    reasons = Counter(failure.reason for failure in failures).most_common(1)
    failed = "".join(f"; {len(failures)} failures, most: {reason}" for reason, _ in reasons)
    if not found:
        raise UserError(
            f"{context.config.examiner.model} found no rule, limit or definition in any of the "
            f"{len(passages)} passages{failed}. Use documents that lay something down, or another "
            "examiner"
        )
    context.progress.say(f"{len(found)} points in {readable} of {len(passages)} passages{failed}")
    return {}


async def write_exam(state: AdaptationState, runtime: Runtime[Context]) -> Update:
    """Write the held-out exam, and collect the general one and the one written by hand."""
    context = runtime.context
    points = context.ledger.all(Point)
    with context.progress.stage("Write the held-out exam") as advance:
        wanted = context.config.exam.questions
        items = await exams.held_out(context, points, advance, wanted)
    others = exams.given(context)
    context.ledger.write(*items, *others)
    return {}


async def evaluate(state: AdaptationState, runtime: Runtime[Context]) -> Update:
    """Sit the held-out exam with the newest adapter, and decide whether to go on."""
    context = runtime.context
    share = await exams.sit(context, "held-out", state["round"], state["adapter"])
    reason = stopping_rule(context.config)(state) if state["round"] else None
    context.progress.say(
        f"round {state['round']}: {exams.shown(share)} on the held-out exam"
        + (f"; stopping: {reason}" if reason else "")
    )
    return {"accuracies": [share], "stopped": reason or ""}


async def draw(state: AdaptationState, runtime: Runtime[Context]) -> Update:
    """Choose seeds by coverage and by what the student fails; more for a round that falls short."""
    context, round_ = runtime.context, trained_rounds(state) + 1
    config, ledger = context.config, context.ledger
    count = state.get("more", 0)
    if not count:
        before = ledger.all(Examination, round=state["round"])
        wanted, taken = _wanted(context, state, round_), curation.accepted(before)
        count = how_many(wanted, len(before), taken, config.dataset.candidates)
    seeds = draw_seeds(
        ledger.all(Point),
        curation.past(ledger, round_, config.adaptation.memory),
        round_,
        count,
        config.adaptation,
        config.seed,
        ledger.count(Examination, round=round_),
    )
    context.ledger.write(*seeds)
    return {"round": round_, "seed_ids": [seed.id for seed in seeds]}


async def examine(state: SeedState, runtime: Runtime[Context]) -> Update:
    """One examination; our own semaphore holds back the fan-out (see docs/design.md).

    One that was recorded right before a kill is not made again: where a model refused, it would
    end otherwise, since only answers are kept.
    """
    context, seed_id = runtime.context, state["seed_id"]
    async with context.turnstile:
        if not context.is_examined(seed_id):
            await _examination().ainvoke(
                {"seed_id": seed_id, "adapter": state["adapter"]},
                context=context,
                durability="async",
            )
    context.count_examination(seed_id)
    return {}


async def curate(state: AdaptationState, runtime: Runtime[Context]) -> Update:
    """Choose the compact dataset from all that was accepted so far; it is kept once it is whole."""
    context = runtime.context
    context.end_round()
    dataset = await asyncio.to_thread(curation.choose, context, state["round"])
    failed, fresh = curation.fresh_failures(context.ledger, state["round"])
    done = context.ledger.all(Examination, round=state["round"])
    said = f"round {state['round']}: " + (
        (f"the student failed {failed} of {fresh} fresh questions; " if fresh else "")
        + f"{curation.accepted(done)} of {len(done)} examinations accepted, "
    )
    sighted = context.config.examination.sighted
    # Only a round's first questions are alike from round to round; later ones follow its findings.
    first = sighted and fresh and not state.get("more", 0)
    shares: Update = {"failed": [failed], "fresh": [fresh]} if first else {}
    learnt = sighted and failed < context.config.adaptation.stop_failure_share * fresh
    more = curation.more(context, dataset, _wanted(context, state, state["round"]))
    if more and not learnt:
        context.progress.say(f"{said}too few for the round: {more} more")
        return {"more": more} | shares
    curation.keep(context, dataset)
    context.progress.say(f"{said}dataset of {len(dataset.example_ids)}")
    if sighted and not fresh:
        nobody = "no question could be put to the student"
        return {"dataset_id": dataset.id, "more": 0, "stopped": nobody}
    stopped = ""
    if not dataset.example_ids:
        long = dataset.too_long and dataset.too_long == dataset.candidates
        nothing = "every accepted answer is over training.max_tokens"
        stopped = nothing if long else "no examination was accepted"
    elif not context.config.training.enabled:
        stopped = "the dataset is made, and training.enabled is off"
    return {"dataset_id": dataset.id, "more": 0, "stopped": stopped} | shares


async def train(state: AdaptationState, runtime: Runtime[Context]) -> Update:
    """Go on with the LoRA of the round before, on the whole dataset so far."""
    context = runtime.context
    dataset = context.ledger.get(Dataset, state["dataset_id"])
    with training_stage(context, f"Train round {state['round']}") as step:
        adapter: Adapter = await asyncio.to_thread(
            curation.train, context, dataset, state["adapter"], step
        )
    context.ledger.write(adapter)
    return {"adapter": adapter.path}


@contextlib.contextmanager
def training_stage(context: Context, name: str) -> Iterator[Advance]:
    """A `thread_stage` that trains."""
    if context.config.student.model.startswith("hf:"):
        from agents import local

        local.forget()  # a training wants the room
    with thread_stage(context.progress, name) as step:
        yield step


async def conclude(state: AdaptationState, runtime: Runtime[Context]) -> Update:
    """Sit the other exams with the last adapter, and write the dataset folder and the result."""
    context = runtime.context
    for exam in ("general", "hand"):
        await exams.sit(context, exam, state.get("first", 0), state.get("start", ""))
        if is_trained(state):
            await exams.sit(context, exam, trained_rounds(state), state["adapter"])
    report.write(context, state)
    return {}


def after_evaluate(state: AdaptationState) -> str:
    return "conclude" if state["stopped"] else "draw"


def after_draw(state: AdaptationState) -> list[Send]:
    return [
        Send("examine", SeedState(seed_id=i, adapter=state["adapter"])) for i in state["seed_ids"]
    ]


def after_curate(state: AdaptationState) -> str:
    if state["stopped"]:
        return "conclude"
    return "draw" if state.get("more", 0) else "train"


def build_graph() -> StateGraph[AdaptationState, Context, AdaptationState, AdaptationState]:
    """The graph without a checkpointer: the command line compiles it with the run's own."""
    graph = StateGraph(AdaptationState, context_schema=Context)
    for node in (index, survey, write_exam, evaluate, draw, curate, train, conclude):
        graph.add_node(node.__name__, node, retry_policy=TRANSIENT)
    graph.add_node("examine", examine, retry_policy=TRANSIENT, input_schema=SeedState)
    graph.add_edge(START, "index")
    graph.add_edge("index", "survey")
    graph.add_edge("survey", "write_exam")
    graph.add_edge("write_exam", "evaluate")
    graph.add_conditional_edges("evaluate", after_evaluate, ["draw", "conclude"])
    graph.add_conditional_edges("draw", after_draw, ["examine"])
    graph.add_edge("examine", "curate")
    graph.add_conditional_edges("curate", after_curate, ["draw", "train", "conclude"])
    graph.add_edge("train", "evaluate")
    graph.add_edge("conclude", END)
    return graph


def _wanted(context: Context, state: AdaptationState, round_: int) -> int:
    """Examples that a round should add to those of the round before."""
    return context.config.sizes[round_ - 1] - curation.size(context.ledger, state)


@functools.cache
def _examination() -> Any:
    return build_examination()
