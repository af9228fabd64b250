"""Check sums of the weights' folder, so that a damaged file is named before it is loaded."""

from pathlib import Path

from elenchus.errors import UserError
from models.weights import file_hash

LIST = "SHA256"  # file that `offline.training.train --export` writes: a hash and a name a line
REMEDY = "restore it with `git checkout -- offline/nano/weights` or install the package again"


def verify_checksums(folder: Path) -> None:
    """Check every file that the folder's list names.

    Raises:
        UserError: the list or a file is missing, or a file was changed; it says what to do.
    """
    if not (folder / LIST).is_file():
        raise UserError(f"{folder}: no {LIST} file; {REMEDY}")
    for line in (folder / LIST).read_text(encoding="utf-8").splitlines():
        sha256, name = line.split("  ", 1)
        if not (folder / name).is_file():
            raise UserError(f"{folder / name}: missing; {REMEDY}")
        if file_hash(folder / name) != sha256:
            raise UserError(f"{folder / name}: damaged (its SHA-256 differs); {REMEDY}")
