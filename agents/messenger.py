"""The author of messages: writes new ones of a class from its indicators and a few real ones.

Its prompt is the dynamic prompt of arXiv 2503.15055, section 3: the task and its critical rules,
the indicators of the class, and a group of real messages.
"""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from agents.prompting import Subject, fence, flat, neutral
from elenchus.ledger import Call
from models.calls import Caller


class Batch(BaseModel):
    """Messages as the author returns them."""

    model_config = ConfigDict(extra="forbid")
    messages: list[str]


class Messenger:
    """Writes synthetic messages of given classes."""

    def __init__(
        self, caller: Caller, subject: Subject, classes: Mapping[str, str], purpose: str
    ) -> None:
        self._caller, self._classes = caller, classes
        self._subject, self._purpose = subject, purpose

    async def write(
        self, label: str, indicators: str, examples: Sequence[str], count: int, variation: int = 1
    ) -> tuple[dict[int, str], Call]:
        """Write new messages of a class, keyed by their place in the reply, from 1.

        Blank ones are left out, and those that repeat an example word for word.

        Args:
            indicators: the paragraph of the class; empty to write without one.
            examples: real messages of the class.
            count: how many are asked for; fewer or more may come.
            variation: a number that makes another call of the same examples.

        Raises:
            CallFailed: the reply could not be parsed, for instance because the model refuses.
        """
        blocks = [fence("class", self._classes.get(label, ""), name=label)]
        if indicators:
            blocks.append(fence("indicators", indicators))
        blocks += [fence("message", example) for example in examples]
        blocks += [fence("count", str(count)), fence("variation", str(variation))]
        user = "\n".join(blocks)
        prompt = self._subject.render("author", "messages", user, purpose=self._purpose)
        reply, call = await self._caller.parsed(prompt, Batch)
        left_out = {"", *map(_comparable, examples)}
        messages = enumerate(reply.messages, 1)
        return {n: text.strip() for n, text in messages if _comparable(text) not in left_out}, call


def _comparable(text: str) -> str:
    """Return a text as the prompt shows it, without its case and white space."""
    return flat(neutral(text)).casefold()
