"""Seals on the files that hold an index's vectors: Chroma does not notice that they are damaged.

It then finds fewer passages, or the process ends without a word. So a hash of each file is written
down once all vectors are stored, and compared before Chroma opens them.
"""

import hashlib
import json
from pathlib import Path

from elenchus import databases
from elenchus.runs import write_json

SEAL = "vectors.json"
# Without it, the files beside it hold nothing yet: Chroma has some hundred vectors in its database.
_WRITTEN = "index_metadata.pickle"
STORE = "chroma.sqlite3"


def damaged(folder: Path) -> tuple[Path, str] | None:
    """Return a file of a domain's vectors that is damaged, and what is wrong with it."""
    if fault := databases.fault(folder / STORE):
        return folder / STORE, fault
    try:
        sealed = dict(json.loads((folder / SEAL).read_text("utf-8")))
    except FileNotFoundError:  # vectors were being stored when the process ended
        return None
    except (ValueError, TypeError):
        return folder / SEAL, "is damaged"
    for name, written in sealed.items():
        if not (file := folder / name).is_file():
            return file, "is missing"
        if _hash(file) != written:
            return file, "is damaged"
    return None


def is_sealed(folder: Path) -> bool:
    """Tell whether hashes are written down."""
    return (folder / SEAL).exists()


def seal(folder: Path) -> None:
    """Write down the hashes of the files as they are."""
    files = sorted(f for written in folder.glob(f"*/{_WRITTEN}") for f in written.parent.iterdir())
    hashes = {file.relative_to(folder).as_posix(): _hash(file) for file in files}
    write_json(folder / SEAL, hashes)


def unseal(folder: Path) -> None:
    """Forget the hashes: vectors are about to be stored, or to go."""
    (folder / SEAL).unlink(missing_ok=True)


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
