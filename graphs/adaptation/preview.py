"""A few examinations to the end, as the first that a run makes: `elenchus preview`.

    index -> survey some passages -> draw -> examine (one a seed)

No checkpoint is left: whatever resumes the run begins at its start, and finds in the ledger
passages, calls, points and examinations, which it counts among those of its first round. The exam
is written after them; those that turn out too near one of its questions are left out by curation.
"""

import random
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from elenchus.errors import UserError
from elenchus.records import Document, Examination, Passage, Point
from graphs import nodes, surveys
from graphs.adaptation.curation import accepted
from graphs.adaptation.estimate import Seen, whole
from graphs.adaptation.graph import add_examinations, after_draw
from graphs.adaptation.history import history
from graphs.adaptation.seeds import draw_seeds
from graphs.adaptation.state import AdaptationState
from graphs.estimate import Measure, Use, passage_length
from graphs.hand_exam import read_hand_exam
from graphs.method import Previewed
from graphs.nodes import TRANSIENT, Changes
from graphs.services import RunRef, Services, services
from graphs.spans import spanned

MOST = 10  # passages surveyed at most for an examination
ROUND = 1


class PreviewState(AdaptationState, total=False):
    """The state of a run, and what a preview is to make and has surveyed."""

    count: int
    surveyed: int


async def preview(services: Services, ref: RunRef, count: int) -> Previewed:
    """See `graphs.method.Preview`."""
    # In memory: examinations are told when to write theirs, for which there has to be a place.
    graph = build_graph().compile(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": services.folder.id}}
    left = await graph.ainvoke({"count": count}, thread, context=ref)
    by_seed = {e.seed_id: e for e in services.ledger.all(Examination, round=ROUND)}
    made = [by_seed[i] for i in left["seed_ids"]]
    seen = Seen(
        passages=left["surveyed"],
        points=services.ledger.count(Point),
        examinations=len(made),
        accepted=accepted(made),
        tasks={(s.role, s.task): s for s in services.ledger.spent_by_task()},
    )
    return Previewed(made, _whole(services, seen))


async def survey(state: PreviewState, runtime: Runtime[RunRef]) -> Changes:
    """Survey passages drawn at random, as few as give a point for each examination."""
    run, count = services(runtime), state["count"]
    settings = run.config
    passages = surveys.drawn(run.ledger.all(Passage), settings.questions.surveyed, settings.seed)
    random.Random(f"preview/{run.config.seed}").shuffle(passages)
    surveyed, points = 0, list[Point]()
    most = min(MOST * count, len(passages))
    with run.progress.stage("Survey some passages") as advance:
        while surveyed < most and sum(not run.is_untaught(point) for point in points) < count:
            surveyed = min(surveyed + count, most)
            points = await surveys.survey(run, passages[:surveyed], advance)
    run.ledger.write(*points)
    run.progress.say(
        f"{len(points)} points in {surveyed} of {len(passages)} passages, drawn at random"
    )
    return {"surveyed": surveyed}


async def draw(state: PreviewState, runtime: Runtime[RunRef]) -> Changes:
    """Choose the first seeds of the run; UserError where no point can be asked about."""
    run, ledger = services(runtime), services(runtime).ledger
    seeds = draw_seeds(
        [point for point in ledger.all(Point) if not run.is_untaught(point)],
        history(ledger, ROUND, run.config.adaptation.memory),
        ROUND,
        state["count"],
        run.asking,
        run.config.adaptation,
    )
    if not seeds:
        raise UserError(
            f"{run.config.examiner.model} found nothing to ask about in {state['surveyed']} of "
            f"{ledger.count(Passage)} passages, drawn at random. {surveys.NOTHING_FOUND}"
        )
    ledger.write(*seeds)
    return {"round": ROUND, "seed_ids": [seed.id for seed in seeds]}


def build_graph() -> StateGraph[PreviewState, RunRef, PreviewState, PreviewState]:
    """Build the graph, whose checkpoints are not kept."""
    graph = StateGraph(PreviewState, context_schema=RunRef)
    graph.set_node_defaults(retry_policy=TRANSIENT)
    graph.add_sequence(spanned(nodes.index, survey, draw))
    add_examinations(graph)
    graph.add_edge(START, "index")
    graph.add_conditional_edges("draw", after_draw, ["examine"])
    graph.add_edge("examine", END)
    return graph


def _whole(run: Services, seen: Seen) -> list[Use]:
    """Return what the whole run will use, by what the preview came to."""
    passages, config, folder = run.ledger.all(Passage), run.config, run.domain_folder
    hand = config.exam.hand
    by_hand = len(read_hand_exam(folder / hand, run.ledger.all(Document))) if hand else 0
    measure = Measure(config, folder, passage_length(passages))
    return whole(config, measure, len(passages), by_hand, seen)
