"""Puts what an export made into its folder, all of it at once where that is new."""

import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from elenchus import runs
from elenchus.errors import UserError
from elenchus.runs import RunFolder

EXPORTS = "exports"  # folder of a run


def place_of(run: RunFolder, name: str, to: Path | None) -> Path:
    """Return the folder that an export is written to; one in the run folder where none is given.

    Raises:
        UserError: the run keeps files of its own there.
    """
    own, exports = run.path.resolve(), run.path.resolve() / EXPORTS
    place = to or run.path / EXPORTS / name
    if place.resolve().is_relative_to(own) and not place.resolve().is_relative_to(exports):
        raise UserError(f"{place} is the run's own: give another --to")
    return place


@contextmanager
def beside(to: Path) -> Iterator[Path]:
    """Yield a folder beside another one, to make there what is put into it; it is removed."""
    with runs.explained(to, "--to"):
        to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}-") as place:
            yield Path(place)


def put(made: Path, to: Path, stale: Collection[str] = ()) -> None:
    """Move what was made into a folder: whole where that is new, file by file else.

    Args:
        stale: names of files that an earlier export may have left, and that would be taken for
            part of this one.
    """
    if not to.exists() and not to.is_symlink():
        made.replace(to)
        return
    files = [path.relative_to(made) for path in sorted(made.rglob("*")) if path.is_file()]
    for name in set(stale) - {file.as_posix() for file in files}:
        (to / name).unlink(missing_ok=True)
    for file in files:
        (to / file).parent.mkdir(parents=True, exist_ok=True)
        (made / file).replace(to / file)
