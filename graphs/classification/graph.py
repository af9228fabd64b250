"""ELTEX: a classifier's training data from a few real messages (arXiv 2503.15055, section 3).

    collect -> list_indicators -> approve -> generate -> screen -> train -> conclude
                                                ^          |
                                                +----------+ while a class falls short

Any number of classes, each with indicators of its own. Calls, traces, budget and resuming are those
of the other graphs: all that is asked is in the ledger, and nothing is asked twice.
"""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from agents.indicators import IndicatorExpert, as_sentence
from elenchus import strict_yaml
from elenchus.errors import UserError
from elenchus.loading import read_text
from elenchus.reasons import sentence
from elenchus.records import Failure
from elenchus.runs import write_atomic
from graphs.classification import evaluate, messages, report, screening
from graphs.classification.records import (
    Classifier,
    IndicatorList,
    Indicators,
    RealMessage,
    SyntheticMessage,
)
from graphs.classification.state import ClassificationState
from graphs.concurrency import each, thread_stage
from graphs.nodes import TRANSIENT, Changes, training_stage
from graphs.services import RunRef, Services, services
from graphs.spans import spanned
from models.calls import CallFailed

SPARE = 1.1  # messages asked for, for each that is missing: some will be left out
APART = 10_000  # more requests than a round has


class Request(NamedTuple):
    """A request for messages of a class; `variation` is that of `Messenger.write`."""

    label: str
    examples: list[RealMessage]
    variation: int


async def collect(state: ClassificationState, runtime: Runtime[RunRef]) -> Changes:
    """Read the tables, draw and split, and leave out near-duplicates among what is learnt."""
    run, begin = services(runtime), {"round": 0, "stopped": ""}
    settings, ledger = run.config.messages, run.ledger
    if ledger.count(RealMessage):
        return begin
    with run.progress.stage("Read messages"):
        collected = await asyncio.to_thread(
            messages.collect, settings, run.domain_folder, run.config.seed
        )
        learnt = screening.in_learning_order(collected.messages)
        await asyncio.to_thread(run.embedder.check_reads, [m.text for m in learnt])
        vectors = await asyncio.to_thread(screening.embed, run, learnt)
        near = screening.near_duplicates(learnt, vectors, settings.near_duplicate)
    ledger.write(*collected.messages, *collected.removed, *collected.removals, *near)
    real = screening.real_messages(ledger, "train", "validation", "test")
    counts = Counter(message.split for message in real)
    run.progress.say(
        f"{counts['train']} messages to learn from, {counts['validation']} to calibrate on "
        f"({len(near)} near-duplicates left out), {counts['test']} to be judged on"
        + (f"; {len(collected.removals)} rows left out" if collected.removals else "")
    )
    return begin


async def list_indicators(state: ClassificationState, runtime: Runtime[RunRef]) -> Changes:
    """Have every model list each class's indicators, and one of them merge the lists."""
    run = services(runtime)
    labels = screening.labels(run)
    known = screening.paragraphs(run.ledger).keys()
    if not run.config.indicators.enabled or known >= set(labels):
        return {}
    experts = run.indicator_experts
    jobs = [(label, expert) for label in labels for expert in experts]
    with run.progress.stage("List indicators") as advance:
        replies = await each(run.turnstile, jobs, lambda job: _listed(run, *job), advance)
    lists = [reply for reply in replies if reply is not None]
    run.ledger.write(*lists)
    by_label = {label: [one for one in lists if one.label == label] for label in labels}
    if lacking := [label for label, of_class in by_label.items() if not of_class]:
        raise UserError(
            f"no model listed any indicator of {', '.join(lacking)}{_failed_calls(run)}. Take "
            "other models in indicators.models, or set indicators.enabled: false"
        )
    with run.progress.stage("Merge indicators") as advance:
        merged = await each(
            run.turnstile, labels, lambda label: merge_lists(experts[0], by_label[label]), advance
        )
    run.ledger.write(*merged)
    lost = sum(len(one.lost) for one in merged)
    run.progress.say(
        f"{sum(len(one.ideas) for one in lists)} indicators of {len(labels)} classes"
        + (f"; {lost} that merging lost were added again" if lost else "")
    )
    return {}


