"""Writes a dataset in the form that another program takes, split, with its card beside it."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from elenchus.errors import UserError
from elenchus.front_matter import CARD, front_matter, read_front_matter
from elenchus.questions import AnswerForm
from publishing import splits
from publishing.dataset_card import described
from publishing.exam_formats import EXAM_FORMATS
from publishing.formats import FORMATS, SPLIT_FILES, SPLITS, Files, Split
from publishing.markdown import listed, with_section
from publishing.placing import beside, put
from publishing.rows import Material, Question

EVERY = FORMATS | EXAM_FORMATS
NAMES = {
    "chats": "questions with answers",
    "pairs": "pairs of a right and a wrong answer",
    "texts": "texts",
    "messages": "messages with classes",
    "exams": "exam questions",
}


class Exported(NamedTuple):
    """What an export wrote: rows by file, and what its user should know."""

    folder: Path
    rows: Mapping[str, int]
    note: str


def split_of(
    material: Material,
    exams: Mapping[str, Sequence[Question]],
    share: float,
    seed: int,
    form: AnswerForm,
    name: str,
) -> Split:
    """Return a dataset split by what its rows are about: no point is on two sides.

    Args:
        exams: by name; they are split from the rest already, since nobody trains on them.
        share: of the rows that the test should have.
    """
    chats = _parted(material.chats, share, seed)
    tested = {point for chat in chats["test"] for point in chat.points}
    pairs: dict[str, list[Any]] = {part: [] for part in SPLITS}
    for pair in material.pairs:  # on the side of the example that it belongs to
        pairs["test" if pair.points & tested else "train"].append(pair)
    return Split(
        chats,
        pairs,
        _parted(material.texts, share, seed),
        _parted(material.messages, share, seed),
        {exam: list(questions) for exam, questions in exams.items() if questions},
        form,
        name,
    )


def write(split: Split, name: str, to: Path, card: str, force: bool) -> Exported:
    """Write an export into a folder, all of it or nothing.

    Args:
        name: of the form, in `EVERY`.
        card: of the dataset folder; "" where it has none.
        force: whether to write over files that are there. Others in the folder stay, but for a
            split of an earlier export: its rows may be in another split now.

    Raises:
        UserError: the form takes nothing that the dataset has, or files would be overwritten.
    """
    form = EVERY[name]
    if not any(_held(split, need) for need in form.needs):
        has = [NAMES[need] for need in NAMES if _held(split, need)]
        raise UserError(
            f"--format {name} takes {' or '.join(NAMES[n] for n in form.needs)}, and this run's "
            f"dataset has {', '.join(has) or 'no rows'}: choose another format"
        )
    files = form.write(split)
    contents = dict(files.contents)
    if card:
        contents[CARD] = _card(card, name, form.tool, files)
    if not force and (there := [one for one in contents if (to / one).exists()]):
        raise UserError(f"{to / there[0]} exists already: give another --to, or --force")
    if to.exists() and not to.is_dir():
        raise UserError(f"{to} is a file: give another --to")
    with beside(to) as place:
        made = place / "export"
        for file, content in contents.items():
            (made / file).parent.mkdir(parents=True, exist_ok=True)
            (made / file).write_bytes(_bytes(content))
        put(made, to, stale=SPLIT_FILES if force else ())
    return Exported(to, files.rows, files.note)


def _parted(rows: Sequence[Any], share: float, seed: int) -> dict[str, list[Any]]:
    train, test = splits.by_point([row.points for row in rows], share, seed)
    return {"train": [rows[n] for n in train], "test": [rows[n] for n in test]}


def _held(split: Split, need: str) -> bool:
    return any(getattr(split, need).values())


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _card(card: str, name: str, tool: str, files: Files) -> str:
    """Return the dataset's card with the files of the export in place of its own."""
    matter, body = read_front_matter(card)
    matter.pop("configs", None)
    if files.splits:
        data = [{"split": split, "path": path} for split, path in files.splits.items()]
        digest = hashlib.sha256(b"".join(_bytes(files.contents[path]) for path in files.rows))
        description = described(digest.hexdigest())
        matter["configs"] = [
            {"config_name": "default", "description": description, "data_files": data}
        ]
    shown = [f"`{file}`: {count:,} rows." for file, count in files.rows.items()]
    said = f"For {tool}.{_standing(name, files)}\n\n{listed(shown, 'none')}"
    body = with_section(body, "Files", f"Exported with `--format {name}`. {said}")
    load = 'from datasets import load_dataset\n\nload_dataset("FOLDER")'
    loads = f"```python\n{load}\n```" if files.splits else f"As {tool} does. {files.note}"
    body = with_section(with_section(body, "How to load it", loads), "Rows", f"As {tool} has them.")
    return front_matter(matter) + body


def _standing(name: str, files: Files) -> str:
    """Return what the rows of an export are for, or how its files are apart."""
    if name in EXAM_FORMATS:
        return " These are an exam and tests: **never train on them**."
    return " No point of the documents is in two splits." if len(files.rows) > 1 else ""
