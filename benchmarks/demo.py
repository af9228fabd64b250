"""Measure the demonstration: time, memory, before and after, forgetting.

    python -m benchmarks.demo            # domain market, as `make demo` runs it
    python -m benchmarks.demo --quick    # the profile "quick": seconds, and figures of little worth

Keys of the JSON: `seconds`, `peak_mb`, `questions`, `examples`, `before`, `after`, `gain`,
`results_before` and `results_after` (results alone, whatever the reason), `verdict`,
`general_gain`, `hand_before`, `hand_after`, `nearest_exam_similarity`, `shared_questions`,
`calls_estimated` and `tokens_estimated` (the estimate of `launch --dry-run` over the actual use),
and `under_target`, a line for each figure of a whole run that misses `TARGETS`; then the exit code
is 1.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# The least and the most of each figure, on two cores.
TARGETS: dict[str, tuple[float, float]] = {
    "seconds": (0, 360),
    "peak_mb": (0, 3000),
    "questions": (400, math.inf),
    "examples": (1, 400),
    "before": (0, 0.45),
    "after": (0.75, 1),
    "results_after": (0.85, 1),
    "general_gain": (-0.05, 1),
    "shared_questions": (0, 0),
    "calls_estimated": (0.75, 1.25),
    "tokens_estimated": (0.75, 1.25),
}


def launch(domain: str, quick: bool, folder: Path, changes: list[str]) -> dict[str, Any]:
    """Run the demonstration as a user would; return its result with time, memory and estimates."""
    command = [sys.executable, "-m", "elenchus", "launch", domain, "--json"]
    command += ["--runs", str(folder / "runs"), "--set", f"retrieval.index={folder / 'indexes'}"]
    command += [part for change in changes for part in ("--set", change)]
    command += ["--profile", "quick"] if quick else []
    uses = printed([*command, "--dry-run"])
    started = time.monotonic()
    result: dict[str, Any] = printed(command)
    return result | {
        "wall_seconds": round(time.monotonic() - started, 1),
        "peak_mb": peak_mb(),
        "calls_estimated": sum(use["calls"] for use in uses) / result["calls"],
        "tokens_estimated": sum(use["tokens_read"] + use["tokens_written"] for use in uses)
        / result["tokens"],
    }


def printed(command: list[str]) -> Any:
    """Return what a command prints as JSON."""
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def peak_mb() -> float | None:
    """Return the largest resident memory of a child, in MB; None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 0)


def shared_questions(run: Path) -> int:
    """Count the held-out questions that stand word for word in the training set."""
    train = set(questions(run / "train.jsonl"))
    return sum(question in train for question in questions(run / "held-out.jsonl"))


def questions(path: Path) -> list[str]:
    """Return the question of each line of a dataset."""
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [row["prompt"][-1]["content"] for row in rows]


def figures(result: dict[str, Any]) -> dict[str, Any]:
    """Return the figures that this module's docstring names."""
    exams = result["exams"]
    held_out, general, hand = exams["held-out"], exams["general"], exams["hand"]
    return {
        "domain": result["domain"],
        "seconds": result["wall_seconds"],
        "peak_mb": result["peak_mb"],
        "questions": held_out["questions"],
        "examples": result["examples"],
        "before": held_out["before"],
        "after": held_out["after"],
        "gain": held_out["gain"],
        "results_before": held_out["results_before"],
        "results_after": held_out["results_after"],
        "verdict": result["verdict"]["word"],
        "kinds": held_out["kinds"],
        "general_before": general["before"]["value"] if general else None,
        "general_gain": general["gain"] if general else None,
        "hand_before": hand["before"] if hand else None,
        "hand_after": hand["after"] if hand else None,
        "accuracy_by_round": result["accuracy_by_round"],
        "failure_share_by_round": result["failure_share_by_round"],
        "rejected": result["rejected"],
        "nearest_exam_similarity": result["nearest_exam_similarity"],
        "shared_questions": shared_questions(Path(result["path"]) / "dataset"),
        "calls_estimated": round(result["calls_estimated"], 3),
        "tokens_estimated": round(result["tokens_estimated"], 3),
    }


def misses(measured: dict[str, Any]) -> list[str]:
    """Return a line for each figure that is not within its target."""
    lines = []
    for key, (least, most) in TARGETS.items():
        value = measured[key]["value"] if isinstance(measured[key], dict) else measured[key]
        if value is not None and not least <= value <= most:
            lines.append(f"{key}: {value}, wanted {least} to {most}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--domain", default="market")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--set", action="append", default=[], dest="changes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = launch(options.domain, options.quick, Path(folder), options.changes)
        measured = figures(result)
    measured["under_target"] = [] if options.quick else misses(measured)
    if options.json:
        print(json.dumps(measured))
    else:
        for key, value in measured.items():
            print(f"{key:<24} {value}")
    return 1 if measured["under_target"] else 0


if __name__ == "__main__":
    sys.exit(main())
