"""Finds a domain's reference documents: in files, folders, tables, hubs, and by loaders of others.

A loader is a function that an installed package offers under the entry-point group
`elenchus.corpora`; docs/corpora.md has one whole.
"""

import glob
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from elenchus.config import CorpusConfig
from elenchus.errors import UserError
from elenchus.records import Document
from elenchus.sections import SourceConfig
from retrieval import tables
from retrieval.formats import Refused

GROUP = "elenchus.corpora"


@dataclass(frozen=True)
class File:
    """A file to extract text from. `source` is what its document is called."""

    path: Path
    source: str
    encoding: str | None = None


Found = File | Document | Refused
Loader = Callable[[dict[str, Any]], Iterator[Document | Refused]]


def found(corpus: CorpusConfig, folder: Path) -> Iterator[Found]:
    """All that the sources of a corpus hold, source by source; paths are relative to `folder`.

    Raises:
        UserError: a source does not exist, or its loader cannot be used.
    """
    # A file that is named by itself goes before a folder with it: it may have settings of its own.
    for source in sorted(corpus.sources, key=lambda s: not (folder / (s.path or "")).is_file()):
        if source.path is not None:
            for item in files(source, folder):
                table = isinstance(item, File) and item.path.suffix.lower() in tables.SUFFIXES
                if isinstance(item, File) and table:
                    yield from tables.rows(item.path, item.source, source)
                else:
                    yield item
        elif source.hf is not None:
            yield from tables.hub(source, folder)
        else:
            yield from _loader(source)(source.options)


def loaders() -> dict[str, metadata.EntryPoint]:
    """The loaders that installed packages offer, by name."""
    return {point.name: point for point in metadata.entry_points(group=GROUP)}


def _loader(source: SourceConfig) -> Loader:
    known = loaders()
    if source.loader not in known:
        names = ", ".join(sorted(known)) or "none"
        raise UserError(
            f"corpus.sources: no installed package offers the loader {source.loader!r}; "
            f"offered: {names}"
        )
    point = known[source.loader]
    try:
        loader: Loader = point.load()
    except (ImportError, AttributeError) as error:
        raise UserError(f"corpus.sources: the loader {point.name} is broken: {error}") from error
    return loader


def files(
    source: SourceConfig, folder: Path, key: str = "corpus.sources"
) -> Iterator[File | Refused]:
    """The files of a source that is a path; `key` is where the configuration names it.

    Raises:
        UserError: there is none.
    """
    root = folder / Path(str(source.path)).expanduser()
    roots, inside = [root], root
    if not root.exists() and glob.has_magic(str(source.path)):
        inside = next(p for p in root.parents if not glob.has_magic(str(p)))
        roots = [p for p in sorted(inside.glob(str(root.relative_to(inside)))) if _open(p, inside)]
    if not roots or not inside.exists():
        raise UserError(
            f"{key}: {os.path.normpath(root)} does not exist: correct the path, or put it there"
        )
    met: set[Path] = set()
    for path in itertools.chain.from_iterable(map(_walked, roots)):
        place = Path(path.source) if isinstance(path, Refused) else path
        if place not in met:  # a pattern may name a folder and what is in it
            met.add(place)
            name = _name(place, inside, folder)
            reason = path.reason if isinstance(path, Refused) else _closed(path, inside)
            yield Refused(name, reason) if reason else File(place, name, source.encoding)


def _open(path: Path, inside: Path) -> bool:
    """Whether no part of a path below a folder is hidden."""
    return not any(part.startswith(".") for part in path.relative_to(inside).parts)


def _closed(path: Path, inside: Path) -> str | None:
    """Why a file is not to be read, if so."""
    try:
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(inside)):
            return "a link that leaves the folder"
        if path.is_symlink() and not path.exists():
            return "a link to nothing"  # or to itself
        return None if path.is_file() else "not a regular file"
    except OSError as error:
        return str(error.strerror)


def _walked(root: Path) -> Iterator[Path | Refused]:
    """A file, or the files below a folder, in order; hidden ones are passed over."""
    if not root.is_dir():
        yield root
        return
    closed: list[OSError] = []
    for place, folders, names in os.walk(root, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(place) / name for name in folders):
            if path.is_symlink():  # and so it is not walked into
                yield Refused(str(path), "a link to a folder is not followed")
        yield from (Path(place) / name for name in sorted(names) if not name.startswith("."))
    for error in closed:
        yield Refused(str(error.filename), str(error.strerror))


def _name(path: Path, inside: Path, folder: Path) -> str:
    """What a document is called: its path below the domain's folder, or from its source on.

    Never a path of this machine: names are part of what is learnt, and of what is cited.
    """
    # Not resolved: a link has the name that it has in the folder.
    whole, home, base = (Path(os.path.normpath(p.absolute())) for p in (path, folder, inside))
    below = whole.relative_to(home if whole.is_relative_to(home) else base.parent)
    return os.fsencode(below.as_posix()).decode("utf-8", "backslashreplace")
