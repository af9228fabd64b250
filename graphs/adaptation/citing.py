"""What the examples of a dataset rest on, with the places in the documents."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from elenchus.ledger import Ledger
from elenchus.outcomes import Example
from elenchus.records import Citation, Examination, Passage, Point, Seed, Turn
from graphs.adaptation import reviewing


def citations(ledger: Ledger, examples: Sequence[Example]) -> list[list[dict[str, Any]]]:
    """Return for each example what its answer cites: the expert's quotes, or a reviewer's."""
    corrected = reviewing.corrections(ledger)
    rows = []
    for example in examples:
        correction = corrected.get((example.prompt[-1].content, example.completion))
        cited = correction.citations if correction else ()
        cited = cited or ledger.get(Turn, example.turn_id).expert[0].citations
        rows.append(rows_of(ledger, cited))
    return rows


def joined(
    ledger: Ledger, examples: Sequence[Example], cited: Sequence[Sequence[Mapping[str, Any]]]
) -> list[list[str]]:
    """Return for each example the ids of the points, beside its own, that its answer rests on.

    Args:
        cited: what each example cites, as `citations` returns it.
    """
    points = {point.id: point for point in ledger.all(Point)}
    found = []
    for example, rows in zip(examples, cited, strict=True):
        seed = ledger.get(Seed, ledger.get(Examination, example.examination_id).seed_id)
        passages = {row["passage_id"] for row in rows}
        # An update leaves points behind whose passages are gone.
        offered = [points[i] for i in seed.partner_ids if i in points]
        found.append([one.id for one in offered if passages.intersection(one.passage_ids)])
    return found


def rows_of(ledger: Ledger, cited: Sequence[Citation]) -> list[dict[str, Any]]:
    """Return citations, each once, as files have them: with document, headings and offsets."""
    return [
        cited_row(ledger.get(Passage, citation.passage_id), citation.quote)
        for citation in dict.fromkeys(cited)
    ]


def cited_row(passage: Passage, quote: str) -> dict[str, Any]:
    """Return a quote as it stands in its document, which is `document.text[start:end]`.

    White space may differ from what the model wrote. A quote that is not found has no offsets.
    """
    words = r"\s+".join(map(re.escape, quote.split()))
    found = re.search(words, passage.text) if words else None
    return {
        "document": passage.source,
        "title": passage.title,
        "heading": list(passage.heading),
        "quote": found[0] if found else quote,
        "start": passage.start + found.start() if found else None,
        "end": passage.start + found.end() if found else None,
        "passage_id": passage.id,
    }
