"""Measures the loop's prompts: replies read, errors let through, and what an example costs.

    python -m benchmarks.prompts                             # the demonstration; minutes
    python -m benchmarks.prompts --quick                     # fewer examples
    python -m benchmarks.prompts --replies calls.jsonl       # recorded replies of another model
    python -m benchmarks.prompts --before runs/market/RUN    # compare with a run of another version

Runs end with their dataset; nothing is trained. The expert that errs does so in a tenth of its
answers, and in half of these with true quotes that do not support them.

Keys of the JSON: `replies` and `parsed` (the share that is read, of replies and of each variant:
fenced with prose around it, line breaks in strings, wrapped in the schema's name, text of a tool
call, trailing comma, single quotes), `planted` (wrong answers of the expert among those asked for
examples), `wrong_accepted` (share of the examples that hold a wrong answer), `caught` (the planted
wrong answers that were refused, by code), `calls` and `tokens` (for an example, by role, with their
sums), `calls_over_before` and `tokens_over_before` (their ratio to those of the run `--before`;
null without one).
"""

import argparse
import json
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from pydantic import BaseModel, create_model

from benchmarks.cells import is_wrong_answer
from elenchus.domains import SHIPPED
from elenchus.ledger import Ledger
from elenchus.outcomes import Example
from elenchus.progress import Unseen
from elenchus.records import Examination, Turn
from elenchus.runs import RunFolder, listed
from graphs import runner
from graphs.config import load
from models.replies import Unusable, parse

DOMAIN = "market"
EXAMPLES, QUICK = 200, 40
ERRING = 'expert.options={"wrong": 0.1, "unsupported": 0.5}'
Variant = Callable[[str], str]


def variants(name: str) -> dict[str, Variant]:
    """Return ways in which models misspell a reply, by their names; `name` is the schema's."""

    def wrapped(text: str) -> str:
        return json.dumps({name: json.loads(text)}, ensure_ascii=False)

    def called(text: str) -> str:
        call = {"name": name, "arguments": json.loads(text)}
        return f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>"

    return {
        "as it came": lambda text: text,
        "fenced": lambda text: (
            f"Here it is:\n```json\n{text}\n```\nThe form is {{a: b}}, as asked."
        ),
        "raw line breaks": lambda text: text.replace("\\n", "\n"),
        "wrapped": wrapped,
        "tool call": called,
        "trailing comma": lambda text: text.rstrip()[:-1] + ",}",
        "single quotes": _single_quoted,
    }


