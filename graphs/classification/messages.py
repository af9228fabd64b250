"""Labelled messages from tables: read, checked, drawn and split, before anything is paid for.

What cannot be used is left out with its reason; what would make every figure worthless (messages
of the test in the training, classes that are one) is refused as a whole.
"""

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from elenchus.errors import UserError
from elenchus.sections import SourceConfig
from graphs.classification.config import MessagesConfig
from graphs.classification.records import RealMessage, Removal, Split
from retrieval import tables

SHOWN = 3  # examples in a message of refusal
LEAST = 2  # messages a class: one to learn from, one to calibrate on
TEST: Split = "test"


class Collected(NamedTuple):
    """What tables gave: messages to use, those that cannot be used, and why; bad rows, too."""

    messages: list[RealMessage]
    removed: list[RealMessage]
    removals: list[Removal]


def collect(config: MessagesConfig, folder: Path, seed: int) -> Collected:
    """All messages of both tables, with `per_class` drawn of each class and split.

    Raises:
        UserError: a table cannot be read, or what it holds cannot be learnt or judged.
    """
    removals: list[Removal] = []
    train = _table(config.train, "train", config, folder, removals)
    test = _table(config.test, TEST, config, folder, removals)
    by_id = {message.id: message for message in (*train, *test)}
    _check_labels(train, test)
    train, test = (_usable(some, config, removals) for some in (train, test))
    if config.classes:
        train, test = ([m for m in some if m.label in config.classes] for some in (train, test))
    _check_apart(train, test)
    train, test = (_without_repeats(some, removals) for some in (train, test))
    labels = _labels(train, test, config)
    test = [message for message in test if message.label in labels]
    drawn = _drawn(train, labels, config, seed)
    _check_dates([*drawn, *test], config)
    removed = [by_id[r.message_id] for r in removals if r.message_id]
    return Collected(_split(drawn, config) + test, removed, removals)


def fingerprint(collected: Collected) -> str:
    """SHA-256 over all that was collected: what a run was launched with."""
    ids = sorted(record.id for record in (*collected.messages, *collected.removals))
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def _table(
    source: SourceConfig | None,
    split: Split,
    config: MessagesConfig,
    folder: Path,
    removals: list[Removal],
) -> list[RealMessage]:
    """The messages of a table; a row that is none is removed with the reason."""
    assert source is not None  # the configuration sees to it
    columns = [source.text or tables.TEXT, config.label]
    columns += [config.date] if config.date else []
    key = f"messages.{split}"
    found, bad = [], []
    for place, row in tables.placed_rows(source, columns, folder, key):
        try:
            found.append(_message(row, columns, split, place))
        except ValueError as error:
            bad.append(f"{place}: {error}")
    if not found:
        why = f": {'; '.join(bad[:SHOWN])}" if bad else ""
        raise UserError(f"{key}: {tables.named(source)} has no row that can be used{why}")
    removals += [Removal(message_id="", reason="row", detail=line) for line in bad]
    return found


def _message(
    row: dict[str, Any] | str, columns: Sequence[str], split: Split, place: str
) -> RealMessage:
    """A row as a message; ValueError says why it is none."""
    if isinstance(row, str):
        raise ValueError(row)
    if missing := [c for c in columns if row.get(c) is None]:
        raise ValueError(f"nothing in the column {missing[0]!r}")
    text, label, *dates = (str(row[column]) for column in columns)
    if not label.strip():
        raise ValueError(f"nothing in the column {columns[1]!r}")
    (text + label).encode()  # half a character, as JSON can have it, is a ValueError
    date = "".join(map(_instant, dates))
    return RealMessage(
        text=" ".join(text.split()), label=label, split=split, place=place, date=date
    )


def _instant(date: str) -> str:
    """An ISO date in a form that sorts; ValueError for another one."""
    found = datetime.fromisoformat(date.strip())
    if found.tzinfo is not None:
        try:
            found = found.astimezone(UTC).replace(tzinfo=None)
        except OverflowError as error:  # what some systems write for no date: the year 1
            raise ValueError(f"{date}: there is no such moment in UTC") from error
    return found.isoformat()


def _usable(
    messages: Sequence[RealMessage], config: MessagesConfig, removals: list[Removal]
) -> list[RealMessage]:
    kept = []
    for message in messages:
        if not message.text:
            removals.append(Removal(message_id=message.id, reason="empty", detail=message.place))
        elif len(message.text) > config.longest:
            detail = f"{message.place}: {len(message.text)} characters"
            removals.append(Removal(message_id=message.id, reason="too long", detail=detail))
        else:
            kept.append(message)
    return kept


