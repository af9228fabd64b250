"""Reads the layout of SQuAD: documents of paragraphs, each with questions and their answers.

`{"data": [{"title", "paragraphs": [{"context", "qas": [{"id", "question", "answers"}]}]}]}`, as
PolicyQA and many others have it. It is a table here: a row for each question, or for each paragraph
where no column of questions is asked for.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from retrieval.rows import Broken, Row, check_columns

SUFFIX = ".json"
OF_PARAGRAPH = ("title", "context")
COLUMNS = (*OF_PARAGRAPH, "id", "question", "answers")
MOST = 200_000_000  # bytes: it is read whole


def rows(path: Path, columns: Sequence[str]) -> Iterator[Row | Broken]:
    """Yield every question, with answers that differ parted by "|"; or every paragraph.

    Args:
        columns: those that are asked for, of `COLUMNS`.

    Raises:
        ValueError: it is no such file, is too large, or has no such column.
    """
    check_columns(COLUMNS, columns)
    if path.stat().st_size > MOST:
        raise ValueError(f"it is larger than {MOST // 10**6} MB")
    tree = json.loads(path.read_text(encoding="utf-8-sig"))
    try:
        documents = list(tree["data"])
    except (KeyError, TypeError) as error:
        raise ValueError('it has not the layout of SQuAD: {"data": [{"title", …}]}') from error
    whole = not set(columns) - set(OF_PARAGRAPH)
    return chain.from_iterable(_of_document(document, whole) for document in documents)


def _of_document(document: Any, whole: bool) -> Iterator[Row | Broken]:
    try:
        title = document["title"]
        for paragraph in document["paragraphs"]:
            row = {"title": title, "context": paragraph["context"]}
            if whole:
                yield row
            else:
                yield from (row | _asked(question) for question in paragraph["qas"])
    except (KeyError, TypeError) as error:
        yield Broken("broken JSON", f"a document has not the layout of SQuAD: {error!r}")


def _asked(question: Any) -> Row:
    texts = dict.fromkeys(answer["text"] for answer in question["answers"])
    return {
        "id": question.get("id"),
        "question": question["question"],
        "answers": "|".join(text.replace("|", " ") for text in texts),
    }
