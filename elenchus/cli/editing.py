"""Edits a domain.yaml in place; its comments stay."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any


@contextmanager
def edited(path: Path) -> Iterator[Any]:
    """Yield the tree of a YAML file, and write it where it was changed."""
    from ruamel.yaml import YAML

    from elenchus.runs import write_atomic

    before = path.read_text(encoding="utf-8")
    yaml = YAML()
    yaml.preserve_quotes = True
    tree = yaml.load(before)
    yield tree
    text = StringIO()
    yaml.dump(tree, text)
    if text.getvalue() != before:
        write_atomic(path, text.getvalue())
