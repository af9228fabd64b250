"""Whole models out of a base and what a run trained on it: safetensors, or one file of GGUF."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from elenchus.errors import UserError
from elenchus.front_matter import CARD, front_matter, read_front_matter
from models.bases import Base
from models.pretrained import SINGLE, load_causal, load_tokenizer
from models.weights import is_adapter
from publishing import gguf_file, markdown
from publishing.loading import how_to_load
from publishing.placing import beside, put

FORMATS = ("merged", "gguf")


class Trained(NamedTuple):
    """What a run trained, and on what: folders, the base as others know it, and a name."""

    base: Path
    folder: Path
    known: Base
    name: str


def export(trained: Trained, form: str, to: Path, dtype: str | None, force: bool) -> list[Path]:
    """Write a whole model into a folder; return its files.

    What is computed is done in single precision, and rounded once.

    Args:
        form: "merged" or "gguf".
        dtype: in which weights are kept; None for that of the base.

    Raises:
        UserError: the folder is not empty and not to be written over (`force`), `dtype` is none,
            or GGUF cannot be written of the model.
    """
    dtype = dtype or dtype_of(trained.base)
    if dtype not in gguf_file.DTYPES:
        raise UserError(f"--dtype {dtype}: it is one of {', '.join(gguf_file.DTYPES)}")
    if to.exists() and not to.is_dir():
        raise UserError(f"{to} is a file: give another --to")
    if to.is_dir() and any(to.iterdir()) and not force:
        raise UserError(f"{to} is not empty: give another --to, or --force")
    missing = [name for name in ("torch", "peft", "gguf") if not find_spec(name)]
    if missing:
        raise UserError(f"whole models need {missing[0]}: pip install -e '.[train]'")
    with beside(to) as place:
        made = place / "model"
        merge(trained, made, "float32" if form == "gguf" else dtype)
        if form == "gguf":
            made = _as_gguf(trained, made, place / "gguf", dtype)
        _write_card(trained, made, form)
        put(made, to, stale=_weights(to) if form == "merged" else ())
    return sorted(path for path in to.iterdir() if path.is_file())


def merge(trained: Trained, out: Path, dtype: str) -> None:
    """Write the base with a LoRA added into its matrices, and its tokenizer, into a new folder.

    A whole model is taken as it is, but for its precision.
    """
    import torch

    if is_adapter(trained.folder):
        model: Any = load_causal(trained.base, SINGLE)
        from peft import PeftModel  # after the base, whose loading keeps packages silent

        model = PeftModel.from_pretrained(model, trained.folder).merge_and_unload()
    else:
        model = load_causal(trained.folder, SINGLE)
    model = model.to(getattr(torch, dtype))
    model.config._name_or_path = ""
    out.mkdir(parents=True)
    model.save_pretrained(out)
    load_tokenizer(trained.base).save_pretrained(out)


def dtype_of(folder: Path) -> str:
    """Return in which precision the weights in a folder are kept, as its configuration says."""
    config = json.loads((folder / "config.json").read_bytes())
    return str(config.get("dtype") or config.get("torch_dtype") or "float32")


def _as_gguf(trained: Trained, model: Path, out: Path, dtype: str) -> Path:
    """Write the model in a folder as GGUF into another one, and remove the first."""
    out.mkdir()
    kept = gguf_file.DTYPES[dtype].lower()
    gguf_file.write(model, out / f"{trained.name}-{kept}.gguf", dtype)
    shutil.rmtree(model)
    return out


def _weights(folder: Path) -> list[str]:
    """Return the weights of an earlier model: loading would take them for part of a new one."""
    return [file.name for file in folder.glob("model*.safetensors*")]


def _write_card(trained: Trained, made: Path, form: str) -> None:
    """Write the card of what was trained, changed to what it has become; nothing without one."""
    try:
        card = (trained.folder / CARD).read_text("utf-8")
    except OSError:
        return
    matter, body = read_front_matter(card)
    if "elenchus" not in matter.get("tags", ()):  # peft's template, in runs of earlier versions
        return
    file = next((path.name for path in made.glob("*.gguf")), "")
    (made / CARD).write_text(became(matter, body, trained.known, form, file), encoding="utf-8")


def became(matter: dict[str, Any], body: str, base: Base, form: str, file: str) -> str:
    """Return the card of a LoRA for the whole model that it was merged into.

    Args:
        matter, body: front matter and text of the LoRA's card.
        file: of GGUF; "" where there is none.
    """
    matter = matter | {"library_name": "gguf" if file else "transformers"}
    if "base_model" in matter:
        matter["base_model_relation"] = "finetune"
    matter["tags"] = [tag for tag in matter["tags"] if tag != "lora"] + (["gguf"] if file else [])
    told = (
        "What is described here was added into the matrices of its base, computed in single "
        "precision: this is a whole model, and the base is not needed."
    )
    load = how_to_load("gguf" if file else "model", base, 0, file=file)
    body = markdown.with_section(body, "How to load it", _with_prompt(body, load))
    head, _, rest = body.lstrip("\n").partition("\n\n")
    rest = rest.replace("- Only those who have the base model's weights can use it.\n", "")
    return f"{front_matter(matter)}\n{head}\n\n{told}\n\n{rest.rstrip()}\n"


def _with_prompt(body: str, load: str) -> str:
    """Return how to load a model, with the system prompt that stood in the card's section."""
    section = body.partition("\n## How to load it\n")[2].partition("\n## ")[0]
    _, found, prompt = section.partition("Its examples begin with")
    return f"{load.strip()}\n\n{found}{prompt}".strip()
