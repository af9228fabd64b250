"""Cards in Markdown: front matter in YAML, tables, and texts of others that stay what they are."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from elenchus.printing import plain
from elenchus.results import RunVerdict

FENCE = "---\n"


def front_matter(values: Mapping[str, Any]) -> str:
    """Return the YAML between lines of dashes that a card begins with."""
    return f"{FENCE}{yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)}{FENCE}"


def read_front_matter(card: str) -> tuple[dict[str, Any], str]:
    """Return the front matter of a card, and what follows it; none where the card has none."""
    begins, _, rest = card.partition(FENCE)
    matter, fence, body = rest.partition(f"\n{FENCE}")
    values = yaml.safe_load(matter) if not begins and fence else None
    return (values, body) if isinstance(values, dict) else ({}, card)


def inline(text: str) -> str:
    """Return a text of a document or a model for the middle of a line: it is shown, never obeyed.

    What begins a line in it would be a heading or a list.
    """
    return plain(" ".join(text.split()))


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table; texts of others in it have to be `inline`."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def listed(items: Sequence[str], otherwise: str) -> str:
    """Return a list, or a list of one sentence where there is nothing to list."""
    return "".join(f"- {item}\n" for item in items or [otherwise])


def verdict_in_markdown(verdict: RunVerdict | None) -> str:
    """Return the verdict with its reasons, which lead a card."""
    if verdict is None:
        return "No verdict: nothing was trained."
    reasons = "\n".join(f"- {inline(reason)}" for reason in verdict.reasons)
    return f"**Verdict: {verdict.word}**\n\n{reasons}"


def with_section(card: str, heading: str, text: str) -> str:
    """Return a card with the text of one of its sections replaced, or put at its end."""
    before, found, rest = card.partition(f"\n## {heading}\n")
    _, further, after = rest.partition("\n## ")
    if not found:
        before = card.rstrip("\n") + "\n"
    return f"{before}\n## {heading}\n\n{text.strip()}\n{further}{after}"
