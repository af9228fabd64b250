"""Looks into folders of weights, and tells them apart."""

import hashlib
from pathlib import Path

from elenchus.records import digest


def weights_hash(folder: Path) -> str:
    """Return a hash of the weights in a folder; "" where it has none."""
    hashes = [file_hash(path) for path in sorted(folder.glob("*.safetensors"))]
    return digest(" ".join(hashes)) if len(hashes) > 1 else "".join(hashes)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_adapter(folder: Path) -> bool:
    """Tell whether a folder that training wrote holds a LoRA, and not a whole model."""
    return (folder / "adapter_config.json").is_file()
