"""`elenchus review`: a person accepts, corrects or rejects the examples of a run."""

import getpass
import json
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from elenchus.cli import options
from elenchus.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from elenchus.ledger import Ledger
    from elenchus.outcomes import Action, Correction
    from elenchus.questions import AnswerForm
    from graphs.adaptation.reviewing import Case


class Program(StrEnum):
    """Where else examples are reviewed."""

    ARGILLA = "argilla"
    LABEL_STUDIO = "label-studio"


ANSWERS: dict[str, "Action"] = {"a": "accept", "c": "correct", "r": "reject"}
MENU = "accept (a), correct (c), reject (r), skip (s), quit (q)"


def review(
    run: options.Run,
    sample: Annotated[
        int | None,
        typer.Option(help="look at so many drawn at random, which tell how many are wrong"),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="show those that are decided on as well")
    ] = False,
    reviewer: Annotated[str | None, typer.Option(help="whose decisions these are")] = None,
    exported: Annotated[
        Path | None, typer.Option("--export", help="write the examples for --format instead")
    ] = None,
    imported: Annotated[
        Path | None, typer.Option("--import", help="keep the decisions of a file of --format")
    ] = None,
    program: Annotated[
        Program | None, typer.Option("--format", help="argilla or label-studio")
    ] = None,
    root: options.Root = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Accept, correct or reject the examples of a run, the most doubtful first.

    Decisions are kept at once. A run that waits for them goes on with `elenchus resume`; of any
    other, `elenchus update` and `elenchus launch --reuse` obey them.
    """
    from elenchus import runs
    from elenchus.ledger import Ledger
    from graphs.adaptation import reviewing
    from graphs.config import of_run

    folder = runs.find(root, run)
    if not folder.ledger.exists():
        raise UserError(f"run {folder.id} stopped before it asked anything: nothing to review")
    if sample is not None and sample < 1:
        raise UserError(f"--sample is {sample}: one example or more is looked at")
    if (exported or imported) and program is None:
        raise UserError("--export and --import need --format argilla or --format label-studio")
    with closing(Ledger(folder.ledger)) as ledger:
        order: Literal["doubt", "random"] = "doubt" if sample is None else "random"
        cases = reviewing.cases(ledger, order)
        if not cases:
            raise UserError(f"run {folder.id} has no dataset yet: nothing to review")
        form = of_run(folder).answer_form
        if program is not None and (exported or imported):
            _exchange(ledger, form, program, exported, imported, reviewer or "")
            return
        if as_json:
            print(json.dumps([_as_json(case, ledger) for case in cases], ensure_ascii=False))
            return
        shown = cases if sample is None else cases[:sample]
        waiting = [case for case in shown if again or case.decision is None]
        _ask(ledger, form, waiting, reviewer or _user(), sampled=sample is not None)
        _conclude(reviewing.cases(ledger), folder.command("resume"), folder.result.exists())


def _user() -> str:
    """Return the name of whoever is at the terminal."""
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:  # the system has no name, as in some containers
        raise UserError("a decision needs a name: give yours with --reviewer") from error


def _exchange(
    ledger: "Ledger",
    form: "AnswerForm",
    program: Program,
    exported: Path | None,
    imported: Path | None,
    reviewer: str,
) -> None:
    """Take decisions over from another program, and write the examples for it."""
    from graphs.adaptation import exchange
    from graphs.adaptation.reviewing import cases, in_words, summary

    if imported is not None:
        kept = exchange.take_over(ledger, form, imported, program.value, reviewer)
        print(f"{len(kept)} new decisions. {in_words(summary(cases(ledger)))}")
    if exported is not None:
        count = exchange.export(ledger, exported, program.value)
        print(f"{count} examples in {exported.as_posix()}")


def _ask(
    ledger: "Ledger", form: "AnswerForm", cases: "Sequence[Case]", reviewer: str, sampled: bool
) -> None:
    """Show each example and keep what is decided, until there are no more or it is enough."""
    from rich.console import Console

    from graphs.trace import WIDTH

    console = Console(width=WIDTH, highlight=False)
    for number, case in enumerate(cases, 1):
        _show(console, ledger, case, f"example {number} of {len(cases)}")
        while (answer := _key()) in ANSWERS:
            try:
                if _decided(ledger, form, case, ANSWERS[answer], reviewer, sampled):
                    break
            except UserError as error:
                console.print(str(error), style="red", markup=False)
        if answer == "q":
            return


def _decided(
    ledger: "Ledger",
    form: "AnswerForm",
    case: "Case",
    action: "Action",
    reviewer: str,
    sampled: bool,
) -> bool:
    """Keep a decision; False where a correction was given up."""
    from graphs.adaptation.reviewing import decide

    corrected = _edited(case, ledger) if action == "correct" else None
    if action == "correct" and corrected is None:
        return False
    reason = "" if action == "accept" else typer.prompt("reason", default="", show_default=False)
    decide(ledger, form, case.example, action, reviewer, reason, sampled, corrected)
    return True


def _key() -> str:
    """Ask until one of the menu's letters is given."""
    while True:
        answer = str(typer.prompt(MENU)).strip().lower()[:1]
        if answer in (*ANSWERS, "s", "q"):
            return answer


