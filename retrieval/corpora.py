"""Reads a domain's reference documents from files and folders."""

from collections.abc import Iterator
from pathlib import Path

from elenchus.errors import UserError
from elenchus.records import Document

SUFFIXES = (".md", ".markdown", ".txt")


def load_documents(folder: Path, paths: list[str]) -> list[Document]:
    """All documents below the given paths, which are relative to `folder`, ordered by source.

    Raises:
        UserError: a path does not exist, a file is not UTF-8 text, or there is no text at all.
    """
    documents = {}
    for path in paths:
        root = folder / path
        if not root.exists():
            raise UserError(f"corpus.paths: {root} does not exist; put your documents there")
        for file in _files(root):
            document = _read(file, folder)
            if document.text.strip():
                documents[document.source] = document
    if not documents:
        raise UserError(
            f"corpus.paths: no text in {', '.join(paths)} below {folder}; "
            f"files ending in {', '.join(SUFFIXES)} are read"
        )
    return [documents[source] for source in sorted(documents)]


def _files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
        return
    yield from sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())


def _read(file: Path, folder: Path) -> Document:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{file} is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from error
    source = file.resolve()
    base = folder.resolve()
    name = source.relative_to(base).as_posix() if source.is_relative_to(base) else source.as_posix()
    return Document(source=name, title=_title(text) or file.stem, text=text)


def _title(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return first.lstrip("#").strip() if first.startswith("#") else ""