async def approve(state: ClassificationState, runtime: Runtime[RunRef]) -> Changes:
    """Wait, where that is wanted, until a person has read and edited the indicators."""
    run = services(runtime)
    settings = run.config.indicators
    approved = run.ledger.count(Indicators, approved=True)
    if approved or not (settings.enabled and settings.approve):
        return {}
    path = run.folder.path / "indicators.yaml"
    if not path.exists():
        texts = screening.paragraphs(run.ledger)
        write_atomic(path, yaml.safe_dump(texts, allow_unicode=True, width=100, sort_keys=False))
    interrupt(f"read and edit {path}")
    run.ledger.write(*_approved(run, path))
    return {}


async def generate(state: ClassificationState, runtime: Runtime[RunRef]) -> Changes:
    """Have the author write messages of every class that falls short, by dynamic prompts."""
    run, round_ = services(runtime), state["round"] + 1
    indicators, count = screening.paragraphs(run.ledger), run.config.generation.per_request

    async def reply(request: Request) -> list[SyntheticMessage]:
        label, examples, variation = request
        shown = [example.text for example in examples]
        about = indicators.get(label, "")
        try:
            texts, call = await run.messenger.write(label, about, shown, count, variation)
        except CallFailed:
            return []
        return [
            SyntheticMessage(
                text=text,
                label=label,
                example_ids=tuple(example.id for example in examples),
                round=round_,
                number=number,
                call_id=call.id,
            )
            for number, text in texts.items()
        ]

    with run.progress.stage(f"Write messages, round {round_}") as advance:
        replies = await each(run.turnstile, list(draw_requests(run, round_)), reply, advance)
    run.ledger.write(*(message for batch in replies for message in batch))
    return {"round": round_}


async def screen(state: ClassificationState, runtime: Runtime[RunRef]) -> Changes:
    """Leave out messages that do not hold up, and decide whether more are generated."""
    run, round_ = services(runtime), state["round"]
    settings, ledger = run.config.generation, run.ledger
    with run.progress.stage(f"Check messages, round {round_}") as advance:
        ledger.write(*await screening.screen(run, round_, advance))
    accepted = screening.synthetic_messages(ledger)
    new = sum(message.round == round_ for message in accepted)
    generated = ledger.count(SyntheticMessage, round=round_)
    missing = _missing(run)
    run.progress.say(
        f"round {round_}: {new} of {generated} messages kept, {len(accepted)} in all"
        + (f"; short of {', '.join(missing)}" if missing else "")
    )
    if not accepted:
        raise UserError(
            f"{settings.author.model} wrote no message that could be used"
            f"{_failed_calls(run)}; `{run.folder.command('trace')}` shows why"
        )
    stopped = ""
    if not missing:
        stopped = "every class has its messages"
    elif not new:
        stopped = "another round gave no new message"
    elif round_ >= settings.rounds:
        stopped = f"{round_} rounds were written"
    return {"stopped": stopped}


async def train(state: ClassificationState, runtime: Runtime[RunRef]) -> Changes:
    """Train and calibrate a classifier of every mix, but for those that are there already."""
    run = services(runtime)
    known = {classifier.mix for classifier in run.ledger.all(Classifier)}
    for mix in run.config.classifier.mixes if run.config.training.enabled else ():
        if mix in known or evaluate.lacking(run, mix):
            continue
        async with training_stage(run, f"Train on {mix} messages") as step:
            classifier = await asyncio.to_thread(evaluate.train, run, mix, step)
        run.ledger.write(classifier)
    return {}


async def conclude(state: ClassificationState, runtime: Runtime[RunRef]) -> Changes:
    """Evaluate every classifier on the real test messages, and write the report and the result."""
    run = services(runtime)
    with thread_stage(run.progress, "Classify test messages") as step:
        evaluations = await asyncio.to_thread(evaluate.evaluate, run, step)
        await asyncio.to_thread(report.write, run, state, evaluations)
    return {}


def after_screen(state: ClassificationState) -> str:
    return "train" if state["stopped"] else "generate"


def build_graph() -> StateGraph[
    ClassificationState, RunRef, ClassificationState, ClassificationState
]:
    """Build the graph without a checkpointer: the runner compiles it with the run's own."""
    graph = StateGraph(ClassificationState, context_schema=RunRef)
    graph.set_node_defaults(retry_policy=TRANSIENT)
    graph.add_sequence(spanned(collect, list_indicators, approve, generate, screen))
    graph.add_sequence(spanned(train, conclude))
    graph.add_edge(START, "collect")
    graph.add_conditional_edges("screen", after_screen, ["generate", "train"])
    graph.add_edge("conclude", END)
    return graph


