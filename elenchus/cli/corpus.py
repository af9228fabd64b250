"""`elenchus corpus`: what a domain's reference documents are, and what a search finds in them."""

import json
from collections import Counter
from typing import Annotated

import typer

from elenchus import domains
from elenchus.cli import options, sources, tune
from elenchus.printing import printable

app = typer.Typer(help="The reference documents of a domain.", no_args_is_help=True)
app.command()(sources.add)
app.command()(sources.remove)
app.command()(tune.tune)
COLUMNS = ("document", "title", "language", "characters", "passages")


@app.command("list")
def list_documents(
    domain: options.Domain, changes: options.Changes = None, as_json: options.Json = False
) -> None:
    """List the sources of the domain, and its documents."""
    from rich.console import Console

    from elenchus.cli.indexing import opened
    from elenchus.cli.screen import show_table, table

    with opened(domains.find(domain), changes, as_json) as corpus:
        entries = corpus.documents()
    if as_json:
        print(json.dumps([entry._asdict() for entry in entries], ensure_ascii=False))
        return
    console = Console(highlight=False)
    for source in corpus.config.corpus.sources:
        console.print(f"source  {sources.named(source)}", markup=False)
    rows = ((e.source, e.title, e.language, f"{e.characters:,}", e.passages) for e in entries)
    show_table(console, table(COLUMNS, rows, right=COLUMNS[3:]))


@app.command()
def show(
    domain: options.Domain,
    document: Annotated[str, typer.Argument(help="a document's name, or the end of it")],
    changes: options.Changes = None,
    as_json: options.Json = False,
) -> None:
    """Show a document, passage by passage."""
    from rich.console import Console

    from elenchus.cli import indexing

    with indexing.opened(domains.find(domain), changes, as_json) as corpus:
        whole = corpus.document(document)
        passages = list(corpus.index.catalogue.passages(whole.source))
    if as_json:
        rows = [indexing.as_json(passage, whole) for passage in passages]
        print(json.dumps(whole.model_dump(mode="json") | {"passages": rows}, ensure_ascii=False))
        return
    console = Console(highlight=False)
    title = printable(f"{whole.title} ({whole.source})")
    console.print(title, style="bold", markup=False)
    for passage in passages:
        indexing.show_passage(console, passage, whole)


@app.command()
def search(
    domain: options.Domain,
    query: Annotated[str, typer.Argument(help="what to look for, in words")],
    document: Annotated[str | None, typer.Option("--in", help="look in this document only")] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="passages at most")] = 5,
    changes: options.Changes = None,
    as_json: options.Json = False,
) -> None:
    """Show the passages that an expert would be given for a question, best first."""
    from rich.console import Console

    from elenchus.cli import indexing
    from retrieval.search import Search

    path = domains.find(domain)
    with (
        indexing.opened(path, changes, as_json) as corpus,
        indexing.embedded(corpus, as_json) as store,
    ):
        passages = list(corpus.index.catalogue.passages())
        inside = None if document is None else corpus.document(document).source
        hits = Search(passages, store, corpus.config.retrieval).ranked(query, inside)[:count]
        texts = [corpus.index.catalogue.document(hit.passage.source) for hit in hits]
    pairs = list(zip(hits, texts, strict=True))
    if as_json:
        rows = [indexing.as_json(hit.passage, text) | {"score": hit.score} for hit, text in pairs]
        print(json.dumps(rows, ensure_ascii=False))
        return
    console = Console(highlight=False)
    for hit, text in pairs:
        indexing.show_passage(console, hit.passage, text, hit.score, query)
    if not hits:
        console.print("nothing found")


@app.command()
def stats(
    domain: options.Domain, changes: options.Changes = None, as_json: options.Json = False
) -> None:
    """Count documents, passages, tokens and languages; name what was refused, and why."""
    from elenchus.cli.indexing import opened, show_refused
    from elenchus.records import CHARS_A_TOKEN

    with opened(domains.find(domain), changes, as_json) as corpus:
        entries, count = corpus.documents(), corpus.index.catalogue.count()
        reasons, fingerprint = corpus.refused(), corpus.index.fingerprint()
    tokens = round(sum(entry.characters for entry in entries) / CHARS_A_TOKEN)
    languages = dict(Counter(entry.language for entry in entries).most_common())
    if as_json:
        figures = {
            "documents": count["documents"],
            "passages": count["passages"],
            "tokens": tokens,
            "languages": languages,
            "refused": reasons,
            "fingerprint": fingerprint,
        }
        print(json.dumps(figures, ensure_ascii=False))
        return
    print(f"{count['documents']:,} documents, {count['passages']:,} passages, "
          f"about {tokens:,} tokens ({CHARS_A_TOKEN} characters each)")  # fmt: skip
    print(f"languages: {', '.join(f'{name} {n}' for name, n in languages.items())}")
    print(f"fingerprint: {fingerprint}")
    show_refused(reasons)
