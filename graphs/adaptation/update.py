"""The loop of an update: what changed in the documents since a finished run is examined anew.

    index -> compare -> survey -> write_exam -> evaluate -> draw -> examine (one a seed)
                                                 ^  |                          |
                                       train ----+  +-> conclude <- review <- curate
                                         ^                            |
                                         +----------------------------+

Examples that cite no passage that is gone are kept, and so are the calls they came from. The
student that is examined is the one that the earlier run ended with; the adapter is trained from
the untouched student again, so that nothing retired stays in it.
"""

import asyncio
import math
import random
import shutil
from collections.abc import Sequence
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from elenchus.ledger import Ledger
from elenchus.outcomes import Adapter, Dataset, Decision, ExamItem, Example, Update
from elenchus.records import Examination, Passage, Point, Question, Record, Seed, Turn
from graphs import exams, general, nodes, surveys
from graphs.adaptation import complaints, curation, lessons, reviewing
from graphs.adaptation import graph as adaptation
from graphs.adaptation.history import history
from graphs.adaptation.seeds import draw_seeds, how_many
from graphs.adaptation.state import AdaptationState
from graphs.nodes import TRANSIENT, Changes, training_stage
from graphs.services import RunRef, Services, services
from graphs.spans import spanned

CHECKED = 60  # questions of each exam on what did not change: enough to see that nothing broke
LEAST = 6  # new exam questions for a point, so that few changed points can be judged


