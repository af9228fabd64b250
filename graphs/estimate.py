"""What estimates of all methods are made of: `elenchus launch --dry-run`.

Documents are read and split, prompts are measured; no model is asked.
"""

from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from agents.prompting import FOLDER, render
from elenchus.config import CommonConfig
from elenchus.errors import UserError
from elenchus.records import CHARS_A_TOKEN, Document, Passage
from elenchus.sections import ModelConfig
from models.prices import Prices
from retrieval.index import contents

LOOK_UPS = 0.04  # further searches for an answer
REFERENCES = 0.4  # of retrieval.references that are found
QUESTION, ANSWER, QUOTES, GRADING = 110, 130, 270, 180  # characters


class Use(NamedTuple):
    """What a role will use; `usd` is None where its model has no price."""

    role: str
    model: str
    calls: int
    tokens_read: int
    tokens_written: int
    usd: float | None


def use(
    role: str, settings: ModelConfig, calls: float, read: float, written: float, prices: Prices
) -> Use:
    """Return the use of so many calls of so many characters each, read and written."""
    into, out = (round(calls * chars / CHARS_A_TOKEN) for chars in (read, written))
    usd = prices.usd(settings.model, into, out) if prices.known(settings.model) else None
    return Use(role, settings.model, round(calls), into, out, usd)


def template(role: str, task: str) -> int:
    """Return the characters of a prompt before anything is filled in."""
    sent = render(role, task, "", title="x" * 40, language="English").messages
    return sum(len(message.content) for message in sent)


def raw_template(role: str, task: str) -> int:
    """Return the characters of a template that takes more settings than `template` knows."""
    return len((FOLDER / role / f"{task}.md").read_text(encoding="utf-8"))


def corpus(config: CommonConfig, folder: Path) -> tuple[list[Document], list[Passage], float]:
    """Return documents, passages, and the mean characters of a passage with its tags.

    Raises:
        UserError: there is no passage, or the sources cannot be used.
    """
    documents, passages = contents(config, folder)
    if not passages:
        raise UserError(f"corpus.sources: nothing but headings in the documents of {folder}")
    length = fmean(len(p.text) + len(" > ".join(p.heading)) + 60 for p in passages)
    return documents, passages, length


def retrieved(config: CommonConfig) -> float:
    """Return how many passages the expert is given for a question, in the mean."""
    return config.retrieval.passages + REFERENCES * config.retrieval.references
