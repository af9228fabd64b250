"""Examples to review in other programs, and what people decided there, as their files have it.

Argilla reads and writes records as JSON (`dataset.records.from_json`, `to_json`), Label Studio
tasks with annotations. What is decided already goes out as a suggestion or a prediction.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ValidationError

from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import ACTIONS, Correction, Decision, Example
from elenchus.questions import AnswerForm
from elenchus.records import Passage
from graphs.adaptation.reviewing import Case, cases, check, decide
from publishing.formats import argilla_record

Format = Literal["argilla", "label-studio"]
LABELS = """<View>
  <Header value="Question"/><Text name="question" value="$question"/>
  <Header value="Answer"/><Text name="answer" value="$answer"/>
  <Header value="Passages"/><Text name="passages" value="$passages"/>
  <Choices name="decision" toName="question" choice="single" required="true">
    <Choice value="accept"/><Choice value="correct"/><Choice value="reject"/>
  </Choices>
  <Header value="Reason"/><TextArea name="reason" toName="question" maxSubmissions="1"/>
  <Header value="Corrected question"/>
  <TextArea name="corrected_question" toName="question" value="$question" maxSubmissions="1"/>
  <Header value="Corrected answer"/>
  <TextArea name="corrected_answer" toName="answer" value="$answer" maxSubmissions="1"/>
</View>
"""


class Taken(NamedTuple):
    """A decision that somebody took in another program; corrected texts are "" where none is."""

    example_id: str
    action: str
    reviewer: str
    reason: str = ""
    question: str = ""
    answer: str = ""


def export(ledger: Ledger, path: Path, program: Format) -> int:
    """Write the examples of a run's newest dataset for a program; return how many there are.

    Beside a file for Label Studio lies its labelling interface, with the ending .xml.

    Raises:
        UserError: the file itself has this ending.
    """
    from elenchus.runs import write_atomic

    if path.suffix == ".xml":
        raise UserError(f"{path} has the ending of the labelling interface: give another, as .json")
    found = cases(ledger)
    write = _argilla if program == "argilla" else _label_studio
    rows = [write(case, _passages(ledger, case.example)) for case in found]
    write_atomic(path, json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
    if program == "label-studio":
        write_atomic(path.with_suffix(".xml"), LABELS)
    return len(rows)


def take_over(
    ledger: Ledger, form: AnswerForm, path: Path, program: Format, reviewer: str = ""
) -> list[Decision]:
    """Keep what people decided in another program; return the decisions that are new.

    All are checked before the first is kept.

    Args:
        reviewer: whose decisions they are; else each is of whom the file names.

    Raises:
        UserError: the file is none of the program's, names an example that the run has not, or
            holds a decision that cannot be kept (`graphs.adaptation.reviewing.decide`).
    """
    read = _from_argilla if program == "argilla" else _from_label_studio
    known = {case.example.id: case for case in cases(ledger)}
    said = _said_last(ledger)
    wanted: dict[tuple[str, str], tuple[Example, Taken, Correction | None]] = {}
    for number, one in enumerate(_taken(path, program, read), 1):
        where = f"{path}, decision {number}"
        case = known.get(one.example_id)
        if case is None:
            raise UserError(f"{where}: the run has no example {one.example_id!r} to review")
        if one.action not in ACTIONS:
            raise UserError(f"{where}: {one.action!r} is none of {', '.join(ACTIONS)}")
        name = reviewer or one.reviewer
        corrected = _correction(one, case.example)
        try:
            corrected = check(ledger, form, case.example, one.action, name, corrected)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
        # Of several decisions of one person on an example, the last is meant.
        wanted.pop(by := (one.example_id, name.strip()), None)
        if said.get(by) != (one.action, one.reason.strip(), corrected):
            wanted[by] = case.example, one, corrected
    return [
        decide(ledger, form, example, one.action, name, one.reason, corrected=corrected)  # type: ignore[arg-type]  # was checked
        for (_, name), (example, one, corrected) in wanted.items()
    ]


def _taken(
    path: Path, program: str, read: Callable[[dict[str, Any]], Iterator[Taken]]
) -> Iterator[Taken]:
    """Yield the decisions of a file."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    for number, row in enumerate(rows if isinstance(rows, list) else [rows], 1):
        try:
            yield from read(row)
        except (ValidationError, AttributeError, TypeError, KeyError) as error:
            raise UserError(
                f"{path}, row {number}: this is not as {program} writes it: export it as JSON there"
            ) from error


