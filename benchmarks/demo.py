"""The demonstration, measured: time, memory, before and after, forgetting.

    python -m benchmarks.demo            # domain market, as `make demo` runs it
    python -m benchmarks.demo --quick    # the profile "quick": seconds, and figures of little worth

Keys of the JSON: `seconds`, `peak_mb`, `questions`, `examples`, `before`, `after`, `gain`,
`general_gain`, `hand_before`, `hand_after`, `nearest_exam_similarity`, `shared_questions`,
`calls_estimated` and `tokens_estimated` (by `launch --dry-run`, over what was then used), and
`under_target`, a line for each figure of a whole run that misses `TARGETS`; exit code 1 where one
does.
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

# Least and most of each figure, on two cores.
TARGETS: dict[str, tuple[float, float]] = {
    "seconds": (0, 360),
    "peak_mb": (0, 3000),
    "questions": (400, math.inf),
    "examples": (1, 400),
    "before": (0, 0.45),
    "after": (0.85, 1),
    "general_gain": (-0.05, 1),
    "shared_questions": (0, 0),
    "calls_estimated": (0.75, 1.25),
    "tokens_estimated": (0.75, 1.25),
}


def launch(domain: str, quick: bool, folder: Path, changes: list[str]) -> dict[str, Any]:
    """Run the command line in processes of their own, as a user would: the result, with the time
    and what was estimated."""
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
    """What a command prints as JSON."""
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def peak_mb() -> float | None:
    """Largest resident memory of a finished child, in MB; None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 0)


def shared_questions(run: Path) -> int:
    """Held-out questions that stand word for word in the training set."""
    train = {q for row in rows(run / "train.jsonl") for q in [row["prompt"][-1]["content"]]}
    return sum(row["prompt"][-1]["content"] in train for row in rows(run / "held-out.jsonl"))


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def figures(result: dict[str, Any]) -> dict[str, Any]:
    """The figures named in this module's docstring."""
    exams = result["exams"]
    held, general, hand = exams["held-out"], exams["general"], exams["hand"]
    return {
        "domain": result["domain"],
        "seconds": result["wall_seconds"],
        "peak_mb": result["peak_mb"],
        "questions": held["questions"],
        "examples": result["examples"],
        "before": held["before"],
        "after": held["after"],
        "gain": held["gain"],
        "kinds": held["kinds"],
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


def misses(found: dict[str, Any]) -> list[str]:
    """The figures that are not between their targets, a line each."""
    lines = []
    for key, (least, most) in TARGETS.items():
        value = found[key]["value"] if isinstance(found[key], dict) else found[key]
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
        found = figures(result)
    found["under_target"] = [] if options.quick else misses(found)
    if options.json:
        print(json.dumps(found))
    else:
        for key, value in found.items():
            print(f"{key:<24} {value}")
    return 1 if found["under_target"] else 0


if __name__ == "__main__":
    sys.exit(main())
