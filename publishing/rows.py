"""The rows of a run's dataset folder, as exports take them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from elenchus.errors import UserError

Message = dict[str, str]


class Chat(NamedTuple):
    """A question with the answer that is to be learnt; `points` are what it is about."""

    id: str
    points: frozenset[str]
    prompt: list[Message]
    completion: str
    kind: str
    row: dict[str, Any]


class Pair(NamedTuple):
    """A question with a right answer and a wrong one."""

    id: str
    points: frozenset[str]
    prompt: list[Message]
    chosen: str
    rejected: str


class Text(NamedTuple):
    """A text that is learnt as it stands; `points` are the passages or problems it is made from."""

    id: str
    points: frozenset[str]
    text: str


class Labelled(NamedTuple):
    """A message with its class."""

    id: str
    points: frozenset[str]
    text: str
    label: str
    row: dict[str, Any]


class Question(NamedTuple):
    """A question of an exam or of a test of the user's own.

    `choices` are empty where the answer is free; else `answer` is one of them.
    """

    id: str
    prompt: list[Message]
    answer: str
    choices: tuple[str, ...]
    kind: str

    @property
    def system(self) -> str:
        """What stands before the question, for all of its exam; "" for nothing."""
        return "\n\n".join(m["content"] for m in self.prompt if m["role"] == "system")

    @property
    def text(self) -> str:
        """The question itself."""
        return "\n\n".join(m["content"] for m in self.prompt if m["role"] != "system")


class Material(NamedTuple):
    """All that a dataset folder holds; a run has one of chats, texts and messages."""

    chats: list[Chat]
    pairs: list[Pair]
    texts: list[Text]
    messages: list[Labelled]
    exam: list[Question]


def read(folder: Path, joined: Mapping[str, Iterable[str]] | None = None) -> Material:
    """Read a dataset folder.

    Args:
        joined: points that an example joins to its own, by its id, for rows that do not say it.

    Raises:
        UserError: a file of it is damaged.
    """
    try:
        chats = [_chat(row, joined or {}) for row in _rows(folder / "train.jsonl")]
        about = {chat.id: chat.points for chat in chats}
        return Material(
            chats,
            [_pair(row, about) for row in _rows(folder / "pairs.jsonl")],
            [
                *(_text(row, row["passage_ids"]) for row in _rows(folder / "texts.jsonl")),
                *(_passage(row) for row in _rows(folder / "passages.jsonl")),
            ],
            [_labelled(row) for row in _rows(folder / "messages.jsonl")],
            [_question(row) for row in _rows(folder / "held-out.jsonl")],
        )
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError(
            f"{folder} holds a row that cannot be read ({error!r}): restore it from a backup, or "
            "launch the run again with --reuse, which pays no call again"
        ) from error


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        with path.open(encoding="utf-8") as file:
            yield from map(json.loads, file)


def _chat(row: dict[str, Any], joined: Mapping[str, Iterable[str]]) -> Chat:
    (completion,) = row["completion"]
    provenance = row["provenance"]
    example = provenance["example_id"]
    partners = provenance.get("partner_ids", joined.get(example, ()))
    return Chat(
        example,
        frozenset([provenance["point_id"], *partners]),
        row["prompt"],
        completion["content"],
        provenance["kind"],
        row,
    )


def _pair(row: dict[str, Any], about: dict[str, frozenset[str]]) -> Pair:
    (chosen,), (rejected,) = row["chosen"], row["rejected"]
    example = row["example_id"]
    return Pair(example, about[example], row["prompt"], chosen["content"], rejected["content"])


def _text(row: dict[str, Any], made_from: list[str]) -> Text:
    return Text(row["id"], frozenset(made_from), row["text"])


def _passage(row: dict[str, Any]) -> Text:
    return _text(row, [f"{one['task']}/{one['place']}" for one in row["problems"]])


def _labelled(row: dict[str, Any]) -> Labelled:
    made_from = frozenset([row["id"], *row.get("example_ids", ())])
    return Labelled(row["id"], made_from, row["text"], row["label"], row)


def _question(row: dict[str, Any]) -> Question:
    return Question(row["id"], row["prompt"], row["gold"]["result"], (), row["kind"])
