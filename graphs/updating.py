"""The loop of an update: what changed in the documents since a finished run is examined anew.

    index -> compare -> survey -> write_exam -> evaluate -> draw -> examine (one a seed)
                                                 ^  |                          |
                                       train ----+  +-> conclude            curate -> train

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
from elenchus.records import (
    Adapter,
    Dataset,
    Examination,
    ExamItem,
    Example,
    Passage,
    Point,
    Question,
    Record,
    Seed,
    Turn,
    Update,
)
from graphs import adaptation, curation, exams
from graphs.adaptation import TRANSIENT, training_stage
from graphs.context import Context
from graphs.drawing import Past, draw_seeds, how_many
from graphs.state import AdaptationState, SeedState

Changes = dict[str, Any]
CHECKED = 60  # questions of each exam on what did not change: enough to see that nothing broke
LEAST = 6  # new exam questions for a point, so that few changed points can be judged


async def compare(state: AdaptationState, runtime: Runtime[Context]) -> Changes:
    """Take over what the earlier run made from passages that still stand."""
    context = runtime.context
    earlier = context.folder.updates()
    assert earlier is not None
    ledger = Ledger(earlier.ledger, read_only=True)
    try:
        update, records = _inherited(ledger, context, earlier.id)
    finally:
        ledger.close()
    context.ledger.write(*records, update)
    if update.adapter:
        shutil.copytree(
            earlier.path / update.adapter, context.folder.path / update.adapter, dirs_exist_ok=True
        )
    context.progress.say(
        f"since {update.run}: {len(update.passages_gone)} passages gone, "
        f"{len(update.passages_new)} new; {len(update.kept)} examples kept, "
        f"{len(update.retired)} retired"
    )
    begin = {"round": update.round, "first": update.round}
    return begin | {"adapter": update.adapter, "start": update.adapter}


async def survey(state: AdaptationState, runtime: Runtime[Context]) -> Changes:
    """Find the points of the new passages."""
    context = runtime.context
    new = set(_update(context).passages_new)
    passages = [p for p in context.ledger.all(Passage) if p.id in new]
    with context.progress.stage("Survey new passages") as advance:
        found = await exams.survey(context, passages, advance)
    context.ledger.write(*found)
    context.progress.say(f"{len(found)} points in {len(passages)} new passages")
    return {}


async def write_exam(state: AdaptationState, runtime: Runtime[Context]) -> Changes:
    """Write exam questions on the new points; some of each other exam are sat as well."""
    context = runtime.context
    points = curation.new_points(context.ledger)
    if points:
        most = context.config.exam.questions
        share = most / context.ledger.count(Point)
        wanted = min(math.ceil(len(points) * max(share, LEAST)), most)
        with context.progress.stage("Write exam questions on what is new") as advance:
            items = await exams.held_out(context, points, advance, wanted, needed=False)
        context.ledger.write(*items)
    others = exams.given(context, strict=False)
    for exam in ("general", "hand"):
        some = [item for item in others if item.exam == exam]
        context.ledger.write(*_sampled(some, context))
    return {}


async def evaluate(state: AdaptationState, runtime: Runtime[Context]) -> Changes:
    """Sit the held-out exam with the earlier run's adapter, and then with the new one."""
    context = runtime.context
    share = await exams.sit(context, "held-out", state["round"], state["adapter"])
    done = state["round"] > state["first"]
    context.progress.say(f"round {state['round']}: {exams.shown(share)} on the held-out exam")
    return {"accuracies": [share], "stopped": "what changed was examined" if done else ""}


async def draw(state: AdaptationState, runtime: Runtime[Context]) -> Changes:
    """Draw seeds on the new points alone."""
    context, round_ = runtime.context, state["round"] + 1
    seeds = draw_seeds(
        curation.new_points(context.ledger),
        Past(),
        round_,
        how_many(curation.wanted(context), 0, 0, context.config.dataset.candidates),
        context.config.adaptation,
        context.config.seed,
    )
    context.ledger.write(*seeds)
    return {"round": round_, "seed_ids": [seed.id for seed in seeds]}


async def curate(state: AdaptationState, runtime: Runtime[Context]) -> Changes:
    """Put what the new passages gave beside what was kept."""
    context = runtime.context
    context.end_round()
    dataset = await asyncio.to_thread(curation.choose, context, state["round"])
    curation.keep(context, dataset)
    kept = len({*_update(context).kept}.intersection(dataset.example_ids))
    context.progress.say(
        f"dataset of {len(dataset.example_ids)}: {kept} kept, {len(dataset.example_ids) - kept} new"
    )
    stopped = "" if dataset.example_ids else "no example is left"
    if not context.config.training.enabled:
        stopped = "the dataset is made, and training.enabled is off"
    return {"dataset_id": dataset.id, "stopped": stopped}


