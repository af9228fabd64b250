"""What the method is compared with: the student learns texts instead of questions.

    index -> survey -> write_exam -> evaluate -> rewrite -> fit -> evaluate -> conclude

The texts are the documents as they stand, paraphrases of their passages, documents retold for
pairs and triples of their entities (EntiGraph, arXiv 2409.07431, section 2), written up by seven
fixed prompts (after SPA, arXiv 2603.22213), or studied by strategies that the author proposes
(Active Reading, arXiv 2508.09494). Exams, models and training are those of the adaptation graph.
"""

import asyncio
import itertools

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from elenchus.errors import UserError
from elenchus.outcomes import Text
from elenchus.progress import unseen
from graphs import exams, general, nodes
from graphs.adaptation import curation
from graphs.adaptation import graph as adaptation
from graphs.adaptation.state import AdaptationState
from graphs.concurrency import each
from graphs.nodes import TRANSIENT, Changes, training_stage
from graphs.rewriting.writing import jobs, written
from graphs.services import RunRef, services
from graphs.spans import spanned
from models.backend import weights
from training import dataset as datasets
from training import encoding

BATCH = 128  # texts asked for between two looks at the budget


async def rewrite(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Have texts written until they hold `rewriting.tokens` tokens; UserError when none can be."""
    run = services(runtime)
    waiting, base = await jobs(run), weights(run.config.student)
    texts: list[Text] = []
    tokens, wanted, too_long = 0, run.config.rewriting.tokens, 0
    most = run.config.training.max_tokens
    with run.progress.stage("Write texts") as advance:
        while tokens < wanted and (batch := list(itertools.islice(waiting, BATCH))):
            answers = await each(run.turnstile, batch, lambda job: written(run, job), unseen)
            usable = [text for text in answers if text is not None]
            sizes = [
                len(row["input_ids"]) for row in encoding.encoded(base, encoding.texts(usable))
            ]
            fitting = [pair for pair in zip(usable, sizes, strict=True) if pair[1] <= most]
            too_long += len(usable) - len(fitting)
            if not fitting:
                raise UserError(
                    f"{run.config.expert.model} wrote no usable text; {len(usable)} of the last "
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
    async with training_stage(run, "Train on texts") as step:
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
