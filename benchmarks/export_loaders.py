"""Load an export with the tool that it is for: run by `benchmarks/exports.py`, in any environment.

    PYTHON benchmarks/export_loaders.py FORMAT FOLDER MODEL

FOLDER holds the export, MODEL a small model that trainers take one step with. It imports nothing of
Elenchus, which need not be installed beside the tool. The last line is JSON: `tool`, `version` and
`rows`, or `missing`, the package that the environment lacks.
"""

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata, util
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
STEPS = 1


def with_datasets(folder: Path, model: str) -> int:
    """Load all splits as the card's configurations have them."""
    import datasets

    return sum(len(rows) for rows in datasets.load_dataset(str(folder)).values())


def with_sft(folder: Path, model: str) -> int:
    """Take a step of supervised fine-tuning."""
    import datasets
    from trl import SFTConfig, SFTTrainer

    return _trained(SFTTrainer, SFTConfig, datasets.load_dataset(str(folder)), model)


def with_dpo(folder: Path, model: str) -> int:
    """Take a step of direct preference optimisation."""
    import datasets
    from trl import DPOConfig, DPOTrainer

    return _trained(DPOTrainer, DPOConfig, datasets.load_dataset(str(folder)), model)


def with_llamafactory(folder: Path, model: str) -> int:
    """Load each dataset that the file beside the rows describes, as training does."""
    from llamafactory.data.loader import _load_single_dataset
    from llamafactory.data.parser import get_dataset_list
    from llamafactory.hparams import DataArguments, ModelArguments
    from transformers import Seq2SeqTrainingArguments

    names = [*json.loads((folder / "dataset_info.json").read_text("utf-8"))]
    rows = 0
    for described in get_dataset_list(names, str(folder)):
        loaded = _load_single_dataset(
            described,
            ModelArguments(model_name_or_path=model),
            DataArguments(dataset_dir=str(folder), overwrite_cache=True),
            Seq2SeqTrainingArguments(output_dir=tempfile.mkdtemp()),
        )
        for row in loaded:
            assert row["_prompt"][-1]["role"] == "user" and row["_response"][0]["content"]
        rows += len(loaded)
    return rows


def with_argilla(folder: Path, model: str) -> int:
    """Read the records as `dataset.records.from_json` does before it sends them."""
    from argilla.records._io._json import JsonIO

    records = JsonIO._records_from_json(folder / "records.json")
    assert all(record.fields["question"] and record.fields["answer"] for record in records)
    return len(records)


def with_lm_eval(folder: Path, model: str) -> int:
    """Ask each task's first questions of the model, and count the rows."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(folder), include_defaults=False)
    names = [path.stem for path in folder.glob("*.yaml")]
    found = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": model, "device": "cpu", "dtype": "float32"},
        tasks=names,
        task_manager=manager,
        limit=2,
        apply_chat_template=True,
        gen_kwargs={"max_gen_toks": 8},
        bootstrap_iters=0,
    )
    assert all(len(found["samples"][name]) for name in names)
    return sum(found["n-samples"][name]["original"] for name in names)


def with_inspect(folder: Path, model: str) -> int:
    """Ask each task's first questions of the model, and count the rows."""
    import inspect_ai

    rows = 0
    code = (folder / "tasks.py").read_text("utf-8")
    for name in re.findall(r"^def (\w+)\(\)", code, re.MULTILINE):
        (log,) = inspect_ai.eval(
            f"{folder / 'tasks.py'}@{name}",
            model="hf/local",
            model_args={"model_path": model, "tokenizer_path": model, "device": "cpu"},
            limit=2,
            max_tokens=8,
            display="none",
            log_dir=tempfile.mkdtemp(),
        )
        assert log.status == "success", log.error and log.error.message
        assert len(log.samples) == 2 and all(sample.scores for sample in log.samples)
        rows += log.eval.dataset.samples
    return rows


def with_openai(folder: Path, model: str) -> int:
    """Check each row by the rules that OpenAI published for chat files."""
    rows = 0
    for path in folder.glob("*.jsonl"):
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            assert row.keys() == {"messages"}
            for message in row["messages"]:
                assert message.keys() == {"role", "content"} and message["content"]
                assert message["role"] in ("system", "user", "assistant")
            assert row["messages"][-1]["role"] == "assistant"
            rows += 1
    return rows


def with_axolotl(folder: Path, model: str) -> int:
    """Load the datasets that the configuration beside the rows names."""
    import yaml
    from axolotl.utils.data.shared import load_dataset_with_config
    from axolotl.utils.dict import DictDefault

    os.chdir(folder)
    parts = yaml.safe_load((folder / "axolotl.yaml").read_text("utf-8"))
    named = [one for some in parts.values() for one in some]
    return sum(len(load_dataset_with_config(DictDefault(one), False)) for one in named)


Loader = Callable[[Path, str], int]
# By format: the distribution that loads it ("" for rules alone), and how.
LOADERS: dict[str, tuple[str, Loader]] = {
    "messages": ("datasets", with_datasets),
    "trl": ("trl", with_sft),
    "alpaca": ("datasets", with_datasets),
    "sharegpt": ("datasets", with_datasets),
    "openai": ("", with_openai),
    "axolotl": ("axolotl", with_axolotl),
    "llamafactory": ("llamafactory", with_llamafactory),
    "preference": ("trl", with_dpo),
    "argilla": ("argilla", with_argilla),
    "lm-eval": ("lm_eval", with_lm_eval),
    "inspect": ("inspect_ai", with_inspect),
    "parquet": ("datasets", with_datasets),
}


def _trained(trainer: Any, settings: Any, loaded: Any, model: str) -> int:
    with tempfile.TemporaryDirectory() as out:
        arguments = settings(
            output_dir=out,
            max_steps=STEPS,
            per_device_train_batch_size=2,
            report_to=[],
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            save_strategy="no",
        )
        made = trainer(
            model=model,
            args=arguments,
            train_dataset=loaded["train"],
            eval_dataset=loaded.get("test"),
        )
        made.train()
        assert made.state.global_step == STEPS
    return sum(len(rows) for rows in loaded.values())


def main(name: str, folder: str, model: str) -> dict[str, Any]:
    """Load an export; return what loaded it, or what is missing."""
    package, load = LOADERS[name]
    if package and util.find_spec(package) is None:
        return {"missing": package}
    rows = load(Path(folder).resolve(), model)
    version = metadata.version(package) if package else "published rules"
    return {"tool": package or "openai", "version": version, "rows": rows}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
