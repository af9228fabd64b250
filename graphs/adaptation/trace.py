"""Shows what the agents did: the examinations of a run, and one whole cross-examination."""

import json
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from elenchus.ledger import Ledger
from elenchus.outcomes import Complaint
from elenchus.printing import printable
from elenchus.reasons import SENTENCES, sentence
from elenchus.records import Answer, Examination, Passage, Point, Question, Seed, Turn
from elenchus.runs import RunFolder
from graphs.trace import WIDTH, say, say_next

RECORD = Examination  # what is shown whole


def overview(ledger: Ledger, run_id: str) -> list[dict[str, Any]]:
    """Return a row for each examination: id, round, kind, topic, turns, widest gap, outcome."""
    seeds = ledger.fields(Seed, "$.point_id", "$.kind")
    topics = ledger.fields(Point, "$.topic")
    gaps = ledger.fields(Turn, "$.verdict.gap")
    made = ledger.fields(Examination, "$.round", "$.seed_id", "$.turn_ids", "$.rejection.code")
    rows = []
    for i, (round_, seed_id, turn_ids, refused) in sorted(
        made.items(), key=lambda e: (e[1][0], e[0])
    ):
        point_id, kind = seeds[seed_id]
        turns = json.loads(turn_ids)
        rows.append(
            {
                "run": run_id,
                "examination": i,
                "round": round_,
                "kind": kind,
                "topic": topics[point_id][0],
                "turns": len(turns),
                "gap": max((gap for t in turns if (gap := gaps[t][0]) is not None), default=None),
                "outcome": refused or "accepted",
            }
        )
    return rows


def show_overview(ledger: Ledger, rows: list[dict[str, Any]], run: RunFolder) -> None:
    """Print a table as wide as the terminal; topics and outcomes are cut to it."""
    console = Console(highlight=False)
    table = Table(title=f"{len(rows)} examinations of {run.id}", title_justify="left", box=None)
    for name in ("examination", "round", "kind", "topic", "turns", "gap", "outcome"):
        table.add_column(name, no_wrap=name not in ("topic", "outcome"))
    for row in rows:
        gap = "" if row["gap"] is None else f"{row['gap']:.2f}"
        cells = (row["examination"][:10], row["round"], row["kind"], row["topic"], row["turns"])
        # As texts: what models and documents say may look like markup.
        table.add_row(
            *(
                Text(printable(str(cell)), no_wrap=True, overflow="ellipsis")
                for cell in (*cells, gap, SENTENCES.get(row["outcome"], row["outcome"]))
            )
        )
    console.print(table)
    if rows:
        say_next(console, run, rows[0]["examination"])


def as_json(ledger: Ledger, examination: Examination) -> dict[str, Any]:
    """Return one cross-examination with everything that it refers to."""
    seed = ledger.get(Seed, examination.seed_id)
    return {
        "examination": examination.model_dump(mode="json") | {"id": examination.id},
        "seed": seed.model_dump(mode="json"),
        "point": ledger.get(Point, seed.point_id).model_dump(mode="json"),
        "turns": [ledger.get(Turn, i).model_dump(mode="json") for i in examination.turn_ids],
    }


def show(ledger: Ledger, examination: Examination) -> None:
    """Print one cross-examination as a person reads it."""
    console = Console(width=WIDTH, highlight=False)
    seed = ledger.get(Seed, examination.seed_id)
    point = ledger.get(Point, seed.point_id)
    console.print(f"Examination {examination.id}, round {examination.round}", style="bold")
    points = [point, *(ledger.get(Point, i) for i in seed.partner_ids)]
    for name, one in zip(("point", *("joined to",) * len(seed.partner_ids)), points, strict=True):
        places = "; ".join(_place(ledger.get(Passage, i)) for i in one.passage_ids)
        say(console, name, f"{one.statement}\n({places})")
    if seed.complaint_id:
        complaint = ledger.get(Complaint, seed.complaint_id)
        say(console, "kept", f"by a user, who was answered: {complaint.answer}")
        if complaint.note:
            say(console, "", complaint.note, style="dim")
    voice = "; ".join(filter(None, (seed.persona, seed.format)))
    if voice:
        say(console, "asked by", voice, style="dim")
    for number, turn_id in enumerate(examination.turn_ids, 1):
        show_turn(console, ledger, ledger.get(Turn, turn_id), number)
    if examination.rejection:
        if examination.rejection.question_id:
            asked = ledger.get(Question, examination.rejection.question_id)
            console.print()
            say(console, "question", asked.text)
        say(console, "rejected", sentence(examination.rejection))
        if examination.rejection.raw:
            say(console, "raw", examination.rejection.raw)
    else:
        say(console, "accepted", "the last question and the expert's answer became an example")


def show_turn(console: Console, ledger: Ledger, turn: Turn, number: int) -> None:
    """Print a question, all answers to it with what they cite, and the verdict."""
    console.print()
    console.rule(f"turn {number}: {turn.question.kind}", align="left")
    revised = {"difference": turn.question.difference, "guidance": turn.question.guidance}
    for name, text in revised.items():
        if text:
            say(console, name, text, style="dim")
    say(console, "question", turn.question.text)
    expert = turn.expert[0]
    say(console, "expert", expert.text + _times(turn.expert))
    for check in expert.rubric:
        say(console, "check", check, style="dim")
    for passage_id in dict.fromkeys(c.passage_id for c in expert.citations):
        quotes = " … ".join(c.quote for c in expert.citations if c.passage_id == passage_id)
        place = _place(ledger.get(Passage, passage_id))
        say(console, "", f"“{quotes}” ({place})", style="dim")
    if turn.verdict is None:
        say(console, "student", "(was not asked)")
        return
    critiques = turn.verdict.critiques or ("",) * len(turn.student)
    for answer, grade, critique in zip(turn.student, turn.verdict.grades, critiques, strict=True):
        say(console, "student", f"{answer.text or '(nothing)'} [{grade}]")
        if critique:
            say(console, "", critique, style="dim")
    say(console, "gap", f"{turn.verdict.gap:.2f}, spread {turn.verdict.spread:.2f}")
    if turn.verdict.missed:
        say(console, "missed", turn.verdict.missed)


def _times(answers: tuple[Answer, ...]) -> str:
    same = len({answer.text for answer in answers}) == 1
    return f" ({len(answers)} times the same)" if same and len(answers) > 1 else ""


def _place(passage: Passage) -> str:
    where = passage.heading[-1] if passage.heading else "start"
    return f"{passage.source}, {where}, characters {passage.start} to {passage.end}"
