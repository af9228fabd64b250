"""Load each export with the tool that it is for, in whichever environment has that tool.

    elenchus bench exports                              # with what is installed beside Elenchus
    elenchus bench exports --python OTHER/bin/python    # and with what is installed elsewhere

A run of the shipped domain market, whose models are mocks, is exported in every format. TRL takes a
training step, lm-evaluation-harness and inspect_ai ask questions, the others read the rows.

Keys of the JSON: `loaded`, by format: `tool`, `version` and `rows`, or `reason`, why nothing loaded
it; `failed`, the formats that a tool which is there did not load. A tool that no environment has is
told as such and counted nowhere. The exit code is 1 where a format failed.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import harness
from elenchus import runs
from elenchus.cli.usage import Parser
from elenchus.errors import UserError
from elenchus.printing import in_line
from elenchus.runs import RunFolder
from graphs.exporting import export
from publishing.exports import EVERY

LOADERS = Path(__file__).with_name("export_loaders.py")
MODEL = harness.ROOT / "offline" / "nano" / "weights"
QUICK = ("messages", "openai", "parquet")
SHARE = 0.2
SECONDS = 600  # that one tool may take
LONGEST = 200  # characters of an error that are shown
MOCKS = ("expert", "examiner", "grader", "student")
SETTINGS = (
    "training.enabled=false", "exam.questions=10", "exam.general=0", "exam.hand=null",
    "adaptation.examples=[24]", "adaptation.stop_failure_share=0",
    *(f"{role}.model=mock:plain" for role in MOCKS),
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Export a run in every format, have each loaded, and print by what."""
    parser = Parser("elenchus bench exports", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}")
    parser.add_argument("--json", action="store_true", help="one JSON value, and nothing else")
    parser.add_argument("--python", action="append", default=[], help="of another environment")
    parser.add_argument("--run", type=Path, help="folder of a finished run, in place of a new one")
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        place = Path(folder)
        run = RunFolder(options.run.resolve()) if options.run else _launched(place)
        names = QUICK if options.quick else tuple(EVERY)
        pythons = [sys.executable, *options.python]
        loaded = {name: _loaded(run, name, place / "exports" / name, pythons) for name in names}
    failed = [name for name, one in loaded.items() if "failed" in one.get("reason", "")]
    if options.json:
        print(json.dumps({"loaded": loaded, "failed": failed}))
    else:
        _show(loaded)
    return 1 if failed else 0


def _launched(place: Path) -> RunFolder:
    """Launch the run in a process of its own, and return its folder."""
    changes = [part for one in SETTINGS for part in ("--set", one)]
    index = ("--set", f"retrieval.index={place / 'indexes'}")
    command = [sys.executable, "-m", "elenchus", "launch", "market", *changes, *index]
    done = subprocess.run(
        [*command, "--runs", str(place / "runs")], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(f"the run to export failed: {done.stderr.strip()}")
    return runs.listed(place / "runs")[-1]


def _loaded(run: RunFolder, name: str, to: Path, pythons: Sequence[str]) -> dict[str, Any]:
    """Export a format; return what loaded it, or the reason why nothing did."""
    export(run, name, to, SHARE, force=False)
    missing = ""
    for python in pythons:
        told = _asked(python, name, to)
        if "missing" not in told:
            return told
        missing = f"{told['missing']} is not installed"
    return {"reason": missing}


def _asked(python: str, name: str, folder: Path) -> dict[str, Any]:
    """Have an environment load an export."""
    command = [python, str(LOADERS), name, str(folder), str(MODEL)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=SECONDS, cwd=folder
        )
    except OSError as error:
        raise UserError(f"--python {python} cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired:
        return {"reason": f"failed: no end within {SECONDS} seconds"}
    if done.returncode:
        said = done.stderr.strip().splitlines()
        why = in_line(said[-1], LONGEST) if said else f"exit code {done.returncode}"
        return {"reason": f"failed: {why}"}
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def _show(loaded: dict[str, dict[str, Any]]) -> None:
    for name, one in loaded.items():
        by = f"{one['tool']} {one['version']}: {one['rows']} rows" if "tool" in one else ""
        print(f"{name:<14}{by or one['reason']}")


if __name__ == "__main__":
    harness.run_program(lambda: main(sys.argv[1:]))
