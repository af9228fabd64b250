"""Servers of one's own that speak OpenAI's protocol (vLLM, llama.cpp, LM Studio), over aiohttp.

At hundreds of calls a second, processor time bounds their rate (`benchmarks/orchestration.py`), and
the openai package and the callbacks of LangChain's chat models take much of it. So such servers are
spoken to directly; OpenAI itself is asked through its package.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib import request
from urllib.parse import urlsplit

import aiohttp
from langchain_core.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
)
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig
from pydantic import SecretStr

from elenchus.errors import UserError
from models.messages import as_chat, as_reply

ERRORS: dict[int, type[ModelError]] = {
    401: ModelAuthenticationError,
    403: ModelPermissionDeniedError,
    404: ModelNotFoundError,
    429: ModelRateLimitError,
}
# Of the request, beside what the configuration has keys for.
OPTIONS = (
    "max_tokens", "max_completion_tokens", "top_p", "stop", "seed", "presence_penalty",
    "frequency_penalty", "logit_bias", "reasoning_effort", "extra_body",
)  # fmt: skip


@dataclass
class CompatibleModel(Runnable[list[BaseMessage], AIMessage]):
    """A model on such a server. Asked asynchronously, on one event loop.

    Attributes:
        options: further fields of each request; those in `extra_body` are fields too.
        timeout: seconds for a whole answer.
    """

    model: str
    base_url: str
    api_key: SecretStr
    temperature: float | None
    timeout: float
    options: dict[str, Any]
    _session: aiohttp.ClientSession | None = field(default=None, init=False)
    _proxy: str | None = field(default=None, init=False)

    def invoke(
        self, input: list[BaseMessage], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        raise NotImplementedError("this model is asked asynchronously: use ainvoke")

    async def ainvoke(
        self, input: list[BaseMessage], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        fields = {**self.options, **kwargs}
        fields |= fields.pop("extra_body", None) or {}
        if self.temperature is not None:
            fields["temperature"] = self.temperature
        body = {"model": self.model, "messages": as_chat(input), **fields}
        return _reply(await self._post(body))

    async def _post(self, body: dict[str, Any]) -> str:
        """The body of the answer.

        Raises:
            ModelError: the kind that LangChain has for what went wrong.
        """
        if self._session is None:
            # How many are in flight is decided elsewhere (`models.rate_limits`).
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=self.timeout),
                headers={"Authorization": f"Bearer {self.api_key.get_secret_value()}"},
            )
            self._proxy = _proxy_to(self.base_url)
        url = f"{self.base_url.rstrip('/')}/chat/completions"
        try:
            async with self._session.post(url, json=body, proxy=self._proxy) as answer:
                text = await answer.text(errors="replace")
        except TimeoutError as error:
            raise ModelTimeoutError(f"no answer in {self.timeout:g} seconds") from error
        except aiohttp.ClientError as error:
            raise ModelConnectionError(f"the connection failed: {error}") from error
        if answer.status >= 400:
            raise _refusal(answer, text)
        return text

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _proxy_to(url: str) -> str | None:
    """The proxy that the environment names for an address, as it was when the server was looked at.

    aiohttp would ask for it at each call, and for passwords in a file besides (`trust_env`).
    """
    address = urlsplit(url)
    if request.proxy_bypass(address.netloc.rpartition("@")[2]):
        return None
    named = request.getproxies()
    found = named.get(address.scheme) or named.get("all")
    if not found:
        return None
    kind, _, _ = found.rpartition("://")
    if kind not in ("", "http", "https"):
        raise UserError(
            f"the environment names a proxy of kind {kind} for {address.hostname}: name an http:// "
            "one, or this host in NO_PROXY"
        )
    return found if kind else f"http://{found}"


def _reply(text: str) -> AIMessage:
    """What the body says, without thoughts; of a tool that was called, its arguments."""
    try:
        said = json.loads(text)
        message, usage = said["choices"][0]["message"], said.get("usage") or {}
        calls: Sequence[Any] = message.get("tool_calls") or ()
        content = calls[0]["function"]["arguments"] if calls else message.get("content")
        if isinstance(content, list):
            content = "".join(part["text"] for part in content if part["type"] == "text")
        read, written = (int(usage.get(f"{k}_tokens") or 0) for k in ("prompt", "completion"))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelConnectionError(f"no whole answer: {text[:200]!r}") from error
    return as_reply(str(content or ""), read, written)


def _refusal(answer: aiohttp.ClientResponse, text: str) -> ModelError:
    """With `status_code`, `code` and `response`, as the openai package's errors have them."""
    usual = ModelAPIError if answer.status >= 500 else ModelInvalidRequestError
    code = None
    try:
        told = json.loads(text)["error"]
        text, code = str(told["message"]), told.get("code")
    except (ValueError, LookupError, TypeError, AttributeError):
        pass  # not the protocol's form: the text as it is
    error: Any = ERRORS.get(answer.status, usual)(f"{answer.status}: {text[:500]}")
    error.status_code, error.code = answer.status, code
    error.response = SimpleNamespace(headers=answer.headers)
    found: ModelError = error
    return found
