"""Which messages are learnt: real ones without near-duplicates, synthetic ones that hold up.

Every message that is left out has a `Removal` with the reason; the others are the dataset.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from elenchus.ledger import Ledger
from elenchus.records import Record
from graphs.classification.records import Indicators, RealMessage, Removal, Split, SyntheticMessage
from graphs.services import Services
from models.calls import CallFailed
from training.deduplication import deduplicate

Embedded = Mapping[str, NDArray[np.float32]]  # unit vectors, by the ids of messages
RARE = 2  # real messages with a name, above which it is a word of the domain
_NAME = re.compile(r"(?<=[\w,;:] )(?!I['’])[A-Z][\w'’-]+(?: (?!I['’])[A-Z][\w'’-]+)*")


def real(ledger: Ledger, *splits: Split) -> list[RealMessage]:
    """The real messages of these splits that are not left out."""
    out = _left_out(ledger)
    found = [m for split in splits for m in ledger.all(RealMessage, split=split)]
    return [message for message in found if message.id not in out]


def learnt(messages: Iterable[RealMessage]) -> list[RealMessage]:
    """Messages of the training, then of the validation, in an order that tells nothing."""
    splits = ("train", "validation")
    some = [message for message in messages if message.split in splits]
    return sorted(some, key=lambda m: (splits.index(m.split), m.id))


def synthetic(ledger: Ledger) -> list[SyntheticMessage]:
    """The synthetic messages that are not left out, round by round."""
    out = _left_out(ledger)
    found = [m for m in ledger.all(SyntheticMessage) if m.id not in out]
    return sorted(found, key=order)


def paragraphs(ledger: Ledger) -> dict[str, str]:
    """The indicators of each class; those that a person has read, where there are such."""
    found = sorted(ledger.all(Indicators), key=lambda i: i.approved)
    return {indicators.label: indicators.text for indicators in found}


def near_duplicates(
    messages: Sequence[RealMessage | SyntheticMessage], made: Embedded, threshold: float
) -> list[Removal]:
    """Of messages in order, those too near to an earlier one of their class that stays."""
    removals = []
    for label in dict.fromkeys(m.label for m in messages):
        own = [m for m in messages if m.label == label]
        found = deduplicate(np.stack([made[m.id] for m in own]), threshold)
        removals += [
            Removal(
                message_id=message.id,
                reason="near duplicate",
                near_id=own[near].id,
                similarity=round(float(cosine), 4),
            )
            for message, near, cosine in zip(own, found.index, found.cosine, strict=True)
            if near >= 0
        ]
    return removals


async def screen(run: Services, round_: int, advance: Advance) -> list[Removal]:
    """Why messages of a round are left out, the cheapest reason first; those that pass have none.

    What earlier rounds kept stays.
    """
    ledger, settings = run.ledger, run.config.generation
    candidates = synthetic(ledger)
    longest = run.config.messages.longest
    removals = [
        Removal(message_id=m.id, reason="too long", detail=f"{len(m.text)} characters")
        for m in candidates
        if len(m.text) > longest
    ]
    candidates = _without(candidates, removals)
    removals += _repeats(candidates, real(ledger, "train", "validation", "test"))
    candidates = _without(candidates, removals)
    removals += _with_names(candidates, real(ledger, "train", "validation"), settings.names)
    candidates = _without(candidates, removals)
    made = embedded(run, candidates)
    learnt = embedded(run, real(ledger, "train", "validation"))
    removals += _near(candidates, made, learnt, settings.near_real, "near real")
    candidates = _without(candidates, removals)
    test = embedded(run, real(ledger, "test"))
    removals += _near(candidates, made, test, settings.near_real, "near test")
    candidates = _without(candidates, removals)
    removals += near_duplicates(candidates, made, settings.near_duplicate)
    if settings.judge:
        written = [m for m in _without(candidates, removals) if m.round == round_]
        removals += await _misplaced(run, written, advance)
    return removals


def surplus(run: Services, removals: Sequence[Removal]) -> list[Removal]:
    """Of the messages that hold up, those over what is wanted of their class, the newest."""
    kept = _without(synthetic(run.ledger), removals)
    most = run.config.generation.per_class
    return [
        Removal(message_id=message.id, reason="not needed")
        for label in dict.fromkeys(m.label for m in kept)
        for message in [m for m in kept if m.label == label][most:]
    ]


def vectors(
    run: Services, messages: Sequence[RealMessage | SyntheticMessage]
) -> NDArray[np.float32]:
    """Unit vectors of messages, one row each."""
    return run.embedder.encode([message.text for message in messages])


def embedded(run: Services, messages: Sequence[RealMessage | SyntheticMessage]) -> Embedded:
    """Unit vectors of messages, by their ids."""
    made = vectors(run, messages)
    return {message.id: row for message, row in zip(messages, made, strict=True)}


def names(texts: Iterable[str]) -> set[str]:
    """Proper names by their spelling: capitalised inside of a sentence.

    Words that also stand in lower case are none.
    """
    texts = list(texts)
    lower = {word for text in texts for word in re.findall(r"\b[a-z][\w'’-]+", text)}
    found = {name for text in texts for name in _NAME.findall(text)}
    return {name for name in found if name.lower() not in lower}


def _repeats(
    messages: Sequence[SyntheticMessage], others: Sequence[RealMessage]
) -> Iterable[Removal]:
    first: dict[str, str] = {_plain(m.text): m.id for m in others}
    for message in messages:
        near = first.setdefault(_plain(message.text), message.id)
        if near != message.id:
            yield Removal(message_id=message.id, reason="duplicate", near_id=near)


def _with_names(
    messages: Sequence[SyntheticMessage], others: Sequence[RealMessage], allowed: Sequence[str]
) -> Iterable[Removal]:
    """Messages with a name that one or two real messages have: it may be somebody's."""
    texts = [m.text for m in others]
    # Compiled here: `re` remembers some hundred patterns, and a corpus may have thousands of names.
    found = {n: re.compile(rf"\b{re.escape(n)}\b") for n in sorted(names(texts) - set(allowed))}
    private = {
        name: pattern
        for name, pattern in found.items()
        if sum(pattern.search(text) is not None for text in texts) <= RARE
    }
    for message in messages:
        held = [name for name, pattern in private.items() if pattern.search(message.text)]
        if held:
            yield Removal(message_id=message.id, reason="name", detail=", ".join(held))


