"""The small domain with settings of pre-training, and what a run of it leaves."""

import csv
import json
from pathlib import Path
from typing import Any

import yaml

from elenchus.ledger import Call, Ledger
from tests.conftest import write_pool

SMALL: dict[str, Any] = {
    "method": "passages",
    "exam": {"questions": 12, "general": 6},
    "passages": {"count": 6, "written": 20},
    "pretraining": {
        "domain_tokens": 600,
        "passage_tokens": 1200,
        "block": 64,
        "replay": 0.2,
        "shots": 1,
    },
}
ENTRY = {"result": "right", "reason": "right", "checks": [], "critique": ""}
RIGHT = json.dumps({"answers": [ENTRY], "missed": ""})
# The student is trained, and so no mock. To the lenient grader whatever is said is right.
MOCK = {"model": "mock:plain"}
MOCKS = dict.fromkeys(("expert", "examiner", "grader"), MOCK)
LENIENT = MOCKS | {"grader": MOCK | {"options": {"replies": {"grader: grade": RIGHT}}}}
RULES = [
    ("Is a towel fight at noon a breach?", "So: breach."),
    ("May pool music be played at noon?", "So: no breach."),
    ("A diving lesson took 50 minutes. A breach?", "So: breach."),
    ("A diving lesson took 40 minutes. A breach?", "So: no breach."),
]
LIMITS = [
    ("Within how many days must a swimming cap be handed back?", "12"),
    ("Within how many minutes must a locker key be returned?", "30"),
    ("How many lost combs may be kept at the desk at most?", "20"),
    ("How many minutes may a diving lesson take at most?", "45"),
]


def write(folder: Path, **changes: Any) -> Path:
    """Write the small domain with settings of pre-training."""
    home = write_pool(folder)
    tree = yaml.safe_load((home / "domain.yaml").read_text("utf-8")) | SMALL
    for key, value in changes.items():
        tree[key] = tree.get(key, {}) | value if isinstance(value, dict) else value
    (home / "domain.yaml").write_text(yaml.safe_dump(tree), "utf-8")
    return home


def write_tasks(folder: Path, **changes: Any) -> Path:
    """Write the small domain with two tasks in tables, half of each to learn from."""
    home = write(folder, **({"exam": {"general": 0}} | changes))
    for name, rows in (("rules", RULES), ("limits", LIMITS)):
        for split, part in (("train", rows[::2]), ("test", rows[1::2])):
            with (home / f"{name}-{split}.csv").open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([("question", "answer"), *part])
    return home


def task(name: str, **settings: Any) -> dict[str, Any]:
    return {"train": f"{name}-train.csv", "test": f"{name}-test.csv", **settings}


TASKS = {"rules": task("rules"), "limits": task("limits", match="number")}
ALONE = {"problems": 1, "across": False, "count": 4}  # passages about one problem each


def all_of(folder: Path, kind: type) -> list[Any]:
    ledger = Ledger(folder / "ledger.sqlite", read_only=True)
    try:
        return ledger.all(kind)
    finally:
        ledger.close()


def calls_of(folder: Path) -> list[Call]:
    """Return the model calls of a run."""
    ledger = Ledger(folder / "ledger.sqlite", read_only=True)
    try:
        ids = [i for (i,) in ledger._query("SELECT DISTINCT id FROM calls")]
        return [call for i in ids if (call := ledger.call(i))]
    finally:
        ledger.close()
