"""Task-oriented passages: what each stage of pre-training is worth, at equal tokens.

    elenchus bench passages            # or python -m benchmarks.passages; an hour
    elenchus bench passages --quick    # minutes

The built-in student on a demonstration domain that no setting was chosen on: problems written about
its documents, one task for each kind of question, judged on the held-out exam of each seed. All
forms see as many tokens of text and as many of replay. OUT/general.jsonl is a general corpus to
select from: rules of many invented codes among text of the installed Python packages.

Keys of the JSON: `table` (by form and stage: right answers in the held-out, the general and the
hand-written exam, mean and 95 % interval over seeds, and the tokens seen), `minus_staged` (last
stage, held-out, paired), `rows` (every stage of every run).
"""

import functools
import json
import random
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks import cells, comparison, harness, invented, mixture, tables
from benchmarks.cells import Cell, Changes, Row
from elenchus import runs
from elenchus.errors import UserError
from elenchus.loading import merged
from offline.nano import codes

EXAMS = ("held-out", "general", "hand")
STAGED = "staged"
TOKENS, QUICK_TOKENS = 150_000, 20_000  # of text, in all
DOMAIN_SHARE = 0.2
CODES, OTHERS = 10, 4000  # of the general corpus: invented codes, and texts that are no rules
SELECTED = 20_000  # tokens


def forms(tokens: int, general: Path) -> dict[str, Changes]:
    """What is compared: each a set of changes to the domain's configuration."""
    selection = {"general": [str(general.resolve())], "tokens": SELECTED, "workers": 1}
    first = round(DOMAIN_SHARE * tokens)
    both = {"domain_tokens": first, "passage_tokens": tokens - first}
    return {
        "in-domain text only": {
            "pretraining": {"domain_tokens": tokens, "passage_tokens": 0},
        },
        "passages only": {"pretraining": {"domain_tokens": 0, "passage_tokens": tokens}},
        STAGED: {"pretraining": both},
        "staged, with selected text": {"pretraining": both, "selection": selection},
        "mixed": {"pretraining": both | {"order": "mixed"}},
        "no enlightenment": {"pretraining": both, "passages": {"enlightenment": False}},
        "single-task passages": {"pretraining": both, "passages": {"across": False}},
        "plain text": {"pretraining": both | {"chat": False}},
    }


FORMS = tuple(forms(TOKENS, Path()))


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing, then print the tables."""
    parser = harness.parser("passages", "Task-oriented passages, stage by stage.", seeds=5)
    parser.add_argument("--only", action="append", choices=FORMS, help="repeatable")
    options = harness.parsed(parser, arguments)
    tokens, exam = (QUICK_TOKENS, 60) if options.quick else (TOKENS, 200)
    if not (general := options.out / "general.jsonl").exists():
        write_general(general)
    names = [name for name in FORMS if name == STAGED or name in (options.only or FORMS)]
    job = functools.partial(group, names, tokens, exam, options.out)
    domain = harness.ROOT / "domains" / "market" / "domain.yaml"
    rows = harness.in_processes(job, [domain], options.seeds, options.workers)
    found = report(rows) | {"rows": rows}
    runs.write_json(options.out / "passages.json", found)
    print(json.dumps(found)) if options.json else show(found)
    return 0


def group(
    names: Sequence[str], tokens: int, exam: int, out: Path, domain: Path, seed: int
) -> list[Row]:
    """A row for each stage of the forms named, with a seed."""
    common: Changes = {
        "method": "passages",
        "exam": {"questions": exam, "general": exam // 2},
    }
    rows: list[Row] = []
    every = forms(tokens, out / "general.jsonl")
    for name in names:
        changes = json.dumps(merged(common, every[name]))
        cell = Cell(domain, seed, name.replace(",", ""), changes, ())
        result = json.loads(cells.finished(cell, out).result.read_text(encoding="utf-8"))
        seen = 0
        for n, stage in enumerate(result["stages"]):
            seen += stage.get("tokens", 0)
            row: Row = {"strategy": name, "domain": domain.parent.name, "seed": seed, "n": n}
            row |= {"stage": stage["stage"], "tokens": seen}
            row |= {exam: stage[exam]["accuracy"]["value"] for exam in EXAMS if stage[exam]}
            rows.append(row)
    return rows


def write_general(path: Path) -> None:
    """A general corpus: rules of invented codes among doc-strings and documents of packages."""
    rng = random.Random("general corpus")
    others = mixture.packages()
    texts = rng.sample(others, min(OTHERS, len(others)))
    for _ in range(CODES):
        code = codes.fresh_code(rng, invented.RULES)
        texts += [codes.passage(code, [rule], rng) for rule in code.rules]
    rng.shuffle(texts)
    path.parent.mkdir(parents=True, exist_ok=True)
    runs.write_atomic(path, "".join(json.dumps({"text": text}) + "\n" for text in texts))


def report(rows: Sequence[Row]) -> dict[str, Any]:
    """`table` and `minus_staged`."""
    by_stage: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        by_stage[row["strategy"], row["stage"]].append(row)
    table: dict[str, Any] = {}
    for (form, stage), some in by_stage.items():
        measured: Row = {
            exam: comparison.interval([row[exam] for row in some])
            for exam in EXAMS
            if exam in some[0]
        }
        measured["tokens"] = round(sum(row["tokens"] for row in some) / len(some))
        table.setdefault(form, {})[stage] = measured
    last = {(row["strategy"], row["seed"]): row["held-out"] for row in rows}  # by rising n
    seeds = sorted({row["seed"] for row in rows})
    minus = {
        form: comparison.interval([last[form, seed] - last[STAGED, seed] for seed in seeds])
        for form in table
        if form != STAGED
    }
    return {"table": table, "minus_staged": minus}


def show(found: dict[str, Any]) -> None:
    """Print the tables."""
    shown = Table("form", "after", "tokens seen", *(f"{exam}, %" for exam in EXAMS), box=None)
    for form, stages in found["table"].items():
        for stage, measured in stages.items():
            cells_of = (tables.percent(measured.get(exam)) for exam in EXAMS)
            shown.add_row(form, stage, f"{measured['tokens']:,}", *cells_of)
    console = tables.wide()
    console.print(shown)
    for form, cell in found["minus_staged"].items():
        console.print(f"{form} minus staged, held-out: {tables.percent(cell, '+')}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"elenchus: {error}")