def parsed(replies: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Return by variant the share of replies, each with its task, that are read as they were."""
    right: Counter[str] = Counter()
    for task, reply in replies:
        whole = json.loads(reply)
        schema = _schema(task.rpartition("/")[2].capitalize(), whole)
        for name, variant in variants(schema.__name__).items():
            try:
                right[name] += parse(variant(reply), schema).value.model_dump() == whole
            except Unusable:
                continue
    return {name: round(right[name] / len(replies), 4) for name in variants("")}


def recorded(path: Path) -> list[tuple[str, str]]:
    """Return task and reply of each line of a JSONL file that has both, and is a JSON object."""
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [(row["task"], row["reply"]) for row in rows if row["reply"].lstrip().startswith("{")]


def run(folder: Path, examples: int, *changes: str) -> RunFolder:
    """Make a dataset of the demonstration, without training."""
    home, root = SHIPPED / DOMAIN, folder / "runs"
    every = (
        f"retrieval.index={folder / 'index'}",
        "training.enabled=false",
        "exam.questions=40",
        "exam.general=0",
        "exam.hand=null",
        f"adaptation.examples=[{examples}]",
    )
    config = load(home / "domain.yaml", changes=[*every, *changes])
    runner.launch(config, home, root, None, Unseen())
    return max(listed(root), key=lambda made: made.path.stat().st_mtime)


def costs(ledger: Path, examples: int) -> dict[str, dict[str, float]]:
    """Return calls and tokens by role for an example; a ledger of any version can be read."""
    with closing(sqlite3.connect(f"{ledger.absolute().as_uri()}?mode=ro", uri=True)) as db:
        rows = db.execute(
            "SELECT role, COUNT(*), SUM(input_tokens + output_tokens) FROM calls "
            "WHERE role != 'student' GROUP BY role ORDER BY role"
        ).fetchall()
    calls = {role: round(count / examples, 3) for role, count, _ in rows}
    tokens = {role: round(total / examples, 1) for role, _, total in rows}
    return {
        "calls": calls | {"all": round(sum(calls.values()), 3)},
        "tokens": tokens | {"all": round(sum(tokens.values()), 1)},
    }


def errors(folder: RunFolder) -> dict[str, Any]:
    """Return how many answers of an erring expert were wrong, and what became of them."""
    planted, caught = 0, Counter[str]()
    with closing(Ledger(folder.ledger, read_only=True)) as ledger:
        examples = ledger.all(Example)
        wrong = sum(
            is_wrong_answer(ledger, ledger.get(Turn, e.turn_id).expert[0]) for e in examples
        )
        for examination in ledger.all(Examination):
            for turn in (ledger.get(Turn, i) for i in examination.turn_ids):
                if is_wrong_answer(ledger, turn.expert[0]):
                    planted += 1
                    if examination.rejection and turn.id == examination.turn_ids[-1]:
                        caught[examination.rejection.code] += 1
    return {
        "examples": len(examples),
        "planted": planted,
        "wrong_accepted": round(wrong / max(len(examples), 1), 4),
        "caught": dict(caught.most_common()),
    }


def main(arguments: list[str] | None = None) -> int:
    """Run all measurements, and print their figures."""
    parser = argparse.ArgumentParser(description="Measure the prompts of the loop.")
    parser.add_argument("--quick", action="store_true", help="fewer examples")
    parser.add_argument("--json", action="store_true", help="one JSON object, and nothing else")
    parser.add_argument("--replies", type=Path, help="JSONL of recorded replies: task, reply")
    parser.add_argument("--before", type=Path, help="run folder of another version, to compare")
    options = parser.parse_args(arguments)
    examples = QUICK if options.quick else EXAMPLES
    with tempfile.TemporaryDirectory() as place:
        sound = run(Path(place) / "sound", examples)
        erring = run(Path(place) / "erring", examples, ERRING)
        with closing(Ledger(sound.ledger, read_only=True)) as ledger:
            made = ledger.count(Example)
        replies = (
            recorded(options.replies)
            if options.replies
            else _own_replies(sound.path / "ledger.sqlite")
        )
        figures: dict[str, Any] = {"replies": len(replies), "parsed": parsed(replies)}
        figures |= errors(erring) | costs(sound.path / "ledger.sqlite", made)
    before = None
    if options.before:
        lines = (options.before / "dataset" / "train.jsonl").read_text(encoding="utf-8")
        before = costs(options.before / "ledger.sqlite", lines.count("\n"))
    for what in ("calls", "tokens"):
        ratio = figures[what]["all"] / before[what]["all"] if before else None
        figures[f"{what}_over_before"] = ratio and round(ratio, 3)
    if options.json:
        print(json.dumps(figures))
    else:
        for key, value in figures.items():
            print(f"{key:<20} {value}")
    return 0


def _schema(name: str, reply: dict[str, Any]) -> type[BaseModel]:
    """Return a schema that has the keys of a reply: recorded ones may be of earlier versions."""
    fields: Any = dict.fromkeys(reply, (Any, ...))
    made: type[BaseModel] = create_model(name, **fields)
    return made


def _own_replies(ledger: Path) -> list[tuple[str, str]]:
    """Return the replies of a run's own models, as the ledger has them."""
    with closing(sqlite3.connect(f"{ledger.absolute().as_uri()}?mode=ro", uri=True)) as db:
        rows = db.execute(
            "SELECT role || '/' || task, response FROM calls WHERE role != 'student' ORDER BY id"
        ).fetchall()
    return [(task, reply) for task, reply in rows if reply.startswith("{")]


def _single_quoted(text: str) -> str:
    """Return a JSON object with single quotes, where none stands in it; else as it is."""
    return text if "'" in text or '\\"' in text else text.replace('"', "'")


if __name__ == "__main__":
    raise SystemExit(main())
