"""The strategies that are compared: each a set of changes to a domain's own configuration.

All go through the graphs that `elenchus launch` runs, with the same exam, student, training and
seeds. A strategy *in rounds* reaches one size after another and trains on from size to size; one
*at once* has a run for each size, with as many steps in one fine-tune as the rounds took together.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cells import Cell, Changes, Row
from elenchus.errors import UserError
from elenchus.loading import merged

SIZES = (25, 50, 100, 200, 400, 800)
# The last size only shows how chance catches up: some strategies reach it, with some seeds.
LONGEST, TO_THE_END, SEEDS_TO_THE_END = 400, ("adversarial", "random"), 1
BASE_SIZE = 100  # whose tokens text strategies have so many times
# A text strategy has its name with " x" and one of these.
TIMES: dict[str, tuple[int, ...]] = {
    "raw documents": (1,),
    "paraphrase": (1, 10, 40, 70),
    "entity pairs": (1, 10, 40, 70),
    "seven prompts": (1, 10, 40, 70),
    "active reading": (1, 10, 40, 70),
}

# The same for all. Nothing stops before the last size; the learning rate is the one that training
# on the student begins with.
COMMON: Changes = {
    "exam": {"questions": 200, "general": 0, "hand": None},
    "training": {"epochs": 6, "batch_size": 8, "least_steps": 1},
    "adaptation": {"stop_failure_share": 0, "stop_patience": 99},
}
_UNSIGHTED: Changes = {
    "examination": {"sighted": False, "max_turns": 1},
    "dataset": {"selection": "random"},
}
_COVERAGE: Changes = {"points": "coverage", "kinds": "even"}
_SPREAD: Changes = {**_COVERAGE, "depth": 1}
_CHANCE: Changes = {"points": "random", "kinds": "random", "depth": 1}

# Samples are what is compared, so it aims at twice as many accepted questions, and keeps the best.
ADVERSARIAL: Changes = {"dataset": {"candidates": 2.0}}
IN_ROUNDS: dict[str, Changes] = {
    "adversarial": ADVERSARIAL,
    "frugal": {},  # a domain's own settings, which spare the expert
    "no refinement": {**ADVERSARIAL, "examination": {"max_turns": 1}},
    # Points and kinds cannot go by failures where the student is not looked at.
    "blind": {
        **ADVERSARIAL,
        "examination": {"sighted": False, "max_turns": 1},
        "adaptation": _COVERAGE,
    },
    "coverage": {**_UNSIGHTED, "adaptation": _SPREAD},
    "random": {**_UNSIGHTED, "adaptation": _CHANCE},
}
AT_ONCE: dict[str, Changes] = {
    "plain": ADVERSARIAL,  # the paper's form: a frozen student, one fine-tune
    "random at once": IN_ROUNDS["random"],
}
# Learning rate and replay were chosen for texts and the built-in student, on a development code
# (docs/method.md).
_TEXT: Changes = {
    "method": "rewriting",
    "training": {"learning_rate": 5e-3, "replay": 0.1, "epochs": 1, "batch_size": 32},
}
TEXTS: dict[str, Changes] = {
    "raw documents": {**_TEXT, "rewriting": {"form": "raw"}},
    "paraphrase": {**_TEXT, "rewriting": {"form": "paraphrase"}},
    "entity pairs": {**_TEXT, "rewriting": {"form": "entigraph"}},
    "seven prompts": {**_TEXT, "rewriting": {"form": "spa"}},
    "active reading": {**_TEXT, "rewriting": {"form": "active-reading"}},
}

BY_ANSWERS = ("frugal", "random", "coverage")  # compared at as many answers of the expert
QUICK = ["random", "adversarial", "coverage", "paraphrase x10"]
ALL = [
    *("random", "adversarial", "coverage", "frugal"),
    *(f"{name} x{times}" for name, multiples in TIMES.items() for times in multiples),
    *("no refinement", "blind", *AT_ONCE),
]


def cells(
    name: str, domain: Path, seed: int, sizes: tuple[int, ...], rows: Sequence[Row]
) -> list[Cell]:
    """Return the cells of a strategy on a domain with a seed.

    Steps and tokens are those of the adversarial strategy, which must be among the rows that are
    known already, unless the strategy goes in rounds.

    Raises:
        UserError: the adversarial strategy did not reach a size that this one is to match.
    """
    if name not in TO_THE_END or seed >= SEEDS_TO_THE_END:
        sizes = tuple(n for n in sizes if n <= LONGEST)
    if name in IN_ROUNDS:
        return [_cell(domain, seed, name, IN_ROUNDS[name], sizes)]
    adversarial = {row["n"]: row for row in rows if row["strategy"] == "adversarial"}
    needed = [n for n in sizes if n >= BASE_SIZE] if name in AT_ONCE else [BASE_SIZE]
    if missing := [n for n in needed if n not in adversarial]:
        raise UserError(f"{domain}: the adversarial strategy found no {missing[0]} questions")
    if name in AT_ONCE:
        once = [
            (n, {"training": {"least_steps": adversarial[n]["steps"], "epochs": 1}}) for n in needed
        ]
        return [_cell(domain, seed, name, merged(AT_ONCE[name], steps), (n,)) for n, steps in once]
    form, _, times = name.rpartition(" x")
    base = adversarial[BASE_SIZE]
    tokens = {"rewriting": {"tokens": base["data_tokens"] * int(times)}}
    least = {"training": {"least_steps": base["steps"]}}
    return [_cell(domain, seed, name, merged(TEXTS[form], tokens, least), (BASE_SIZE,))]


def families(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with the multiples of each text strategy as sizes of one strategy."""
    renamed = []
    for row in rows:
        form, is_text, times = row["strategy"].rpartition(" x")
        size = BASE_SIZE * int(times) if is_text and row["n"] else row["n"]
        renamed.append(row | {"strategy": form if is_text else row["strategy"], "n": size})
    return renamed


def _cell(domain: Path, seed: int, name: str, changes: Changes, sizes: tuple[int, ...]) -> Cell:
    """Make the cell of a run that reaches the sizes one after another."""
    every = {"adaptation": {"examples": list(sizes)}}
    key = f"n{sizes[0]}" if len(sizes) == 1 else ""
    whole = json.dumps(merged(COMMON, changes, every))
    return Cell(domain, seed, name, whole, sizes, key)
