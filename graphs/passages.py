"""TRAIT: passages about the problems of several tasks, and pre-training that goes on with them.

    index -> survey -> collect -> select -> evaluate -> explain -> compose
                                                                      |
                           conclude <- evaluate <- pretrain <---------+
                                          |            ^
                                          +------------+ each stage

After arXiv 2406.16694, section 3: in-domain text first, with what was selected from a general
corpus as replay; the passages second. Problems are those of the domain's tasks; where it names
none, they are written about the documents, one task for each kind of question.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from elenchus.errors import UserError
from elenchus.passage_records import Explanation, Problem, Refusal, TaskPassage
from elenchus.records import Point
from graphs import adaptation, exams, pretraining, problems, selecting
from graphs.adaptation import TRANSIENT, training_stage
from graphs.context import Context
from graphs.state import AdaptationState
from retrieval.problems import collect as collect_problems

Update = dict[str, Any]
SPARE = 1.25  # groups whose problems are explained, for each passage wanted


async def survey(state: AdaptationState, runtime: Runtime[Context]) -> Update:
    """Find the points to write problems about, where the domain names no tasks."""
    if runtime.context.config.tasks:
        return {}
    return await adaptation.survey(state, runtime)


async def collect(state: AdaptationState, runtime: Runtime[Context]) -> Update:
    """Have the problems and the exam: from the tasks, or written about the documents."""
    context = runtime.context
    if context.ledger.count(Problem):
        return {}
    if not context.config.tasks:
        await adaptation.write_exam(state, runtime)
        if "passages" not in pretraining.learnt(context.config):
            return {}
        with context.progress.stage("Write problems") as advance:
            found = await problems.written(context, context.ledger.all(Point), advance)
        context.ledger.write(*found)
        _tell_written(context, found)
        return {}
    config = context.config
    read = await asyncio.to_thread(
        collect_problems, config.tasks, context.domain_folder, config.seed
    )
    own, shots = problems.split_shots(read, config.pretraining.shots)
    exam = problems.exam(read.test, shots, context.examinee("").prompt)
    left_out = "; ".join(f"{count} × {reason}" for reason, count in read.left_out.items())
    gone = [
        Refusal(problem_ids=(), reason=f"a row of a task is left out: {reason}", raw=str(count))
        for reason, count in read.left_out.items()
    ]
    context.ledger.write(*exam, *exams.given(context), *gone, *read.test, *own)
    context.progress.say(
        f"{len(own)} problems to write about, {len(exam)} to be judged on"
        + (f"; left out: {left_out}" if left_out else "")
    )
    return {}


def _tell_written(context: Context, found: Sequence[Problem | Refusal]) -> None:
    """Say how many questions became problems; UserError where none did."""
    kept = sum(isinstance(one, Problem) for one in found)
    reasons = Counter(
        one.reason.split(":")[1].strip() for one in found if isinstance(one, Refusal)
    ).most_common()
    why = "; ".join(f"{count} × {reason}" for reason, count in reasons)
    if not kept:
        raise UserError(
            f"no problem about the documents could be written ({why or 'no point allows one'}): "
            "use documents that lay something down, or other models"
        )
    if reasons:
        context.progress.say(f"{kept} of {len(found)} questions are problems; left out: {why}")


async def select(state: AdaptationState, runtime: Runtime[Context]) -> Update:
    """Select text like the domain's own from the general corpus, where there is one."""
    context = runtime.context
    if not context.config.selection.general:
        return {}
    out = pretraining.selection_folder(context)
    report = await selecting.within_run(context, out, problems.tested(context))
    context.progress.say(
        f"{report['selected']:,} of {report['texts']:,} texts of the general corpus selected, "
        f"about {report['tokens']:,} tokens: {out / 'report.md'}"
    )
    return {}


async def evaluate(state: AdaptationState, runtime: Runtime[Context]) -> Update:
    """Sit the exams as the student is after a stage, and see whether it was the last."""
    context, stage = runtime.context, state["round"]
    names = pretraining.stages(context.config)
    share = await exams.sit(context, "held-out", stage, state["adapter"])
    for exam in ("general", "hand"):
        await exams.sit(context, exam, stage, state["adapter"])
    after = f"after {names[stage - 1]}" if stage else "untouched student"
    context.progress.say(f"{after}: {exams.shown(share)} on the held-out exam")
    done = stage == len(names)
    return {"accuracies": [share], "stopped": "all stages are trained" if done else ""}


