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
from collections.abc import Sequence
from functools import partial

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from elenchus.errors import UserError
from elenchus.reasons import by_code, counted
from elenchus.records import Point, Record
from graphs import exams, general, nodes, own_tests
from graphs.concurrency import each
from graphs.nodes import TRANSIENT, Changes, training_stage
from graphs.pretraining import problems, report, selecting, stages, tasks
from graphs.pretraining.records import Explanation, Problem, Refusal
from graphs.services import RunRef, Services, services
from graphs.spans import spanned
from graphs.state import MeasuredState

SPARE = 1.25  # groups whose problems are explained, for each passage wanted


async def survey(state: MeasuredState, runtime: Runtime[RunRef]) -> Changes:
    """Find the points to write problems about, where the domain names no tasks."""
    if services(runtime).config.tasks:
        return {}
    return await nodes.survey(state, runtime)


async def collect(state: MeasuredState, runtime: Runtime[RunRef]) -> Changes:
    """Collect the problems and the exam from the tasks, or write them about the documents."""
    run = services(runtime)
    if run.ledger.count(Problem):
        return {}
    if run.config.tasks:
        await _collect_tasks(run)
        return {}
    await nodes.write_exam(state, runtime)
    if "passages" in stages.texts_learnt(run.config):
        await _write_problems(run)
    return {}


async def _collect_tasks(run: Services) -> None:
    config = run.config
    collected = await asyncio.to_thread(tasks.collect, config.tasks, run.domain_folder, config.seed)
    train, shots = problems.split_shots(collected, config.pretraining.shots)
    exam = problems.exam(collected.test, shots, run.examinee("").prompt)
    refusals = [
        Refusal(problem_ids=(), code="unusable-row", detail=reason, raw=str(count))
        for reason, count in collected.left_out.items()
    ]
    run.ledger.write(*exam, *exams.given(run), *refusals, *collected.test, *train)
    left_out = "; ".join(f"{count} × {reason}" for reason, count in collected.left_out.items())
    run.progress.say(
        f"{len(train)} problems to write about, {len(exam)} to be judged on"
        + (f"; left out: {left_out}" if left_out else "")
    )


async def _write_problems(run: Services) -> None:
    """Write problems about the documents; UserError where there is none."""
    taught = [point for point in run.ledger.all(Point) if not run.is_untaught(point)]
    with run.progress.stage("Write problems") as advance:
        outcomes = await problems.written(run, taught, advance)
    usable, why = _record(run, outcomes)
    if not usable:
        raise UserError(
            f"no problem about the documents could be written ({why or 'no point allows one'}): "
            "use documents that lay something down, or other models"
        )
    if why:
        run.progress.say(f"{usable} of {len(outcomes)} questions are problems; left out: {why}")


async def select(state: MeasuredState, runtime: Runtime[RunRef]) -> Changes:
    """Select text like the domain's own from the general corpus, where there is one."""
    run = services(runtime)
    if not run.config.selection.general:
        return {}
    out = stages.selection_folder(run)
    selection = await selecting.within_run(run, out, problems.tested(run))
    run.progress.say(
        f"{selection.selected:,} of {selection.texts:,} texts of the general corpus selected, "
        f"about {selection.tokens:,} tokens: {out / 'report.md'}"
    )
    return {}


async def evaluate(state: MeasuredState, runtime: Runtime[RunRef]) -> Changes:
    """Run the exams with what the last stage trained, and tell whether it was the last one."""
    run, stage, adapter = services(runtime), state["round"], state["adapter"]
    names = stages.stage_names(run.config)
    share = await exams.run_exam(run, "held-out", stage, adapter, problems.graders(run))
    for exam in ("untaught", "general", "hand"):
        await exams.run_exam(run, exam, stage, adapter)
    after = f"after {names[stage - 1]}" if stage else "untouched student"
    run.progress.say(f"{after}: {exams.shown(share)} on the held-out exam")
    done = stage == len(names)
    return {"accuracies": [share], "stopped": "all stages are trained" if done else ""}


