"""A talk with the students of a finished run: real weights among mocks."""

import asyncio
import io
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from elenchus import runs
from elenchus.cli import conversation
from elenchus.cli.conversation import converse, picture
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import Complaint
from elenchus.progress import Unseen
from elenchus.records import Question
from graphs.chatting import ADAPTED, UNTOUCHED, Talk
from graphs.config import DomainConfig, of_run
from graphs.services import Services
from tests.conftest import ROOT
from tests.server.app import MODEL, Server, serving

QUESTION = "My bathing cap is wet: by when do I have to hand it back?"
LESSONS = "For how long may I have a diving lesson?"


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> runs.RunFolder:
    """A copy of a finished run, to write in."""
    path = tmp_path / "runs" / "pool" / trained_run.name
    shutil.copytree(trained_run, path)
    return runs.RunFolder(path)


@pytest.fixture
def teaching(run: runs.RunFolder, monkeypatch: pytest.MonkeyPatch) -> runs.RunFolder:
    """The same, all of whose points are taught."""
    changed(monkeypatch, questions={"untaught": 0})
    return run


def changed(monkeypatch: pytest.MonkeyPatch, **sections: Any) -> None:
    """Let runs have other settings than their run.yaml."""

    def other(run: runs.RunFolder, caps: dict[str, Any] | None = None) -> DomainConfig:
        tree = of_run(run, caps).model_dump(mode="json", exclude={"profiles"})
        both = {k: v if k == "student" else tree[k] | v for k, v in sections.items()}
        return DomainConfig.model_validate(tree | both)

    monkeypatch.setattr("graphs.chatting.of_run", other)


def said(talk: Talk, *lines: str, width: int = 0) -> str:
    """Return what a talk of these lines shows; on a terminal where it has a width."""
    file = io.StringIO()
    terminal = {"force_terminal": True, "width": width} if width else {"soft_wrap": True}
    converse(talk, lines, Console(file=file, highlight=False, markup=False, **terminal))
    return file.getvalue()


def in_exam(run: runs.RunFolder, question: str) -> list[str]:
    """Return what both students answer to a question of an exam."""
    services = Services(run, of_run(run), run.domain_folder(), Ledger(run.ledger), Unseen())

    async def both() -> list[str]:
        students = [services.examinee(adapter) for adapter in ("", "adapters/round-2")]
        return [(await student.answer(question))[0].text for student in students]

    try:
        return asyncio.run(both())
    finally:
        services.close()


def test_both_students_answer_as_in_an_exam(run: runs.RunFolder) -> None:
    untouched, adapted = in_exam(run, QUESTION)
    assert untouched != adapted
    shown = said(Talk(run), QUESTION)
    assert shown == f"{UNTOUCHED}:\n{untouched}\n\n{ADAPTED}:\n{adapted}\n\n"