async def _listed(run: Services, label: str, expert: IndicatorExpert) -> IndicatorList | None:
    """Return what one model lists for a class; None where its reply could not be used."""
    most = run.config.indicators.examples
    train = screening.real_messages(run.ledger, "train")
    of_class = [m for m in train if m.label == label]
    of_others = [m for m in train if m.label != label]
    random.Random(f"others/{run.config.seed}/{label}").shuffle(of_others)
    shown = [(m.text, m.label) for m in (*of_class[:most], *of_others[: 2 * most])]
    try:
        ideas, call = await expert.list(label, shown)
    except CallFailed:
        return None
    return IndicatorList(label=label, model=expert.model, ideas=ideas, call_id=call.id)


async def merge_lists(expert: IndicatorExpert, lists: list[IndicatorList]) -> Indicators:
    """Merge the lists of a class; where no reply could be used, their ideas stay as they stand."""
    label, ideas = lists[0].label, tuple(dict.fromkeys(i for one in lists for i in one.ideas))
    try:
        text, lost = await expert.merge(label, ideas)
    except CallFailed:
        text, lost = " ".join(map(as_sentence, ideas)), ideas
    ids = tuple(one.id for one in lists)
    return Indicators(label=label, text=text, list_ids=ids, lost=lost, approved=False)


def _approved(run: Services, path: Path) -> list[Indicators]:
    """Return the indicators as a person left them; UserError where a class has none any more."""
    edited = strict_yaml.parse(read_text(path), str(path))
    labels = screening.labels(run)
    if not isinstance(edited, dict) or any(not str(edited.get(x) or "").strip() for x in labels):
        raise UserError(f"{path} must have a text for each of {', '.join(labels)}")
    return [
        Indicators.model_validate(
            merged.model_dump() | {"text": str(edited[merged.label]).strip(), "approved": True}
        )
        for merged in run.ledger.all(Indicators, approved=False)
    ]


def _missing(run: Services) -> dict[str, int]:
    """Return how many synthetic messages each class lacks; classes that lack none have no entry."""
    wanted = run.config.generation.per_class
    counts = Counter(message.label for message in screening.synthetic_messages(run.ledger))
    return {x: wanted - counts[x] for x in screening.labels(run) if counts[x] < wanted}


def draw_requests(run: Services, round_: int) -> Iterator[Request]:
    """Yield requests for what is missing, each with real messages of its own while these last."""
    settings = run.config.generation
    size = settings.group
    train = screening.real_messages(run.ledger, "train")
    shown = _shown_before(run, round_)
    for label, missing in _missing(run).items():
        of_class = [message for message in train if message.label == label]
        rng = random.Random(f"groups/{run.config.seed}/{label}/{round_}")
        groups: list[list[RealMessage]] = []
        # Where rounds show the same groups, each has variations of its own: to count on from the
        # messages of earlier rounds would repeat a request that failed.
        first = APART * (round_ - 1) if size == 1 or len(of_class) <= size else 0
        for _ in range(math.ceil(SPARE * missing / settings.per_request) if of_class else 0):
            if not groups:
                rng.shuffle(of_class)
                groups = [of_class[i : i + size] for i in range(0, len(of_class), size)]
            group = groups.pop(0)
            # The same messages again are another request by their variation.
            ids = frozenset(message.id for message in group)
            shown[ids] += 1
            yield Request(label, group, first + shown[ids])


def _shown_before(run: Services, round_: int) -> Counter[frozenset[str]]:
    """Count how often earlier rounds showed the same real messages."""
    calls = {
        (frozenset(message.example_ids), message.call_id)
        for message in run.ledger.all(SyntheticMessage)
        if message.round < round_
    }
    return Counter(example_ids for example_ids, _ in calls)


def _failed_calls(run: Services) -> str:
    """Return the commonest reason why calls failed, for a message; "" where none did."""
    reasons = Counter(map(sentence, run.ledger.all(Failure))).most_common(1)
    return "".join(f"; {count} calls failed, most: {reason}" for reason, count in reasons)
