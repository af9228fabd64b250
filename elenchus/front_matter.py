"""The cards of models and datasets, as the Hugging Face hub has them: YAML, and a text below it."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

CARD = "README.md"  # as the hub calls it
FENCE = "---\n"
_FRONT = re.compile(r"\A---[ \t]*\n(?P<yaml>.*?\n)?---[ \t]*(?:\n|\Z)", re.DOTALL)


def front_matter(values: Mapping[str, Any]) -> str:
    """Return the YAML between lines of dashes that a card begins with."""
    return f"{FENCE}{yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)}{FENCE}"


def read_front_matter(card: str) -> tuple[dict[str, Any], str]:
    """Return the front matter of a card, and what follows it; none where the card has none.

    Raises:
        ValueError: it is no YAML.
    """
    found = _FRONT.match(card)
    if not found:
        return {}, card
    try:
        values = yaml.safe_load(found["yaml"] or "")
    # A day that no month has is a ValueError, and brackets in brackets are a RecursionError.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError("what stands between its lines of dashes is no YAML") from error
    return (values, card[found.end() :]) if isinstance(values, dict) else ({}, card)
