"""Compare what tests of the user's own come to with what other programs make of the same answers.

    elenchus bench evaluation                   # all comparisons
    elenchus bench evaluation --only figures    # on random answers, beside scikit-learn
    elenchus bench evaluation --only leaks      # planted copies of test items, found or not
    elenchus bench evaluation --only harness    # labels weighed, beside lm-evaluation-harness
    elenchus bench evaluation --only adapted    # SmolLM2 on published tests, before and after

Keys of the JSON: one for each comparison, with its figures. `figures` has `tables` (how many tables
of random answers), `largest_difference` by measure, from scikit-learn's accuracy, balanced
accuracy, macro F1, Brier score and calibration curve, and from McNemar's exact test written out;
`largest_difference` of all, and `under_target`, whether that is over rounding. `harness` has the
`items` of a test that both programs weighed, `agreement` (the share on which both choose alike),
`accuracy` (ours) and `their_accuracy` on these, `harness_accuracy` as the harness prints it, and
the `largest_difference` of a label's summed log-likelihood; `under_target` names what differs.
`adapted` has for `cuad` and `sara` the `student`, the `expert`, the `run`, its `seconds`, why it
`stopped`, its `examples` (none where texts are learnt), `tests` (by name: `questions`, `leaked`,
`ungraded`, `chance`, accuracy and balanced accuracy `before` and `after`, the paired `gain` with
its interval, McNemar's `p`) and `together` (the tests of choices as one); `after` is null where
nothing was learnt. The exit code is 1 where a comparison misses what it must show.
"""

import importlib
import sys
from typing import Any

from benchmarks import harness
from elenchus.cli.usage import Parser
from elenchus.errors import UserError

# The module of each comparison, with `measure(options)`, which returns its figures; `under_target`
# in them says what is missed. `add_options(parser)` adds options of its own, where there is one.
COMPARISONS = {
    "figures": "benchmarks.evaluation_figures",
    "leaks": "benchmarks.evaluation_leaks",
    "harness": "benchmarks.evaluation_harness",
    "adapted": "benchmarks.evaluation_adapted",
}


def main(arguments: list[str] | None = None) -> int:
    """Make the comparisons, and print their figures."""
    parser = Parser("elenchus bench evaluation", description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=COMPARISONS, help="one comparison; all of them if none")
    parser.add_argument("--quick", action="store_true", help="small; figures of little worth")
    parser.add_argument("--json", action="store_true", help="one JSON value, and nothing else")
    modules = {name: importlib.import_module(path) for name, path in COMPARISONS.items()}
    for module in modules.values():
        getattr(module, "add_options", lambda _: None)(parser)
    options = parser.parse_args(arguments)
    chosen = [options.only] if options.only else list(COMPARISONS)
    found: dict[str, dict[str, Any]] = {}
    for name in chosen:
        try:
            found[name] = modules[name].measure(options)
        except UserError as error:
            if options.only:
                raise
            found[name] = {"left_out": str(error)}
    harness.show_figures(found, options.json)
    return 1 if any(figures.get("under_target") for figures in found.values()) else 0


if __name__ == "__main__":
    harness.run_program(lambda: main(sys.argv[1:]))
