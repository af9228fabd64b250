"""Which messages are learnt: real ones without near-duplicates, and synthetic ones that hold up.

Every message that is left out has a `Removal` with the reason; the others are the dataset.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agents.prompting import flat
from elenchus.ledger import Ledger
from elenchus.progress import Advance
from elenchus.reasons import SENTENCES, sentence
from graphs.classification.records import Indicators, RealMessage, Removal, Split, SyntheticMessage
from graphs.concurrency import each
from graphs.services import Services
from models.calls import CallFailed
from training.deduplication import deduplicate

AnyMessage = RealMessage | SyntheticMessage
Vectors = Mapping[str, NDArray[np.float32]]  # unit vectors, by the ids of messages
RARE = 2  # real messages with a name, above which it is a word of the domain
_NAME = re.compile(r"(?<=[\w,;:] )(?!I['’])[A-Z][\w'’-]+(?: (?!I['’])[A-Z][\w'’-]+)*")


def real_messages(ledger: Ledger, *splits: Split) -> list[RealMessage]:
    """Return the real messages of these splits that are not left out."""
    removed = _removed(ledger)
    messages = [m for split in splits for m in ledger.all(RealMessage, split=split)]
    return [message for message in messages if message.id not in removed]


def in_learning_order(messages: Iterable[RealMessage]) -> list[RealMessage]:
    """Return messages of the training, then of the validation, in an order that tells nothing."""
    splits = ("train", "validation")
    learnt = (message for message in messages if message.split in splits)
    return sorted(learnt, key=lambda m: (splits.index(m.split), m.id))


def synthetic_messages(ledger: Ledger) -> list[SyntheticMessage]:
    """Return the synthetic messages that are not left out, round by round."""
    removed = _removed(ledger)
    return in_order(m for m in ledger.all(SyntheticMessage) if m.id not in removed)


def in_order(messages: Iterable[SyntheticMessage]) -> list[SyntheticMessage]:
    """Return synthetic messages in the order in which they are compared with one another."""
    return sorted(messages, key=lambda m: (m.round, m.call_id, m.number))


def paragraphs(ledger: Ledger) -> dict[str, str]:
    """Return the indicators of each class, as approved by a person where they were."""
    indicators = sorted(ledger.all(Indicators), key=lambda i: i.approved)
    return {one.label: one.text for one in indicators}


def labels(run: Services) -> list[str]:
    """Return the classes, in the order of the configuration or of the alphabet."""
    named = list(run.config.messages.classes)
    return named or sorted({m.label for m in real_messages(run.ledger, "train")})


def embed(run: Services, messages: Sequence[AnyMessage]) -> Vectors:
    """Return the unit vectors of messages, by their ids."""
    rows = run.embedder.encode([message.text for message in messages])
    return {message.id: row for message, row in zip(messages, rows, strict=True)}


def near_duplicates(
    messages: Sequence[AnyMessage], vectors: Vectors, threshold: float
) -> list[Removal]:
    """Leave out messages whose cosine to an earlier one of their class reaches the threshold."""
    removals = []
    for label in dict.fromkeys(m.label for m in messages):
        of_class = [m for m in messages if m.label == label]
        nearest = deduplicate(np.stack([vectors[m.id] for m in of_class]), threshold)
        removals += [
            Removal(
                message_id=message.id,
                reason="near duplicate",
                near_id=of_class[row].id,
                similarity=round(float(cosine), 4),
            )
            for message, row, cosine in zip(of_class, nearest.index, nearest.cosine, strict=True)
            if row >= 0
        ]
    return removals


async def screen(run: Services, round_: int, advance: Advance) -> list[Removal]:
    """Leave out messages that do not hold up, the cheapest check first, and those not needed.

    Earlier messages are ahead of those of this round, which alone are shown to the grader.
    """
    ledger, settings = run.ledger, run.config.generation
    learnt = real_messages(ledger, "train", "validation")
    test = real_messages(ledger, "test")
    candidates = synthetic_messages(ledger)
    removals: list[Removal] = []

    def leave_out(more: Iterable[Removal]) -> None:
        nonlocal candidates
        removals.extend(more)
        removed = {removal.message_id for removal in removals}
        candidates = [message for message in candidates if message.id not in removed]

    leave_out(_too_long(candidates, run.config.messages.longest))
    leave_out(_repeated(candidates, [*learnt, *test]))
    leave_out(_with_names(candidates, [m.text for m in learnt], settings.names))
    vectors = embed(run, candidates)
    leave_out(_near(candidates, vectors, embed(run, learnt), settings.near_real, "near real"))
    leave_out(_near(candidates, vectors, embed(run, test), settings.near_real, "near test"))
    leave_out(near_duplicates(candidates, vectors, settings.near_duplicate))
    if settings.judge:
        leave_out(await _misplaced(run, [m for m in candidates if m.round == round_], advance))
    leave_out(_not_needed(candidates, settings.per_class))
    return removals


def names(texts: Iterable[str]) -> set[str]:
    """Return proper names by their spelling: words capitalised inside of a sentence.

    Words that also stand in lower case are none.
    """
    texts = list(texts)
    lower = {word for text in texts for word in re.findall(r"\b[a-z][\w'’-]+", text)}
    capitalised = {name for text in texts for name in _NAME.findall(text)}
    return {name for name in capitalised if name.lower() not in lower}


def _too_long(messages: Iterable[SyntheticMessage], longest: int) -> Iterator[Removal]:
    for message in messages:
        if (length := len(message.text)) > longest:
            detail = f"{length} characters"
            yield Removal(message_id=message.id, reason="too long", detail=detail)


def _repeated(
    messages: Iterable[SyntheticMessage], real: Iterable[RealMessage]
) -> Iterator[Removal]:
    first: dict[str, str] = {flat(m.text).casefold(): m.id for m in real}
    for message in messages:
        first_id = first.setdefault(flat(message.text).casefold(), message.id)
        if first_id != message.id:
            yield Removal(message_id=message.id, reason="duplicate", near_id=first_id)


def _with_names(
    messages: Iterable[SyntheticMessage], real: Sequence[str], allowed: Iterable[str]
) -> Iterator[Removal]:
    """Leave out messages with a name that one or two real texts have: it may be somebody's."""
    private = {}
    for name in sorted(names(real) - set(allowed)):
        # Compiled: `re` remembers some hundred patterns, and a corpus may have thousands of names.
        pattern = re.compile(rf"\b{re.escape(name)}\b")
        if sum(pattern.search(text) is not None for text in real) <= RARE:
            private[name] = pattern
    for message in messages:
        if named := [name for name, pattern in private.items() if pattern.search(message.text)]:
            yield Removal(message_id=message.id, reason="name", detail=", ".join(named))


