"""One cell of a comparison: a strategy on a domain with a seed, run once and kept.

A cell is one run folder, or one a size, made by `graphs.launch`; what it came to is distilled into
a small JSON file. A finished cell is read, an interrupted one resumed.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from elenchus import runs
from elenchus.config import DomainConfig, validate
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.records import Adapter, Dataset, ExamItem, Example, Score, Text
from elenchus.screen import Screen
from training.evaluation import RIGHT

Row = dict[str, Any]
Changes = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """A strategy, by its name and its changes to the domain's configuration.

    `key` tells cells of one strategy apart: the size, where each size has a run of its own.
    """

    domain: Path  # the domain.yaml
    seed: int
    strategy: str
    changes: str  # as JSON, so that a cell can be sent to another process
    sizes: tuple[int, ...]
    key: str = ""

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.strategy, self.key) if part).replace(" ", "-")

    def config(self, index: Path) -> DomainConfig:
        tree = yaml.safe_load(self.domain.read_text(encoding="utf-8"))
        tree.pop("profiles", None)
        own = {"seed": self.seed, "retrieval": {"index": str(index.resolve())}}
        return validate(merged(tree, json.loads(self.changes), own), str(self.domain))


def merged(*parts: Changes) -> Changes:
    """Nested changes, later ones over earlier ones."""
    found: Changes = {}
    for part in parts:
        for key, value in part.items():
            old = found.get(key)
            both = isinstance(value, dict) and isinstance(old, dict)
            found[key] = merged(old or {}, value) if both else value
    return found


def run(cell: Cell, out: Path) -> list[Row]:
    """What the cell came to: a row for each size.

    Raises:
        UserError: the folder holds this cell with other settings, or the run cannot be made.
    """
    from graphs import launch

    group = out / "runs" / f"{cell.domain.parent.name}-seed-{cell.seed}"
    config, root = cell.config(out / "indexes"), group / cell.name
    begun = runs.listed(root)
    if begun and begun[0].config() != config:
        raise UserError(f"{begun[0].path} was made with other settings: give another --out")
    found = group / f"{cell.name}.json"
    if found.exists():
        rows: list[Row] = json.loads(found.read_text(encoding="utf-8"))
        return rows
    if not begun:
        launch.launch(config, cell.domain.parent, root, None, Screen(quiet=True), _earlier(group))
    elif not begun[0].result.exists():
        launch.resume(begun[0], Screen(quiet=True))
    (folder,) = runs.listed(root)
    rows = [{**_named(cell), **row} for row in distil(folder, cell.sizes)]
    runs.write_json(found, rows)
    return rows


def _named(cell: Cell) -> Row:
    return {"domain": cell.domain.parent.name, "seed": cell.seed, "strategy": cell.strategy}


def _earlier(group: Path) -> runs.RunFolder | None:
    """A finished run of the same domain and seed: its exam need not be written again."""
    finished = [r for path in sorted(group.glob("*/")) for r in runs.listed(path)]
    return next((r for r in finished if r.result.exists()), None)


def distil(folder: runs.RunFolder, sizes: tuple[int, ...]) -> list[Row]:
    """A row for the untouched student, and one for each round.

    `data_tokens` counts the dataset once, `seen_tokens` and `steps` all training so far.
    """
    from training import lora

    ledger = Ledger(folder.ledger, read_only=True)
    try:
        examples = {e.id: lora.Sample(e.prompt, e.completion) for e in ledger.all(Example)}
        texts = lora.texts(ledger.all(Text))
        kept = {d.round: [examples[i] for i in d.example_ids] for d in ledger.all(Dataset)}
        adapters = sorted(ledger.all(Adapter), key=lambda a: a.round)
        items = {i.id: i for i in ledger.all(ExamItem, exam="held-out")}
        scores = ledger.all(Score, exam="held-out")
    finally:
        ledger.close()
    rows: list[Row] = [{"n": 0, "samples": 0, "data_tokens": 0, "seen_tokens": 0, "steps": 0}]
    for adapter in adapters:
        samples = kept.get(adapter.round) or texts
        rows.append(
            {
                "n": sizes[adapter.round - 1],
                "samples": len(samples),
                "data_tokens": _tokens(folder, samples),
                "seen_tokens": rows[-1]["seen_tokens"] + adapter.tokens,
                "steps": rows[-1]["steps"] + adapter.steps,
            }
        )
    for round_, row in enumerate(rows):
        right = {s.item_id: s.grade in RIGHT for s in scores if s.round == round_}
        row["questions"] = len(right)
        row["accuracy"] = sum(right.values()) / len(right)
        row["kinds"] = _kinds(right, items)
    return rows


def _kinds(right: dict[str, bool], items: dict[str, ExamItem]) -> dict[str, float]:
    kinds: dict[str, list[bool]] = {}
    for item, good in right.items():
        kinds.setdefault(items[item].kind, []).append(good)
    return {kind: sum(some) / len(some) for kind, some in sorted(kinds.items())}


def _tokens(folder: runs.RunFolder, samples: list[Any]) -> int:
    from agents.models import weights
    from training import lora

    return lora.tokens([lora.encoded(weights(folder.config().student), samples)])
