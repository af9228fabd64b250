"""Draw the final screen of a finished run as SVG, for the README.

python -m benchmarks.picture RUN docs/demo.svg
"""

import argparse
import re
from pathlib import Path

from rich.console import Console

from elenchus import runs
from graphs.methods import method_of
from graphs.runner import read_result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run")
    parser.add_argument("out", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    options = parser.parse_args()
    run = runs.find(options.runs, options.run)
    console = Console(width=80, record=True, highlight=False)
    result = read_result(run)
    usual = runs.RunFolder(Path("runs", result.domain, result.run))
    method_of(result.method).report(result, usual, console)
    svg = console.export_svg(title="elenchus launch")
    # Without the fonts that a viewer would have to download: any monospaced one will do.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    options.out.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
