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
from graphs.classification.config import MessagesConfig
from graphs.classification.records import RealMessage, Removal, Split
from retrieval import tables
from retrieval.rows import as_text

Messages = list[RealMessage]
Removals = list[Removal]  # that functions add to
SHOWN = 3  # examples in a message of refusal
LEAST = 2  # messages a class: one to learn from, one to calibrate on


class Collected(NamedTuple):
    """Messages to use, those that cannot be used, and why they and unreadable rows cannot."""

    messages: Messages
    removed: Messages
    removals: Removals


def collect(config: MessagesConfig, folder: Path, seed: int) -> Collected:
    """Return the messages of both tables, with `per_class` drawn of each class and split.

    Raises:
        UserError: a table cannot be read, or what it holds cannot be learnt or judged.
    """
    removals: Removals = []
    train = _read_table("train", config, folder, removals)
    test = _read_table("test", config, folder, removals)
    by_id = {message.id: message for message in (*train, *test)}
    _check_labels(train, test)
    train, test = (_usable(messages, config, removals) for messages in (train, test))
    _check_apart(train, test)
    train, test = (_without_repeats(messages, removals) for messages in (train, test))
    labels = _labels(train, test, config)
    test = [message for message in test if message.label in labels]
    drawn = _drawn(train, labels, config, seed)
    _check_dates(drawn, test, config)
    removed = [by_id[r.message_id] for r in removals if r.message_id]
    return Collected(drawn + test, removed, removals)


def fingerprint(collected: Collected) -> str:
    """Return the SHA-256 over all that was collected: what a run was launched with."""
    ids = sorted(record.id for record in (*collected.messages, *collected.removals))
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def _read_table(split: Split, config: MessagesConfig, folder: Path, removals: Removals) -> Messages:
    """Return the messages of a table; a row that is none is removed with the reason."""
    source = config.train if split == "train" else config.test
    assert source is not None  # the configuration sees to it
    columns = [source.text or tables.TEXT, config.label]
    columns += [config.date] if config.date else []
    key = f"messages.{split}"
    messages, refused = [], []
    for place, row in tables.placed_rows(source, columns, folder, key):
        try:
            messages.append(_as_message(row, columns, split, place))
        except ValueError as error:
            refused.append(f"{place}: {error}")
    if not messages:
        why = f": {'; '.join(refused[:SHOWN])}" if refused else ""
        raise UserError(f"{key}: {tables.named(source)} has no row that can be used{why}")
    removals += [Removal(message_id="", reason="row", detail=detail) for detail in refused]
    return messages


def _as_message(
    row: dict[str, Any] | str, columns: Sequence[str], split: Split, place: str
) -> RealMessage:
    """Return a row as a message; ValueError says why it is none."""
    if isinstance(row, str):
        raise ValueError(row)
    said = []
    for column in columns:
        try:
            said.append(as_text(value := row.get(column)))
        except ValueError as error:
            raise ValueError(f"the column {column!r} holds {error}") from error
        if said[-1] == "" != value:  # none, or no number; a message of no words is left out later
            raise ValueError(f"nothing in the column {column!r}")
    text, label, *dates = said
    if not label.strip():
        raise ValueError(f"nothing in the column {columns[1]!r}")
    (text + label).encode()  # half a character, as JSON can have it, is a ValueError
    date = "".join(map(_as_instant, dates))
    text = " ".join(text.split())
    return RealMessage(text=text, label=label, split=split, place=place, date=date)


def _as_instant(date: str) -> str:
    """Return an ISO date in a form that sorts; ValueError for another one."""
    instant = datetime.fromisoformat(date.strip())
    if instant.tzinfo is not None:
        try:
            instant = instant.astimezone(UTC).replace(tzinfo=None)
        except OverflowError as error:  # what some systems write for no date: the year 1
            raise ValueError(f"{date}: there is no such moment in UTC") from error
    return instant.isoformat()


