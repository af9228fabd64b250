"""`elenchus chat`: questions to the students of a run, before and after its training."""

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from elenchus.cli import options
from elenchus.errors import UserError
from elenchus.printing import printable

if TYPE_CHECKING:
    from graphs.chatting import Talk


def chat(
    run: options.Run,
    question: Annotated[str | None, typer.Option("--ask", help="one question, and no talk")] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="with --ask: keep it, for the next run to ask")
    ] = False,
    note: Annotated[str, typer.Option(help="with --keep: what is wrong with the answer")] = "",
    free: Annotated[
        bool, typer.Option("--free", help="the question alone, without the prompt of the run")
    ] = False,
    temperature: Annotated[
        float, typer.Option(min=0, help="of the students; at 0 they give the likeliest answer")
    ] = 0.0,
    budget: Annotated[
        list[str] | None, typer.Option(help="of the talk, as cap=value, for instance usd=20")
    ] = None,
    root: options.Root = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Ask the untouched and the adapted student of a finished run the same, and read both answers.

    Questions that the adapted one answers badly are kept for the next run; the run's expert gives
    its cited answer.
    """
    from elenchus import runs
    from elenchus.loading import as_change, merged

    if question is None and (keep or note or as_json):
        raise UserError('--keep, --note and --json go with one question: --ask "…"')
    if note and not keep:
        raise UserError("--note goes with --keep")
    if question is not None and not question.strip():
        raise UserError("--ask is empty: give a question")
    folder = runs.find(root, run)
    caps = merged(*map(as_change, budget or []))
    from elenchus.cli.conversation import converse, screen, typed
    from graphs.chatting import Talk

    console = screen()
    with runs.explained(folder.path):
        talk = Talk(folder, temperature, free, caps)
        if question is not None:
            asked = printable(question.strip())
            _once(talk, asked, console, printable(note) if keep else None, as_json)
            return
        alone = "" if talk.adapter else " It is alone: the run has no adapter."
        console.print(f"{folder.id}: {' and '.join(talk.names)}.{alone} /help lists commands.")
        converse(talk, typed("> ", console), console, by_hand=sys.stdin.isatty())


def _once(talk: "Talk", question: str, console: Any, note: str | None, as_json: bool) -> None:
    """Ask one question, print the answers, and keep the question where there is a note on it."""
    from elenchus.cli.conversation import ask, kept, silent

    with asyncio.Runner() as runner:
        try:
            if not as_json:
                ask(talk, question, console, runner)
                if note is not None:
                    console.print(kept(talk, note))
                return
            runner.run(talk.answer(question, silent(talk.names)))
            about, refused = _kept(talk, note) if note is not None else (None, None)
            print(json.dumps(_as_json(talk, about), ensure_ascii=False))
            if refused is not None:
                raise refused
        finally:
            runner.run(talk.close())


def _kept(talk: "Talk", note: str) -> tuple[str | None, UserError | None]:
    """Keep the question; return what it is about, or why it is not kept."""
    try:
        return talk.keep(note).point.statement, None
    except UserError as refused:
        return None, refused


def _as_json(talk: "Talk", about: str | None) -> dict[str, Any]:
    assert talk.last is not None
    untouched, *adapted = talk.last.answers
    return {
        "run": talk.run.id,
        "adapter": talk.adapter,
        "question": talk.last.question,
        "untouched": untouched,
        "adapted": adapted[0] if adapted else None,
        "kept_about": about,
    }
