"""ELTEX: a classifier's training data from a few real messages (arXiv 2503.15055, section 3).

    collect -> indicate -> approve -> write -> screen -> train -> conclude
                                        ^        |
                                        +--------+ while a class falls short

Any number of classes, each with indicators of its own. Calls, traces, budget and resuming are those
of the other graphs: all that is asked is in the ledger, and nothing is asked twice.
"""

import asyncio
import math
import random
from collections import Counter
from typing import Any

import yaml
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from agents.calls import CallFailed
from agents.indicators import unmerged
from elenchus.errors import UserError
from elenchus.message_records import (
    Classifier,
    IndicatorList,
    Indicators,
    RealMessage,
    SyntheticMessage,
)
from elenchus.records import Failure
from elenchus.runs import write_atomic
from graphs import classifying, exams, screening
from graphs.adaptation import TRANSIENT, training_stage
from graphs.context import Context
from graphs.state import IndicatorState
from graphs.threads import thread_stage
from retrieval import messages

Update = dict[str, Any]
Request = tuple[str, list[RealMessage], int]  # class, real messages to show, variation
SPARE = 1.1  # messages asked for, for each that is missing: some will be left out
APART = 10_000  # more requests than a round has


async def collect(state: IndicatorState, runtime: Runtime[Context]) -> Update:
    """Read the tables, draw and split, and leave out near-duplicates of the training."""
    context = runtime.context
    settings, ledger = context.config.messages, context.ledger
    if ledger.count(RealMessage):
        return {"round": 0, "stopped": ""}
    with context.progress.stage("Read messages"):
        found = await asyncio.to_thread(
            messages.collect, settings, context.domain_folder, context.config.seed
        )
        learnt = screening.learnt(found.messages)
        made = await asyncio.to_thread(screening.embedded, context, learnt)
        near = screening.near_duplicates(learnt, made, settings.near_duplicate)
    ledger.write(*found.messages, *found.removed, *found.removals, *near)
    counts = Counter(
        message.split
        for split in ("train", "validation", "test")
        for message in screening.real(ledger, split)
    )
    context.progress.say(
        f"{counts['train']} messages to learn from, {counts['validation']} to calibrate on "
        f"({len(near)} near-duplicates left out), {counts['test']} to be judged on"
        + (f"; {len(found.removals)} rows left out" if found.removals else "")
    )
    return {"round": 0, "stopped": ""}


async def indicate(state: IndicatorState, runtime: Runtime[Context]) -> Update:
    """Have every model list each class's indicators, and one of them merge the lists."""
    context = runtime.context
    labels = screening.labels(context)
    known = screening.paragraphs(context.ledger).keys()
    if not context.config.indicators.enabled or known >= set(labels):
        return {}
    jobs = [(label, n) for label in labels for n in range(len(context.indicator_experts))]
    with context.progress.stage("List indicators") as advance:
        found = await exams.each(context, jobs, lambda job: _listed(context, *job), advance)
    lists = [listed for listed in found if listed is not None]
    context.ledger.write(*lists)
    if lacking := [label for label in labels if not any(one.label == label for one in lists)]:
        raise UserError(
            f"no model listed any indicator of {', '.join(lacking)}{_most_failed(context)}. Take "
            "other models in indicators.models, or set indicators.enabled: false"
        )
    with context.progress.stage("Merge indicators") as advance:
        merged = await exams.each(
            context,
            labels,
            lambda label: _merged(context, label, [one for one in lists if one.label == label]),
            advance,
        )
    context.ledger.write(*merged)
    lost = sum(len(one.lost) for one in merged)
    context.progress.say(
        f"{sum(len(one.ideas) for one in lists)} indicators of {len(labels)} classes"
        + (f"; {lost} that merging lost were added again" if lost else "")
    )
    return {}


