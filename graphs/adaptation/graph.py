"""The outer loop: a domain's state machine, from documents to an adapted student.

    index -> survey -> write_exam -> evaluate -> draw -> examine (one a seed) -> curate
                                        ^ |       ^                                |  |
                                        | |       +------- the round falls short --+  |
                                        | +-> conclude <----------------------+       |
                                        +--------------------------- train <- review -+

Nodes do what can fail; routers are pure functions of the state. The outer rounds, which the paper
lacks (arXiv 2602.18137), go on until a rule of `graphs/adaptation/stopping.py` ends them.
"""

import asyncio
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send, interrupt

from elenchus.outcomes import Dataset
from elenchus.records import Examination, Point
from graphs import exams, general, nodes, own_tests
from graphs.adaptation import complaints, curation, examination, lessons, report, reviewing
from graphs.adaptation.contradictions import contradictions
from graphs.adaptation.history import fresh_failures, history
from graphs.adaptation.predictor import Predictor, fit
from graphs.adaptation.seeds import draw_seeds, how_many
from graphs.adaptation.state import AdaptationState, SeedState
from graphs.adaptation.stopping import stopping_rule
from graphs.cluster import pool
from graphs.nodes import TRANSIENT, Changes, training_stage
from graphs.services import RunRef, Services, services
from graphs.spans import examining, spanned
from graphs.state import is_trained, trained_rounds

PORTION = 40  # examinations before failures are first predicted


