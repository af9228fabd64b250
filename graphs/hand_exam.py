"""The exam that people write for a domain: a file of questions with their answers."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from agents.quotes import quoted
from elenchus.errors import UserError
from elenchus.loading import read_text
from elenchus.records import Document


class HandQuestion(BaseModel):
    """One line of an exam written by people.

    `quote` stands in the documents and decides it; a question that no document decides has none.
    """

    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)
    quote: str = ""
    kind: str = "hand"
    document: str = ""


def read_hand_exam(
    path: Path, documents: Sequence[Document], strict: bool = True
) -> list[HandQuestion]:
    """Read a hand-written exam; UserError names the line that is wrong.

    Not strict, lines whose quote does not stand in the documents are left out.
    """
    rows = []
    for number, row in hand_questions(path):
        named = [d for d in documents if d.source.endswith(row.document)]
        stands = any(
            row.quote in document.text or quoted(row.quote, document.text) for document in named
        )
        if strict and not stands:
            where = row.document or "any document"
            raise UserError(f"{path}, line {number}: the quote does not stand in {where}")
        if stands:
            rows.append(row)
    return rows


def hand_questions(path: Path) -> list[tuple[int, HandQuestion]]:
    """Read all lines of a hand-written exam with their numbers, whatever they quote.

    Raises:
        UserError: names a line that is wrong; blank ones are passed over.
    """
    try:
        # Not `splitlines`, which breaks lines at characters that JSON leaves as they are.
        lines = read_text(path).split("\n")
    except UserError as error:
        raise UserError(f"exam.hand: {error}") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = HandQuestion.model_validate_json(line)
        except ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(map(str, problem["loc"])) or "the line"
            raise UserError(f"{path}, line {number}: {key}: {problem['msg']}") from error
        rows.append((number, row))
    return rows
