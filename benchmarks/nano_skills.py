"""Measure the skills of the built-in student on codes that it never saw.

    python -m benchmarks.nano_skills            # the table of the model card, some minutes
    python -m benchmarks.nano_skills --quick    # a rough one

Keys of the JSON: `skills` (by skill and kind), `under_target` (a line each). Exit code 1 where a
figure lies under its target: 0.98 with the right clause alone, 0.92 with it among three and 0.85 of
it in every kind, closed-book within 3 points of the best constant guess, novel wordings within 10
points of exam ones.
"""

import argparse
import json
import os
import sys
from pathlib import Path

# To be set before torch is imported: waiting threads that spin slow a shared machine down.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from offline.nano import skills
from offline.nano.chat import WEIGHTS
from offline.nano.checksums import verify_checksums


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Skills of the built-in student.")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--per-kind", type=int, default=200, help="questions of each kind")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="40 questions of each kind")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    verify_checksums(args.weights)
    model = LlamaForCausalLM.from_pretrained(args.weights, dtype=torch.float32)
    answers = skills.answerer(model.eval(), AutoTokenizer.from_pretrained(args.weights))
    measured = skills.measure(answers, 40 if args.quick else args.per_kind, args.seed)
    shortfalls = skills.shortfalls(measured)
    if args.json:
        print(json.dumps({"skills": measured, "under_target": shortfalls}))
    else:
        print(skills.table(measured))
        print("\n".join(["", *shortfalls]) if shortfalls else "\nEvery target is reached.")
    return 1 if shortfalls else 0


if __name__ == "__main__":
    sys.exit(main())