def _check_labels(train: Messages, test: Messages) -> None:
    """Refuse two classes that a prompt or a reader would take for one."""
    alike: dict[str, set[str]] = defaultdict(set)
    for label in {m.label for m in (*train, *test)}:
        alike[" ".join(label.split()).casefold().replace('"', "'")].add(label)
    if several := [sorted(labels) for labels in alike.values() if len(labels) > 1]:
        pairs = "; ".join(" and ".join(map(repr, labels)) for labels in sorted(several)[:SHOWN])
        raise UserError(
            f"messages.label: classes differ by case, space or quotes alone: {pairs}: write them "
            "alike"
        )


def _usable(messages: Messages, config: MessagesConfig, removals: Removals) -> Messages:
    """Return the messages of classes to tell apart, without those that are empty or too long."""
    usable = []
    for message in messages:
        length, place = len(message.text), message.place
        if not message.text:
            removals.append(Removal(message_id=message.id, reason="empty", detail=place))
        elif length > config.longest:
            detail = f"{place}: {length} characters"
            removals.append(Removal(message_id=message.id, reason="too long", detail=detail))
        elif not config.classes or message.label in config.classes:
            usable.append(message)
    return usable


def _check_apart(train: Messages, test: Messages) -> None:
    """Refuse messages that stand in both tables."""
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


def _without_repeats(messages: Messages, removals: Removals) -> Messages:
    """Return each text once. A text with two classes teaches and tests nothing: all of it goes."""
    by_text: dict[str, Messages] = defaultdict(list)
    for message in messages:
        by_text[message.text.casefold()].append(message)
    distinct = []
    for same in by_text.values():
        first, *repeats = same
        if len(labels := sorted({m.label for m in same})) > 1:
            detail = f"the same words stand under {', '.join(labels)}"
            removals += [Removal(message_id=m.id, reason="label", detail=detail) for m in same]
            continue
        distinct.append(first)
        removals += [
            Removal(message_id=m.id, reason="duplicate", detail=f"{m.place} = {first.place}")
            for m in repeats
        ]
    return distinct


def _labels(train: Messages, test: Messages, config: MessagesConfig) -> list[str]:
    """Return the classes to tell apart, in the order of the configuration or of the alphabet.

    Raises:
        UserError: there are not two of them, or one lacks messages.
    """
    counts = Counter(m.label for m in train)
    labels = list(config.classes) or sorted(counts)
    if len(labels) < 2:
        raise UserError(
            f"messages.label: there is one class ({', '.join(labels) or 'none'}) in the column "
            f"{config.label!r}: a classifier needs messages of at least two"
        )
    if few := [f"{label} ({counts[label]})" for label in labels if counts[label] < LEAST]:
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


def _drawn(messages: Messages, labels: list[str], config: MessagesConfig, seed: int) -> Messages:
    """Return `per_class` messages of each class, the same for a seed; fewer where there are fewer.

    A share of each class is for validation: the last by date, or those drawn last.
    """
    drawn = []
    for label in labels:
        of_class = sorted((m for m in messages if m.label == label), key=lambda m: m.id)
        random.Random(f"messages/{seed}/{label}").shuffle(of_class)
        of_class = of_class[: config.per_class]
        if config.date:
            of_class.sort(key=lambda m: m.date)
        count = len(of_class)
        first = count - min(max(1, round(config.validation * count)), count - 1)
        drawn += of_class[:first]
        drawn += [
            RealMessage.model_validate(m.model_dump() | {"split": "validation"})
            for m in of_class[first:]
        ]
    return drawn


def _check_dates(learnt: Messages, test: Messages, config: MessagesConfig) -> None:
    """Refuse a test on messages from before the training: it tells nothing of those to come."""
    if config.date is None:
        return
    last = max(m.date for m in learnt)
    if early := [m.place for m in test if m.date < last]:
        raise UserError(
            f"messages.date: {len(early)} test messages are older than the newest of training "
            f"({', '.join(early[:SHOWN])}): give later ones, or leave messages.date out"
        )