def _check_labels(train: Sequence[RealMessage], test: Sequence[RealMessage]) -> None:
    """Two classes that a prompt or a reader would take for one are refused."""
    alike: dict[str, set[str]] = defaultdict(set)
    for label in {m.label for m in (*train, *test)}:
        alike[" ".join(label.split()).casefold().replace('"', "'")].add(label)
    if several := [sorted(some) for some in alike.values() if len(some) > 1]:
        named = "; ".join(" and ".join(map(repr, some)) for some in sorted(several)[:SHOWN])
        raise UserError(
            f"messages.label: classes differ by case, space or quotes alone: {named}: write them "
            "alike"
        )


def _labels(
    train: Sequence[RealMessage], test: Sequence[RealMessage], config: MessagesConfig
) -> list[str]:
    """The classes to tell apart, in the order of the configuration or of the alphabet."""
    counts = Counter(m.label for m in train)
    labels = list(config.classes) or sorted(counts)
    if len(labels) < 2:
        raise UserError(
            f"messages.label: there is one class ({', '.join(labels) or 'none'}) in the column "
            f"{config.label!r}: a classifier needs messages of at least two"
        )
    few = [f"{label} ({counts[label]})" for label in labels if counts[label] < LEAST]
    if few:
        raise UserError(
            f"messages.train: fewer than {LEAST} usable messages of {', '.join(few)}: add some, or "
            "leave the class out of messages.classes"
        )
    tested = {m.label for m in test}
    if missing := [label for label in labels if label not in tested]:
        raise UserError(
            f"messages.test has no usable message of {', '.join(missing)}: without one, nothing "
            "can be said about the class"
        )
    return labels


def _check_apart(train: Sequence[RealMessage], test: Sequence[RealMessage]) -> None:
    places = {m.text.casefold(): m.place for m in test}
    both = [
        f"{m.place} = {places[m.text.casefold()]}" for m in train if m.text.casefold() in places
    ]
    if both:
        raise UserError(
            f"{len(both)} messages stand in both messages.train and messages.test "
            f"({', '.join(both[:SHOWN])}{', …' if len(both) > SHOWN else ''}): take them out of "
            "one, else the test says nothing"
        )


def _without_repeats(messages: Sequence[RealMessage], removals: list[Removal]) -> list[RealMessage]:
    """Each text once. A text with two classes teaches and tests nothing: all of it goes."""
    by_text: dict[str, list[RealMessage]] = defaultdict(list)
    for message in messages:
        by_text[message.text.casefold()].append(message)
    kept = []
    for same in by_text.values():
        first, *others = same
        if len(labels := sorted({m.label for m in same})) > 1:
            detail = f"the same words stand under {', '.join(labels)}"
            removals += [Removal(message_id=m.id, reason="label", detail=detail) for m in same]
            continue
        kept.append(first)
        removals += [
            Removal(message_id=m.id, reason="duplicate", detail=f"{m.place} = {first.place}")
            for m in others
        ]
    return kept


def _drawn(
    messages: Sequence[RealMessage], labels: Sequence[str], config: MessagesConfig, seed: int
) -> list[RealMessage]:
    """`per_class` messages of each class, the same for a seed; fewer where there are fewer."""
    found = []
    for label in labels:
        own = sorted((m for m in messages if m.label == label), key=lambda m: m.id)
        random.Random(f"messages/{seed}/{label}").shuffle(own)
        found += own[: config.per_class]
    return found


def _split(messages: Sequence[RealMessage], config: MessagesConfig) -> list[RealMessage]:
    """A share of each class for validation: the last by date, or those drawn last."""
    found = []
    for label in dict.fromkeys(m.label for m in messages):
        own = [m for m in messages if m.label == label]
        if config.date:
            own.sort(key=lambda m: m.date)
        later = min(max(1, round(config.validation * len(own))), len(own) - 1)
        found += own[: len(own) - later]
        found += [_as_validation(m) for m in own[len(own) - later :]]
    return found


def _as_validation(message: RealMessage) -> RealMessage:
    return RealMessage.model_validate(message.model_dump() | {"split": "validation"})


def _check_dates(messages: Sequence[RealMessage], config: MessagesConfig) -> None:
    """A test on messages from before the training tells nothing of the messages to come."""
    if config.date is None:
        return
    last = max(m.date for m in messages if m.split != TEST)
    early = [m.place for m in messages if m.split == TEST and m.date < last]
    if early:
        raise UserError(
            f"messages.date: {len(early)} test messages are older than the newest of training "
            f"({', '.join(early[:SHOWN])}): give later ones, or leave messages.date out"
        )
