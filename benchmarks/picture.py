"""Draws the final screen of a finished run, for the README.

    python -m benchmarks.picture RUN docs/demo.svg

Writes what `elenchus` printed at the end of that run, as SVG.
"""

import argparse
import json
import re
from pathlib import Path

from rich.console import Console

from elenchus import runs
from elenchus.cli.screen import show_result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run")
    parser.add_argument("out", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    options = parser.parse_args()
    run = runs.find(options.runs, options.run)
    console = Console(width=80, record=True, highlight=False, quiet=False)
    result = json.loads(run.result.read_text(encoding="utf-8"))
    show_result(result, f"runs/{result['domain']}/{result['run']}", console)
    drawn = console.export_svg(title="elenchus launch")
    # Without the fonts that it would load from elsewhere: any monospaced one will do.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    options.out.write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
