"""`elenchus corpus`: what a domain's reference documents are, and what is found in them.

`domain.yaml` says which sources there are; `add` and `remove` edit it and bring the index in line.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from elenchus import domains
from elenchus.cli import options
from elenchus.errors import UserError
from elenchus.loading import as_source
from elenchus.printing import printable
from elenchus.records import CHARS_A_TOKEN
from elenchus.runs import write_atomic
from elenchus.sections import SourceConfig
from graphs.config import DomainConfig, load

app = typer.Typer(help="The reference documents of a domain.", no_args_is_help=True)
Domain = Annotated[str, typer.Argument(help="a name below domains/, or a folder")]
NAMED = 3  # sources named for each reason in `stats`


@app.command()
def add(
    domain: Domain,
    source: Annotated[str, typer.Argument(help="a path, a pattern, hf:NAME, or {key: value, …}")],
    changes: options.Changes = None,
    as_json: options.Json = False,
) -> None:
    """Add a source of documents to the domain, and index it."""
    path = domains.find(domain)
    new = _as_given(as_source(source), path.parent)
    known = _present(path)
    _change(path, known if new in known else [*known, new], changes, as_json)


@app.command()
def remove(
    domain: Domain,
    source: Annotated[str, typer.Argument(help="as `list` and domain.yaml name it")],
    changes: options.Changes = None,
    as_json: options.Json = False,
) -> None:
    """Take a source out of the domain; its documents leave the index."""
    path = domains.find(domain)
    known = load(path).corpus.sources
    old = as_source(source)
    left = [s for s in known if s not in (old, _as_given(old, path.parent))]
    if len(left) == len(known):
        names = ", ".join(_named(s) for s in known)
        raise UserError(f"{path} has no source {source!r}; it has: {names}")
    if not left:
        raise UserError(f"{source!r} is the only source of {path}: add another one first")
    _change(path, left, changes, as_json)


@app.command("list")
def list_documents(
    domain: Domain, changes: options.Changes = None, as_json: options.Json = False
) -> None:
    """The sources of the domain, and its documents."""
    with _opened(domains.find(domain), changes, as_json) as (config, index):
        entries = [e for e in index.catalogue.entries() if e.reason is None]
    if as_json:
        print(json.dumps([entry._asdict() for entry in entries], ensure_ascii=False))
        return
    console = Console(highlight=False)
    for source in config.corpus.sources:
        console.print(f"source  {_named(source)}", markup=False)
    table = Table(box=None)
    table.add_column("document", overflow="fold")
    for name in ("title", "language", "characters", "passages"):
        table.add_column(name, justify="right" if name in ("characters", "passages") else "left")
    for entry in entries:
        cells = (entry.source, entry.title, entry.language, f"{entry.characters:,}", entry.passages)
        table.add_row(*(Text(printable(str(cell))) for cell in cells))
    console.print(table)


@app.command()
def show(
    domain: Domain,
    document: Annotated[str, typer.Argument(help="a document's name, or the end of it")],
    changes: options.Changes = None,
    as_json: options.Json = False,
) -> None:
    """A document, passage by passage."""
    with _opened(domains.find(domain), changes, as_json) as (_, index):
        name = _whole_name(index, document)
        held, passages = index.catalogue.document(name), list(index.catalogue.passages(name))
    assert held is not None
    if as_json:
        tree = held.model_dump(mode="json") | {"passages": [_as_json(p, held) for p in passages]}
        print(json.dumps(tree, ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.print(Text(printable(f"{held.title} ({held.source})"), style="bold"))
    for passage in passages:
        console.print()
        console.rule(Text(_place(passage, held)), align="left")
        console.print(Text(printable(passage.text)))


@app.command()
def search(
    domain: Domain,
    query: Annotated[str, typer.Argument(help="what to look for, in words")],
    document: Annotated[str | None, typer.Option("--in", help="look in this document only")] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="passages at most")] = 5,
    changes: options.Changes = None,
    as_json: options.Json = False,
) -> None:
    """The passages that an expert would be given for a question, best first."""
    from retrieval.embedding import Embedder
    from retrieval.search import Search

    with _opened(domains.find(domain), changes, as_json) as (config, index):
        store = index.store(Embedder(config.retrieval.embedding))
        try:
            _embed(index, store, as_json)
            found = Search(list(index.catalogue.passages()), store, config.retrieval)
            inside = None if document is None else _whole_name(index, document)
            hits = found.ranked(query, inside)[:count]
            held = {h.passage.source: index.catalogue.document(h.passage.source) for h in hits}
        finally:
            store.close()
    if as_json:
        rows = [_as_json(h.passage, held[h.passage.source]) | {"score": h.score} for h in hits]
        print(json.dumps(rows, ensure_ascii=False))
        return
    console = Console(highlight=False)
    for hit in hits:
        console.print()
        place = _place(hit.passage, held[hit.passage.source])
        console.rule(Text(f"{hit.score:.2f}  {place}"), align="left")
        console.print(_marked(hit.passage.text, query))
    if not hits:
        console.print("nothing found")


@app.command()
def stats(domain: Domain, changes: options.Changes = None, as_json: options.Json = False) -> None:
    """How much there is, in which languages, and what was refused and why."""
    with _opened(domains.find(domain), changes, as_json) as (_, index):
        entries, count = index.catalogue.entries(), index.catalogue.count()
        fingerprint = index.fingerprint()
    kept = [e for e in entries if e.reason is None]
    characters = sum(e.characters for e in kept)
    found: dict[str, Any] = {
        "documents": count["documents"],
        "passages": count["passages"],
        "tokens": round(characters / CHARS_A_TOKEN),
        "languages": dict(Counter(e.language for e in kept).most_common()),
        "refused": {e.source: e.reason for e in entries if e.reason is not None},
        "fingerprint": fingerprint,
    }
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    languages = ", ".join(f"{name} {n}" for name, n in found["languages"].items())
    print(f"{found['documents']:,} documents, {found['passages']:,} passages, "
          f"about {found['tokens']:,} tokens ({CHARS_A_TOKEN} characters each)")  # fmt: skip
    print(f"languages: {languages}")
    print(f"fingerprint: {fingerprint}")
    _show_refused(found["refused"])


def _show_refused(refused: dict[str, str]) -> None:
    """A line for each; where many have one reason, a line for that."""
    by_reason: dict[str, list[str]] = {}
    for source, reason in refused.items():
        by_reason.setdefault(reason, []).append(source)
    console = Console(highlight=False)
    if refused:
        console.print(f"{len(refused):,} refused:")
    for reason, sources in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        named = ", ".join(sources[:NAMED])
        more = f" and {len(sources) - NAMED:,} more" if len(sources) > NAMED else ""
        console.print(Text(printable(f"  {named}{more}: {reason}")), soft_wrap=True)


@contextmanager
def _opened(
    path: Path, changes: Sequence[str] | None, quiet: bool
) -> Iterator[tuple[DomainConfig, Any]]:
    """The configuration, and its index with the catalogue in line with the sources."""
    from retrieval.index import Index

    config = load(path, None, list(changes or []))
    index = Index(config, path.parent)
    try:
        _read(index, quiet)
        yield config, index
    finally:
        index.close()


def _read(index: Any, quiet: bool) -> Counter[str]:
    from elenchus.cli.screen import Screen

    with Screen(quiet=quiet).stage("Read documents") as advance:
        counts: Counter[str] = index.read(advance)
    return counts


def _embed(index: Any, store: Any, quiet: bool) -> int:
    from elenchus.cli.screen import Screen

    with Screen(quiet=quiet).stage("Embed passages") as advance:
        return int(index.embed(store, advance))


def _ingested(
    path: Path, sources: list[SourceConfig], changes: Sequence[str] | None, quiet: bool
) -> tuple[Counter[str], dict[str, str]]:
    """What an ingest of these sources did, and what is refused."""
    from retrieval.embedding import Embedder, check_embedding
    from retrieval.index import Index

    config = load(path, None, list(changes or []))
    corpus = config.corpus.model_copy(update={"sources": sources})
    config = config.model_copy(update={"corpus": corpus})
    check_embedding(config.retrieval.embedding)
    index = Index(config, path.parent)
    try:
        counts = _read(index, quiet)
        store = index.store(Embedder(config.retrieval.embedding))
        try:
            counts["embedded"] = _embed(index, store, quiet)
        finally:
            store.close()
        counts.update(documents=0, passages=0)
        counts |= index.catalogue.count()
        return counts, {e.source: e.reason for e in index.catalogue.entries() if e.reason}
    finally:
        index.close()


def _change(
    path: Path, sources: list[SourceConfig], changes: Sequence[str] | None, as_json: bool
) -> None:
    """Give a domain other sources, once they have been ingested: what cannot be is not kept."""
    found = _ingested(path, sources, changes, as_json)
    _edit(path, sources)
    _show_ingest(*found, as_json)


def _show_ingest(counts: Counter[str], refused: dict[str, str], as_json: bool) -> None:
    if as_json:
        print(json.dumps(dict(counts) | {"refused": refused}, ensure_ascii=False))
        return
    print(
        f"{counts['documents']:,} documents, {counts['passages']:,} passages "
        f"({counts['new']:,} documents new, {counts['changed']:,} changed, "
        f"{counts['removed']:,} removed; {counts['embedded']:,} passages embedded)"
    )
    _show_refused(refused)


def _edit(path: Path, sources: Sequence[SourceConfig]) -> None:
    """Write the sources into a domain.yaml, whose comments stay."""
    before = path.read_text(encoding="utf-8")
    yaml = YAML()
    yaml.preserve_quotes = True
    whole = yaml.load(before)
    whole.setdefault("corpus", {})["sources"] = [source.model_dump() for source in sources]
    text = StringIO()
    yaml.dump(whole, text)
    if text.getvalue() != before:
        write_atomic(path, text.getvalue())


def _present(path: Path) -> list[SourceConfig]:
    """The sources that a domain.yaml has; those it has by default only where they hold anything."""
    sources = load(path).corpus.sources
    try:
        tree = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except YAMLError as error:  # stricter than what reads it otherwise
        raise UserError(f"{path} cannot be edited: {' '.join(str(error).split())}") from error
    if "sources" in (tree.get("corpus") or {}):
        return sources
    return [s for s in sources if any((path.parent / str(s.path)).glob("*"))]


def _as_given(source: SourceConfig, folder: Path) -> SourceConfig:
    """A path as a domain.yaml has it, below its folder; typed ones are below the present one."""
    if source.path is None or Path(source.path).expanduser().is_absolute():
        return source
    if not (Path.cwd() / source.path).exists() and (folder / source.path).exists():
        return source
    path = Path(os.path.relpath(Path.cwd() / source.path, folder)).as_posix()
    return source.model_copy(update={"path": path})


def _whole_name(index: Any, document: str) -> str:
    """The name of the document that is named, or that alone ends so."""
    names = [e.source for e in index.catalogue.entries() if e.reason is None]
    found = [n for n in names if n == document] or [n for n in names if n.endswith(document)]
    if len(found) != 1:
        what = f"{len(found)} documents end" if found else "no document ends"
        raise UserError(f"{what} in {document!r}; `elenchus corpus list` has them all")
    return str(found[0])


def _named(source: SourceConfig) -> str:
    tree = source.model_dump()
    if isinstance(tree, str):
        return tree
    return "{" + ", ".join(f"{key}: {value}" for key, value in tree.items()) + "}"


def _place(passage: Any, document: Any) -> str:
    page = document.page(passage.start) if document else None
    heading = " > ".join(passage.heading)
    parts = [passage.source, f"page {page}" if page else "", heading]
    return printable(", ".join(filter(None, parts)) + f" [{passage.start}:{passage.end}]")


def _as_json(passage: Any, document: Any) -> dict[str, Any]:
    page = document.page(passage.start) if document else None
    return {"id": passage.id, **passage.model_dump(mode="json"), "page": page}


def _marked(text: str, query: str) -> Text:
    """A passage with the query's words made to stand out, whatever their endings."""
    marked = Text(printable(text))
    for word in re.findall(r"\w{3,}", query):
        stem = re.escape(word[: max(4, len(word) - 3)])
        marked.highlight_regex(rf"(?i)\b{stem}\w*", style="bold reverse")
    return marked
