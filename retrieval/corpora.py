"""Finds a domain's reference documents: in files, folders, tables, hubs, and by loaders of others.

A loader is a function that an installed package offers under the entry-point group
`elenchus.corpora`; docs/corpora.md has one whole.
"""

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from elenchus.config import CorpusConfig, SourceConfig
from elenchus.errors import UserError
from elenchus.records import Document
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


def found(corpus: CorpusConfig, folder: Path) -> Iterator[Found]:
    """All that the sources of a corpus hold, source by source; paths are relative to `folder`.

    Raises:
        UserError: a source does not exist, or its loader cannot be used.
    """
    for source in corpus.sources:
        if source.path is not None:
            for item in _files(source, folder):
                table = isinstance(item, File) and item.path.suffix.lower() in tables.SUFFIXES
                if isinstance(item, File) and table:
                    yield from tables.rows(item.path, item.source, source)
                else:
                    yield item
        elif source.hf is not None:
            yield from tables.hub(source, folder)
        else:
            yield from _loader(source).load()(source.options)


def check(corpus: CorpusConfig, folder: Path) -> None:
    """See whether the sources are there, without reading them; UserError says which is not."""
    for source in corpus.sources:
        if source.path is not None:
            next(_files(source, folder), None)
        elif source.loader is not None:
            _loader(source)


def loaders() -> dict[str, metadata.EntryPoint]:
    """The loaders that installed packages offer, by name."""
    return {point.name: point for point in metadata.entry_points(group=GROUP)}


def _loader(source: SourceConfig) -> metadata.EntryPoint:
    known = loaders()
    if source.loader not in known:
        names = ", ".join(sorted(known)) or "none"
        raise UserError(
            f"corpus.sources: no installed package offers the loader {source.loader!r}; "
            f"offered: {names}"
        )
    return known[source.loader]


def _files(source: SourceConfig, folder: Path) -> Iterator[File | Refused]:
    root = folder / Path(str(source.path)).expanduser()
    roots, inside = [root], root
    if not root.exists() and glob.has_magic(str(source.path)):
        inside = next(p for p in root.parents if not glob.has_magic(str(p)))
        roots = sorted(inside.glob(str(root.relative_to(inside))))
    if not roots or not inside.exists():
        raise UserError(f"corpus.sources: {root} does not exist; put your documents there")
    real = inside.resolve()
    for place in roots:
        for path in _walked(place) if place.is_dir() else [place]:
            if isinstance(path, Refused):
                yield Refused(_name(Path(path.source), inside, folder), path.reason)
            elif path.is_symlink() and not path.resolve().is_relative_to(real):
                yield Refused(_name(path, inside, folder), "a link that leaves the folder")
            else:
                yield File(path, _name(path, inside, folder), source.encoding)


def _walked(root: Path) -> Iterator[Path | Refused]:
    """The files below a folder, in order; hidden ones are passed over."""
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
    return whole.relative_to(home if whole.is_relative_to(home) else base.parent).as_posix()