def _near(
    messages: Sequence[SyntheticMessage],
    vectors: Vectors,
    real: Vectors,
    threshold: float,
    reason: Literal["near real", "near test"],
) -> Iterator[Removal]:
    if not messages or not real:
        return
    ids = list(real)
    cosines = np.stack([vectors[m.id] for m in messages]) @ np.stack(list(real.values())).T
    for message, row in zip(messages, cosines, strict=True):
        if row.max() >= threshold:
            near_id, similarity = ids[row.argmax()], round(float(row.max()), 4)
            yield Removal(
                message_id=message.id, reason=reason, near_id=near_id, similarity=similarity
            )


async def _misplaced(
    run: Services, messages: Sequence[SyntheticMessage], advance: Advance
) -> list[Removal]:
    """Leave out messages that the grader puts into another class or none, or cannot label."""
    indicators, classes = paragraphs(run.ledger), labels(run)

    async def check(message: SyntheticMessage) -> Removal | None:
        try:
            label, reason = await run.labeller.classify(message.text, classes, indicators)
        except CallFailed as failed:
            label, reason = "", f"{SENTENCES['grader-failed']}: {sentence(failed.failure)}"
        if label == message.label:
            return None
        detail = f"the grader says {label or 'none'}: {reason}"
        return Removal(message_id=message.id, reason="label", detail=detail)

    checked = await each(run.turnstile, messages, check, advance)
    return [removal for removal in checked if removal is not None]


def _not_needed(messages: Sequence[SyntheticMessage], wanted: int) -> Iterator[Removal]:
    """Leave out the newest messages of a class, over what is wanted."""
    for label in dict.fromkeys(m.label for m in messages):
        for message in [m for m in messages if m.label == label][wanted:]:
            yield Removal(message_id=message.id, reason="not needed")


def _removed(ledger: Ledger) -> set[str]:
    return {removal.message_id for removal in ledger.all(Removal)}
