"""Ask a model an exported test by lm-evaluation-harness: run by `benchmarks/evaluation_harness.py`.

    PYTHON benchmarks/harness_side.py FOLDER TASK MODEL

FOLDER is what `elenchus export --format lm-eval` writes, MODEL a folder of weights. It imports
nothing of Elenchus, which need not be installed beside the harness. The last line is JSON:
`version`, `accuracy`, and of each row by `id` the `likelihoods` of its choices.
"""

import json
import os
import sys
from importlib import metadata, util
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def main(folder: str, task: str, model: str) -> dict[str, Any]:
    """Return what the harness measures; `missing` where it is not installed."""
    if util.find_spec("lm_eval") is None:
        return {"missing": "lm_eval"}
    import lm_eval
    from lm_eval.tasks import TaskManager

    found = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": model, "device": "cpu", "dtype": "float32"},
        tasks=[task],
        task_manager=TaskManager(include_path=folder, include_defaults=False),
        batch_size=1,
        apply_chat_template=True,
        bootstrap_iters=0,
    )
    return {
        "version": metadata.version("lm_eval"),
        "accuracy": found["results"][task]["acc,none"],
        "likelihoods": {
            sample["doc"]["id"]: [one[0] for one in sample["filtered_resps"]]
            for sample in found["samples"][task]
        },
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
