"""What any student can do before: its general exam, and its own answers that are replayed."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from langchain_core.messages import BaseMessage

from agents.student import Student
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import ExamItem, Kept, Replay
from elenchus.progress import Unseen
from elenchus.records import Gold, Message
from elenchus.runs import RunFolder
from graphs import general
from graphs.config import DomainConfig
from graphs.exams import given, run_exam
from graphs.services import Services
from models import mock
from models.backend import backend
from models.general import SHIPPED, GeneralPrompts, read
from offline.nano.chat import WEIGHTS
from tests.training.test_lora import train

ROWS = [
    {"prompt": "What is 1 + 1?", "answer": "2"},
    {"prompt": "Say hello."},
    {"prompt": "The capital of France?", "answer": ["paris", "Paris, France"]},
    {"prompt": "Tell me a story."},
    {"prompt": "Sing."},
    {"prompt": "Name a colour.", "answer": "red"},
]


@pytest.fixture
def made(tmp_path: Path, ledger: Ledger) -> Callable[..., Services]:
    """Makes the services of a run whose student knows no capital, and tells no story."""

    def answer(messages: Sequence[BaseMessage]) -> str:
        said = {"Tell me a story.": "", "What is 1 + 1?": "It is 2."}
        return said.get(messages[-1].text, f"Well: {messages[-1].text}")

    mock.register("general", answer)
    (tmp_path / "general.jsonl").write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")

    def services(**training: float) -> Services:
        tree = {
            "domain": "d",
            "title": "t",
            "student": {"model": "mock:general"},
            "exam": {"general_prompts": "general.jsonl"},
            "training": training,
        }
        config = DomainConfig.model_validate(tree)
        return Services(RunFolder(tmp_path), config, tmp_path, ledger, Unseen())

    return services


def test_the_shipped_prompts_are_three_hundred_of_many_kinds() -> None:
    prompts = read(SHIPPED)
    assert len(prompts) == 300
    halves = prompts[::2], prompts[1::2]
    for half in halves:
        assert len({one.kind for one in half}) == 13
        assert sum(bool(one.answer) for one in half) > 75


def test_exam_and_replay_have_no_prompt_together() -> None:
    prompts = GeneralPrompts()
    exam, replay = prompts.exam(1000, 0), prompts.unanswered()
    assert len(exam) > 75 and len(replay) == 150
    assert not {messages for messages, _ in exam} & set(replay)
    assert prompts.exam(20, 1) == prompts.exam(20, 1) != prompts.exam(20, 2)


def test_what_can_be_matched_is_the_exam(made: Callable[..., Services], ledger: Ledger) -> None:
    run = made()
    ledger.write(*given(run))
    items = ledger.all(ExamItem, exam="general")
    assert sorted(item.gold.result for item in items) == ["2", "paris | Paris, France"]
    assert asyncio.run(run_exam(run, "general", 0, "")) == 0.5
    assert ledger.usage()[0] == 2  # the student's; no model grades


def test_the_students_own_answers_are_replayed(
    made: Callable[..., Services], ledger: Ledger
) -> None:
    run = made(replay=1.0)
    asyncio.run(general.prepare(run, 1.0))
    kept = {r.prompt[-1].content: r.completion for r in ledger.all(Replay)}
    assert kept == {text: f"Well: {text}" for text in ("Say hello.", "Name a colour.")}
    samples = general.samples(run, 10, 1)
    assert {s.prompt[-1].content: s.completion for s in samples} == kept
    assert len(general.samples(run, 1, 1)) == 1
    calls = ledger.usage()[0]
    asyncio.run(general.prepare(run, 1.0))  # after a kill
    assert ledger.usage()[0] == calls


def test_without_replay_nobody_is_asked(made: Callable[..., Services], ledger: Ledger) -> None:
    for run, share in ((made(), 0.0), (made(enabled=False), 1.0)):
        asyncio.run(general.prepare(run, share))
        assert not ledger.count(Replay) and not general.samples(run, 5, 1)
    assert general.sizes(made().config, made().domain_folder, 1.0) == (2, 0, 3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "two prompts at least"),
        ('{"prompt": "a"}\n{"prompt": "a"}', "each once"),
        ('{"prompt": "a"}\n{"question": "b"}', "line 2"),
        ("[]\nx", "line 1"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "general.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=reason):
        read(path)
    with pytest.raises(UserError, match="cannot read"):
        read(tmp_path / "missing.jsonl")


def test_models_of_transformers_have_the_shipped_prompts() -> None:
    known = backend("hf:any").general(DomainConfig(domain="d", title="t").student)
    assert known is not None and known.grader == "contains" and len(known.unanswered()) == 150


def test_what_cannot_be_matched_is_measured_by_its_likelihood(
    tmp_path: Path, ledger: Ledger
) -> None:
    """Of a student that was trained on something else, its own answers are less likely."""
    (tmp_path / "general.jsonl").write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    tree = {
        "domain": "d",
        "title": "t",
        "student": {"model": f"hf:{WEIGHTS}", "options": {"max_new_tokens": 99}},
        "exam": {"general_prompts": "general.jsonl"},
    }
    run = Services(
        RunFolder(tmp_path), DomainConfig.model_validate(tree), tmp_path, ledger, Unseen()
    )
    train(run.folder.adapter(1))
    for _ in range(2):  # again after a kill
        asyncio.run(general.measure(run, 1, "adapters/round-1"))
        (kept,) = ledger.all(Kept)
    assert kept.prompt[-1].content == "Sing." and kept.completion
    assert kept.after < kept.before < 0
    assert general.opened(run.config, tmp_path) == [kept.prompt]


def test_answers_on_the_domain_are_no_longer_than_twice_the_experts(
    tmp_path: Path, ledger: Ledger
) -> None:
    """Those to general prompts may be of any length."""
    tree = {"domain": "d", "title": "t", "student": {"model": f"hf:{WEIGHTS}"}}
    config = DomainConfig.model_validate(tree)
    run = Services(RunFolder(tmp_path), config, tmp_path, ledger, Unseen())
    usual = backend(config.student.model).max_new_tokens(config.student)

    def longest(student: Student) -> int | None:
        return backend(config.student.model).max_new_tokens(student._caller.config)

    assert longest(run.student("")) == longest(run.examinee("")) == usual
    gold = Gold(text="The lamp is in the hall. " * 10, result="the hall")
    asked = Message(role="user", content="Where?")
    ledger.write(ExamItem(exam="held-out", kind="recall", prompt=(asked,), gold=gold))
    assert longest(run.student("")) == longest(run.examinee("")) == 192
    assert longest(run.examinee("", brief=False)) == usual