async def train(state: AdaptationState, runtime: Runtime[Context]) -> Changes:
    """Train the untouched student on the whole dataset, for as many steps as all rounds took."""
    context = runtime.context
    dataset = context.ledger.get(Dataset, state["dataset_id"])
    steps = _steps(context.ledger.all(Adapter), state["start"])
    with training_stage(context, "Train on the updated dataset") as step:
        adapter: Adapter = await asyncio.to_thread(
            curation.train, context, dataset, "", step, steps
        )
    context.ledger.write(adapter)
    return {"adapter": adapter.path}


def after_draw(state: AdaptationState) -> Any:
    """No seed is drawn where passages only went, or the new ones have no point."""
    return adaptation.after_draw(state) or "curate"


def build_graph() -> StateGraph[AdaptationState, Context, AdaptationState, AdaptationState]:
    """The graph without a checkpointer."""
    graph = StateGraph(AdaptationState, context_schema=Context)
    nodes = (
        *(adaptation.index, compare, survey, write_exam, evaluate, draw, curate, train),
        adaptation.conclude,
    )
    for node in nodes:
        graph.add_node(node.__name__, node, retry_policy=TRANSIENT)
    graph.add_node("examine", adaptation.examine, retry_policy=TRANSIENT, input_schema=SeedState)
    for one, two in (
        (START, "index"), ("index", "compare"), ("compare", "survey"), ("survey", "write_exam"),
        ("write_exam", "evaluate"), ("examine", "curate"), ("train", "evaluate"),
        ("conclude", END),
    ):  # fmt: skip
        graph.add_edge(one, two)
    graph.add_conditional_edges("evaluate", adaptation.after_evaluate, ["draw", "conclude"])
    graph.add_conditional_edges("draw", after_draw, ["examine", "curate"])
    graph.add_conditional_edges("curate", adaptation.after_curate, ["train", "conclude"])
    return graph


def _inherited(ledger: Ledger, context: Context, run: str) -> tuple[Update, list[Record]]:
    """The account of what is taken over from a run's ledger, and the records themselves."""
    now = {p.id for p in context.ledger.all(Passage)}
    before = {p.id for p in ledger.all(Passage)}
    points = [p for p in ledger.all(Point) if p.passage_id in now]
    dataset = max(ledger.all(Dataset), key=lambda d: d.round)
    chosen = curation.chosen_examples(ledger, dataset)
    kept = [e for e in chosen if now.issuperset(e.passage_ids)]
    retired = [e for e in chosen if not now.issuperset(e.passage_ids)]
    items = ledger.all(ExamItem, exam="held-out")
    standing = [item for item in items if now.issuperset(item.passage_ids)]
    adapters = ledger.all(Adapter)
    update = Update(
        run=run,
        round=max(dataset.round, *(a.round for a in adapters)) if adapters else dataset.round,
        adapter=max(adapters, key=lambda a: a.round).path if adapters else "",
        passages_gone=tuple(sorted(before - now)),
        passages_new=tuple(sorted(now - before)),
        kept=tuple(e.id for e in kept),
        retired=tuple(e.id for e in retired),
        items_retired=len(items) - len(standing),
        examples_a_point=len(chosen) / max(ledger.count(Point), 1),
    )
    records = [*points, *_sampled(standing, context), *adapters, *_with_grounds(ledger, kept)]
    return update, records


def _with_grounds(ledger: Ledger, kept: Sequence[Example]) -> list[Record]:
    """Examples with all that they came from, so that a trace shows them."""
    records: list[Record] = []
    for example in kept:
        examination = ledger.get(Examination, example.examination_id)
        turns = [ledger.get(Turn, i) for i in examination.turn_ids]
        records += [example, examination, ledger.get(Seed, examination.seed_id), *turns]
        records += [ledger.get(Question, turn.question.id) for turn in turns]
    return records


def _sampled(items: Sequence[ExamItem], context: Context) -> list[ExamItem]:
    rng = random.Random(f"update/{context.config.seed}")
    return rng.sample(list(items), min(CHECKED, len(items)))


def _update(context: Context) -> Update:
    found = curation.update(context.ledger)
    assert found is not None
    return found


def _steps(adapters: Sequence[Adapter], path: str) -> int:
    """Steps that an adapter took, with those that it went on from."""
    by_path, steps = {a.path: a for a in adapters}, 0
    while path:
        steps += by_path[path].steps
        path = by_path[path].previous
    return steps
