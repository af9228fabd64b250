"""Measures what an update costs beside a new run, and whether the student learns what changed.

    python -m benchmarks.updating          # an invented code of 100 documents; some minutes
    python -m benchmarks.updating --quick

In three of the documents a figure is changed. Keys of the JSON: `share_of_calls`, the calls of the
update over those of the run before it; `questions`, on the passages that changed, with the shares
right `before` and `after`; `figures`, of those whose answer names a changed figure, the shares of
the student's answers that name the old one and the new one, before and after; `others`, the shares
right of questions on what did not change; `documents`, `calls`, `seconds`.
"""

import argparse
import json
import random
import re
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks import invented
from elenchus import runs
from elenchus.cli.main import settle_environment
from elenchus.cli.screen import Screen
from elenchus.ledger import Ledger
from elenchus.outcomes import ExamItem, Score, Update
from elenchus.records import Passage
from elenchus.results import ExamResult
from graphs import runner
from graphs.adaptation.result import AdaptationResult
from graphs.config import load

DOCUMENTS, QUICK, CHANGED = 100, 30, 3
SMALL = ["exam.questions=120", "exam.general=60", "adaptation.examples=[120]"]
_FIGURE = re.compile(r"\b([1-9]\d*)(?= (?!crowns)[a-z])")  # of a limit, not of a charge


def write(folder: Path, count: int) -> Path:
    """Write an invented code with a document for each rule, and those that all rules share."""
    path = invented.write(folder, "updating", count)
    documents = path.parent / "documents"
    for file in sorted(documents.iterdir()):
        head, *sections = file.read_text("utf-8").split("\n## ")
        if "breach" in head.lower() or "charge" in head.lower():
            continue
        file.unlink()
        for section in sections:
            name = re.sub(r"\W+", "-", section.partition("\n")[0]).strip("-").lower()
            (documents / f"{name}.md").write_text(f"# {section}", encoding="utf-8")
    return path


def change(documents: Path, count: int) -> list[tuple[str, str, str]]:
    """Change a figure in so many documents; return their names, with the old and new figures."""
    texts = {p: p.read_text("utf-8") for p in sorted(documents.iterdir())}
    files = [p for p, text in texts.items() if len(_FIGURE.findall(text)) == 1]
    changed = []
    for file in random.Random(0).sample(files, count):
        (figure,) = _FIGURE.findall(texts[file])
        after = str(int(figure) + 13)
        file.write_text(_FIGURE.sub(after, texts[file]), encoding="utf-8")
        changed.append((file.name, figure, after))
    return changed


def measure(folder: Path, quick: bool) -> dict[str, Any]:
    """Run the code, change documents, update the run, and return the figures."""
    path = write(folder, QUICK if quick else DOCUMENTS)
    index = [f"retrieval.index={folder / 'index'}"]
    config = load(path, None, [*index, *(SMALL if quick else [])])
    screen = Screen()
    first = runner.launch(config, path.parent, folder / "runs", None, screen)
    changed = change(path.parent / "documents", CHANGED)
    second = runner.update(runs.find(folder / "runs", first.run), folder / "runs", screen)
    held_out = first.exams["held-out"]
    assert held_out and held_out.before and held_out.after
    assert isinstance(second, AdaptationResult) and second.update
    return {
        "share_of_calls": round(second.calls / first.calls, 4),
        **_shares(second.update.new_passages),
        "figures": _figures(runs.find(folder / "runs", second.run), changed),
        "others": _shares(second.update.other_passages),
        "documents": len(list((path.parent / "documents").iterdir())),
        "changed": [name for name, _, _ in changed],
        "calls": [first.calls, second.calls],
        "seconds": [first.seconds, second.seconds],
        "held_out": [held_out.before.value, held_out.after.value],
    }


def _figures(run: runs.RunFolder, changed: list[tuple[str, str, str]]) -> dict[str, Any]:
    """Return how many answers name the old figures and the new, before and after the update.

    Only questions whose gold answer names a changed figure count.
    """
    with closing(Ledger(run.ledger, read_only=True)) as ledger:
        (update,) = ledger.all(Update)
        sources = {p.id: p.source for p in ledger.all(Passage)}
        figures = {}
        for item in ledger.all(ExamItem, exam="held-out"):
            for name, old, new in changed:
                about = any(sources[i].endswith(name) for i in item.passage_ids)
                if about and _names(item.gold.text, new):
                    figures[item.id] = {"old": old, "new": new}
        scores = [s for s in ledger.all(Score, exam="held-out") if s.item_id in figures]
    shares: dict[str, Any] = {"questions": len(figures)}
    for when, round_ in (("before", update.round), ("after", update.round + 1)):
        for which in ("old", "new"):
            named = [
                _names(s.answer, figures[s.item_id][which]) for s in scores if s.round == round_
            ]
            shares[f"{which}_{when}"] = round(sum(named) / max(len(named), 1), 4)
    return shares


def _names(answer: str, figure: str) -> bool:
    return re.search(rf"\b{figure}\b", answer) is not None


def _shares(exam: ExamResult | None) -> dict[str, Any]:
    """Return the shares right before and after."""
    assert exam and exam.before and exam.after
    return {
        "questions": exam.questions,
        "before": round(exam.before.value, 4),
        "after": round(exam.after.value, 4),
    }


def main() -> None:
    """Measure in a folder that is deleted after, and print."""
    settle_environment()
    parser = argparse.ArgumentParser(description="What an update costs, and what it teaches.")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options.quick)
    if options.json:
        print(json.dumps(figures))
        return
    for key, value in figures.items():
        print(f"{key:<16} {value}")


if __name__ == "__main__":
    main()
