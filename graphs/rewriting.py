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

from agents.calls import CallFailed
from agents.models import weights
from elenchus.errors import UserError
from elenchus.records import Passage, Text
from graphs import adaptation, curation, exams
from graphs.adaptation import TRANSIENT, Update
from graphs.context import Context
from graphs.state import AdaptationState
from training import dataset as datasets
from training import lora

BATCH = 128  # texts asked for between two looks at the budget
Job = tuple[list[Passage], tuple[str, ...], int]  # passages, entities, variation


async def rewrite(state: AdaptationState, runtime: Runtime[Context]) -> Update:
    """Have texts written until they hold `rewriting.tokens` tokens; UserError when none can be."""
    context = runtime.context
    jobs, base = await _jobs(context), weights(context.config.student)
    texts: list[Text] = []
    held, wanted, long = 0, context.config.rewriting.tokens, 0
    most = context.config.training.max_tokens
    with context.progress.stage("Write texts") as advance:
        while held < wanted and (batch := list(itertools.islice(jobs, BATCH))):
            found = await exams.each(context, batch, lambda job: _text(context, job), _unseen)
            made = [text for text in found if text is not None]
            sizes = [len(row["input_ids"]) for row in lora.encoded(base, lora.texts(made))]
            fit_in = [pair for pair in zip(made, sizes, strict=True) if pair[1] <= most]
            long += len(made) - len(fit_in)
            if not fit_in:
                raise UserError(
                    f"{context.config.expert.model} wrote no usable text; {len(made)} of the last "
                    f"{len(batch)} are over training.max_tokens ({most})"
                )
            for text, size in fit_in:
                if held < wanted:
                    texts.append(text)
                    held += size
            advance(min(held, wanted), wanted)
    context.ledger.write(*texts)
    datasets.write_texts(context.folder.dataset / "texts.jsonl", texts)
    left_out = f"; {long} left out, over training.max_tokens" if long else ""
    context.progress.say(f"{len(texts)} texts of {held} tokens{left_out}")
    return {"round": 1}


async def fit(state: AdaptationState, runtime: Runtime[Context]) -> Update:
    """Train the untouched student on the texts, with replay of questions and answers."""
    context = runtime.context
    with adaptation.training_stage(context, "Train on texts") as step:
        adapter = await asyncio.to_thread(curation.train_on_texts, context, step)
    context.ledger.write(adapter)
    return {"adapter": adapter.path, "stopped": "the texts are learnt"}


async def evaluate(state: AdaptationState, runtime: Runtime[Context]) -> Update:
    """Sit the held-out exam. There is one round, so no rule decides about another."""
    context = runtime.context
    share = await exams.sit(context, "held-out", state["round"], state["adapter"])
    context.progress.say(f"round {state['round']}: {exams.shown(share)} on the held-out exam")
    return {"accuracies": [share]}


def after_evaluate(state: AdaptationState) -> str:
    return "conclude" if state["round"] else "rewrite"


def build_graph() -> StateGraph[AdaptationState, Context, AdaptationState, AdaptationState]:
    """The graph without a checkpointer: the command line compiles it with the run's own."""
    graph = StateGraph(AdaptationState, context_schema=Context)
    taken = (adaptation.index, adaptation.survey, adaptation.write_exam, adaptation.conclude)
    for node in (*taken, evaluate, rewrite, fit):
        graph.add_node(node.__name__, node, retry_policy=TRANSIENT)
    graph.add_edge(START, "index")
    graph.add_edge("index", "survey")
    graph.add_edge("survey", "write_exam")
    graph.add_edge("write_exam", "evaluate")
    graph.add_conditional_edges("evaluate", after_evaluate, ["rewrite", "conclude"])
    graph.add_edge("rewrite", "fit")
    graph.add_edge("fit", "evaluate")
    graph.add_edge("conclude", END)
    return graph


async def _jobs(context: Context) -> Iterator[Job]:
    """What to write, without end; raw text is written once."""
    settings, rng = context.config.rewriting, random.Random(f"texts/{context.config.seed}")
    passages = context.ledger.all(Passage)
    if settings.form == "raw":
        return iter([([passage], (), 0) for passage in passages])
    if settings.form == "paraphrase":
        return _paraphrases(passages, rng)
    return _retellings(await _documents(context, passages), settings.triples, rng)


def _paraphrases(passages: list[Passage], rng: random.Random) -> Iterator[Job]:
    for variation in itertools.count():
        for passage in rng.sample(passages, len(passages)):
            yield [passage], (), variation


def _retellings(
    documents: list[tuple[list[Passage], list[str]]], triples: float, rng: random.Random
) -> Iterator[Job]:
    """All pairs of all documents, among them a share of triples; then all of them again."""
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
    context: Context, passages: list[Passage]
) -> list[tuple[list[Passage], list[str]]]:
    """Every document's passages with its entities; UserError when no document has two."""
    texts: dict[str, list[Passage]] = {}
    for passage in sorted(passages, key=lambda p: (p.source, p.start)):
        texts.setdefault(passage.document_id, []).append(passage)

    async def named(parts: list[Passage]) -> tuple[list[Passage], list[str]]:
        try:
            return parts, (await context.author.entities(parts)).entities
        except CallFailed:
            return parts, []

    found = await exams.each(context, list(texts.values()), named, _unseen)
    documents = [(parts, names) for parts, names in found if len(names) > 1]
    if not documents:
        raise UserError(f"{context.config.expert.model} found no two entities in any document")
    return documents


async def _text(context: Context, job: Job) -> Text | None:
    """The text of a job; None where the author's reply could not be used (the failure is kept)."""
    passages, names, variation = job
    if context.config.rewriting.form == "raw":
        (passage,) = passages
        return Text(task="raw", text=passage.text, passage_ids=(passage.id,), call_id="")
    try:
        if names:
            return await context.author.relate(passages, names, variation)
        return await context.author.paraphrase(passages[0], variation)
    except CallFailed:
        return None


def _unseen(done: int, total: int | None) -> None:
    """Progress that nobody looks at."""
