"""Looks into folders of weights, and tells them apart."""

import hashlib
import json
from pathlib import Path

from elenchus.errors import UserError
from elenchus.records import digest

INDEX = "model.safetensors.index.json"  # of weights in several files


def weights_hash(folder: Path) -> str:
    """Return a hash of the weights in a folder; "" where it has none."""
    hashes = [file_hash(path) for path in sorted(folder.glob("*.safetensors"))]
    return digest(" ".join(hashes)) if len(hashes) > 1 else "".join(hashes)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def missing_files(folder: Path) -> list[str]:
    """Return what a folder lacks of a model with its tokenizer, such as one of several files."""
    lacks = [] if (folder / "config.json").is_file() else ["config.json"]
    if not any(folder.glob("tokenizer*")) and not (folder / "vocab.json").is_file():
        lacks.append("tokenizer.json")
    weights: set[str] = set()
    if (folder / INDEX).is_file():
        try:
            weights = set(json.loads((folder / INDEX).read_text("utf-8"))["weight_map"].values())
        except (ValueError, KeyError):  # cut short
            lacks.append(INDEX)
    elif not any(folder.glob("*.safetensors")):  # which may have any name
        weights = {"model.safetensors"}
    return [*lacks, *sorted(name for name in weights if not (folder / name).is_file())]


def check_files(folder: Path) -> None:
    """Check that weights are there to their end, without reading them.

    Raises:
        UserError: a file is missing, or was cut short.
    """
    from safetensors import SafetensorError, safe_open

    if lacks := missing_files(folder):
        raise UserError(f"{folder} has no whole {lacks[0]}: download the model anew")
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="np"):
                pass
        except SafetensorError as error:
            raise UserError(f"{file} is damaged ({error}): download it anew") from error


def is_adapter(folder: Path) -> bool:
    """Tell whether a folder that training wrote holds a LoRA, and not a whole model."""
    return (folder / "adapter_config.json").is_file()