def _show(console: "Console", ledger: "Ledger", case: "Case", title: str) -> None:
    """Print an example with its turn, and the passages that it rests on in full."""
    from elenchus.records import Examination, Passage, Turn
    from graphs.adaptation.trace import show_turn
    from graphs.trace import say

    example, decision = case.example, case.decision
    turn = ledger.get(Turn, example.turn_id)
    console.print(f"\n{title}: {example.id}", style="bold")
    turns = ledger.get(Examination, example.examination_id).turn_ids
    show_turn(console, ledger, turn, turns.index(turn.id) + 1)
    for passage_id in example.passage_ids:
        passage = ledger.get(Passage, passage_id)
        heading = " > ".join((passage.title or passage.source, *passage.heading))
        say(console, "passage", f"{passage.id}, {heading}\n{passage.text}", style="dim")
    if decision is not None:
        said = f"{decision.action} by {decision.reviewer}"
        say(console, "decided", f"{said}: {decision.reason}" if decision.reason else said)
        if decision.corrected is not None:
            say(console, "corrected", decision.corrected.question)
            say(console, "", decision.corrected.completion)


def _edited(case: "Case", ledger: "Ledger") -> "Correction | None":
    """Let the person edit question, answer and citations; None where nothing was changed.

    Raises:
        UserError: what was written cannot be read.
    """
    import click
    import yaml
    from pydantic import ValidationError

    from elenchus import strict_yaml
    from elenchus.outcomes import Correction
    from elenchus.records import Turn

    cited = ledger.get(Turn, case.example.turn_id).expert[0].citations
    earlier = case.decision.corrected if case.decision else None
    before = {
        "question": earlier.question if earlier else case.example.prompt[-1].content,
        "completion": earlier.completion if earlier else case.example.completion,
        "citations": [one.model_dump() for one in (earlier and earlier.citations) or cited],
    }
    shown = yaml.safe_dump(before, allow_unicode=True, sort_keys=False)
    text = click.edit(shown, extension=".yaml")
    if text is None:
        return None
    try:
        return Correction.model_validate(strict_yaml.parse(text, "the correction"))
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _conclude(cases: "Sequence[Case]", resume: str, finished: bool) -> None:
    """Print what is decided by now, and how the run goes on."""
    from graphs.adaptation.reviewing import in_words, summary

    print(in_words(summary(cases)))
    if not finished:
        print(f"`{resume}` goes on with what you left.")


def _as_json(case: "Case", ledger: "Ledger") -> dict[str, object]:
    from elenchus.records import Turn

    decision = case.decision
    return {
        "example": case.example.model_dump(mode="json") | {"id": case.example.id},
        "turn": ledger.get(Turn, case.example.turn_id).model_dump(mode="json"),
        "decision": decision and decision.model_dump(mode="json"),
    }
