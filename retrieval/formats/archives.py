"""Archives that documents are kept in: how large they are is known before they are unpacked."""

import contextlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterator

from elenchus.printing import in_line
from retrieval.formats.failures import Unreadable

# Each with the member that makes it one of its kind.
ZIPPED = {
    ".docx": "word/document.xml",
    ".pptx": "ppt/presentation.xml",
    ".xlsx": "xl/workbook.xml",
    ".epub": "META-INF/container.xml",
}
# What zipfile raises at a damaged or encrypted one.
DAMAGE = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, EOFError,
    LookupError, OSError,
)  # fmt: skip
SHOWN = 200  # characters of what zipfile says, which may be all of a name
MOST_CELLS = 5_000_000  # of a sheet, empty ones included: those are written out
_CELL = re.compile(rb"""\br=["']([A-Z]{1,3})(\d{1,7})["']""")


def check(content: bytes, suffix: str, expanded: int) -> None:
    """Refuse an archive that unpacks to more; no more than it declares is ever unpacked."""
    with _opened(content) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
        if size > expanded:
            raise Unreadable(
                f"it unpacks to {size / 1e6:,.0f} MB, and corpus.expanded_mb allows "
                f"{expanded / 1e6:,.0f}"
            )
        if ZIPPED[suffix] not in archive.namelist():
            raise Unreadable(f"it is damaged: there is no {ZIPPED[suffix]} in it")
        if suffix == ".xlsx":
            _check_cells(archive)


def members(content: bytes) -> dict[str, bytes]:
    """Return what an archive holds, by name; Unreadable where it is damaged."""
    with _opened(content) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@contextlib.contextmanager
def _opened(content: bytes) -> Iterator[zipfile.ZipFile]:
    """Open an archive; whatever zipfile raises, then or as it is read, is the file's damage."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield archive
    except DAMAGE as error:
        raise Unreadable(f"it is damaged: {in_line(str(error), SHOWN)}") from error


def _check_cells(archive: zipfile.ZipFile) -> None:
    """Refuse a small file whose two far corners make it a sheet of billions of cells."""
    for name in archive.namelist():
        if name.startswith("xl/worksheets/"):
            places = _CELL.findall(archive.read(name))
            width = max((_column(letters) for letters, _ in places), default=0)
            height = max((int(row) for _, row in places), default=0)
            if width * height > MOST_CELLS:
                raise Unreadable(f"a sheet of {height:,} rows and {width:,} columns is too large")


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number