async def approve(state: IndicatorState, runtime: Runtime[Context]) -> Update:
    """Wait, where that is wanted, until a person has read and edited the indicators."""
    context = runtime.context
    settings = context.config.indicators
    done = context.ledger.count(Indicators, approved=True)
    if done or not (settings.enabled and settings.approve):
        return {}
    path = context.folder.path / "indicators.yaml"
    if not path.exists():
        told = screening.paragraphs(context.ledger)
        write_atomic(path, yaml.safe_dump(told, allow_unicode=True, width=100, sort_keys=False))
    interrupt(f"read and edit {path}")
    context.ledger.write(*_approved(context, path))
    return {}


async def write(state: IndicatorState, runtime: Runtime[Context]) -> Update:
    """Ask for messages of every class that falls short, by dynamic prompts."""
    context, round_ = runtime.context, state["round"] + 1
    told = screening.paragraphs(context.ledger)
    requests = list(_requests(context, round_))
    settings = context.config.generation

    async def written(request: Request) -> list[SyntheticMessage]:
        label, examples, variation = request
        try:
            return await context.messenger.write(
                label, told.get(label, ""), examples, settings.per_request, round_, variation
            )
        except CallFailed:
            return []

    with context.progress.stage(f"Write messages, round {round_}") as advance:
        found = await exams.each(context, requests, written, advance)
    context.ledger.write(*(message for some in found for message in some))
    return {"round": round_}


async def screen(state: IndicatorState, runtime: Runtime[Context]) -> Update:
    """Leave out what does not hold up, and decide whether more is to be written."""
    context, round_ = runtime.context, state["round"]
    settings, ledger = context.config.generation, context.ledger
    with context.progress.stage(f"Check messages, round {round_}") as advance:
        removals = await screening.screen(context, round_, advance)
        removals += screening.surplus(context, removals)
    ledger.write(*removals)
    kept = screening.synthetic(ledger)
    written = ledger.all(SyntheticMessage, round=round_)
    new = sum(message.round == round_ for message in kept)
    missing = _missing(context)
    context.progress.say(
        f"round {round_}: {new} of {len(written)} messages kept, {len(kept)} in all"
        + (f"; short of {', '.join(missing)}" if missing else "")
    )
    if not kept:
        raise UserError(
            f"{settings.author.model} wrote no message that could be used"
            f"{_most_failed(context)}; `{context.folder.command('trace')}` shows why"
        )
    stopped = ""
    if not missing:
        stopped = "every class has its messages"
    elif not new:
        stopped = "another round gave no new message"
    elif round_ >= settings.rounds:
        stopped = f"{round_} rounds were written"
    return {"stopped": stopped}


async def train(state: IndicatorState, runtime: Runtime[Context]) -> Update:
    """Train, calibrate and keep a classifier of every mix; one that is there stays."""
    context = runtime.context
    known = {classifier.mix for classifier in context.ledger.all(Classifier)}
    for mix in context.config.classifier.mixes:
        if mix in known or not context.config.training.enabled:
            continue
        if not classifying.lacking(context, mix):
            with training_stage(context, f"Train on {mix} messages") as step:
                made = await asyncio.to_thread(classifying.train, context, mix, step)
            context.ledger.write(made)
    return {}


async def conclude(state: IndicatorState, runtime: Runtime[Context]) -> Update:
    """Judge every classifier on the real test messages, and write the result."""
    context = runtime.context
    with thread_stage(context.progress, "Classify test messages") as step:
        await asyncio.to_thread(classifying.conclude, context, state, step)
    return {}


def after_screen(state: IndicatorState) -> str:
    return "train" if state["stopped"] else "write"


def build_graph() -> StateGraph[IndicatorState, Context, IndicatorState, IndicatorState]:
    """The graph without a checkpointer: the command line compiles it with the run's own."""
    graph = StateGraph(IndicatorState, context_schema=Context)
    for node in (collect, indicate, approve, write, screen, train, conclude):
        graph.add_node(node.__name__, node, retry_policy=TRANSIENT)
    graph.add_edge(START, "collect")
    graph.add_edge("collect", "indicate")
    graph.add_edge("indicate", "approve")
    graph.add_edge("approve", "write")
    graph.add_edge("write", "screen")
    graph.add_conditional_edges("screen", after_screen, ["write", "train"])
    graph.add_edge("train", "conclude")
    graph.add_edge("conclude", END)
    return graph


