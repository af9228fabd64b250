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
from elenchus.records import Point
from graphs import exams
from graphs.adaptation import graph as adaptation
from graphs.adaptation.graph import TRANSIENT, training_stage
from graphs.adaptation.state import AdaptationState
from graphs.pretraining import problems, selecting
from graphs.pretraining import stages as pretraining
from graphs.pretraining.records import Explanation, Problem, Refusal, TaskPassage
from graphs.pretraining.tasks import collect as collect_problems
from graphs.services import RunRef, Services, services

Changes = dict[str, Any]
SPARE = 1.25  # groups whose problems are explained, for each passage wanted


async def survey(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Find the points to write problems about, where the domain names no tasks."""
    if services(runtime).config.tasks:
        return {}
    return await adaptation.survey(state, runtime)


async def collect(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Have the problems and the exam: from the tasks, or written about the documents."""
    run = services(runtime)
    if run.ledger.count(Problem):
        return {}
    if not run.config.tasks:
        await adaptation.write_exam(state, runtime)
        if "passages" not in pretraining.learnt(run.config):
            return {}
        with run.progress.stage("Write problems") as advance:
            found = await problems.written(run, run.ledger.all(Point), advance)
        run.ledger.write(*found)
        _tell_written(run, found)
        return {}
    config = run.config
    read = await asyncio.to_thread(collect_problems, config.tasks, run.domain_folder, config.seed)
    own, shots = problems.split_shots(read, config.pretraining.shots)
    exam = problems.exam(read.test, shots, run.examinee("").prompt)
    left_out = "; ".join(f"{count} × {reason}" for reason, count in read.left_out.items())
    gone = [
        Refusal(problem_ids=(), reason=f"a row of a task is left out: {reason}", raw=str(count))
        for reason, count in read.left_out.items()
    ]
    run.ledger.write(*exam, *exams.given(run), *gone, *read.test, *own)
    run.progress.say(
        f"{len(own)} problems to write about, {len(exam)} to be judged on"
        + (f"; left out: {left_out}" if left_out else "")
    )
    return {}


def _tell_written(run: Services, found: Sequence[Problem | Refusal]) -> None:
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
        run.progress.say(f"{kept} of {len(found)} questions are problems; left out: {why}")


async def select(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Select text like the domain's own from the general corpus, where there is one."""
    run = services(runtime)
    if not run.config.selection.general:
        return {}
    out = pretraining.selection_folder(run)
    report = await selecting.within_run(run, out, problems.tested(run))
    run.progress.say(
        f"{report['selected']:,} of {report['texts']:,} texts of the general corpus selected, "
        f"about {report['tokens']:,} tokens: {out / 'report.md'}"
    )
    return {}


async def evaluate(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Sit the exams as the student is after a stage, and see whether it was the last."""
    run, stage = services(runtime), state["round"]
    names = pretraining.stages(run.config)
    share = await exams.run_exam(run, "held-out", stage, state["adapter"])
    for exam in ("general", "hand"):
        await exams.run_exam(run, exam, stage, state["adapter"])
    after = f"after {names[stage - 1]}" if stage else "untouched student"
    run.progress.say(f"{after}: {exams.shown(share)} on the held-out exam")
    done = stage == len(names)
    return {"accuracies": [share], "stopped": "all stages are trained" if done else ""}


async def explain(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Have a paragraph written on every problem, and keep those that hold up."""
    run = services(runtime)
    config, known = run.config, run.ledger.all(Problem, test=False)
    if "passages" not in pretraining.learnt(config):
        return {}
    # Only what passages may need: some paragraphs will not hold up.
    more = config.passages.model_copy(update={"count": math.ceil(SPARE * config.passages.count)})
    groups = problems.groups(known, more, config.seed)
    asked = list({problem.id: problem for group in groups for problem in group}.values())
    tests = pretraining.tests(run)
    with run.progress.stage("Explain problems") as advance:
        found = await each(
            run.turnstile, asked, lambda problem: problems.explain(run, problem, tests), advance
        )
    run.ledger.write(*found)
    kept = sum(isinstance(one, Explanation) for one in found)
    refused = Counter(one.reason.split(":")[0] for one in found if isinstance(one, Refusal))
    why = "; ".join(f"{count} × {reason}" for reason, count in refused.most_common())
    if not kept:
        raise UserError(
            f"no paragraph of {run.config.expert.model} on any of {len(asked)} problems holds "
            f"up ({why}): use documents that decide them, or another expert"
        )
    run.progress.say(f"{kept} of {len(asked)} paragraphs hold up" + (f"; {why}" if why else ""))
    return {}


async def compose(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Join the paragraphs on problems of different tasks to passages."""
    run = services(runtime)
    ledger = run.ledger
    explained = {one.problem_id: one for one in ledger.all(Explanation)}
    if not explained:
        return {}
    known = [p for p in ledger.all(Problem, test=False) if p.id in explained]
    groups = problems.groups(known, run.config.passages, run.config.seed)
    tests = pretraining.tests(run)
    with run.progress.stage("Write passages") as advance:
        found = await each(
            run.turnstile,
            groups,
            lambda group: problems.compose(run, [(p, explained[p.id]) for p in group], tests),
            advance,
        )
    ledger.write(*found)
    kept = sum(isinstance(one, TaskPassage) for one in found)
    if not kept:
        reasons = Counter(one.reason for one in found if isinstance(one, Refusal))
        raise UserError(f"no passage can be used: {', '.join(reasons)}: take another expert")
    wanted = run.config.passages.count
    short = "" if kept == wanted else f" of {wanted} wanted: see dataset/rejected.jsonl"
    sizes = {len(group) for group in groups}
    run.progress.say(f"{kept} passages of {_listed(sizes)} problems{short}")
    return {}


async def pretrain(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Train the next stage."""
    run, stage = services(runtime), state["round"] + 1
    name = pretraining.stages(run.config)[stage - 1]
    with training_stage(run, f"Train stage {stage}: {name}") as step:
        adapter = await asyncio.to_thread(pretraining.train, run, stage, state["adapter"], step)
    run.ledger.write(adapter)
    return {"round": stage, "adapter": adapter.path}


async def conclude(state: AdaptationState, runtime: Runtime[RunRef]) -> Changes:
    """Write the dataset folder and the result."""
    pretraining.conclude(services(runtime), state)
    return {}


def _listed(sizes: set[int]) -> str:
    return " to ".join(str(size) for size in sorted({min(sizes), max(sizes)}))


def after_evaluate(state: AdaptationState) -> str:
    if state["stopped"]:
        return "conclude"
    return "pretrain" if state["round"] else "explain"


def build_graph() -> StateGraph[AdaptationState, RunRef, AdaptationState, AdaptationState]:
    """The graph without a checkpointer: the command line compiles it with the run's own."""
    graph = StateGraph(AdaptationState, context_schema=RunRef)
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
