"""The labeller: says which class a message belongs to, without knowing where it comes from."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from agents.prompting import Subject, fence, flat, neutral
from models.calls import Caller


class Labelling(BaseModel):
    """What the grader must return: the reason first, then a class, or "" where none fits."""

    model_config = ConfigDict(extra="forbid")
    reason: str
    label: str


class Labeller:
    """Labels a message by its text and by what is known of the classes, and nothing else."""

    def __init__(self, caller: Caller, subject: Subject, classes: Mapping[str, str]) -> None:
        self._caller, self._classes = caller, classes
        self._subject = subject

    async def classify(
        self, message: str, classes: Sequence[str], indicators: Mapping[str, str]
    ) -> tuple[str, str]:
        """Return the class of a message, "" where none fits, and the reason.

        Args:
            classes: the labels to choose from.
            indicators: paragraphs by class; a class may lack one.

        Raises:
            CallFailed: the reply could not be parsed, or names none of the classes.
        """
        blocks = []
        for label in classes:
            blocks.append(fence("class", self._classes.get(label, ""), name=label))
            if text := indicators.get(label):
                blocks.append(fence("indicators", text, **{"class": label}))
        blocks.append(fence("message", message))
        prompt = self._subject.render("grader", "label", "\n".join(blocks))
        reply, call = await self._caller.parsed(prompt, Labelling)
        named = {_shown(label): label for label in classes} | {"": ""}
        if _shown(reply.label) not in named:
            detail = f"no class is called {reply.label!r}"
            raise self._caller.failed(prompt, "unusable", detail, call)
        return named[_shown(reply.label)], reply.reason


def _shown(label: str) -> str:
    """Return a label as the prompt shows it and a model may repeat it."""
    return flat(neutral(label)).replace('"', "'")
