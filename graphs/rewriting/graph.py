"""What the method is compared with: the student learns texts instead of questions.

    index -> survey -> write_exam -> evaluate -> rewrite -> fit -> evaluate -> conclude

The texts are the documents as they stand, paraphrases of their passages, or documents retold for
pairs and triples of their entities (EntiGraph, arXiv 2409.07431, section 2). Exams, models and
training are those of the adaptation graph.
"""

import asyncio
import itertools
import random
from collections.abc import Iterator

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from elenchus.errors import UserError
from elenchus.outcomes import Text
from elenchus.progress import unseen
from elenchus.records import Passage
from graphs import exams, general, nodes
from graphs.adaptation import curation
from graphs.adaptation import graph as adaptation
from graphs.adaptation.state import AdaptationState
from graphs.concurrency import each
from graphs.nodes import TRANSIENT, Changes, training_stage
from graphs.services import RunRef, Services, services
from graphs.spans import spanned
from models.backend import weights
from models.calls import CallFailed
from training import dataset as datasets
from training import encoding

BATCH = 128  # texts asked for between two looks at the budget
Job = tuple[list[Passage], tuple[str, ...], int]  # passages, entities, variation


async def rewrite(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Have texts written until they hold `rewriting.tokens` tokens; UserError when none can be."""
    run = services(runtime)
    jobs, base = await _jobs(run), weights(run.config.student)
    texts: list[Text] = []
    tokens, wanted, too_long = 0, run.config.rewriting.tokens, 0
    most = run.config.training.max_tokens
    with run.progress.stage("Write texts") as advance:
        while tokens < wanted and (batch := list(itertools.islice(jobs, BATCH))):
            answers = await each(run.turnstile, batch, lambda job: _text(run, job), unseen)
            written = [text for text in answers if text is not None]
            sizes = [
                len(row["input_ids"]) for row in encoding.encoded(base, encoding.texts(written))
            ]
            fitting = [pair for pair in zip(written, sizes, strict=True) if pair[1] <= most]
            too_long += len(written) - len(fitting)
            if not fitting:
                raise UserError(
                    f"{run.config.expert.model} wrote no usable text; {len(written)} of the last "
                    f"{len(batch)} are over training.max_tokens ({most})"
                )
            for text, size in fitting:
                if tokens < wanted:
                    texts.append(text)
                    tokens += size
            advance(min(tokens, wanted), wanted)
    run.ledger.write(*texts)
    datasets.write_texts(run.folder.dataset / "texts.jsonl", texts)
    left_out = f"; {too_long} left out, over training.max_tokens" if too_long else ""
    run.progress.say(f"{len(texts)} texts of {tokens} tokens{left_out}")
    return {"round": 1}


async def fit(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Train the untouched student on the texts, with replay of questions and answers."""
    run = services(runtime)
    await general.prepare(run, run.config.training.replay)
    with training_stage(run, "Train on texts") as step:
        adapter = await asyncio.to_thread(curation.train_on_texts, run, step)
    run.ledger.write(adapter)
    return {"adapter": adapter.path, "stopped": "the texts are learnt"}


async def evaluate(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Run the held-out exam. There is one round, so no rule decides about another."""
    run = services(runtime)
    share = await exams.run_exam(run, "held-out", state["round"], state["adapter"])
    run.progress.say(f"round {state['round']}: {exams.shown(share)} on the held-out exam")
    return {"accuracies": [share]}


def after_evaluate(state: AdaptationState) -> str:
    return "conclude" if state["round"] else "rewrite"


def build_graph() -> StateGraph[AdaptationState, RunRef, AdaptationState, AdaptationState]:
    """Build the graph without a checkpointer: the runner compiles it with the run's own."""
    graph = StateGraph(AdaptationState, context_schema=RunRef)
    graph.set_node_defaults(retry_policy=TRANSIENT)
    graph.add_sequence(spanned(nodes.index, nodes.survey, nodes.write_exam, evaluate))
    graph.add_sequence(spanned(rewrite, fit))
    graph.add_node(*spanned(adaptation.conclude))
    graph.add_edge(START, "index")
    graph.add_conditional_edges("evaluate", after_evaluate, ["rewrite", "conclude"])
    graph.add_edge("fit", "evaluate")
    graph.add_edge("conclude", END)
    return graph


async def _jobs(run: Services) -> Iterator[Job]:
    """Return what to write, without end; raw text is written once."""
    settings, rng = run.config.rewriting, random.Random(f"texts/{run.config.seed}")
    passages = run.ledger.all(Passage)
    if settings.form == "raw":
        return iter([([passage], (), 0) for passage in passages])
    if settings.form == "paraphrase":
        return _paraphrases(passages, rng)
    return _retellings(await _documents(run, passages), settings.triples, rng)


def _paraphrases(passages: list[Passage], rng: random.Random) -> Iterator[Job]:
    for variation in itertools.count():
        for passage in rng.sample(passages, len(passages)):
            yield [passage], (), variation


def _retellings(
    documents: list[tuple[list[Passage], list[str]]], triples: float, rng: random.Random
) -> Iterator[Job]:
    """Yield all pairs of all documents, among them a share of triples; then all of them again."""
    for variation in itertools.count():
        jobs = []
        for passages, names in documents:
            for pair in itertools.combinations(names, 2):
                more = [name for name in names if name not in pair]
                third = (rng.choice(more),) if more and rng.random() < triples else ()
                jobs.append((passages, (*pair, *third), variation))
        rng.shuffle(jobs)
        yield from jobs


async def _documents(
    run: Services, passages: list[Passage]
) -> list[tuple[list[Passage], list[str]]]:
    """Return every document's passages with its entities; UserError when no document has two."""
    texts: dict[str, list[Passage]] = {}
    for passage in sorted(passages, key=lambda p: (p.source, p.start)):
        texts.setdefault(passage.document_id, []).append(passage)

    async def named(parts: list[Passage]) -> tuple[list[Passage], list[str]]:
        try:
            return parts, (await run.author.entities(parts)).entities
        except CallFailed:
            return parts, []

    pairs = await each(run.turnstile, list(texts.values()), named, unseen)
    documents = [(parts, names) for parts, names in pairs if len(names) > 1]
    if not documents:
        raise UserError(f"{run.config.expert.model} found no two entities in any document")
    return documents


async def _text(run: Services, job: Job) -> Text | None:
    """Have a text written; None where the author's reply could not be used, which is recorded."""
    passages, names, variation = job
    if run.config.rewriting.form == "raw":
        (passage,) = passages
        return Text(task="raw", text=passage.text, passage_ids=(passage.id,), call_id="")
    try:
        if names:
            return await run.author.relate(passages, names, variation)
        return await run.author.paraphrase(passages[0], variation)
    except CallFailed:
        return None
