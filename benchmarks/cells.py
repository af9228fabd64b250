"""One cell of a comparison: a strategy on a domain with a seed, run once and kept.

A cell is one run folder, or one a size, made by `graphs.runner`; what it came to is distilled into
a small JSON file. A finished cell is read, an interrupted one resumed.
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from elenchus import runs
from elenchus.cli.screen import Screen
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.loading import merged
from elenchus.records import (
    Adapter,
    Dataset,
    Examination,
    ExamItem,
    Example,
    Message,
    Score,
    Text,
    Turn,
)
from graphs.config import DomainConfig, validate
from training.evaluation import RIGHT

Row = dict[str, Any]
MANY = 4  # samples about one point, or more
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


def run(cell: Cell, out: Path) -> list[Row]:
    """What the cell came to: a row for each size.

    Raises:
        UserError: the folder holds this cell with other settings, or the run cannot be made.
    """
    root = _root(cell, out)
    found = root.with_name(f"{root.name}.json")
    if not runs.listed(root):  # rows of a run that is gone may have had other settings
        found.unlink(missing_ok=True)
    folder = finished(cell, out)
    if not found.exists():
        rows = [{**_named(cell), **row} for row in distil(folder, cell.sizes)]
        runs.write_json(found, rows)
    kept: list[Row] = json.loads(found.read_text(encoding="utf-8"))
    return kept


def finished(cell: Cell, out: Path) -> runs.RunFolder:
    """The run of a cell, made or seen to its end where it is not finished.

    Raises:
        UserError: the folder holds this cell with other settings, or the run cannot be made.
    """
    from graphs import runner as launch

    config, root = cell.config(out / "indexes"), _root(cell, out)
    begun = runs.listed(root)
    if begun and not launch.is_same(begun[0], config, cell.domain.parent):
        raise UserError(
            f"{begun[0].path} was made with other settings or documents: give another --out"
        )
    if not begun:
        launch.launch(
            config, cell.domain.parent, root, None, Screen(quiet=True), _earlier(root.parent)
        )
    elif not begun[0].result.exists():
        launch.resume(begun[0], Screen(quiet=True))
    (folder,) = runs.listed(root)
    return folder


def _root(cell: Cell, out: Path) -> Path:
    """Where the run of a cell lies, beside those of the same domain and seed."""
    return out / "runs" / f"{cell.domain.parent.name}-seed-{cell.seed}" / cell.name


def _named(cell: Cell) -> Row:
    return {"domain": cell.domain.parent.name, "seed": cell.seed, "strategy": cell.strategy}


def _earlier(group: Path) -> runs.RunFolder | None:
    """A finished run of the same domain and seed: its exam need not be written again."""
    finished = [r for path in sorted(group.glob("*/")) for r in runs.listed(path)]
    return next((r for r in finished if r.result.exists()), None)


def distil(folder: runs.RunFolder, sizes: tuple[int, ...]) -> list[Row]:
    """A row for the untouched student, and one for each round.

    `data_tokens` counts the dataset once, `seen_tokens` and `steps` all training so far; `asked`
    the questions to the expert in the `examined` examinations, revised and refused ones too;
    `wrong` is the share of the dataset's examples whose answer is wrong, which only the reader can
    tell; `learnt` is the share right of the questions that the untouched student failed;
    `by_samples` has right answers and questions by the samples about their point. The last row has
    `exams`, the accuracy on every exam, before and after.
    """
    from training import lora

    ledger = Ledger(folder.ledger, read_only=True)
    try:
        examples = {e.id: e for e in ledger.all(Example)}
        told = folder.config().expert.model == "builtin:reader"
        wrong = {i for i, example in examples.items() if told and _is_wrong(ledger, example)}
        texts = lora.texts(ledger.all(Text))
        datasets = {d.round: d.example_ids for d in ledger.all(Dataset)}
        examined = [(e.round, len(e.turn_ids) + _is_refused(e)) for e in ledger.all(Examination)]
        adapters = sorted(ledger.all(Adapter), key=lambda a: a.round)
        items = {i.id: i for i in ledger.all(ExamItem, exam="held-out")}
        scores = ledger.all(Score, exam="held-out")
    finally:
        ledger.close()
    rows: list[Row] = [dict.fromkeys(("n", "samples", "data_tokens", "seen_tokens", "steps"), 0)]
    for adapter in adapters:
        kept = datasets.get(adapter.round, ())
        samples = [lora.Sample(examples[i].prompt, examples[i].completion) for i in kept] or texts
        rows.append(
            {
                "n": sizes[adapter.round - 1],
                "samples": len(samples),
                "data_tokens": _tokens(folder, samples),
                "seen_tokens": rows[-1]["seen_tokens"] + adapter.tokens,
                "steps": rows[-1]["steps"] + adapter.steps,
                "examined": sum(round_ <= adapter.round for round_, _ in examined),
                "asked": sum(asked for round_, asked in examined if round_ <= adapter.round),
                "wrong": len(wrong.intersection(kept)) / len(kept) if kept else 0.0,
            }
        )
    before = {s.item_id for s in scores if s.round == 0 and s.grade in RIGHT}
    for round_, row in enumerate(rows):
        right = {s.item_id: s.grade in RIGHT for s in scores if s.round == round_}
        covered = Counter(examples[i].point_id for i in datasets.get(round_, ()))
        row["by_samples"] = _by_samples(right, items, covered)
        row["questions"] = len(right)
        row["accuracy"] = sum(right.values()) / len(right)
        failed = [good for item, good in right.items() if item not in before]
        row["learnt"] = sum(failed) / len(failed) if failed else 0.0
        row["kinds"] = _kinds(right, items)
    rows[-1]["exams"] = {
        name: {when: (exam[when] or exam["before"])["value"] for when in ("before", "after")}
        for name, exam in json.loads(folder.result.read_text(encoding="utf-8"))["exams"].items()
        if exam and exam["before"]
    }
    return rows


def _is_refused(examination: Examination) -> bool:
    """Whether its last question was put, but the answers were no use."""
    from graphs.adaptation.examination import UNFIT

    refused = examination.rejection
    return bool(refused and refused.question_id and refused.reason not in UNFIT)


def _is_wrong(ledger: Ledger, example: Example) -> bool:
    """Whether a reader that does not err gives another answer to the call an example came from."""
    from offline.reader.chat import ReaderChatModel

    (call_id,) = {a.call_id for a in ledger.get(Turn, example.turn_id).expert if a.sample == 0}
    call = ledger.call(call_id)
    assert call is not None
    sent = [Message(**m) for m in json.loads(call.request)]
    right = ReaderChatModel().invoke([(m.role, m.content) for m in sent]).text
    return bool(json.loads(right)["answer"] != example.completion)


def _by_samples(
    right: dict[str, bool], items: dict[str, ExamItem], covered: Counter[str]
) -> dict[str, list[int]]:
    """Right answers and questions, by how many samples were about the question's point."""
    found: dict[str, list[bool]] = {}
    for item, good in sorted(right.items()):
        found.setdefault(str(min(covered[items[item].point_id or ""], MANY)), []).append(good)
    return {samples: [sum(some), len(some)] for samples, some in sorted(found.items())}


def _kinds(right: dict[str, bool], items: dict[str, ExamItem]) -> dict[str, float]:
    kinds: dict[str, list[bool]] = {}
    for item, good in right.items():
        kinds.setdefault(items[item].kind, []).append(good)
    return {kind: sum(some) / len(some) for kind, some in sorted(kinds.items())}


def _tokens(folder: runs.RunFolder, samples: list[Any]) -> int:
    from models.backend import weights
    from training import lora

    return lora.tokens([lora.encoded(weights(folder.config().student), samples)])