async def explain(state: MeasuredState, runtime: Runtime[RunRef]) -> Changes:
    """Have a paragraph written on every problem that a passage may need; UserError without any."""
    run = services(runtime)
    config = run.config
    if "passages" not in stages.texts_learnt(config):
        return {}
    # More than are wanted, since some paragraphs will not hold up.
    more = config.passages.model_copy(update={"count": math.ceil(SPARE * config.passages.count)})
    groups = problems.groups(run.ledger.all(Problem, test=False), more, config.seed)
    asked = list({problem.id: problem for group in groups for problem in group}.values())
    tests = problems.overlap_with_tests(run)
    with run.progress.stage("Explain problems") as advance:
        work = partial(problems.explain, run, tests)
        usable, why = _record(run, await each(run.turnstile, asked, work, advance))
    if not usable:
        raise UserError(
            f"no paragraph of {config.expert.model} on any of {len(asked)} problems holds "
            f"up ({why}): use documents that decide them, or another expert"
        )
    run.progress.say(f"{usable} of {len(asked)} paragraphs hold up" + (f"; {why}" if why else ""))
    return {}


async def compose(state: MeasuredState, runtime: Runtime[RunRef]) -> Changes:
    """Join the paragraphs on problems of different tasks to passages; UserError without any."""
    run = services(runtime)
    explained = {e.problem_id: e for e in run.ledger.all(Explanation)}
    if not explained:
        return {}
    candidates = [p for p in run.ledger.all(Problem, test=False) if p.id in explained]
    groups = problems.groups(candidates, run.config.passages, run.config.seed)
    tests = problems.overlap_with_tests(run)
    with run.progress.stage("Write passages") as advance:
        work = partial(problems.compose, run, tests, explained)
        usable, why = _record(run, await each(run.turnstile, groups, work, advance))
    if not usable:
        raise UserError(f"no passage can be used ({why}): take another expert")
    wanted = run.config.passages.count
    short = "" if usable == wanted else f" of {wanted} wanted: see dataset/rejected.jsonl"
    sizes = [len(group) for group in groups]
    of = " to ".join(str(size) for size in sorted({min(sizes), max(sizes)}))
    run.progress.say(f"{usable} passages of {of} problems{short}")
    return {}


async def pretrain(state: MeasuredState, runtime: Runtime[RunRef]) -> Changes:
    """Train the next stage."""
    run, stage = services(runtime), state["round"] + 1
    name = stages.stage_names(run.config)[stage - 1]
    await general.prepare(run, run.config.pretraining.replay)
    async with training_stage(run, f"Train stage {stage}: {name}") as step:
        adapter = await asyncio.to_thread(stages.train, run, stage, state["adapter"], step)
    run.ledger.write(adapter)
    return {"round": stage, "adapter": adapter.path}


async def conclude(state: MeasuredState, runtime: Runtime[RunRef]) -> Changes:
    """Take the user's own tests, and write the dataset folder and the result."""
    run = services(runtime)
    await own_tests.take(run, own_tests.students(state))
    report.write(run, state)
    return {}


def after_evaluate(state: MeasuredState) -> str:
    if state["stopped"]:
        return "conclude"
    return "pretrain" if state["round"] else "explain"


def build_graph() -> StateGraph[MeasuredState, RunRef, MeasuredState, MeasuredState]:
    """Build the graph without a checkpointer: the runner compiles it with the run's own."""
    graph = StateGraph(MeasuredState, context_schema=RunRef)
    graph.set_node_defaults(retry_policy=TRANSIENT)
    graph.add_sequence(spanned(nodes.index, survey, collect, select, evaluate))
    graph.add_sequence(spanned(explain, compose, pretrain))
    graph.add_node(*spanned(conclude))
    graph.add_edge(START, "index")
    graph.add_conditional_edges("evaluate", after_evaluate, ["explain", "pretrain", "conclude"])
    graph.add_edge("pretrain", "evaluate")
    graph.add_edge("conclude", END)
    return graph


def _record(run: Services, outcomes: Sequence[Record]) -> tuple[int, str]:
    """Write outcomes down; return how many can be used, and for people why others cannot."""
    run.ledger.write(*outcomes)
    refusals = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    return len(outcomes) - len(refusals), counted(by_code(refusals))