def test_a_question_without_the_prompt_of_the_run(
    run: runs.RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    answer = "models.pairs.Pair.written"
    monkeypatch.setattr(answer, lambda self, messages, *more: asked.append(messages) or iter(()))
    said(Talk(run), QUESTION)
    said(Talk(run, free=True), QUESTION)
    with_prompt, free = asked[0], asked[2]
    assert [message["role"] for message in with_prompt] == ["system", "user"]
    assert free == [{"role": "user", "content": QUESTION}]


def test_a_warm_student_draws_its_answers(run: runs.RunFolder) -> None:
    once, again = (said(Talk(run, temperature=2.0), QUESTION) for _ in range(2))
    assert once != again


def test_commands_within(teaching: runs.RunFolder) -> None:
    lines = ["/expert", "", "/nonsense", "/help", LESSONS, "/passages", "/expert", "/expert"]
    shown = said(Talk(teaching), *lines, "/keep an hour\tis too long", "/quit", QUESTION)
    ask_first, shown = shown.split("\n", 1)
    assert ask_first == "ask the students something first"
    assert (
        "type a question, or /help\nthere is no command /nonsense: /help lists them\n/ex" in shown
    )
    assert "1. Part 1. The pool > 1.2 Lanes\nA diving lesson must not exceed 45 minutes." in shown
    assert (
        "“A diving lesson must not exceed 45 minutes.”\n  Part 1. The pool > 1.2 Lanes\n" in shown
    )
    assert "(1 call, " in shown and "(from the run's records: nothing was paid)" in shown
    assert "kept; it is about: A diving lesson must not exceed 45 minutes." in shown
    assert f"elenchus update {teaching.id} --runs" in shown
    assert shown.count(f"{UNTOUCHED}:") == 1, "nothing comes after /quit"
    with closing(Ledger(teaching.ledger, read_only=True)) as ledger:
        (complaint,) = ledger.all(Complaint)
        assert LESSONS not in {q.text for q in ledger.all(Question)}, "it is asked in another run"
    assert (complaint.question, complaint.note) == (LESSONS, "an hour\tis too long")
    assert complaint.answer in shown and complaint.adapter == "adapters/round-2"


def test_a_question_that_cannot_be_kept_ends_nothing(teaching: runs.RunFolder) -> None:
    shown = said(Talk(teaching), "What is the capital of France?", "/keep", LESSONS, "/keep")
    assert "the documents do not seem to cover this" in shown
    assert "kept; it is about: A diving lesson" in shown


def test_an_expert_without_a_key_or_a_budget_ends_nothing(
    run: runs.RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = said(Talk(run, caps={"calls": 1}), LESSONS, "/expert", "/help")
    assert "budget.calls is used up" in shown and "/help" in shown
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    changed(monkeypatch, expert={"model": "openai:gpt-4.1"})
    shown = said(Talk(run), LESSONS, "/expert", "/help")
    assert "openai:gpt-4.1 needs a key: set OPENAI_API_KEY" in shown and "/help" in shown


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_an_answer_and_not_the_talk(run: runs.RunFolder) -> None:
    talk = Talk(run)
    answer = talk.answer

    async def interrupted(question: str, hears: Callable[[int, str], None]) -> Any:
        def hears_enough(n: int, text: str) -> None:
            hears(n, text)
            if len(text) > 10:
                signal.raise_signal(signal.SIGINT)

        return await answer(question, hears_enough if question == LESSONS else hears)

    talk.answer = interrupted  # type: ignore[method-assign]
    whole = in_exam(run, LESSONS)[0]
    shown = said(talk, LESSONS, QUESTION)
    first, rest = shown.split("(ended)\n")
    assert whole not in first and whole[:10] in first
    assert f"{ADAPTED}:\n" in rest


def test_answers_stand_side_by_side_where_there_is_room(
    run: runs.RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "PAUSE", 0)
    wide, narrow = (said(Talk(run), QUESTION, width=width) for width in (120, 80))
    heads = [line for line in wide.splitlines() if UNTOUCHED in line]
    assert all(ADAPTED in line for line in heads)
    assert len(heads) > 5, "it is drawn anew as the answers grow"
    assert not [line for line in narrow.splitlines() if UNTOUCHED in line and ADAPTED in line]
    assert ADAPTED in narrow


def test_what_models_say_is_shown_and_never_obeyed() -> None:
    for width in (120, 60):
        console = Console(file=io.StringIO(), width=width, markup=False)
        console.print(picture((UNTOUCHED, ADAPTED), ("\x1b[2Jno [red]", "a\x07b"), width))
        text = console.file.getvalue()  # type: ignore[attr-defined]
        assert "\x1b" not in text and "\x07" not in text
        assert "[2Jno [red]" in text


def test_a_talk_by_another_program(run: runs.RunFolder) -> None:
    command = [sys.executable, "-m", "elenchus", "chat", run.id[:13], "--runs"]
    done = subprocess.run(
        [*command, str(run.path.parent.parent)],
        input=f"/help\n{QUESTION}\n".encode() + b"\xff\xfe?\n",
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    out = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert out.startswith(f"{run.id}: {UNTOUCHED} and {ADAPTED}. /help lists commands.\n/expert")
    assert out.count(f"{ADAPTED}:\n") == 2
    assert b"\x1b" not in done.stdout


def test_one_question(run: runs.RunFolder, elenchus) -> None:
    untouched, adapted = in_exam(run, QUESTION)
    given = ("chat", run.id, "--ask", QUESTION, "--runs", run.path.parent.parent)
    end = elenchus(*given)
    assert end.code == 0 and end.out.endswith(f"{ADAPTED}:\n{adapted}\n\n")
    end = elenchus(*given, "--json")
    assert end.json == {
        "run": run.id,
        "adapter": "adapters/round-2",
        "question": QUESTION,
        "untouched": untouched,
        "adapted": adapted,
        "kept_about": None,
    }


def test_what_is_no_text_is_asked_and_kept_as_one(
    teaching: runs.RunFolder, elenchus, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("--keep", "--note", "caf\udce9\x1b[2J", "--runs", teaching.path.parent.parent)
    for more in ((), ("--json",)):
        end = elenchus("chat", teaching.id, "--ask", f"{LESSONS[:-1]}, \udce9?", *given, *more)
        assert end.code == 0, end.err
    with closing(Ledger(teaching.ledger, read_only=True)) as ledger:
        (complaint,) = ledger.all(Complaint)
    assert complaint.question.endswith("lesson, \ufffd?") and complaint.note == "caf\ufffd\ufffd[2J"


def test_words_between_colons_are_no_pictures(
    run: runs.RunFolder, elenchus, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = SimpleNamespace(statement="Caps :warning: are [red]due[/red].")
    monkeypatch.setattr(Talk, "keep", lambda self, note: (point, 1.0))
    end = elenchus("chat", run.id, "--ask", QUESTION, "--keep", "--runs", run.path.parent.parent)
    assert "it is about: Caps :warning: are [red]due[/red].\n" in end.out


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_a_talk_that_another_program_holds(run: runs.RunFolder) -> None:
    command = [sys.executable, "-m", "elenchus", "chat", run.id, "--runs"]
    process = subprocess.Popen(
        [*command, str(run.path.parent.parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    assert process.stdout is not None and process.stdin is not None
    process.stdout.readline()
    process.stdin.write("/help\n")
    process.stdin.flush()
    while "/quit" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    for stream in (process.stdin, process.stdout, process.stderr):
        assert stream is not None
        stream.close()


def test_one_question_is_kept(teaching: runs.RunFolder, elenchus) -> None:
    root = teaching.path.parent.parent
    kept = ("--keep", "--note", "forty-five minutes", "--json", "--runs", root)
    end = elenchus("chat", teaching.id, "--ask", LESSONS, *kept)
    assert end.code == 0 and end.json["kept_about"].startswith("A diving lesson")
    end = elenchus("chat", teaching.id, "--ask", "What is the capital of France?", *kept)
    assert end.code == 2 and end.json["kept_about"] is None and "not seem to cover" in end.err
    with closing(Ledger(teaching.ledger, read_only=True)) as ledger:
        assert [c.note for c in ledger.all(Complaint)] == ["forty-five minutes"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("--json",), r"go with one question"),
        (("--ask", " "), r"--ask is empty"),
        (("--ask", "x", "--note", "y"), r"--note goes with --keep"),
        (("--ask", "why " * 3000), r"cannot be asked: the prompt has"),
        (("--budget", "tea=1"), r"budget.tea"),
    ],
)
def test_what_cannot_be_asked(
    run: runs.RunFolder, elenchus, given: Sequence[str], why: str
) -> None:
    end = elenchus("chat", run.id, *given, "--runs", run.path.parent.parent)
    assert end.code == 2 and re.search(why, end.err), end.err


def test_a_run_that_has_nobody_to_talk_with(
    run: runs.RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = json.loads(run.result.read_text("utf-8"))
    run.result.write_text(json.dumps(result | {"adapter": ""}), "utf-8")
    with pytest.raises(UserError, match=r"trained no adapter .* training.enabled=true"):
        Talk(run)
    run.result.write_text(json.dumps(result), "utf-8")
    with monkeypatch.context() as patch:
        changed(patch, student={"model": f"hf:{run.path / 'nowhere'}"})
        with pytest.raises(UserError, match=r"is no folder of a model"):
            Talk(run)
    weights = run.path / result["adapter"] / "adapter_model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserError, match=r"round-2 has other weights"):
        Talk(run)
    shutil.rmtree(run.path / result["adapter"])
    with pytest.raises(UserError, match=r"round-2 is missing"):
        Talk(run)
    run.result.unlink()
    with pytest.raises(UserError, match=r"is not finished.*elenchus resume"):
        Talk(run)


def test_a_student_on_a_server_is_alone(
    run: runs.RunFolder, elenchus, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = json.loads(run.result.read_text("utf-8"))
    run.result.write_text(json.dumps(result | {"adapter": ""}), "utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{QUESTION}\n"))
    with serving(Server()) as url:
        changed(monkeypatch, student={"model": f"openai:{MODEL}", "base_url": url})
        end = elenchus("chat", run.id, "--runs", run.path.parent.parent)
    assert end.code == 0, end.err
    assert f"{UNTOUCHED}. It is alone: the run has no adapter. /help" in end.out
    assert f"{UNTOUCHED}:\nI cannot tell.\nAnswer: unknown.\n" in end.out
    assert ADAPTED not in end.out
    with closing(Ledger(run.ledger, read_only=True)) as ledger:
        assert ("student", f"openai:{MODEL}", 1, 40, 8) in ledger.spent()