async def _listed(context: Context, label: str, model: int) -> IndicatorList | None:
    """What one model lists for a class; None where its reply could not be used."""
    most = context.config.indicators.examples
    train = screening.real(context.ledger, "train")
    own = [m for m in train if m.label == label][:most]
    others = [m for m in train if m.label != label]
    random.Random(f"others/{context.config.seed}/{label}").shuffle(others)
    try:
        return await context.indicator_experts[model].list(label, own, others[: 2 * most])
    except CallFailed:
        return None


async def _merged(context: Context, label: str, lists: list[IndicatorList]) -> Indicators:
    """The lists of a class as one paragraph; as they stand where no reply could be used."""
    try:
        return await context.indicator_experts[0].merge(label, lists)
    except CallFailed:
        return unmerged(label, lists)


def _approved(context: Context, path: Any) -> list[Indicators]:
    """The indicators as a person left them; UserError where a class has none any more."""
    try:
        edited = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    labels = screening.labels(context)
    if not isinstance(edited, dict) or any(not str(edited.get(x) or "").strip() for x in labels):
        raise UserError(f"{path} must have a text for each of {', '.join(labels)}")
    merged = {one.label: one for one in context.ledger.all(Indicators, approved=False)}
    return [
        Indicators(
            label=label,
            text=str(edited[label]).strip(),
            list_ids=merged[label].list_ids,
            lost=merged[label].lost,
            approved=True,
        )
        for label in labels
    ]


def _missing(context: Context) -> dict[str, int]:
    """Classes with fewer synthetic messages than wanted, and how many they lack."""
    counts = Counter(message.label for message in screening.synthetic(context.ledger))
    wanted = context.config.generation.per_class
    return {
        label: wanted - counts[label]
        for label in screening.labels(context)
        if counts[label] < wanted
    }


def _requests(context: Context, round_: int) -> list[Request]:
    """Requests for what is missing, each with real messages of its own while these last."""
    settings = context.config.generation
    train = screening.real(context.ledger, "train")
    shown = _shown(context, round_)
    requests: list[Request] = []
    for label, missing in _missing(context).items():
        own = [message for message in train if message.label == label]
        rng = random.Random(f"groups/{context.config.seed}/{label}/{round_}")
        wanted = math.ceil(SPARE * missing / settings.per_request)
        groups: list[list[RealMessage]] = []
        size = settings.group
        # Sets of messages that come again in every round have numbers of their own there: by a
        # count of what came of them, one whose request failed would be asked the same again.
        first = APART * (round_ - 1) if size == 1 or len(own) <= size else 0
        for _ in range(wanted if own else 0):
            if not groups:
                rng.shuffle(own)
                groups = [own[i : i + size] for i in range(0, len(own), size)]
            group = groups.pop(0)
            # The same messages again are another request by their number.
            ids = frozenset(message.id for message in group)
            shown[ids] += 1
            requests.append((label, group, first + shown[ids]))
    return requests


def _shown(context: Context, round_: int) -> Counter[frozenset[str]]:
    """How often earlier rounds showed the same real messages."""
    calls = {
        (frozenset(message.example_ids), message.call_id)
        for message in context.ledger.all(SyntheticMessage)
        if message.round < round_
    }
    return Counter(examples for examples, _ in calls)


def _most_failed(context: Context) -> str:
    """The commonest reason why calls failed, for a message; "" where none did."""
    reasons = Counter(failure.reason for failure in context.ledger.all(Failure)).most_common(1)
    return "".join(f"; {count} calls failed, most: {reason}" for reason, count in reasons)
