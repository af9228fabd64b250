"""A domain's index, brought up to date while a person looks on, and what is shown of it."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from elenchus.cli.screen import Screen
from elenchus.errors import UserError
from elenchus.printing import printable
from elenchus.records import Document, Passage
from elenchus.sections import SourceConfig
from graphs.config import DomainConfig, load
from retrieval import corpora
from retrieval.catalogue import Entry
from retrieval.embedding import Embedder, check_embedding
from retrieval.index import REPEAT, Index
from retrieval.store import Store

NAMED, REASONS = 3, 12  # sources named for each reason of a refusal, and reasons


@dataclass(frozen=True)
class Corpus:
    """A domain's configuration, and its index with counts of what reading the sources changed."""

    config: DomainConfig
    folder: Path
    index: Index
    counts: Counter[str]

    def documents(self) -> list[Entry]:
        """Return the entries of all documents that were not refused."""
        return [entry for entry in self.index.catalogue.entries() if entry.reason is None]

    def refused(self) -> dict[str, str]:
        """Return why documents were refused, by their source."""
        return {e.source: e.reason for e in self.index.catalogue.entries() if e.reason is not None}

    def of(self, source: SourceConfig) -> set[str]:
        """Return the names of all that a source holds."""
        alone = self.config.corpus.model_copy(update={"sources": [source]})
        return {item.source for item in corpora.items(alone, self.folder)}

    def document(self, name: str) -> Document:
        """Return the one document that has this name, or whose name ends in it.

        Raises:
            UserError: there is none, or more than one.
        """
        names = [entry.source for entry in self.documents()]
        name = unicodedata.normalize("NFC", name)
        matching = [n for n in names if n == name] or [n for n in names if n.endswith(name)]
        document = self.index.catalogue.document(matching[0]) if len(matching) == 1 else None
        if document is None:
            what = f"{len(matching)} documents end" if matching else "no document ends"
            raise UserError(f"{what} in {name!r}; `elenchus corpus list` has them all")
        return document


@contextmanager
def opened(
    path: Path,
    changes: Sequence[str] | None,
    quiet: bool,
    sources: list[SourceConfig] | None = None,
) -> Iterator[Corpus]:
    """Open the index of a domain, with its catalogue in line with the sources.

    Args:
        sources: to read instead of those that the domain.yaml names. As they will be embedded, the
            embedding is checked first.
    """
    config = load(path, None, list(changes or []))
    if sources is not None:
        corpus = config.corpus.model_copy(update={"sources": sources})
        config = config.model_copy(update={"corpus": corpus})
        check_embedding(config.retrieval.embedding)
    index = Index(config, path.parent)
    try:
        with Screen(quiet).stage("Read documents") as advance:
            counts = index.read(advance)
        yield Corpus(config, path.parent, index, counts)
    finally:
        index.close()


@contextmanager
def embedded(corpus: Corpus, quiet: bool) -> Iterator[Store]:
    """Open the store of a corpus's vectors, in line with the catalogue."""
    store = corpus.index.store(Embedder(corpus.config.retrieval.embedding))
    try:
        with Screen(quiet).stage("Embed passages") as advance:
            corpus.counts["embedded"] = corpus.index.embed(store, advance)
        yield store
    finally:
        store.close()


def as_json(passage: Passage, document: Document | None) -> dict[str, Any]:
    """Return a passage with its id and page."""
    page = document.page(passage.start) if document else None
    return {"id": passage.id, **passage.model_dump(mode="json"), "page": page}


def show_passage(
    console: Console,
    passage: Passage,
    document: Document | None,
    score: float | None = None,
    query: str = "",
) -> None:
    """Print a passage below its place, with the words of a query standing out."""
    page = document.page(passage.start) if document else None
    parts = (passage.source, f"page {page}" if page else "", " > ".join(passage.heading))
    place = ", ".join(filter(None, parts)) + f" [{passage.start}:{passage.end}]"
    before = "" if score is None else f"{score:.2f}  "
    console.print()
    console.rule(Text(before + printable(place)), align="left")
    text = Text(printable(passage.text))
    for word in re.findall(r"\w{3,}", query):  # whatever their endings
        stem = re.escape(word[: max(4, len(word) - 3)])
        text.highlight_regex(rf"(?i)\b{stem}\w*", style="bold reverse")
    console.print(text)


def show_refused(reasons: Mapping[str, str]) -> None:
    """Print a line for each reason, with the sources that were refused for it."""
    by_reason: dict[str, list[str]] = {}
    for source, reason in reasons.items():
        kind = f"{REPEAT}another" if reason.startswith(REPEAT) else reason
        by_reason.setdefault(kind, []).append(source)
    console = Console(highlight=False)
    if reasons:
        console.print(f"{len(reasons):,} refused:")
    most_first = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    for reason, sources in most_first[:REASONS]:
        named = ", ".join(sources[:NAMED])
        more = f" and {len(sources) - NAMED:,} more" if len(sources) > NAMED else ""
        console.print(Text(printable(f"  {named}{more}: {reason}")), soft_wrap=True)
    if len(most_first) > REASONS:
        console.print(
            f"  {len(most_first) - REASONS:,} more reasons: `elenchus corpus stats --json`"
        )
