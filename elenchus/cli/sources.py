"""`elenchus corpus add` and `remove`: edit the sources in domain.yaml, and index them."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elenchus import domains
from elenchus.cli import options
from elenchus.cli.editing import edited
from elenchus.errors import NothingLoaded, UserError

if TYPE_CHECKING:
    from elenchus.sections import SourceConfig


def add(
    domain: options.Domain,
    source: Annotated[str, typer.Argument(help="a path, a pattern, hf:NAME, or {key: value, …}")],
    changes: options.Changes = None,
    as_json: options.Json = False,
) -> None:
    """Add a source of documents to the domain, and index it."""
    from elenchus.loading import as_source

    path = domains.find(domain)
    new = _as_written(as_source(source), path.parent)
    present = _present(path)
    if new in present:
        _change(path, present, changes, as_json)
    else:
        _change(path, [*present, new], changes, as_json, added=new)


def remove(
    domain: options.Domain,
    source: Annotated[str, typer.Argument(help="as `list` and domain.yaml name it")],
    changes: options.Changes = None,
    as_json: options.Json = False,
) -> None:
    """Take a source out of the domain; its documents leave the index.

    Without any, a domain reads its folder documents/, as a new one does.
    """
    from elenchus.config import CorpusConfig
    from elenchus.loading import as_source
    from graphs.config import load

    path = domains.find(domain)
    present = load(path).corpus.sources
    old = as_source(source)
    left = [s for s in present if s not in (old, _as_written(old, path.parent))]
    if len(left) == len(present):
        names = ", ".join(map(named, present))
        raise UserError(f"{path} has no source {source!r}; it has: {names}")
    usual = CorpusConfig().sources
    if not left and present == usual:
        raise UserError(
            f"{source!r} is what a domain reads that names no source: add another one first, or "
            f"take the files out of {path.parent / str(usual[0].path)}"
        )
    try:
        _change(path, left or usual, changes, as_json)
    except NothingLoaded:
        if left:
            raise
        _write(path, usual)
        _show_nothing(path, as_json)


def _show_nothing(path: Path, as_json: bool) -> None:
    """Say that a domain has no documents any more."""
    if as_json:
        print(json.dumps({"documents": 0, "passages": 0, "refused": {}}))
        return
    print(
        f"no documents are left: put some into {path.parent / 'documents'}, or name them with "
        "`elenchus corpus add`"
    )


def named(source: "SourceConfig") -> str:
    """Return a source as domain.yaml has it, in one line."""
    tree = source.model_dump()
    if isinstance(tree, str):
        return tree
    return "{" + ", ".join(f"{key}: {value}" for key, value in tree.items()) + "}"


def _change(
    path: Path,
    sources: "list[SourceConfig]",
    changes: Sequence[str] | None,
    as_json: bool,
    added: "SourceConfig | None" = None,
) -> None:
    """Index other sources, then write them into domain.yaml: what cannot be indexed is not kept.

    Raises:
        UserError: nothing of the source that is added could be used.
    """
    from elenchus.cli.indexing import embedded, opened, show_refused

    with opened(path, changes, as_json, sources) as corpus, embedded(corpus, as_json):
        reasons = corpus.refused()
        useless = added is not None and corpus.of(added) <= reasons.keys()
        counts = corpus.counts | corpus.index.catalogue.count()
    if added is not None and useless:
        if not as_json:
            show_refused(reasons)
        raise UserError(f"{named(added)}: nothing of it could be used, so it is not kept")
    _write(path, sources)
    if as_json:
        print(json.dumps(dict(counts) | {"refused": reasons}, ensure_ascii=False))
        return
    print(
        f"{counts['documents']:,} documents, {counts['passages']:,} passages "
        f"({counts['new']:,} documents new, {counts['changed']:,} changed, "
        f"{counts['removed']:,} removed; {counts['embedded']:,} passages embedded)"
    )
    show_refused(reasons)


def _write(path: Path, sources: "Sequence[SourceConfig]") -> None:
    """Write the sources into a domain.yaml; the usual ones need not stand there."""
    from elenchus.config import CorpusConfig

    with edited(path) as tree:
        if sources != CorpusConfig().sources:
            tree["corpus"] = tree.get("corpus") or {}
            tree["corpus"]["sources"] = [source.model_dump() for source in sources]
        elif "sources" in (tree.get("corpus") or {}):
            del tree["corpus"]["sources"]
            if not tree["corpus"]:
                del tree["corpus"]


def _present(path: Path) -> "list[SourceConfig]":
    """Return the sources of a domain.yaml; the default ones only where they hold any file."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    from graphs.config import load

    sources = load(path).corpus.sources
    try:
        tree = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except YAMLError as error:  # stricter than PyYAML, which `load` reads with
        raise UserError(f"{path} cannot be edited: {' '.join(str(error).split())}") from error
    if "sources" in (tree.get("corpus") or {}):
        return sources
    return [s for s in sources if any((path.parent / str(s.path)).glob("*"))]


def _as_written(source: "SourceConfig", folder: Path) -> "SourceConfig":
    """Return a typed path, below the present folder, as one below the domain's folder."""
    if source.path is None or Path(source.path).expanduser().is_absolute():
        return source
    if not (Path.cwd() / source.path).exists() and (folder / source.path).exists():
        return source
    path = Path(os.path.relpath(Path.cwd() / source.path, folder)).as_posix()
    return source.model_copy(update={"path": path})
