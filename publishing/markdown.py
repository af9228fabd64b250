"""Cards in Markdown: tables, lists, sections, and texts of others that stay what they are."""

from collections.abc import Sequence

from elenchus.printing import plain
from elenchus.results import RunVerdict


def inline(text: str) -> str:
    """Return a text of a document or a model for the middle of a line: it is shown, never obeyed.

    What begins a line in it would be a heading or a list.
    """
    return plain(" ".join(text.split()))


def titled(title: str, of: str) -> str:
    """Return the first heading of a card: a title, which begins with a capital, and what of it."""
    return f"# {inline(title[:1].upper() + title[1:])}: {of}"


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
