"""The forms in which other programs take a dataset: one function each, from rows to files.

A function is given what it writes, split; it returns the files by name, with the configurations of
`datasets` that load them. `FORMATS` has them by name; `publishing.exam_formats` has those of exams.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import yaml

from elenchus.questions import AnswerForm
from publishing.rows import Chat, Labelled, Message, Pair, Question, Text

SPLITS = ("train", "test")
LINES, COLUMNS = "{}.jsonl", "data/{}-00000-of-00001.parquet"  # names of the file of a split
SPLIT_FILES = tuple(form.format(split) for form in (LINES, COLUMNS) for split in SPLITS)
Row = dict[str, Any]


class Split(NamedTuple):
    """What an export writes, by split; a run has one of chats, texts and messages."""

    chats: dict[str, list[Chat]]
    pairs: dict[str, list[Pair]]
    texts: dict[str, list[Text]]
    messages: dict[str, list[Labelled]]
    exams: dict[str, list[Question]]
    form: AnswerForm
    name: str


class Files(NamedTuple):
    """The files of an export by name, the number of rows of those that hold rows, and which of
    `datasets`' splits these are, where it can load them."""

    contents: dict[str, str | bytes]
    rows: dict[str, int]
    splits: dict[str, str]
    note: str = ""


class Format(NamedTuple):
    """A form: for whom it is, and what it needs of a dataset, in any of these kinds."""

    tool: str
    needs: tuple[str, ...]
    write: Callable[[Split], Files]


