"""Shows what the agents did in a run that makes classifiers: its indicators and its messages."""

from collections import Counter
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from elenchus.ledger import Ledger
from elenchus.printing import printable
from elenchus.reasons import sentence
from elenchus.records import Failure
from elenchus.runs import RunFolder
from graphs.classification.records import Indicators, RealMessage, Removal, SyntheticMessage
from graphs.trace import WIDTH, say, say_next

RECORD = SyntheticMessage  # what is shown whole


def overview(ledger: Ledger, run_id: str) -> list[dict[str, Any]]:
    """Return a row for each synthetic message: id, class, round, text, "kept" or why not."""
    reasons = {removal.message_id: removal.reason for removal in ledger.all(Removal)}
    return [
        {
            "run": run_id,
            "message": m.id,
            "class": m.label,
            "round": m.round,
            "text": m.text,
            "outcome": reasons.get(m.id, "kept"),
        }
        for m in sorted(ledger.all(SyntheticMessage), key=lambda m: (m.label, m.round, m.id))
    ]


def show_overview(ledger: Ledger, rows: list[dict[str, Any]], run: RunFolder) -> None:
    """Print the indicators of each class, and how many messages were kept or left out, and why."""
    console = Console(width=WIDTH, highlight=False)
    for indicators in sorted(ledger.all(Indicators), key=lambda i: (i.label, i.approved)):
        approved = " (approved)" if indicators.approved else ""
        console.print(Text(f"Indicators of {printable(indicators.label)}{approved}", style="bold"))
        console.print(Text(printable(indicators.text) + "\n"))
    counts = Counter((row["class"], row["outcome"]) for row in rows)
    outcomes = ["kept", *sorted({row["outcome"] for row in rows} - {"kept"})]
    title = f"{len(rows)} messages of {run.id}"
    table = Table("class", title=title, title_justify="left", box=None)
    for outcome in outcomes:
        table.add_column(outcome, justify="right")
    for label in dict.fromkeys(row["class"] for row in rows):
        cells = (str(counts[label, outcome]) for outcome in outcomes)
        table.add_row(Text(printable(label)), *cells)
    console.print(table)
    failures = Counter(f"{f.role}: {sentence(f)}" for f in ledger.all(Failure))
    for reason, count in failures.most_common(3):
        console.print(Text(f"{count} calls failed: {printable(reason)}"))
    if rows:
        say_next(console, run, rows[0]["message"])


def as_json(ledger: Ledger, message: SyntheticMessage) -> dict[str, Any]:
    """Return a message, the real ones that its author was shown, and why it was left out."""
    removal = _removal(ledger, message)
    return {
        "message": message.model_dump(mode="json") | {"id": message.id},
        "examples": [example.model_dump(mode="json") for example in _examples(ledger, message)],
        "removal": removal.model_dump(mode="json") if removal else None,
    }


def show(ledger: Ledger, message: SyntheticMessage) -> None:
    """Print a message as a person reads it."""
    console = Console(width=WIDTH, highlight=False)
    console.print(f"Message {message.id}, round {message.round}", style="bold")
    say(console, "class", message.label)
    say(console, "text", message.text)
    removal = _removal(ledger, message)
    if removal is None:
        say(console, "kept", "it is in the dataset")
    else:
        near = f" (of {removal.near_id}, cosine {removal.similarity})" if removal.similarity else ""
        say(console, "left out", f"{removal.reason}{near} {removal.detail}".strip())
    for example in _examples(ledger, message):
        say(console, "shown", f"{example.text} ({example.place})", style="dim")


def _removal(ledger: Ledger, message: SyntheticMessage) -> Removal | None:
    return next(iter(ledger.all(Removal, message_id=message.id)), None)


def _examples(ledger: Ledger, message: SyntheticMessage) -> list[RealMessage]:
    return [ledger.get(RealMessage, i) for i in message.example_ids]
