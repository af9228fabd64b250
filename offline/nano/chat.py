"""`builtin:nano`: the student that comes with the program, as a LangChain chat model.

It answers short questions about rules, from memory. Concurrent calls are gathered into batches. An
answer depends on the messages, the temperature and the seed; its batch changes the last digits of
what is computed and nothing else.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from pydantic import Field

from models.messages import ROLES, as_result

if TYPE_CHECKING:
    from offline.nano.engine import Engine, Reply, Request

WEIGHTS = Path(__file__).parent / "weights"


class NanoChatModel(BaseChatModel):
    """The nano, with an adapter where one is given.

    Attributes:
        model_path: folder of the weights; None means those that come with the program.
        adapter: folder of a LoRA trained on these weights.
        temperature: 0 gives the likeliest answer.
        max_new_tokens: of an answer; also an argument of each call, as is the temperature.
        seed: decides the draws; also an argument of each call.
    """

    model_path: Path | None = None
    adapter: Path | None = None
    temperature: float = Field(default=0.0, ge=0.0)
    max_new_tokens: int = Field(default=128, ge=1)
    seed: int = 0

    @property
    def _llm_type(self) -> str:
        return "builtin-nano"

    def load(self) -> "Engine":
        """Load the weights now. They are loaded once a process.

        Raises:
            ValueError: weights or adapter are missing or damaged; the message says what to do.
        """
        from offline.nano.engine import load_engine

        return load_engine(self.model_path or WEIGHTS, self.adapter)

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, *_: Any, **kwargs: Any
    ) -> ChatResult:
        request, engine = self._request(messages, **kwargs), self.load()
        engine.check(request)
        return _result(engine.batcher.submit(request).result(), stop)

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, *_: Any, **kwargs: Any
    ) -> ChatResult:
        request, engine = self._request(messages, **kwargs), self.load()
        engine.check(request)
        return _result(await engine.batcher.ask(request), stop)

    def _request(
        self,
        messages: list[BaseMessage],
        *,
        seed: int | None = None,
        temperature: float | None = None,
        max_new_tokens: int | None = None,
        **_: Any,
    ) -> "Request":
        from offline.nano.engine import Request

        unknown = sorted({m.type for m in messages} - set(ROLES))
        if unknown:
            raise ValueError(f"the nano reads human, ai and system messages, not {unknown}")
        return Request(
            tuple((ROLES[m.type], str(m.text)) for m in messages),
            self.temperature if temperature is None else temperature,
            max_new_tokens or self.max_new_tokens,
            self.seed if seed is None else seed,
        )


def _result(reply: "Reply", stop: list[str] | None) -> ChatResult:
    text = reply.text
    for stop_text in stop or []:
        text = text.partition(stop_text)[0]
    return as_result(text, reply.input_tokens, reply.output_tokens, reply.likelihood)
