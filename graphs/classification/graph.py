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

from agents.indicators import unmerged
from elenchus.errors import UserError
from elenchus.records import Failure
from elenchus.runs import write_atomic
from graphs.adaptation.graph import TRANSIENT, training_stage
from graphs.adaptation.state import IndicatorState
from graphs.classification import evaluate as classifying
from graphs.classification import messages, screening
from graphs.classification.records import (
    Classifier,
    IndicatorList,
    Indicators,
    RealMessage,
    SyntheticMessage,
)
from graphs.concurrency import thread_stage
from graphs.services import RunRef, Services, services
from models.calls import CallFailed

Changes = dict[str, Any]
Request = tuple[str, list[RealMessage], int]  # class, real messages to show, variation
SPARE = 1.1  # messages asked for, for each that is missing: some will be left out
APART = 10_000  # more requests than a round has


async def collect(state: IndicatorState, runtime: Runtime[RunRef]) -> Changes:
    """Read the tables, draw and split, and leave out near-duplicates of the training."""
    run = services(runtime)
    settings, ledger = run.config.messages, run.ledger
    if ledger.count(RealMessage):
        return {"round": 0, "stopped": ""}
    with run.progress.stage("Read messages"):
        found = await asyncio.to_thread(
            messages.collect, settings, run.domain_folder, run.config.seed
        )
        learnt = screening.learnt(found.messages)
        made = await asyncio.to_thread(screening.embedded, run, learnt)
        near = screening.near_duplicates(learnt, made, settings.near_duplicate)
    ledger.write(*found.messages, *found.removed, *found.removals, *near)
    counts = Counter(
        message.split
        for split in ("train", "validation", "test")
        for message in screening.real(ledger, split)
    )
    run.progress.say(
        f"{counts['train']} messages to learn from, {counts['validation']} to calibrate on "
        f"({len(near)} near-duplicates left out), {counts['test']} to be judged on"
        + (f"; {len(found.removals)} rows left out" if found.removals else "")
    )
    return {"round": 0, "stopped": ""}


async def indicate(state: IndicatorState, runtime: Runtime[RunRef]) -> Changes:
    """Have every model list each class's indicators, and one of them merge the lists."""
    run = services(runtime)
    labels = screening.labels(run)
    known = screening.paragraphs(run.ledger).keys()
    if not run.config.indicators.enabled or known >= set(labels):
        return {}
    jobs = [(label, n) for label in labels for n in range(len(run.indicator_experts))]
    with run.progress.stage("List indicators") as advance:
        found = await each(run.turnstile, jobs, lambda job: _listed(run, *job), advance)
    lists = [listed for listed in found if listed is not None]
    run.ledger.write(*lists)
    if lacking := [label for label in labels if not any(one.label == label for one in lists)]:
        raise UserError(
            f"no model listed any indicator of {', '.join(lacking)}{_most_failed(run)}. Take "
            "other models in indicators.models, or set indicators.enabled: false"
        )
    with run.progress.stage("Merge indicators") as advance:
        merged = await each(
            run.turnstile,
            labels,
            lambda label: _merged(run, label, [one for one in lists if one.label == label]),
            advance,
        )
    run.ledger.write(*merged)
    lost = sum(len(one.lost) for one in merged)
    run.progress.say(
        f"{sum(len(one.ideas) for one in lists)} indicators of {len(labels)} classes"
        + (f"; {lost} that merging lost were added again" if lost else "")
    )
    return {}


async def approve(state: IndicatorState, runtime: Runtime[RunRef]) -> Changes:
    """Wait, where that is wanted, until a person has read and edited the indicators."""
    run = services(runtime)
    settings = run.config.indicators
    done = run.ledger.count(Indicators, approved=True)
    if done or not (settings.enabled and settings.approve):
        return {}
    path = run.folder.path / "indicators.yaml"
    if not path.exists():
        told = screening.paragraphs(run.ledger)
        write_atomic(path, yaml.safe_dump(told, allow_unicode=True, width=100, sort_keys=False))
    interrupt(f"read and edit {path}")
    run.ledger.write(*_approved(run, path))
    return {}


async def write(state: IndicatorState, runtime: Runtime[RunRef]) -> Changes:
    """Ask for messages of every class that falls short, by dynamic prompts."""
    run, round_ = services(runtime), state["round"] + 1
    told = screening.paragraphs(run.ledger)
    requests = list(_requests(run, round_))
    settings = run.config.generation

    async def written(request: Request) -> list[SyntheticMessage]:
        label, examples, variation = request
        try:
            return await run.messenger.write(
                label, told.get(label, ""), examples, settings.per_request, round_, variation
            )
        except CallFailed:
            return []

    with run.progress.stage(f"Write messages, round {round_}") as advance:
        found = await each(run.turnstile, requests, written, advance)
    run.ledger.write(*(message for some in found for message in some))
    return {"round": round_}


