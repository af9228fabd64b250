"""Measure how long the command line takes to start, in seconds of processor time.

    python -m benchmarks.startup            # `--help`, `--version` and `runs`
    python -m benchmarks.startup --quick    # `--help` alone

Each figure is the median of five fresh processes. Keys of the JSON: `help_cpu_seconds`,
`version_cpu_seconds`, `runs_cpu_seconds`, and `under_target`, which names `help_cpu_seconds` where
it misses `TARGET`; then the exit code is 1. Needs a Unix system.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from statistics import median

TARGET = 0.5  # seconds for `--help`
TIMES = 5


def cpu_seconds(*arguments: str) -> float:
    """Return the processor time, user and system, of a command: the median of fresh processes."""
    spent = []
    for _ in range(TIMES):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "elenchus", *arguments]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return round(median(spent), 3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    measured: dict[str, object] = {"help_cpu_seconds": (seconds := cpu_seconds("--help"))}
    if not options.quick:
        measured["version_cpu_seconds"] = cpu_seconds("--version")
        with tempfile.TemporaryDirectory() as folder:
            measured["runs_cpu_seconds"] = cpu_seconds("runs", "--runs", folder)
    measured["under_target"] = ["help_cpu_seconds"] if seconds > TARGET else []
    if options.json:
        print(json.dumps(measured))
    else:
        for key, value in measured.items():
            print(f"{key:<20} {value}")
    return 1 if measured["under_target"] else 0


if __name__ == "__main__":
    sys.exit(main())
