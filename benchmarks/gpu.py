"""What a student learns and forgets by each objective, and how fast, on a machine with a GPU.

    elenchus bench gpu --train FILE --exam FILE --documents FOLDER --title TEXT --out A --json
    elenchus bench gpu --train RUN --exam FILE --documents FOLDER --title TEXT --out B --json

It is `elenchus bench students` with `--speed` (which needs TRL), three seeds of the rows that
compare objectives, and weights in bfloat16. All its options can be given, and the keys of its JSON
are those; of speeds those by wall time count here, since a GPU's work is no CPU's. It fetches
nothing: `elenchus models get smollm2` does, once.
"""

import sys

from benchmarks import harness, students
from benchmarks.teaching import OBJECTIVES
from elenchus.errors import UserError
from models.pretrained import HALF, usual_device


def main(arguments: list[str] | None = None) -> int:
    """Measure on the GPU, and print.

    Raises:
        UserError: there is none.
    """
    if usual_device() == "cpu":
        raise UserError(
            "torch sees no GPU here: run this where it does, with a torch built for it; "
            "`elenchus bench students` needs none"
        )
    given = sys.argv[1:] if arguments is None else arguments
    usual = ["--speed", "--set", f"student.options.dtype={HALF.dtype}", "--rows", *OBJECTIVES]
    return students.main([*usual, *given])


if __name__ == "__main__":
    harness.run_program(main)
