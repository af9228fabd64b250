"""Measures what a run loses to the machinery around its calls, and what more machinery gains.

    python -m benchmarks.scale                         # all sections
    python -m benchmarks.scale --only cpu_over_bare
    python -m benchmarks.scale --quick                 # less of everything

Needs a clone: the server is that of the tests, in a process of its own. Each key of the JSON is a
section, which a module of its own measures and describes; a target that is missed is named in
`under_target`, and then the exit code is 1.

`cpu_over_bare`: see `benchmarks/scale_process.py`.
`postgres`: see `benchmarks/scale_postgres.py`.
`three_domains_over_slowest`: see `benchmarks/scale_domains.py`.
`two_worker_speedup`: see `benchmarks/scale_ray.py`.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from benchmarks import scale_domains, scale_postgres, scale_process, scale_ray
from elenchus.cli.main import settle_environment

Figures = dict[str, Any]
# By its key, what measures a section, given whether to measure less: the figures hold `within`,
# which is whether they meet the section's target.
SECTIONS: Mapping[str, Callable[[bool], Figures]] = {
    "cpu_over_bare": scale_process.measure,
    "postgres": scale_postgres.measure,
    "three_domains_over_slowest": scale_domains.measure,
    "two_worker_speedup": scale_ray.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the sections, and print them; each is said on standard error when it is known."""
    parser = argparse.ArgumentParser(prog="elenchus bench scale", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", choices=SECTIONS, action="append", help="a section; again, more")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    options = parser.parse_args(arguments)
    settle_environment()
    os.environ.setdefault("OPENAI_API_KEY", "none")
    figures: Figures = {}
    for name in options.only or SECTIONS:
        figures[name] = SECTIONS[name](options.quick)
        print(f"{name}: {json.dumps(figures[name])}", file=sys.stderr, flush=True)
    missed = [name for name, section in figures.items() if not section["within"]]
    figures["under_target"] = missed
    print(json.dumps(figures) if options.json else yaml.safe_dump(figures, sort_keys=False))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
