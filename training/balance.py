"""Answers balanced: whoever always says the commonest should not look as if they knew something."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from elenchus.records import GUESSABLE, Form, Gold

Item = TypeVar("Item")


def plain(result: str) -> str:
    """Return a result in the form in which two are counted as the same."""
    return " ".join(result.casefold().split()).strip(" .!?\"'")


def commonest(golds: Sequence[Gold]) -> float | None:
    """Return the share right of always giving the commonest result; None where there are none."""
    counts = Counter(plain(gold.result) for gold in golds)
    return max(counts.values()) / len(golds) if golds else None


def balanced(
    items: Sequence[Item], most: float, answer: Callable[[Item], tuple[Form, str]]
) -> list[Item]:
    """Leave out the last items with a yes, a no or a choice that has more than its share.

    Args:
        most: share that one result may have among those of its form.
        answer: the form and the result of an item.
    """
    left = list(items)
    for form in GUESSABLE:
        while True:
            of_form = [item for item in left if answer(item)[0] == form]
            counts = Counter(plain(answer(item)[1]) for item in of_form)
            # One of a few would always be too common.
            if len(of_form) < 5 or max(counts.values()) <= most * len(of_form):
                break
            common = counts.most_common(1)[0][0]
            last = max(i for i, item in enumerate(left)
                       if answer(item)[0] == form and plain(answer(item)[1]) == common)  # fmt: skip
            del left[last]
    return left
