"""Which texts each form of `method: rewriting` has written, by the built-in author and by mocks."""

import asyncio
import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import BYELAWS, CHARGES, asked, mock_caller

from agents.author import STUDIES, Author
from agents.prompting import Subject
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import Text
from elenchus.records import Passage
from graphs.rewriting.config import RewritingConfig
from graphs.rewriting.writing import Job, jobs, written
from models.calls import Caller

COUNT = 40


def passages() -> list[Passage]:
    return [
        Passage(
            document_id=title,
            source=f"{title}.md",
            start=place,
            end=place + 1,
            heading=(title,),
            text=part.strip(),
            title=title,
        )
        for title, text in (("Part 1", BYELAWS), ("Part 2", CHARGES))
        for place, part in enumerate(text.split("\n## ")[1:])
    ]


def run_of(ledger: Ledger, caller: Caller, **settings: Any) -> Any:
    """Return what the texts of a run are written with."""
    ledger.write(*passages())
    expert = SimpleNamespace(model="builtin:reader")
    config = SimpleNamespace(seed=0, rewriting=RewritingConfig(**settings), expert=expert)
    author = Author(caller, Subject("a pool", "English"))
    return SimpleNamespace(
        config=config, author=author, ledger=ledger, turnstile=asyncio.Semaphore(8)
    )


def texts_of(run: Any, count: int = COUNT) -> tuple[list[Job], list[Text | None]]:
    async def go() -> tuple[list[Job], list[Text | None]]:
        waiting = list(itertools.islice(await jobs(run), count))
        return waiting, [await written(run, job) for job in waiting]

    return asyncio.run(go())


@pytest.mark.parametrize("form", ["raw", "paraphrase", "entigraph", "spa", "active-reading"])
def test_a_form_has_texts_from_passages_that_it_names(form: str, ledger: Ledger) -> None:
    run = run_of(ledger, mock_caller(ledger, model="builtin:reader"), form=form)
    waiting, texts = texts_of(run)
    known = {passage.id for passage in passages()}
    assert len(waiting) == (len(known) if form == "raw" else COUNT)
    for job, text in zip(waiting, texts, strict=True):
        assert text is not None and set(text.passage_ids) <= known
        assert len(text.passage_ids) == len(job.passages)


def test_the_seven_prompts_are_asked_of_every_document_before_any_comes_again(
    ledger: Ledger,
) -> None:
    run = run_of(ledger, mock_caller(ledger, model="builtin:reader"), form="spa")
    waiting, texts = texts_of(run, 28)
    studied = [(job.passages[0].document_id, *job.names) for job in waiting]
    every = {(title, form) for title in ("Part 1", "Part 2") for form in STUDIES}
    assert set(studied[:14]) == every == set(studied[14:])
    assert {job.variation for job in waiting[:14]} == {0}
    assert [text.task for text in texts if text] == [job.names[0] for job in waiting]
    assert len({text.text for text in texts if text}) > 20, "another variation, another text"


def test_active_reading_follows_the_strategies_proposed_for_each_document(ledger: Ledger) -> None:
    replies = (
        '{"strategies": ["Count the caps.", "Count the caps.", " "]}',
        '{"strategies": ["Sum up the fines."]}',
        '{"text": "Twelve days."}',
    )
    caller = mock_caller(ledger, *replies)
    run = run_of(ledger, caller, form="active-reading", purpose="an attendant's exam")
    run.turnstile = asyncio.Semaphore(1)  # so that the replies come in order
    waiting, texts = texts_of(run, 2)
    proposed = {job.passages[0].document_id: job.names for job in waiting}
    assert proposed == {"Part 1": ("Count the caps.",), "Part 2": ("Sum up the fines.",)}
    assert [text.text for text in texts if text] == ["Twelve days."] * 2
    users = [messages[1].text for messages in asked(caller)]
    assert all("an attendant's exam" in user for user in users[:2])
    assert all("<strategy>" in user and "<purpose>" not in user for user in users[2:])


def test_without_any_strategy_nothing_is_written(ledger: Ledger, tmp_path: Path) -> None:
    run = run_of(ledger, mock_caller(ledger, '{"strategies": []}'), form="active-reading")
    with pytest.raises(UserError, match="proposed no strategy for any document"):
        texts_of(run)


def test_a_text_that_cannot_be_had_is_left_out(ledger: Ledger) -> None:
    run = run_of(ledger, mock_caller(ledger, "?"), form="spa")
    _, texts = texts_of(run, 3)
    assert texts == [None] * 3
