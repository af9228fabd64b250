"""Files on the file systems that pyarrow opens: s3://, gs://, abfs://, hdfs:// and others.

Keys for them are taken from the environment, as pyarrow does; an address holds none.
"""

import contextlib
import functools
import io
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

from elenchus.errors import UserError
from elenchus.printing import in_line
from elenchus.sections import SourceConfig
from retrieval import rows

PATIENCE = 10  # seconds that Google's storage is asked again
SHOWN = 300  # characters of what a file system says


class Remote(NamedTuple):
    """A file there: its path in its file system, and what its texts are called."""

    path: str
    source: str
    size: int  # bytes
    changed: int  # nanoseconds since 1970; 0 where the file system does not tell


def localised(source: SourceConfig) -> SourceConfig:
    """Return the source, with a path for an address file://."""
    if not (source.path or "").startswith("file://"):
        return source
    return source.model_copy(update={"path": url2pathname(urlsplit(str(source.path)).path)})


def is_address(source: SourceConfig) -> bool:
    """Tell whether a source lies on a file system that has an address."""
    return "://" in (source.path or "")


def files(source: SourceConfig, key: str) -> Iterator[Remote]:
    """Yield the files of a source that has an address: one, or those of a folder, in order.

    Raises:
        UserError: the file system cannot be reached, refuses, or has nothing there.
    """
    from pyarrow import fs

    try:
        with rows.arrow():
            system, root = opened(str(source.path))
            found = [system.get_file_info(root)]
            if found[0].type == fs.FileType.Directory:
                found = system.get_file_info(fs.FileSelector(root, recursive=True))
    except (OSError, ValueError, ImportError) as error:
        raise UserError(
            f"{key}: {source.path} cannot be read ({in_line(rows.damage(error), SHOWN)}): correct "
            "the address, or set in the environment what the file system asks for"
        ) from error
    if any(info.type == fs.FileType.NotFound for info in found):
        raise UserError(f"{key}: {source.path} does not exist: correct the address")
    base = PurePosixPath(root).parent
    named = ((info, PurePosixPath(info.path).relative_to(base)) for info in found if info.is_file)
    for info, name in sorted(named, key=lambda pair: _order(pair[1])):
        if not any(part.startswith(".") for part in name.parts[1:]):
            yield Remote(info.path, name.as_posix(), info.size or 0, info.mtime_ns or 0)


@functools.lru_cache(maxsize=16)
def opened(address: str) -> tuple[Any, str]:
    """Return the file system of an address, and the path there; pyarrow's errors where none is."""
    from pyarrow import fs

    if address.startswith(("gs:", "gcs:")) and "retry_limit_seconds" not in address:
        # Else it would try for a quarter of an hour where nothing answers.
        address += f"{'&' if '?' in address else '?'}retry_limit_seconds={PATIENCE}"
    system, path = fs.FileSystem.from_uri(address)
    return system, path


class File(io.RawIOBase):
    """A file to read from, whose file system may be out of reach for a time.

    Its reading raises a UserError then, since the file must not count as damaged.
    """

    _file: Any

    def __init__(self, address: str, path: str) -> None:
        self._path, self._file = path, None
        with self._reached():
            self._file = opened(address)[0].open_input_file(path)

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it has places to go to."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; return how many bytes."""
        with self._reached():
            return int(self._file.readinto(buffer))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; return it."""
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        """Return the place in the file."""
        return int(self._file.tell())

    def close(self) -> None:
        """Close it."""
        if self._file is not None:  # as it is where it could not be opened
            self._file.close()
        super().close()

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            with rows.arrow():
                yield
        except (OSError, ValueError) as error:
            said = in_line(rows.damage(error), SHOWN)
            raise UserError(f"{self._path} broke off: {said}; the same command goes on") from error


def _order(name: PurePosixPath) -> list[tuple[bool, str]]:
    """Return what sorts names as folders on a disk are walked: files, then the folders."""
    return [*((True, part) for part in name.parts[:-1]), (False, name.name)]
