"""One cell of a comparison: a strategy on a domain with a seed, run once and kept.

A cell is one run folder, or one a size, made by `graphs.runner`. Its rows are distilled into a
small JSON file beside it. A finished cell is read, an interrupted one resumed.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from elenchus import runs
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.loading import merged
from elenchus.outcomes import Adapter, Dataset, ExamItem, Example, Score, Text
from elenchus.progress import Unseen
from elenchus.records import Answer, Examination, Message, Turn
from elenchus.results import Result
from graphs.config import DomainConfig, of_run, validate
from models.backend import weights
from offline.backend import READER
from training import encoding
from training.evaluation import RIGHT

Row = dict[str, Any]
MANY = 4  # samples about one point, or more
Changes = dict[str, Any]
# Codes of rejections of questions that the expert never saw.
UNASKED = ("repeats", "not-alone", "near-exam", "likely-known", "student-failed")


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
        """Return the domain's configuration with the cell's changes; its index is in a folder."""
        tree = yaml.safe_load(self.domain.read_text(encoding="utf-8"))
        tree.pop("profiles", None)
        place = {"seed": self.seed, "retrieval": {"index": str(index.resolve())}}
        return validate(merged(tree, json.loads(self.changes), place), str(self.domain))


def run(cell: Cell, out: Path) -> list[Row]:
    """Return the rows of a cell, one for each size; it is run where it was not yet.

    Raises:
        UserError: the folder holds this cell with other settings, or the run cannot be made.
    """
    root = _root(cell, out)
    file = root.with_name(f"{root.name}.json")
    if not runs.listed(root):  # rows of a run that is gone may have had other settings
        file.unlink(missing_ok=True)
    folder = finished(cell, out)
    if not file.exists():
        named = {"domain": cell.domain.parent.name, "seed": cell.seed, "strategy": cell.strategy}
        runs.write_json(file, [named | row for row in distil(folder, cell.sizes)])
    rows: list[Row] = json.loads(file.read_text(encoding="utf-8"))
    return rows


def finished(cell: Cell, out: Path) -> runs.RunFolder:
    """Return the run of a cell, made or seen to its end where it is not finished.

    Raises:
        UserError: the folder holds this cell with other settings, or the run cannot be made.
    """
    root = _root(cell, out)
    config = cell.config(out / "indexes")
    return seen_to_end(config, cell.domain.parent, root, _sibling(root.parent))


def seen_to_end(
    config: DomainConfig, home: Path, root: Path, earlier: runs.RunFolder | None = None
) -> runs.RunFolder:
    """Return the one run below a folder, made or seen to its end where it is not finished.

    Args:
        home: the folder of its domain.
        earlier: a run whose calls need not be made again.

    Raises:
        UserError: the folder holds a run with other settings, or the run cannot be made.
    """
    from graphs import runner  # loads what wants a settled environment

    begun = runs.listed(root)
    if begun and not runner.is_same(begun[0], config, home):
        raise UserError(
            f"{begun[0].path} was made with other settings or documents: give another --out"
        )
    if not begun:
        runner.launch(config, home, root, None, Unseen(), earlier)
    elif not begun[0].result.exists():
        runner.resume(begun[0], Unseen())
    (folder,) = runs.listed(root)
    return folder


def _root(cell: Cell, out: Path) -> Path:
    """Return where the run of a cell lies, beside those of the same domain and seed."""
    return out / "runs" / f"{cell.domain.parent.name}-seed-{cell.seed}" / cell.name


def _sibling(group: Path) -> runs.RunFolder | None:
    """Return a finished run of the same domain and seed: its exam need not be written again."""
    siblings = (folder for path in sorted(group.glob("*/")) for folder in runs.listed(path))
    return next((folder for folder in siblings if folder.result.exists()), None)


def distil(folder: runs.RunFolder, sizes: tuple[int, ...]) -> list[Row]:
    """Return a row for the untouched student, and one for each round.

    `data_tokens` counts the dataset once, `seen_tokens` and `steps` all training so far; `asked`
    the questions to the expert in the `examined` examinations, revised and refused ones too, and
    `answers` what it answered, second answers included;
    `wrong` is the share of the dataset's examples whose answer is wrong, which only the reader can
    tell; `learnt` is the share right of the questions that the untouched student failed;
    `by_samples` has right answers and questions by the samples about their point. The last row has
    `exams`, the accuracy on every exam, before and after.
    """
    from graphs.runner import read_result

    config = of_run(folder)
    with closing(Ledger(folder.ledger, read_only=True)) as ledger:
        examples = {e.id: e for e in ledger.all(Example)}
        datasets = {d.round: [examples[i] for i in d.example_ids] for d in ledger.all(Dataset)}
        untouched = dict.fromkeys(("n", "samples", "data_tokens", "seen_tokens", "steps"), 0)
        rows: list[Row] = [untouched]
        for row in _rounds(ledger, config, datasets, sizes):
            totals = {key: rows[-1][key] + row[key] for key in ("seen_tokens", "steps")}
            rows.append(row | totals)
        items = {i.id: i for i in ledger.all(ExamItem, exam="held-out")}
        scores = ledger.all(Score, exam="held-out")
    right = [
        {s.item_id: s.grade in RIGHT for s in scores if s.round == round_}
        for round_ in range(len(rows))
    ]
    for round_, row in enumerate(rows):
        row |= _measures(right[round_], right[0], items, datasets.get(round_, []))
    rows[-1]["exams"] = _exams(read_result(folder))
    return rows


def _rounds(
    ledger: Ledger,
    config: DomainConfig,
    datasets: Mapping[int, Sequence[Example]],
    sizes: tuple[int, ...],
) -> Iterator[Row]:
    """Yield what each round took; `seen_tokens` and `steps` are of its own training."""
    texts = encoding.texts(ledger.all(Text))
    turns = {turn.id: turn for turn in ledger.all(Turn)}
    examinations = [(e.round, *_put(e, turns)) for e in ledger.all(Examination)]
    checkable = config.expert.model == READER
    wrong = {
        e.id
        for e in ledger.all(Example)
        if checkable and is_wrong_answer(ledger, turns[e.turn_id].expert[0])
    }
    for adapter in sorted(ledger.all(Adapter), key=lambda a: a.round):
        examples = datasets.get(adapter.round, [])
        samples = [encoding.Sample(e.prompt, e.completion) for e in examples] or texts
        done = [(asked, said) for round_, asked, said in examinations if round_ <= adapter.round]
        yield {
            "n": sizes[adapter.round - 1],
            "samples": len(samples),
            "data_tokens": encoding.tokens([encoding.encoded(weights(config.student), samples)]),
            "seen_tokens": adapter.tokens,
            "steps": adapter.steps,
            "examined": len(done),
            "asked": sum(asked for asked, _ in done),
            "answers": sum(said for _, said in done),
            "wrong": sum(e.id in wrong for e in examples) / max(len(examples), 1),
        }


def _measures(
    right: Mapping[str, bool],
    before: Mapping[str, bool],
    items: Mapping[str, ExamItem],
    examples: Sequence[Example],
) -> Row:
    """Return what a round came to on the held-out exam; `right` and `before` are by item."""
    samples = Counter(example.point_id for example in examples)
    by_samples: dict[str, list[bool]] = defaultdict(list)
    by_kind: dict[str, list[bool]] = defaultdict(list)
    for item, good in sorted(right.items()):
        by_samples[str(min(samples[items[item].point_id or ""], MANY))].append(good)
        by_kind[items[item].kind].append(good)
    failed = [good for item, good in right.items() if not before.get(item)]
    return {
        "by_samples": {n: [sum(of), len(of)] for n, of in sorted(by_samples.items())},
        "questions": len(right),
        "accuracy": sum(right.values()) / len(right),
        "learnt": sum(failed) / len(failed) if failed else 0.0,
        "kinds": {kind: sum(of) / len(of) for kind, of in sorted(by_kind.items())},
    }


def _exams(result: Result) -> dict[str, dict[str, float]]:
    """Return the accuracy on every exam; where nothing was trained, `after` is as before."""
    return {
        name: {"before": exam.before.value, "after": (exam.after or exam.before).value}
        for name, exam in result.exams.items()
        if exam and exam.before
    }


def _put(examination: Examination, turns: Mapping[str, Turn]) -> tuple[int, int]:
    """Return how many questions an examination put to the expert, and the answers that it gave."""
    answered = [turns[i] for i in examination.turn_ids]
    refused = examination.rejection
    lost = bool(
        refused
        and refused.question_id
        and refused.code not in UNASKED
        and refused.question_id not in {turn.question.id for turn in answered}
    )
    return len(answered) + lost, sum(len(turn.expert) for turn in answered) + lost


def is_wrong_answer(ledger: Ledger, answer: Answer) -> bool:
    """Tell whether a reader that does not err answers the call of an answer differently."""
    from offline.reader.chat import ReaderChatModel

    call = ledger.call(answer.call_id)
    assert call is not None
    sent = [Message(**m) for m in json.loads(call.request)]
    said = json.loads(ReaderChatModel().invoke([(m.role, m.content) for m in sent]).text)
    return bool((said["explanation"], said["result"]) != (answer.explanation, answer.result))
