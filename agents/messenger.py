"""The author of messages: writes new ones of a class from indicators and a few real ones.

What it is asked is the method's dynamic prompt (arXiv 2503.15055, section 3): the task and its
critical rules, the class's indicators, and a group of real messages.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from agents.calls import Caller
from agents.prompting import fence, flat, neutral, render
from elenchus.config import DomainConfig
from elenchus.message_records import RealMessage, SyntheticMessage


class Batch(BaseModel):
    """Messages as the author returns them."""

    model_config = ConfigDict(extra="forbid")
    messages: list[str]


class Messenger:
    """Writes messages that nobody sent."""

    def __init__(self, caller: Caller, config: DomainConfig) -> None:
        self._caller = caller
        self._classes = config.messages.classes
        self._settings = {
            "title": config.title,
            "language": config.language,
            "purpose": config.generation.purpose,
        }

    async def write(
        self,
        label: str,
        indicators: str,
        examples: Sequence[RealMessage],
        count: int,
        round_: int,
        variation: int = 1,
    ) -> list[SyntheticMessage]:
        """New messages of a class: no blank one, and none that repeats an example word for word.

        Args:
            indicators: the paragraph of the class; empty to write without one.
            count: how many are asked for. Fewer or more may come.
            round_: the round of requests, for the records.
            variation: another one makes another call of the same examples.

        Raises:
            CallFailed: the reply could not be parsed, as where the model refuses.
        """
        blocks = [fence("class", self._classes.get(label, ""), name=label)]
        if indicators:
            blocks.append(fence("indicators", indicators))
        blocks += [fence("message", example.text) for example in examples]
        blocks += [fence("count", str(count)), fence("variation", str(variation))]
        prompt = render("author", "messages", "\n".join(blocks), **self._settings)
        reply, call = await self._caller.parsed(prompt, Batch)
        shown = {_plain(example.text) for example in examples}
        return [
            SyntheticMessage(
                text=text.strip(),
                label=label,
                example_ids=tuple(example.id for example in examples),
                round=round_,
                number=number,
                call_id=call.id,
            )
            for number, text in enumerate(reply.messages, 1)
            if text.strip() and _plain(text) not in shown
        ]


def _plain(text: str) -> str:
    """A text as two are compared: as it is shown, without regard to case and white space."""
    return flat(neutral(text)).casefold()
