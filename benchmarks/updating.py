"""What an update costs beside a new run, and whether the student learns what changed.

    python -m benchmarks.updating          # an invented code of 100 documents; some minutes
    python -m benchmarks.updating --quick

In three of the documents a figure is changed. Keys of the JSON: `share_of_calls`, the calls of the
update over those of the run before it; `questions`, on the passages that changed, with the shares
right `before` and `after`; `others`, the same of questions on what did not change; `documents`,
`calls`, `seconds`.
"""

import argparse
import json
import random
import re
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import invented
from elenchus import runs
from elenchus.cli import settle_environment
from elenchus.loading import load
from elenchus.screen import Screen
from graphs import launch

DOCUMENTS, QUICK, CHANGED = 100, 30, 3
SMALL = ["exam.questions=120", "exam.general=60", "adaptation.examples=[120]"]
_FIGURE = re.compile(r"\b([1-9]\d*)(?= (?!crowns)[a-z])")  # of a limit, not of a charge


def write(folder: Path, count: int) -> Path:
    """An invented code with a document for each rule, and those that all rules share."""
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


def change(documents: Path, count: int) -> list[str]:
    """Change a figure in so many documents; their names."""
    files = [
        p for p in sorted(documents.iterdir()) if len(_FIGURE.findall(p.read_text("utf-8"))) == 1
    ]
    chosen = random.Random(0).sample(files, count)
    for file in chosen:
        text = _FIGURE.sub(lambda found: str(int(found[1]) + 13), file.read_text("utf-8"))
        file.write_text(text, encoding="utf-8")
    return [file.name for file in chosen]


def measure(folder: Path, quick: bool) -> dict[str, Any]:
    path = write(folder, QUICK if quick else DOCUMENTS)
    index = [f"retrieval.index={folder / 'index'}"]
    config = load(path, None, [*index, *(SMALL if quick else [])])
    screen = Screen()
    first = launch.launch(config, path.parent, folder / "runs", None, screen)
    changed = change(path.parent / "documents", CHANGED)
    run = runs.find(folder / "runs", first["run"])
    second = launch.update(run, folder / "runs", screen)
    moved = second["update"]
    return {
        "share_of_calls": round(second["calls"] / first["calls"], 4),
        **_shares(moved["new_passages"]),
        "others": _shares(moved["other_passages"]),
        "documents": len(list((path.parent / "documents").iterdir())),
        "changed": changed,
        "calls": [first["calls"], second["calls"]],
        "seconds": [first["seconds"], second["seconds"]],
        "held_out": [first["exams"]["held-out"][when]["value"] for when in ("before", "after")],
    }


def _shares(exam: dict[str, Any]) -> dict[str, Any]:
    return {
        "questions": exam["questions"],
        "before": round(exam["before"]["value"], 4),
        "after": round(exam["after"]["value"], 4),
    }


def main() -> None:
    settle_environment()
    parser = argparse.ArgumentParser(description="What an update costs, and what it teaches.")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), options.quick)
    if options.json:
        print(json.dumps(found))
        return
    for key, value in found.items():
        print(f"{key:<16} {value}")


if __name__ == "__main__":
    main()