async def compare(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Take over what the earlier run made from passages that still stand."""
    run = services(runtime)
    earlier = run.folder.updates()
    assert earlier is not None
    ledger = Ledger(earlier.ledger, read_only=True)
    try:
        update, records = _inherited(ledger, run, earlier.id)
    finally:
        ledger.close()
    run.ledger.write(*records, update)
    if update.adapter:
        shutil.copytree(
            earlier.path / update.adapter, run.folder.path / update.adapter, dirs_exist_ok=True
        )
    run.progress.say(
        f"since {update.run}: {len(update.passages_gone)} passages gone, "
        f"{len(update.passages_new)} new; {len(update.kept)} examples kept, "
        f"{len(update.retired)} retired"
    )
    begin = {"round": update.round, "first": update.round}
    return begin | {"adapter": update.adapter, "start": update.adapter}


async def survey(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Find the points of the new passages."""
    run = services(runtime)
    new = set(_update(run).passages_new)
    passages = [p for p in run.ledger.all(Passage) if p.id in new]
    passages = surveys.drawn(passages, run.config.questions.surveyed, run.config.seed)
    with run.progress.stage("Survey new passages") as advance:
        found = await surveys.survey(run, passages, advance)
    run.ledger.write(*found)
    run.progress.say(f"{len(found)} points in {len(passages)} of {len(new)} new passages")
    return {}


async def write_exam(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Write exam questions on the new points; some of each other exam are asked as well."""
    run = services(runtime)
    new, most = curation.new_points(run.ledger), run.config.exam.questions
    by_exam: dict[exams.Written, list[Point]] = {
        "held-out": [point for point in new if not run.is_untaught(point)],
        "untaught": [point for point in new if run.is_untaught(point)],
    }
    for name, points in by_exam.items():
        if points:
            share = most / run.ledger.count(Point)
            wanted = min(math.ceil(len(points) * max(share, LEAST)), most)
            with run.progress.stage("Write exam questions on what is new") as advance:
                items = await exams.held_out(run, points, advance, wanted, name, needed=False)
            run.ledger.write(*items)
    others = exams.given(run, strict=False)
    for exam in ("general", "hand"):
        some = [item for item in others if item.exam == exam]
        run.ledger.write(*_sampled(some, run))
    return {}


async def evaluate(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Run the held-out exam with the earlier run's adapter, and then with the new one."""
    run = services(runtime)
    share = await exams.run_exam(run, "held-out", state["round"], state["adapter"])
    done = state["round"] > state["first"]
    run.progress.say(f"round {state['round']}: {exams.shown(share)} on the held-out exam")
    return {"accuracies": [share], "stopped": "what changed was examined" if done else ""}


async def draw(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Draw seeds on the new points, and on what users kept."""
    run, round_ = services(runtime), state["round"] + 1
    past = history(run.ledger, round_, run.config.adaptation.memory)
    seeds = draw_seeds(
        [point for point in curation.new_points(run.ledger) if not run.is_untaught(point)],
        past,
        round_,
        how_many(curation.wanted(run), 0, 0, run.config.dataset.candidates),
        run.asking,
        run.config.adaptation,
    )
    seeds += complaints.draw(run, round_, past)
    run.ledger.write(*seeds)
    return {"round": round_, "seed_ids": [seed.id for seed in seeds]}


async def curate(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Put what the new passages gave beside what was kept."""
    run = services(runtime)
    run.fan_out.end()
    await adaptation.compare_answers(run, state["round"])
    dataset = await asyncio.to_thread(curation.choose, run, state["round"])
    curation.keep(run, dataset)
    kept = len({*_update(run).kept}.intersection(dataset.example_ids))
    run.progress.say(
        f"dataset of {len(dataset.example_ids)}: {kept} kept, {len(dataset.example_ids) - kept} new"
    )
    stopped = ""
    if not dataset.example_ids:
        stopped = "no example is left"
    elif not run.config.training.enabled:
        stopped = "the dataset is made, and training.enabled is off"
    return {"dataset_id": dataset.id, "stopped": stopped}


async def train(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Train the untouched student on the whole dataset, for as many steps as all rounds took."""
    run = services(runtime)
    dataset = run.ledger.get(Dataset, state["dataset_id"])
    steps = _steps(run.ledger.all(Adapter), state["start"])
    await general.prepare(run, run.config.training.replay)
    await lessons.prepare(run, curation.chosen_examples(run.ledger, dataset))
    async with training_stage(run, "Train on the updated dataset") as step:
        adapter = await asyncio.to_thread(curation.train, run, dataset, "", step, steps)
    run.ledger.write(adapter)
    return {"adapter": adapter.path}


def after_draw(state: AdaptationState) -> Any:
    """No seed is drawn where passages only went, or the new ones have no point."""
    return adaptation.after_draw(state) or "curate"


def build_graph() -> StateGraph[AdaptationState, RunRef, AdaptationState, AdaptationState]:
    """Build the graph without a checkpointer."""
    graph = StateGraph(AdaptationState, context_schema=RunRef)
    graph.set_node_defaults(retry_policy=TRANSIENT)
    graph.add_sequence(spanned(nodes.index, compare, survey, write_exam, evaluate))
    for node in spanned(draw, curate, adaptation.review, train, adaptation.conclude):
        graph.add_node(node)
    adaptation.add_examinations(graph)
    graph.add_edge(START, "index")
    graph.add_edge("examine", "curate")
    graph.add_edge("train", "evaluate")
    graph.add_edge("conclude", END)
    graph.add_conditional_edges("evaluate", adaptation.after_evaluate, ["draw", "conclude"])
    graph.add_conditional_edges("draw", after_draw, ["examine", "curate"])
    graph.add_edge("curate", "review")
    graph.add_conditional_edges("review", adaptation.after_review, ["train", "conclude"])
    return graph


def _inherited(ledger: Ledger, run: Services, name: str) -> tuple[Update, list[Record]]:
    """Return what is taken over from a run's ledger: the account of it, and the records."""
    now = {p.id for p in run.ledger.all(Passage)}
    before = {p.id for p in ledger.all(Passage)}
    points = [p for p in ledger.all(Point) if now.issuperset(p.passage_ids)]
    dataset = reviewing.newest(ledger)
    assert dataset is not None  # a finished run has one
    decisions = ledger.all(Decision)
    chosen = curation.chosen_examples(ledger, dataset)
    chosen = reviewing.obeyed(ledger, run.subject.form, chosen)
    kept = [e for e in chosen if now.issuperset(e.passage_ids)]
    retired = [e for e in chosen if not now.issuperset(e.passage_ids)]
    items = ledger.all(ExamItem, exam="held-out")
    untaught = ledger.all(ExamItem, exam="untaught")
    standing, apart = (
        [item for item in of_exam if now.issuperset(item.passage_ids)]
        for of_exam in (items, untaught)
    )
    adapters = ledger.all(Adapter)
    update = Update(
        run=name,
        round=max(dataset.round, *(a.round for a in adapters)) if adapters else dataset.round,
        adapter=max(adapters, key=lambda a: a.round).path if adapters else "",
        passages_gone=tuple(sorted(before - now)),
        passages_new=tuple(sorted(now - before)),
        kept=tuple(e.id for e in kept),
        retired=tuple(e.id for e in retired),
        items_retired=len(items) - len(standing),
        examples_a_point=len(chosen) / max(ledger.count(Point), 1),
    )
    taken = [*_sampled(standing, run), *_sampled(apart, run)]
    return update, [*points, *taken, *adapters, *decisions, *_with_grounds(ledger, kept)]


def _with_grounds(ledger: Ledger, kept: Sequence[Example]) -> list[Record]:
    """Examples with all that they came from, so that a trace shows them."""
    records: list[Record] = []
    for example in kept:
        examination = ledger.get(Examination, example.examination_id)
        turns = [ledger.get(Turn, i) for i in examination.turn_ids]
        records += [example, examination, ledger.get(Seed, examination.seed_id), *turns]
        records += [ledger.get(Question, turn.question.id) for turn in turns]
    return records


def _sampled(items: Sequence[ExamItem], run: Services) -> list[ExamItem]:
    rng = random.Random(f"update/{run.config.seed}")
    return rng.sample(list(items), min(CHECKED, len(items)))


def _update(run: Services) -> Update:
    update = curation.update(run.ledger)
    assert update is not None
    return update


def _steps(adapters: Sequence[Adapter], path: str) -> int:
    """Steps that an adapter took, with those that it went on from."""
    by_path, steps = {a.path: a for a in adapters}, 0
    while path:
        steps += by_path[path].steps
        path = by_path[path].previous
    return steps
