"""How examples are taught: what the student with passages teaches, and pairs with wrong answers."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from langchain_core.messages import BaseMessage

from elenchus import runs
from elenchus.ledger import Ledger
from elenchus.outcomes import Adapter, Example, Reading
from elenchus.progress import Unseen
from elenchus.records import Passage
from elenchus.runs import RunFolder
from graphs.adaptation import lessons
from graphs.config import DomainConfig
from graphs.services import Services
from models import mock

PASSAGES = [
    Passage(document_id="d", source="s", start=0, end=1, heading=(), text=f"Lamp {n}: hall {n}.")
    for n in range(2)
]


def example(n: int, cited: bool = True) -> Example:
    return Example(
        prompt=({"role": "user", "content": f"Where is lamp {n}?"},),
        completion=f"Lamp {n} is in hall {n}. So: hall {n}",
        question_id=f"q{n}",
        turn_id=f"t{n}",
        examination_id=f"e{n}",
        point_id=f"o{n}",
        passage_ids=(PASSAGES[n].id,) if cited else (),
        kind="recall",
        round=1,
        weight=1.0,
        result=f"hall {n}",
    )


@pytest.fixture
def run(tmp_path: Path, ledger: Ledger) -> Services:
    """The services of a run whose student reads of lamp 0 alone, and that compares texts."""

    def reads(messages: Sequence[BaseMessage]) -> str:
        return "Hall 0." if "hall 0" in messages[-1].text else "No idea."

    def grades(messages: Sequence[BaseMessage]) -> str:
        word = "right" if "Hall 0." in messages[-1].text else "wrong"
        one = {"result": word, "reason": word, "critique": "c"}
        return json.dumps({"answers": [one], "missed": "m"})

    mock.register("reads", reads)
    mock.register("grades", grades)
    tree = {
        "domain": "d",
        "title": "t",
        "student": {"model": "mock:reads"},
        "grader": {"model": "mock:grades"},
        "training": {"objective": "distil"},
    }
    ledger.write(*PASSAGES)
    config = DomainConfig.model_validate(tree)
    return Services(RunFolder(tmp_path), config, tmp_path, ledger, Unseen())


def test_what_is_read_rightly_has_a_teacher(run: Services, ledger: Ledger) -> None:
    examples = [example(0), example(1), example(1, cited=False)]
    asyncio.run(lessons.prepare(run, examples))
    read = {one.example_id: one.right for one in ledger.all(Reading)}
    assert read == {examples[0].id: True, examples[1].id: False}
    taught, *others = lessons.samples(run, examples)
    assert not any(sample.teacher for sample in others)
    shown = taught.teacher[-1].content
    assert "Lamp 0: hall 0." in shown and examples[0].completion in shown
    assert taught.prompt == examples[0].prompt and taught.completion == examples[0].completion
    calls = ledger.usage()[0]
    asyncio.run(lessons.prepare(run, examples))  # after a kill, or in the next round
    assert ledger.usage()[0] == calls


@pytest.mark.parametrize("objective", ["distil", "dpo"])
def test_a_run_trains_by_its_objective(
    objective: str, trained_pool: Path, elenchus, tmp_path: Path
) -> None:
    settings = (f"training.objective={objective}", "training.least_steps=2", "exam.questions=8",
                "exam.general=2", "adaptation.examples=[5, 9]")  # fmt: skip
    small = [part for setting in settings for part in ("--set", setting)]
    ended = elenchus("launch", trained_pool, "--runs", tmp_path / "runs", *small)
    assert ended.code == 0, ended.err
    (folder,) = runs.listed(tmp_path / "runs")
    ledger = Ledger(folder.ledger, read_only=True)
    examples, adapters = ledger.count(Example), ledger.all(Adapter)
    readings = ledger.count(Reading)
    ledger.close()
    assert bool(readings) == (objective == "distil")
    rows = (folder.dataset / "pairs.jsonl").read_text("utf-8").splitlines()
    assert 0 < len(rows) <= examples
    row = json.loads(rows[0])
    assert row["chosen"] != row["rejected"] and row["prompt"][-1]["role"] == "user"
    first = [a for a in adapters if (folder.path / f"{a.path}-examples").exists()]
    assert bool(first) == (objective == "dpo" and bool(adapters))
