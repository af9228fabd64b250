"""Measures what each stage of a pre-training on task-oriented passages is worth, at equal tokens.

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
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.table import Table

from benchmarks import cells, comparison, harness, invented, mixture, tables
from benchmarks.cells import Cell, Changes, Row
from elenchus import runs
from elenchus.loading import merged
from graphs.pretraining.result import PretrainingResult
from offline.nano import codes

EXAMS = ("held-out", "general", "hand")
STAGED = "staged"
TOKENS, QUICK_TOKENS = 150_000, 20_000  # of text, in all
DOMAIN_SHARE = 0.2
CODES, OTHERS = 10, 4000  # of the general corpus: invented codes, and texts that are no rules
SELECTED = 20_000  # tokens


def forms(tokens: int, general: Path) -> dict[str, Changes]:
    """Return what is compared: by name, changes to the domain's configuration."""
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
    tokens, questions = (QUICK_TOKENS, 60) if options.quick else (TOKENS, 200)
    if not (general := options.out / "general.jsonl").exists():
        write_general(general)
    names = [name for name in FORMS if name == STAGED or name in (options.only or FORMS)]
    job = functools.partial(group, names, tokens, questions, options.out)
    domain = harness.ROOT / "domains" / "market" / "domain.yaml"
    rows = harness.in_processes(job, [domain], options.seeds, options.workers)
    harness.publish(report(rows) | {"rows": rows}, options, show)
    return 0


def group(
    names: Sequence[str], tokens: int, questions: int, out: Path, domain: Path, seed: int
) -> list[Row]:
    """Return a row for each stage of the forms named, with a seed."""
    sizes = {"questions": questions, "general": questions // 2}
    common: Changes = {"method": "passages", "exam": sizes}
    rows: list[Row] = []
    changes = forms(tokens, out / "general.jsonl")
    for form in names:
        settings = json.dumps(merged(common, changes[form]))
        cell = Cell(domain, seed, form.replace(",", ""), settings, ())
        text = cells.finished(cell, out).result.read_text(encoding="utf-8")
        seen = 0
        for n, stage in enumerate(PretrainingResult.model_validate_json(text).stages):
            seen += stage.tokens or 0
            row: Row = {"strategy": form, "domain": domain.parent.name, "seed": seed, "n": n}
            row |= {"stage": stage.stage, "tokens": seen}
            row |= {exam: share.value for exam in EXAMS if (share := stage.accuracy(exam))}
            rows.append(row)
    return rows


def write_general(path: Path) -> None:
    """Write a general corpus: rules of invented codes among texts of installed packages."""
    rng = random.Random("general corpus")
    packages = mixture.packages()
    texts = rng.sample(packages, min(OTHERS, len(packages)))
    for _ in range(CODES):
        code = codes.fresh_code(rng, invented.RULES)
        texts += [codes.passage(code, [rule], rng) for rule in code.rules]
    rng.shuffle(texts)
    path.parent.mkdir(parents=True, exist_ok=True)
    runs.write_atomic(path, "".join(json.dumps({"text": text}) + "\n" for text in texts))


def report(rows: Sequence[Row]) -> dict[str, Any]:
    """Return `table` and `minus_staged`."""
    by_stage: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        by_stage[row["strategy"], row["stage"]].append(row)
    table: dict[str, dict[str, Row]] = defaultdict(dict)
    for (form, stage), of_stage in by_stage.items():
        exams = [exam for exam in EXAMS if exam in of_stage[0]]
        table[form][stage] = {
            **{exam: comparison.interval([row[exam] for row in of_stage]) for exam in exams},
            "tokens": round(fmean(row["tokens"] for row in of_stage)),
        }
    last = {(row["strategy"], row["seed"]): row["held-out"] for row in rows}  # by rising n
    seeds = sorted({row["seed"] for row in rows})
    minus = {
        form: comparison.interval([last[form, seed] - last[STAGED, seed] for seed in seeds])
        for form in table
        if form != STAGED
    }
    return {"table": table, "minus_staged": minus}


def show(figures: dict[str, Any]) -> None:
    """Print the tables."""
    table = Table("form", "after", "tokens seen", *(f"{exam}, %" for exam in EXAMS), box=None)
    for form, stages in figures["table"].items():
        for stage, measured in stages.items():
            shares = (tables.percent(measured.get(exam)) for exam in EXAMS)
            table.add_row(form, stage, f"{measured['tokens']:,}", *shares)
    console = tables.wide()
    console.print(table)
    for form, cell in figures["minus_staged"].items():
        console.print(f"{form} minus staged, held-out: {tables.percent(cell, '+')}")


if __name__ == "__main__":
    harness.run_program(main)
