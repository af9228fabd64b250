"""Finds a domain's reference documents: in files, folders, tables, hubs, and by loaders of others.

A loader is a function that an installed package offers under the entry-point group
`elenchus.corpora`; docs/corpora.md has one whole.
"""

import glob
import itertools
import os
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elenchus.config import CorpusConfig
from elenchus.errors import UserError
from elenchus.plugins import Registry
from elenchus.records import Document
from elenchus.sections import SourceConfig
from retrieval import tables
from retrieval.formats import Refused


@dataclass(frozen=True)
class File:
    """A file to extract text from. `source` is what its document is called."""

    path: Path
    source: str
    encoding: str | None = None


Item = File | Document | Refused
Loader = Callable[[dict[str, Any]], Iterator[Document | Refused]]
LOADERS: Registry[Loader] = Registry("loader", "elenchus.corpora", {})


def items(corpus: CorpusConfig, folder: Path) -> Iterator[Item]:
    """Yield all that the sources of a corpus hold, source by source.

    Args:
        folder: what their paths are relative to.

    Raises:
        UserError: a source does not exist, or its loader cannot be used.
    """
    # A file that is named by itself goes before a folder with it: it may have settings of its own.
    for source in sorted(corpus.sources, key=lambda s: not (folder / (s.path or "")).is_file()):
        if source.path is not None:
            for item in files(source, folder, most=corpus.files):
                if isinstance(item, File) and tables.is_table(item.path, source):
                    yield from tables.documents(source, folder, item.path, item.source)
                else:
                    yield item
        elif source.hf is not None:
            yield from tables.documents(source, folder, None, tables.named(source))
        else:
            yield from _loader(str(source.loader))(source.options)


def files(
    source: SourceConfig, folder: Path, key: str = "corpus.sources", most: int | None = None
) -> Iterator[File | Refused]:
    """Yield the files of a source that is a path.

    Args:
        key: where the configuration names it.
        most: files that it may be; more are a mistake, which is said before any is read.

    Raises:
        UserError: there is none, or it is the whole disk, or more files than that.
    """
    root = folder / Path(str(source.path)).expanduser()
    roots, inside = [root], root
    is_pattern = not root.exists() and glob.has_magic(str(source.path))
    if is_pattern:
        inside = next(p for p in root.parents if not glob.has_magic(str(p)))
    if os.path.realpath(inside) == Path(os.path.realpath(inside)).anchor:
        raise UserError(f"{key}: {source.path} is the whole disk: name the folder of the documents")
    if is_pattern:
        matches = sorted(inside.glob(str(root.relative_to(inside))))
        roots = [path for path in matches if not _is_hidden(path, inside)]
    if not roots or not inside.exists():
        raise UserError(
            f"{key}: {os.path.normpath(root)} does not exist: correct the path, or put it there"
        )
    found: dict[Path, str] = {}  # a pattern may name a folder and what is in it
    for path, reason in itertools.chain.from_iterable(map(_walked, roots)):
        found.setdefault(path, reason)
        if most is not None and len(found) > most:
            raise UserError(
                f"{key}: {os.path.normpath(root)} holds more than {most:,} files: name the folder "
                "of the documents, or allow more with corpus.files"
            )
    for path, reason in found.items():
        name = _name(path, inside, folder)
        reason = reason or _refusal(path, inside)
        yield Refused(name, reason) if reason else File(path, name, source.encoding)


def _loader(name: str) -> Loader:
    try:
        return LOADERS.get(name)
    except UserError as error:
        raise UserError(f"corpus.sources: {error}") from error


def _is_hidden(path: Path, inside: Path) -> bool:
    """Tell whether any part of a path below a folder is hidden."""
    return any(part.startswith(".") for part in path.relative_to(inside).parts)


def _refusal(path: Path, inside: Path) -> str:
    """Return why a file is not to be read; "" where it is."""
    try:
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(inside)):
            return "a link that leaves the folder"
        if path.is_symlink() and not path.exists():
            return "a link to nothing"  # or to itself
        return "" if path.is_file() else "not a regular file"
    except OSError as error:
        return str(error.strerror)


def _walked(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield a file, or those below a folder in order, with why one cannot be walked into, if so.

    Hidden ones are passed over.
    """
    if not root.is_dir():
        yield root, ""
        return
    closed: list[OSError] = []
    for place, folders, names in os.walk(root, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(place) / name for name in folders):
            if path.is_symlink():  # and so it is not walked into
                yield path, "a link to a folder is not followed"
        yield from ((Path(place) / n, "") for n in sorted(names) if not n.startswith("."))
    for error in closed:
        yield Path(error.filename), str(error.strerror)


def _name(path: Path, inside: Path, folder: Path) -> str:
    """Return what a document is called: its path below the domain's folder, or from its source on.

    Never a path of this machine: names are part of what is learnt, and of what is cited.
    """
    # Not resolved: a link has the name that it has in the folder.
    whole, home, base = (Path(os.path.normpath(p.absolute())) for p in (path, folder, inside))
    below = whole.relative_to(home if whole.is_relative_to(home) else base.parent)
    name = os.fsencode(below.as_posix()).decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", name)  # some systems keep names decomposed
