"""Check sums of a weights folder, so that a damaged file is named before it is loaded."""

import hashlib
from pathlib import Path

LIST = "SHA256"
REMEDY = "restore it with `git checkout -- offline/nano/weights` or install the package again"


def write_checksums(folder: Path) -> None:
    """List every data file of the folder with its SHA-256."""
    listed = (".json", ".safetensors", ".jinja")
    names = sorted(path.name for path in folder.iterdir() if path.suffix in listed)
    lines = [f"{_digest(folder / name)}  {name}\n" for name in names]
    (folder / LIST).write_text("".join(lines), encoding="utf-8", newline="\n")


def verify_checksums(folder: Path) -> None:
    """Raise ValueError, with the remedy, where a file is missing or not as it was shipped."""
    if not (folder / LIST).is_file():
        raise ValueError(f"{folder}: no {LIST} file; {REMEDY}")
    for line in (folder / LIST).read_text(encoding="utf-8").splitlines():
        digest, name = line.split("  ", 1)
        if not (folder / name).is_file():
            raise ValueError(f"{folder / name}: missing; {REMEDY}")
        if _digest(folder / name) != digest:
            raise ValueError(f"{folder / name}: damaged (its SHA-256 differs); {REMEDY}")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
