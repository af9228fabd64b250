"""Shows what the agents did in a pre-training: the passages, and what was refused."""

from collections import Counter
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from elenchus.ledger import Ledger
from elenchus.printing import printable
from elenchus.reasons import SENTENCES, by_code
from elenchus.runs import RunFolder
from graphs.pretraining.records import Explanation, Problem, Refusal, TaskPassage, explained
from graphs.trace import WIDTH, say, say_next

RECORD = TaskPassage  # what is shown whole


def overview(ledger: Ledger, run_id: str) -> list[dict[str, Any]]:
    """Return a row for each passage: id, tasks of its problems, text."""
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
    """Print by task how many paragraphs hold up, then why others do not, and the first passage."""
    console = Console(width=WIDTH, highlight=False)
    tasks = {problem.id: problem.task for problem in ledger.all(Problem, test=False)}
    paragraphs = Counter(tasks[e.problem_id] for e in ledger.all(Explanation))
    title = f"{len(rows)} passages of {run.id}"
    table = Table("task", title=title, title_justify="left", box=None)
    for name in ("problems", "paragraphs that hold up"):
        table.add_column(name, justify="right")
    for task, count in sorted(Counter(tasks.values()).items()):
        table.add_row(Text(printable(task)), str(count), str(paragraphs[task]))
    console.print(table)
    for code, count in by_code(ledger.all(Refusal)).items():
        console.print(f"{count} refused: {SENTENCES[code]}")
    if rows:
        say_next(console, run, rows[0]["passage"])


def as_json(ledger: Ledger, passage: TaskPassage) -> dict[str, Any]:
    """Return a passage with its problems and its paragraphs."""
    parts = explained(ledger, passage)
    return {
        "passage": passage.model_dump(mode="json") | {"id": passage.id},
        "problems": [problem.model_dump(mode="json") for problem, _ in parts],
        "explanations": [paragraph.model_dump(mode="json") for _, paragraph in parts],
    }


def show(ledger: Ledger, passage: TaskPassage) -> None:
    """Print a passage, then of each problem the gold answer and what its paragraph cites."""
    console = Console(width=WIDTH, highlight=False)
    console.print(f"Passage {passage.id}", style="bold")
    say(console, "text", passage.text)
    for problem, paragraph in explained(ledger, passage):
        say(console, problem.task, problem.place, style="dim")
        say(console, "gold", problem.answer, style="dim")
        for citation in paragraph.citations:
            say(console, "cites", f"{citation.quote} ({citation.passage_id})", style="dim")