async def screen(state: IndicatorState, runtime: Runtime[RunRef]) -> Changes:
    """Leave out what does not hold up, and decide whether more is to be written."""
    run, round_ = services(runtime), state["round"]
    settings, ledger = run.config.generation, run.ledger
    with run.progress.stage(f"Check messages, round {round_}") as advance:
        removals = await screening.screen(run, round_, advance)
        removals += screening.surplus(run, removals)
    ledger.write(*removals)
    kept = screening.synthetic(ledger)
    written = ledger.all(SyntheticMessage, round=round_)
    new = sum(message.round == round_ for message in kept)
    missing = _missing(run)
    run.progress.say(
        f"round {round_}: {new} of {len(written)} messages kept, {len(kept)} in all"
        + (f"; short of {', '.join(missing)}" if missing else "")
    )
    if not kept:
        raise UserError(
            f"{settings.author.model} wrote no message that could be used"
            f"{_most_failed(run)}; `{run.folder.command('trace')}` shows why"
        )
    stopped = ""
    if not missing:
        stopped = "every class has its messages"
    elif not new:
        stopped = "another round gave no new message"
    elif round_ >= settings.rounds:
        stopped = f"{round_} rounds were written"
    return {"stopped": stopped}


async def train(state: IndicatorState, runtime: Runtime[RunRef]) -> Changes:
    """Train, calibrate and keep a classifier of every mix; one that is there stays."""
    run = services(runtime)
    known = {classifier.mix for classifier in run.ledger.all(Classifier)}
    for mix in run.config.classifier.mixes:
        if mix in known or not run.config.training.enabled:
            continue
        if not classifying.lacking(run, mix):
            with training_stage(run, f"Train on {mix} messages") as step:
                made = await asyncio.to_thread(classifying.train, run, mix, step)
            run.ledger.write(made)
    return {}


async def conclude(state: IndicatorState, runtime: Runtime[RunRef]) -> Changes:
    """Judge every classifier on the real test messages, and write the result."""
    run = services(runtime)
    with thread_stage(run.progress, "Classify test messages") as step:
        await asyncio.to_thread(classifying.conclude, run, state, step)
    return {}


def after_screen(state: IndicatorState) -> str:
    return "train" if state["stopped"] else "write"


def build_graph() -> StateGraph[IndicatorState, RunRef, IndicatorState, IndicatorState]:
    """The graph without a checkpointer: the command line compiles it with the run's own."""
    graph = StateGraph(IndicatorState, context_schema=RunRef)
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


async def _listed(run: Services, label: str, model: int) -> IndicatorList | None:
    """What one model lists for a class; None where its reply could not be used."""
    most = run.config.indicators.examples
    train = screening.real(run.ledger, "train")
    own = [m for m in train if m.label == label][:most]
    others = [m for m in train if m.label != label]
    random.Random(f"others/{run.config.seed}/{label}").shuffle(others)
    try:
        return await run.indicator_experts[model].list(label, own, others[: 2 * most])
    except CallFailed:
        return None


async def _merged(run: Services, label: str, lists: list[IndicatorList]) -> Indicators:
    """The lists of a class as one paragraph; as they stand where no reply could be used."""
    try:
        return await run.indicator_experts[0].merge(label, lists)
    except CallFailed:
        return unmerged(label, lists)


def _approved(run: Services, path: Any) -> list[Indicators]:
    """The indicators as a person left them; UserError where a class has none any more."""
    try:
        edited = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    labels = screening.labels(run)
    if not isinstance(edited, dict) or any(not str(edited.get(x) or "").strip() for x in labels):
        raise UserError(f"{path} must have a text for each of {', '.join(labels)}")
    merged = {one.label: one for one in run.ledger.all(Indicators, approved=False)}
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


def _missing(run: Services) -> dict[str, int]:
    """Classes with fewer synthetic messages than wanted, and how many they lack."""
    counts = Counter(message.label for message in screening.synthetic(run.ledger))
    wanted = run.config.generation.per_class
    return {
        label: wanted - counts[label] for label in screening.labels(run) if counts[label] < wanted
    }


def _requests(run: Services, round_: int) -> list[Request]:
    """Requests for what is missing, each with real messages of its own while these last."""
    settings = run.config.generation
    train = screening.real(run.ledger, "train")
    shown = _shown(run, round_)
    requests: list[Request] = []
    for label, missing in _missing(run).items():
        own = [message for message in train if message.label == label]
        rng = random.Random(f"groups/{run.config.seed}/{label}/{round_}")
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


def _shown(run: Services, round_: int) -> Counter[frozenset[str]]:
    """How often earlier rounds showed the same real messages."""
    calls = {
        (frozenset(message.example_ids), message.call_id)
        for message in run.ledger.all(SyntheticMessage)
        if message.round < round_
    }
    return Counter(examples for examples, _ in calls)


def _most_failed(run: Services) -> str:
    """The commonest reason why calls failed, for a message; "" where none did."""
    reasons = Counter(failure.reason for failure in run.ledger.all(Failure)).most_common(1)
    return "".join(f"; {count} calls failed, most: {reason}" for reason, count in reasons)
