"""The seam of a grader: says how good answers are beside the gold one.

`agents/judge.py` asks a model, `agents/matchers.py` needs none. A further one is a class, and a
line here or an entry point of an installed package in the group `elenchus.graders`.
"""

from collections.abc import Sequence
from typing import Protocol

from agents.prompting import Subject
from elenchus.plugins import Registry
from elenchus.records import Gold, Verdict
from models.calls import Caller


class Grader(Protocol):
    """Grades answers to a question."""

    def __init__(self, caller: Caller, subject: Subject) -> None:
        """Take the caller of the grader's model, which not all graders ask, and the subject."""

    async def grade(self, question: str, gold: Gold, answers: Sequence[str]) -> Verdict:
        """Grade all answers beside the gold one.

        Raises:
            CallFailed: a model's reply could not be used.
        """


GRADERS: Registry[type[Grader]] = Registry(
    "grader",
    "elenchus.graders",
    {
        "grader": "agents.judge:Judge",
        "exact": "agents.matchers:Exact",
        "number": "agents.matchers:Number",
        "choice": "agents.matchers:Choice",
        "contains": "agents.matchers:Contains",
    },
)
