"""Prices of models: those of the configuration, else a small table of published ones."""

import functools
from collections.abc import Mapping

from elenchus.config import LimitsConfig
from elenchus.errors import UserError
from models.backend import backend

# USD for a million tokens read and written, as reported in 2026. Prices change: look them up, and
# set `models.NAME.usd_in` and `usd_out` in domain.yaml, which take precedence.
PUBLISHED: dict[str, tuple[float, float]] = {
    "openai:gpt-4.1": (2.0, 8.0),
    "openai:gpt-4.1-mini": (0.4, 1.6),
    "openai:gpt-4.1-nano": (0.1, 0.4),
    "openai:gpt-4o": (2.5, 10.0),
    "openai:gpt-4o-mini": (0.15, 0.6),
    "openai:gpt-5": (1.25, 10.0),
    "openai:gpt-5-mini": (0.25, 2.0),
    "openai:gpt-5-nano": (0.05, 0.4),
    "openai:gpt-5.4": (2.5, 15.0),
    "openai:gpt-5.4-mini": (0.75, 4.5),
    "openai:gpt-5.4-nano": (0.2, 1.25),
    "openai:gpt-5.5": (5.0, 30.0),
    "anthropic:claude-haiku-4-5": (1.0, 5.0),
    "anthropic:claude-sonnet-4-5": (3.0, 15.0),
    "anthropic:claude-opus-4-5": (5.0, 25.0),
    "anthropic:claude-sonnet-5": (2.0, 10.0),
}


class Prices:
    """Prices of the models of one configuration."""

    def __init__(self, models: Mapping[str, LimitsConfig]) -> None:
        self._models = models
        self._of = functools.cache(self._looked_up)

    def known(self, model: str) -> bool:
        """Tell whether the price of a model is known."""
        return self._of(model) is not None

    def usd(self, model: str, read: int, written: int) -> float:
        """Return the cost of so many tokens; 0 for a model without a price.

        `model` is "provider:model", and may be followed by "+" and an adapter's hash.
        """
        price = self._of(model)
        return (read * price[0] + written * price[1]) / 1e6 if price else 0.0

    def demand(self, model: str) -> None:
        """Raise a UserError where a model has no price."""
        if not self.known(model):
            raise UserError(
                f"there is a cap in USD, but no price is known for {model}: give both under "
                f"models: {{{model}: {{usd_in: 0.25, usd_out: 2.0}}}} (USD a million tokens)"
            )

    def _looked_up(self, model: str) -> tuple[float, float] | None:
        name = model.partition("+")[0]
        limits = self._models.get(name)
        if limits is not None and limits.usd_in is not None and limits.usd_out is not None:
            return limits.usd_in, limits.usd_out
        return (0.0, 0.0) if backend(name).free else PUBLISHED.get(name)