def jsonl(rows: Iterable[Row]) -> str:
    """Return rows as JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def of_rows(rows: Mapping[str, Sequence[Row]], note: str = "") -> Files:
    """Return a file of JSON lines for each split that has rows."""
    filled = {split: some for split, some in rows.items() if some}
    names = {split: LINES.format(split) for split in filled}
    return Files(
        {names[split]: jsonl(some) for split, some in filled.items()},
        {names[split]: len(some) for split, some in filled.items()},
        names,
        note,
    )


def each(some: Mapping[str, Sequence[Any]], row: Callable[[Any], Row]) -> dict[str, list[Row]]:
    """Return the row of each thing, by split."""
    return {split: [row(one) for one in things] for split, things in some.items()}


def whole(chat: Chat) -> list[Message]:
    """Return a chat with its answer."""
    return [*chat.prompt, answer(chat.completion)]


def answer(text: str) -> Message:
    """Return the message in which an assistant says something."""
    return {"role": "assistant", "content": text}


def _messages(split: Split) -> Files:
    return of_rows(each(split.chats, lambda c: {"messages": whole(c), "id": c.id}))


def _trl(split: Split) -> Files:
    if any(split.texts.values()):
        return of_rows(each(split.texts, lambda t: {"text": t.text}))
    return of_rows(
        each(split.chats, lambda c: {"prompt": c.prompt, "completion": [answer(c.completion)]})
    )


def _alpaca(split: Split) -> Files:
    return of_rows(
        each(
            split.chats,
            lambda c: {
                "system": _said(c.prompt, "system"),
                "instruction": _said(c.prompt, "user"),
                "input": "",
                "output": c.completion,
            },
        )
    )


def _sharegpt(split: Split) -> Files:
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    return of_rows(
        each(
            split.chats,
            lambda c: {
                "conversations": [
                    {"from": names[m["role"]], "value": m["content"]} for m in whole(c)
                ]
            },
        )
    )


LEAST_OPENAI = 10  # examples of a file that OpenAI trains on


def _openai(split: Split) -> Files:
    few = len(split.chats["train"]) < LEAST_OPENAI
    note = f"OpenAI trains on no fewer than {LEAST_OPENAI} examples" if few else ""
    return of_rows(each(split.chats, lambda c: {"messages": whole(c)}), note)


def _axolotl(split: Split) -> Files:
    if any(split.texts.values()):
        files = of_rows(each(split.texts, lambda t: {"text": t.text}))
        form: Row = {"type": "completion", "field": "text"}
    else:
        files = of_rows(each(split.chats, lambda c: {"messages": whole(c)}))
        form = {
            "type": "chat_template",
            "field_messages": "messages",
            "message_property_mappings": {"role": "role", "content": "content"},
            "roles_to_train": ["assistant"],
        }
    keys = {"train": "datasets", "test": "test_datasets"}
    parts = {
        keys[split_name]: [{"path": name, "ds_type": "json", "split": "train", **deepcopy(form)}]
        for split_name, name in files.splits.items()
    }
    head = "# To be put into a configuration of Axolotl's; run it in this folder.\n"
    files.contents["axolotl.yaml"] = head + yaml.safe_dump(parts, sort_keys=False)
    return files


def _llamafactory(split: Split) -> Files:
    if any(split.texts.values()):
        files = of_rows(each(split.texts, lambda t: {"text": t.text}))
        form: Row = {"columns": {"prompt": "text"}}
    else:
        files = of_rows(each(split.chats, lambda c: {"messages": whole(c)}))
        form = {
            "formatting": "sharegpt",
            "columns": {"messages": "messages"},
            "tags": {
                "role_tag": "role",
                "content_tag": "content",
                "user_tag": "user",
                "assistant_tag": "assistant",
                "system_tag": "system",
            },
        }
    info = {
        f"{split.name}_{part}": {"file_name": name, **form} for part, name in files.splits.items()
    }
    files.contents["dataset_info.json"] = json.dumps(info, indent=2, ensure_ascii=False) + "\n"
    return files


def _preference(split: Split) -> Files:
    return of_rows(
        each(
            split.pairs,
            lambda p: {
                "prompt": p.prompt,
                "chosen": [answer(p.chosen)],
                "rejected": [answer(p.rejected)],
            },
        )
    )


def _argilla(split: Split) -> Files:
    """All rows are reviewed, whatever they will be used for."""
    chats = [chat for part in SPLITS for chat in split.chats[part]]
    records = [
        argilla_record(
            c.id, _said(c.prompt, "user"), c.completion, _quotes(c.row.get("citations", ())),
            {"kind": c.kind, "round": c.row["provenance"]["round"],
             "gap": c.row["provenance"]["weight"]},
        )
        for c in chats
    ]  # fmt: skip
    text = json.dumps(records, ensure_ascii=False, indent=1) + "\n"
    return Files({"records.json": text}, {"records.json": len(records)}, {})


def argilla_record(
    example_id: str,
    question: str,
    completion: str,
    passages: str,
    metadata: Row,
    decision: tuple[str, str] | None = None,
) -> Row:
    """Return a record as Argilla's `dataset.records.from_json` reads it.

    Args:
        decision: what somebody decided already, and who; it goes out as a suggestion.
    """
    suggestion = decision and {"decision": {"value": decision[0], "agent": decision[1]}}
    return {
        "id": example_id,
        "fields": {"question": question, "answer": completion, "passages": passages},
        "metadata": metadata,
        "suggestions": suggestion or {},
        "responses": {},
    }


def _parquet(split: Split) -> Files:
    """Rows as the dataset folder has them, in columns with types."""
    import io

    import pyarrow as pa
    from pyarrow import parquet

    things: Mapping[str, Sequence[Any]] = split.chats
    row: Callable[[Any], Row] = lambda c: c.row  # noqa: E731
    if any(split.texts.values()):
        things, row = split.texts, lambda t: {"id": t.id, "text": t.text}
    elif any(split.messages.values()):
        things = split.messages
    contents: dict[str, str | bytes] = {}
    rows, splits, parted = {}, {}, each(things, row)
    # One schema: a column that is empty in one split alone would have no type there.
    schema = pa.Table.from_pylist([row for part in SPLITS for row in parted[part]]).schema
    for part, some in parted.items():
        if some:
            name = COLUMNS.format(part)
            buffer = io.BytesIO()
            parquet.write_table(pa.Table.from_pylist(some, schema), buffer)
            contents[name], rows[name], splits[part] = buffer.getvalue(), len(some), name
    return Files(contents, rows, splits)


def _said(prompt: Sequence[Message], role: str) -> str:
    return "\n\n".join(message["content"] for message in prompt if message["role"] == role)


def _quotes(citations: Iterable[Row]) -> str:
    """Return what an answer cites, each quote below its document and headings."""
    return "\n\n".join(f"[{' > '.join(_headings(c))}]\n{c['quote']}" for c in citations)


def _headings(citation: Row) -> list[str]:
    """Return a document's title and the headings below it, which often begin with the title."""
    title, headings = citation["title"] or citation["document"], citation["heading"]
    return headings if headings[:1] == [title] else [title, *headings]


FORMATS = {
    "messages": Format("datasets, and most trainers", ("chats",), _messages),
    "trl": Format("TRL's SFTTrainer", ("chats", "texts"), _trl),
    "alpaca": Format("trainers that read Alpaca's columns", ("chats",), _alpaca),
    "sharegpt": Format("trainers that read ShareGPT's conversations", ("chats",), _sharegpt),
    "openai": Format("OpenAI's fine-tuning of chat models", ("chats",), _openai),
    "axolotl": Format("Axolotl", ("chats", "texts"), _axolotl),
    "llamafactory": Format("LLaMA-Factory", ("chats", "texts"), _llamafactory),
    "preference": Format("TRL's DPOTrainer", ("pairs",), _preference),
    "argilla": Format("Argilla", ("chats",), _argilla),
    "parquet": Format("datasets, pandas, DuckDB", ("chats", "texts", "messages"), _parquet),
}
