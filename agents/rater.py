"""The rater: the expert says how much somebody who learns a domain would learn from a text."""

from pydantic import BaseModel, ConfigDict, Field

from agents.prompting import Subject, fence
from models.calls import Caller

SHOWN = 8000  # characters of a text: more would change little


class Rating(BaseModel):
    """What the expert must return: the reason first, then a value of 0 to 5."""

    model_config = ConfigDict(extra="forbid")
    reason: str
    value: float = Field(ge=0, le=5)


class Rater:
    """Rates the educational value of a text, by the text alone."""

    def __init__(self, caller: Caller, subject: Subject) -> None:
        self._caller = caller
        self._subject = subject

    async def rate(self, text: str) -> tuple[float, str]:
        """Return the educational value of a text, from 0 to 5, and the reason.

        Raises:
            CallFailed: the reply could not be parsed.
        """
        prompt = self._subject.render("expert", "rate", fence("passage", text[:SHOWN]))
        reply, _ = await self._caller.parsed(prompt, Rating)
        return reply.value, reply.reason
