"""Writes invented codes of rules as domain folders: corpora that nobody has chosen a setting on.

They come from the generator of the built-in student's lessons, with seeds of their own, in wordings
of documents. The student was never shown their rules, except those that a code is told to take over
from what it was pre-trained on: students know part of most domains.
"""

import random
import shutil
from pathlib import Path

import yaml

from offline.language import drafting
from offline.nano import codes

RULES = 80
RULES_A_PART = 10


def write(folder: Path, seed: str, rules: int = RULES, known: int = 0) -> Path:
    """Write a code with its documents below `folder`, and return its domain.yaml.

    Args:
        rules: how many are new to the built-in student.
        known: how many known to it stand among them.
    """
    rng = random.Random(f"invented code {seed}")
    code = codes.fresh_code(rng, rules)
    if known:
        code = _mixed(code, known, rng)
    name = f"invented-{seed}"
    documents = folder / name / "documents"
    shutil.rmtree(documents, ignore_errors=True)  # of a code with another number of rules
    documents.mkdir(parents=True)
    parts = [code.rules[i : i + RULES_A_PART] for i in range(0, rules + known, RULES_A_PART)]
    for number, part in enumerate(parts, 1):
        lines = [f"# Part {number}"]
        for place, rule in enumerate(part, 1):
            lines += [f"## {number}.{place} {rule.topic.capitalize()}", drafting.clause(rule, rng)]
        _write(documents / f"{number:02}-part.md", lines)
    fines = [drafting.fine(penalty, rng) for penalty in code.penalties]
    _write(documents / f"{len(parts) + 1:02}-fines.md", [f"# Part {len(parts) + 1}. Fines", *fines])
    path = folder / name / "domain.yaml"
    tree = {
        "domain": name,
        "title": f"the rules of the invented code {seed}",
        "answers": {"template": "{explanation} So: {result}."},  # as the student was taught
        "dataset": {"near_duplicate": 0.985, "near_exam": 0.985},  # they differ in a figure
        "questions": {"unstated": 0, "partners": 0, "untaught": 0},  # each rule stands for itself
    }
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def _mixed(code: codes.Code, known: int, rng: random.Random) -> codes.Code:
    """Return the code with rules of the known codes, and their fines, among its own."""
    taken = rng.sample([rule for old in codes.known_codes() for rule in old.rules], known)
    rules = rng.sample([*code.rules, *taken], len(code.rules) + known)
    grades = {rule.grade for rule in taken}
    fines = [p for old in codes.known_codes() for p in old.penalties if p.grade in grades]
    return codes.Code(tuple(rules), (*code.penalties, *fines), code.definitions)


def _write(path: Path, blocks: list[str]) -> None:
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
