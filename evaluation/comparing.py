"""Tells whether an answer is right by comparing it with the right one, without a model."""

from agents.matchers import Contains, Exact, number_in
from elenchus.questions import AnswerForm
from evaluation.records import TestItem


def compared(item: TestItem, answer: str, form: AnswerForm) -> tuple[bool, str]:
    """Return whether an answer is right, and which of the item's labels it is; "" for none.

    What follows the mark of a result in the domain's form is the answer, where there is one.
    """
    result, marked = form.result(answer), form.has_result(answer)
    given = next((label for label in item.labels if Exact.matches(result, label, marked)), "")
    if item.score == "number":
        return _near(item, result, marked), given
    if item.score == "contains":
        return Contains.matches(result, item.answer, marked), given
    return Exact.matches(result, item.answer, marked), given


def _near(item: TestItem, result: str, marked: bool) -> bool:
    """Tell whether the number in a result is near enough to the right one."""
    number, right = number_in(result, marked), number_in(item.answer, True)
    if number is None or right is None:
        return False
    return abs(number - right) <= max(item.relative * abs(right), item.absolute)