def _correction(one: Taken, example: Example) -> Correction | None:
    if one.action != "correct":
        return None
    return Correction(
        question=one.question or example.prompt[-1].content,
        completion=one.answer or example.completion,
    )


def _said_last(
    ledger: Ledger,
) -> dict[tuple[str, str], tuple[str, str, Correction | None]]:
    """Return what each person decided on each example last, so that nothing is taken over twice."""
    decisions = sorted(ledger.all(Decision), key=lambda one: one.number)
    return {(d.example_id, d.reviewer): (d.action, d.reason, d.corrected) for d in decisions}


def _passages(ledger: Ledger, example: Example) -> str:
    passages = [ledger.get(Passage, i) for i in example.passage_ids]
    return "\n\n".join(f"[{' > '.join((p.title, *p.heading))}]\n{p.text}" for p in passages)


def _argilla(case: Case, passages: str) -> dict[str, Any]:
    example, decision = case.example, case.decision
    return argilla_record(
        example.id,
        example.prompt[-1].content,
        example.completion,
        passages,
        {"kind": example.kind, "round": example.round, "gap": example.weight},
        (decision.action, decision.reviewer) if decision else None,
    )


class _Response(BaseModel):
    """An answer to a question of Argilla's."""

    value: str
    user_id: str
    status: str | None = None


def _from_argilla(row: dict[str, Any]) -> Iterator[Taken]:
    """Yield one decision of each person who responded; drafts are none."""
    answers: dict[str, dict[str, str]] = {}
    for question, responses in row["responses"].items():
        for response in map(_Response.model_validate, responses):
            if response.status in (None, "submitted"):
                answers.setdefault(response.user_id, {})[question] = response.value
    for user, said in answers.items():
        if "decision" in said:
            yield _of(str(row["id"]), user, said)


def _label_studio(case: Case, passages: str) -> dict[str, Any]:
    example, decision = case.example, case.decision
    chosen = decision and {
        "from_name": "decision",
        "to_name": "question",
        "type": "choices",
        "value": {"choices": [decision.action]},
    }
    return {
        "data": {
            "example_id": example.id,
            "question": example.prompt[-1].content,
            "answer": example.completion,
            "passages": passages,
            "kind": example.kind,
        },
        "predictions": [{"model_version": decision.reviewer, "result": [chosen]}]
        if decision
        else [],
    }


class _Region(BaseModel):
    """A part of an annotation of Label Studio's."""

    from_name: str
    value: dict[str, Any]

    @property
    def text(self) -> str:
        values: Sequence[str] = self.value.get("choices") or self.value.get("text") or [""]
        return values if isinstance(values, str) else str(values[0])


def _from_label_studio(row: dict[str, Any]) -> Iterator[Taken]:
    """Yield one decision of each annotation; those that were cancelled are none."""
    for annotation in row["annotations"]:
        said = {r.from_name: r.text for r in map(_Region.model_validate, annotation["result"])}
        if annotation.get("was_cancelled") or "decision" not in said:
            continue
        by = annotation.get("completed_by", "")
        yield _of(row["data"]["example_id"], by["email"] if isinstance(by, dict) else str(by), said)


def _of(example_id: str, reviewer: str, said: dict[str, str]) -> Taken:
    return Taken(
        example_id,
        said["decision"],
        reviewer,
        said.get("reason", ""),
        said.get("corrected_question", ""),
        said.get("corrected_answer", ""),
    )