def _near(
    messages: Sequence[SyntheticMessage],
    made: Embedded,
    others: Embedded,
    most: float,
    reason: Literal["near real", "near test"],
) -> list[Removal]:
    if not messages or not others:
        return []
    ids = list(others)
    cosines = np.stack([made[m.id] for m in messages]) @ np.stack(list(others.values())).T
    return [
        Removal(
            message_id=message.id,
            reason=reason,
            near_id=ids[row.argmax()],
            similarity=round(float(row.max()), 4),
        )
        for message, row in zip(messages, cosines, strict=True)
        if row.max() >= most
    ]


async def _misplaced(
    run: Services, messages: Sequence[SyntheticMessage], advance: Advance
) -> list[Removal]:
    """Messages that the grader puts into another class, or into none, or cannot be asked about."""
    told, classes = paragraphs(run.ledger), labels(run)

    async def judged(message: SyntheticMessage) -> Removal | None:
        try:
            label, reason = await run.judge.classify(message.text, classes, told)
        except CallFailed as failed:
            label, reason = "", f"the grader's reply could not be used: {failed.failure.reason}"
        if label == message.label:
            return None
        detail = f"the grader says {label or 'none'}: {reason}"
        return Removal(message_id=message.id, reason="label", detail=detail)

    found = await each(run.turnstile, messages, judged, advance)
    return [removal for removal in found if removal is not None]


def labels(run: Services) -> list[str]:
    """The classes, in the order of the configuration or of the alphabet."""
    return list(run.config.messages.classes) or sorted({m.label for m in real(run.ledger, "train")})


def _left_out(ledger: Ledger) -> set[str]:
    return {removal.message_id for removal in ledger.all(Removal)}


def _without(
    messages: Sequence[SyntheticMessage], removals: Iterable[Removal]
) -> list[SyntheticMessage]:
    out = {removal.message_id for removal in removals}
    return [message for message in messages if message.id not in out]


def order(message: SyntheticMessage) -> tuple[int, str, int]:
    """The order in which synthetic messages are compared."""
    return message.round, message.call_id, message.number


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def by_reason(removals: Iterable[Removal], among: Sequence[Record]) -> dict[str, int]:
    """How many of some messages were left out, by reason, the commonest first."""
    ids = {record.id for record in among}
    return dict(Counter(r.reason for r in removals if r.message_id in ids).most_common())
