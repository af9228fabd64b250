"""Shows what the agents did in a run that goes on with pre-training: passages, and refusals."""

from collections import Counter
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from elenchus.ledger import Ledger
from elenchus.printing import printable
from elenchus.runs import RunFolder
from graphs.pretraining.records import Explanation, Problem, Refusal, TaskPassage
from graphs.trace import WIDTH, say, say_next

RECORD = TaskPassage  # what is shown whole


def overview(ledger: Ledger, run_id: str) -> list[dict[str, Any]]:
    """One row a passage: id, tasks of its problems, text."""
    tasks = {problem.id: problem.task for problem in ledger.all(Problem)}
    return [
        {
            "run": run_id,
            "passage": passage.id,
            "tasks": [tasks[i] for i in passage.problem_ids],
            "text": passage.text,
        }
        for passage in ledger.all(TaskPassage)
    ]


def show_overview(ledger: Ledger, rows: list[dict[str, Any]], run: RunFolder) -> None:
    """By task, problems and paragraphs that held up; why others did not; the first passage."""
    console = Console(width=WIDTH, highlight=False)
    asked = {problem.id: problem.task for problem in ledger.all(Problem, test=False)}
    held = Counter(asked[one.problem_id] for one in ledger.all(Explanation))
    title = f"{len(rows)} passages of {run.id}"
    table = Table("task", title=title, title_justify="left", box=None)
    for name in ("problems", "paragraphs that hold up"):
        table.add_column(name, justify="right")
    for task, count in sorted(Counter(asked.values()).items()):
        table.add_row(Text(printable(task)), str(count), str(held[task]))
    console.print(table)
    reasons = Counter(refusal.reason.split(":")[0] for refusal in ledger.all(Refusal))
    for reason, count in reasons.most_common():
        console.print(Text(f"{count} refused: {printable(reason)}"))
    if rows:
        say_next(console, run, rows[0]["passage"])


def as_json(ledger: Ledger, passage: TaskPassage) -> dict[str, Any]:
    """A passage with its problems and its paragraphs."""
    return {
        "passage": passage.model_dump(mode="json") | {"id": passage.id},
        "problems": [p.model_dump(mode="json") for p in _problems(ledger, passage)],
        "explanations": [e.model_dump(mode="json") for e in _explanations(ledger, passage)],
    }


def show(ledger: Ledger, passage: TaskPassage) -> None:
    """A passage as a person reads it: each problem, its gold answer, what the paragraph cites."""
    console = Console(width=WIDTH, highlight=False)
    console.print(f"Passage {passage.id}", style="bold")
    say(console, "text", passage.text)
    pairs = zip(_problems(ledger, passage), _explanations(ledger, passage), strict=True)
    for problem, explanation in pairs:
        say(console, problem.task, problem.place, style="dim")
        say(console, "gold", problem.answer, style="dim")
        for citation in explanation.citations:
            say(console, "cites", f"{citation.quote} ({citation.passage_id})", style="dim")


def _problems(ledger: Ledger, passage: TaskPassage) -> list[Problem]:
    return [ledger.get(Problem, i) for i in passage.problem_ids]


def _explanations(ledger: Ledger, passage: TaskPassage) -> list[Explanation]:
    return [ledger.get(Explanation, i) for i in passage.explanation_ids]