async def explain(state: AdaptationState, runtime: Runtime[Context]) -> Update:
    """Have a paragraph written on every problem, and keep those that hold up."""
    context = runtime.context
    config, known = context.config, context.ledger.all(Problem, test=False)
    if "passages" not in pretraining.learnt(config):
        return {}
    # Only what passages may need: some paragraphs will not hold up.
    more = config.passages.model_copy(update={"count": math.ceil(SPARE * config.passages.count)})
    groups = problems.groups(known, more, config.seed)
    asked = list({problem.id: problem for group in groups for problem in group}.values())
    tests = pretraining.tests(context)
    with context.progress.stage("Explain problems") as advance:
        found = await exams.each(
            context, asked, lambda problem: problems.explain(context, problem, tests), advance
        )
    context.ledger.write(*found)
    kept = sum(isinstance(one, Explanation) for one in found)
    refused = Counter(one.reason.split(":")[0] for one in found if isinstance(one, Refusal))
    why = "; ".join(f"{count} × {reason}" for reason, count in refused.most_common())
    if not kept:
        raise UserError(
            f"no paragraph of {context.config.expert.model} on any of {len(asked)} problems holds "
            f"up ({why}): use documents that decide them, or another expert"
        )
    context.progress.say(f"{kept} of {len(asked)} paragraphs hold up" + (f"; {why}" if why else ""))
    return {}


async def compose(state: AdaptationState, runtime: Runtime[Context]) -> Update:
    """Join the paragraphs on problems of different tasks to passages."""
    context, ledger = runtime.context, runtime.context.ledger
    explained = {one.problem_id: one for one in ledger.all(Explanation)}
    if not explained:
        return {}
    known = [p for p in ledger.all(Problem, test=False) if p.id in explained]
    groups = problems.groups(known, context.config.passages, context.config.seed)
    tests = pretraining.tests(context)
    with context.progress.stage("Write passages") as advance:
        found = await exams.each(
            context,
            groups,
            lambda group: problems.compose(context, [(p, explained[p.id]) for p in group], tests),
            advance,
        )
    ledger.write(*found)
    kept = sum(isinstance(one, TaskPassage) for one in found)
    if not kept:
        reasons = Counter(one.reason for one in found if isinstance(one, Refusal))
        raise UserError(f"no passage can be used: {', '.join(reasons)}: take another expert")
    wanted = context.config.passages.count
    short = "" if kept == wanted else f" of {wanted} wanted: see dataset/rejected.jsonl"
    sizes = {len(group) for group in groups}
    context.progress.say(f"{kept} passages of {_listed(sizes)} problems{short}")
    return {}


async def pretrain(state: AdaptationState, runtime: Runtime[Context]) -> Update:
    """Train the next stage."""
    context, stage = runtime.context, state["round"] + 1
    name = pretraining.stages(context.config)[stage - 1]
    with training_stage(context, f"Train stage {stage}: {name}") as step:
        adapter = await asyncio.to_thread(pretraining.train, context, stage, state["adapter"], step)
    context.ledger.write(adapter)
    return {"round": stage, "adapter": adapter.path}


async def conclude(state: AdaptationState, runtime: Runtime[Context]) -> Update:
    """Write the dataset folder and the result."""
    pretraining.conclude(runtime.context, state)
    return {}


def _listed(sizes: set[int]) -> str:
    return " to ".join(str(size) for size in sorted({min(sizes), max(sizes)}))


def after_evaluate(state: AdaptationState) -> str:
    if state["stopped"]:
        return "conclude"
    return "pretrain" if state["round"] else "explain"


def build_graph() -> StateGraph[AdaptationState, Context, AdaptationState, AdaptationState]:
    """The graph without a checkpointer: the command line compiles it with the run's own."""
    graph = StateGraph(AdaptationState, context_schema=Context)
    first = (adaptation.index, survey, collect, select)
    for node in (*first, evaluate, explain, compose, pretrain, conclude):
        graph.add_node(node.__name__, node, retry_policy=TRANSIENT)
    graph.add_edge(START, "index")
    graph.add_edge("index", "survey")
    graph.add_edge("survey", "collect")
    graph.add_edge("collect", "select")
    graph.add_edge("select", "evaluate")
    graph.add_conditional_edges("evaluate", after_evaluate, ["explain", "pretrain", "conclude"])
    graph.add_edge("explain", "compose")
    graph.add_edge("compose", "pretrain")
    graph.add_edge("pretrain", "evaluate")
    graph.add_edge("conclude", END)
    return graph