async def evaluate(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Run the held-out exam with the newest adapter, and decide whether to go on."""
    run = services(runtime)
    share = await exams.run_exam(run, "held-out", state["round"], state["adapter"])
    reason = stopping_rule(run.config)(state) if state["round"] else None
    run.progress.say(
        f"round {state['round']}: {exams.shown(share)} on the held-out exam"
        + (f"; stopping: {reason}" if reason else "")
    )
    return {"accuracies": [share], "stopped": reason or ""}


async def draw(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Choose seeds by coverage and by what the student fails; more for a round that falls short."""
    run, round_ = services(runtime), trained_rounds(state) + 1
    config, ledger = run.config, run.ledger
    count = state.get("more", 0)
    if not count:
        before = ledger.all(Examination, round=state["round"])
        wanted, taken = _wanted(run, state, round_), curation.accepted(before)
        count = how_many(wanted, len(before), taken, config.dataset.candidates)
        # Those of a preview are there already.
        count = max(count - ledger.count(Examination, round=round_), 1)
    predictor = _predictor(run, round_)
    if predictor is None and config.examination.predict and config.examination.sighted:
        count = min(count, PORTION)
    past = history(ledger, round_, config.adaptation.memory)
    seeds = draw_seeds(
        [point for point in ledger.all(Point) if not run.is_untaught(point)],
        past,
        round_,
        count,
        run.asking,
        config.adaptation,
        ledger.count(Examination, round=round_),
        predictor.id if predictor else "",
    )
    seeds += complaints.draw(run, round_, past)
    run.ledger.write(*seeds)
    return {"round": round_, "seed_ids": [seed.id for seed in seeds]}


async def curate(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Choose the compact dataset from all that was accepted so far; it is kept once it is whole."""
    run = services(runtime)
    run.fan_out.end()
    await compare_answers(run, state["round"])
    dataset = await asyncio.to_thread(curation.choose, run, state["round"])
    failed, fresh = fresh_failures(run.ledger, state["round"])
    done = run.ledger.all(Examination, round=state["round"])
    said = f"round {state['round']}: " + (
        (f"the student failed {failed} of {fresh} fresh questions; " if fresh else "")
        + f"{curation.accepted(done)} of {len(done)} examinations accepted, "
    )
    sighted = run.config.examination.sighted
    # Only a round's first questions are alike from round to round; later ones follow its findings.
    first = sighted and fresh and not state.get("more", 0)
    shares: Changes = {"failed": [failed], "fresh": [fresh]} if first else {}
    learnt = sighted and failed < run.config.adaptation.stop_failure_share * fresh
    more = curation.more(run, dataset, _wanted(run, state, state["round"]))
    if more and not learnt:
        run.progress.say(f"{said}too few for the round: {more} more")
        return {"more": more} | shares
    curation.keep(run, dataset)
    run.progress.say(f"{said}dataset of {len(dataset.example_ids)}")
    if sighted and not fresh:
        nobody = "no question could be put to the student"
        return {"dataset_id": dataset.id, "more": 0, "stopped": nobody}
    stopped = ""
    if not dataset.example_ids:
        long = dataset.too_long and dataset.too_long == dataset.candidates
        nothing = "every accepted answer is over training.max_tokens"
        stopped = nothing if long else "no examination was accepted"
    elif not run.config.training.enabled:
        stopped = "the dataset is made, and training.enabled is off"
    return {"dataset_id": dataset.id, "more": 0, "stopped": stopped} | shares


async def review(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Wait, where that is wanted, until a person has looked at the examples, and obey them.

    Whoever resumes the run has looked at as many as they wished: the others stay as they are.
    """
    run = services(runtime)
    dataset = run.ledger.get(Dataset, state["dataset_id"])
    if run.config.review:
        left = sum(case.decision is None for case in reviewing.cases(run.ledger))
        if left:
            command = run.folder.command("review")
            interrupt(f"{left} of {len(dataset.example_ids)} examples wait for `{command}`")
    left_by_people = reviewing.revised(run.ledger, run.subject.form, dataset)
    if left_by_people.id == dataset.id:
        return {}
    curation.keep(run, left_by_people)
    count = len(left_by_people.example_ids)
    run.progress.say(f"round {state['round']}: dataset of {count} after the review")
    nothing = {} if count else {"stopped": "people rejected every example"}
    return {"dataset_id": left_by_people.id} | nothing


async def train(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Go on with the LoRA of the round before, on the whole dataset so far."""
    run = services(runtime)
    dataset = run.ledger.get(Dataset, state["dataset_id"])
    await general.prepare(run, run.config.training.replay)
    await lessons.prepare(run, curation.chosen_examples(run.ledger, dataset))
    async with training_stage(run, f"Train round {state['round']}") as step:
        adapter = await asyncio.to_thread(curation.train, run, dataset, state["adapter"], step)
    run.ledger.write(adapter)
    return {"adapter": adapter.path}


async def conclude(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Run the other exams with the last adapter, and write the dataset folder and the result."""
    run = services(runtime)
    for exam in ("untaught", "general", "hand"):
        await exams.run_exam(run, exam, state.get("first", 0), state.get("start", ""))
        if is_trained(state):
            await exams.run_exam(run, exam, trained_rounds(state), state["adapter"])
    if is_trained(state):
        await general.measure(run, trained_rounds(state), state["adapter"])
    await own_tests.take(run, own_tests.students(state))
    report.write(run, state)
    return {}


def after_evaluate(state: AdaptationState) -> str:
    return "conclude" if state["stopped"] else "draw"


def after_draw(state: AdaptationState) -> list[Send]:
    return [
        Send("examine", SeedState(seed_id=i, adapter=state["adapter"])) for i in state["seed_ids"]
    ]


def after_curate(state: AdaptationState) -> str:
    return "draw" if state.get("more", 0) else "review"


def after_review(state: AdaptationState) -> str:
    return "conclude" if state["stopped"] else "train"


def build_graph() -> StateGraph[AdaptationState, RunRef, AdaptationState, AdaptationState]:
    """Build the graph without a checkpointer: the runner compiles it with the run's own."""
    graph = StateGraph(AdaptationState, context_schema=RunRef)
    graph.set_node_defaults(retry_policy=TRANSIENT)
    graph.add_sequence(spanned(nodes.index, nodes.survey, nodes.write_exam, evaluate))
    for node in spanned(draw, curate, review, train, conclude):
        graph.add_node(node)
    add_examinations(graph)
    graph.add_edge(START, "index")
    graph.add_conditional_edges("evaluate", after_evaluate, ["draw", "conclude"])
    graph.add_conditional_edges("draw", after_draw, ["examine"])
    graph.add_edge("examine", "curate")
    graph.add_conditional_edges("curate", after_curate, ["draw", "review"])
    graph.add_conditional_edges("review", after_review, ["train", "conclude"])
    graph.add_edge("train", "evaluate")
    graph.add_edge("conclude", END)
    return graph


def add_examinations(graph: StateGraph[Any, RunRef, Any, Any]) -> None:
    """Add the inner loop as a node, which is sent one seed at a time."""
    inner = examination.build_graph().compile()
    graph.add_node("examine", examining(inner, pool.examine), input_schema=SeedState)


async def compare_answers(run: Services, round_: int) -> None:
    """Find the answers about one point that contradict one another, where that is checked."""
    if not run.config.checks.consistent:
        return
    examples = curation.examples_of(run, run.ledger.all(Examination))
    run.ledger.write(*examples)
    with run.progress.stage("Compare answers") as advance:
        run.ledger.write(*await contradictions(run, examples, round_, advance))


def _predictor(run: Services, round_: int) -> Predictor | None:
    """Fit what is known so far of when the student fails; None where it is too little, or off."""
    settings = run.config.examination
    if not (settings.predict and settings.sighted):
        return None
    form, memory = run.subject.form, run.config.adaptation.memory
    predictor = fit(run.ledger, round_, form, settings.audit, settings.ask_above, memory)
    if predictor is not None:
        run.ledger.write(predictor)
        run.progress.say(
            f"the student's failures are predicted from {predictor.graded} graded questions: Brier "
            f"score {predictor.brier:.3f}, {predictor.base:.3f} of their share alone"
        )
    return predictor


def _wanted(run: Services, state: AdaptationState, round_: int) -> int:
    """Return how many examples a round should add to those of the round before."""
    return run.config.sizes[round_ - 1] - curation.size(run.ledger, state)
