"""Servers of one's own that speak OpenAI's protocol (vLLM, llama.cpp, LM Studio), over aiohttp.

At hundreds of calls a second, processor time limits the rate (`benchmarks/orchestration.py`), and
the openai package and the callbacks of LangChain's chat models take much of it. OpenAI itself is
asked through its package.
"""

import contextlib
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
# Fields of a request for which the configuration has no key of its own.
OPTIONS = (
    "max_tokens", "max_completion_tokens", "top_p", "stop", "seed", "presence_penalty",
    "frequency_penalty", "logit_bias", "reasoning_effort", "extra_body",
)  # fmt: skip


@dataclass
class CompatibleModel(Runnable[list[BaseMessage], AIMessage]):
    """A model on such a server, to be asked on one event loop.

    Attributes:
        options: further fields of each request; those in `extra_body` are put beside them.
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
        """Return the body of the answer.

        Raises:
            ModelError: of the class that LangChain has for what went wrong.
        """
        if self._session is None:
            # `models.rate_limits` limits the calls in flight.
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
    """Return the proxy that the environment names for an address; None where there is none.

    aiohttp (`trust_env`) would look for it at each call, and for passwords in a file as well.
    """
    address = urlsplit(url)
    if request.proxy_bypass(address.netloc.rpartition("@")[2]):
        return None
    proxies = request.getproxies()
    proxy = proxies.get(address.scheme) or proxies.get("all")
    if not proxy:
        return None
    kind, _, _ = proxy.rpartition("://")
    if kind not in ("", "http", "https"):
        raise UserError(
            f"the environment names a proxy of kind {kind} for {address.hostname}: name an http:// "
            "one, or this host in NO_PROXY"
        )
    return proxy if kind else f"http://{proxy}"


def _reply(text: str) -> AIMessage:
    """Return the content of a body without thoughts, or the arguments of a tool that was called."""
    try:
        body = json.loads(text)
        message, usage = body["choices"][0]["message"], body.get("usage") or {}
        calls: Sequence[Any] = message.get("tool_calls") or ()
        content = calls[0]["function"]["arguments"] if calls else message.get("content")
        if isinstance(content, list):
            content = "".join(part["text"] for part in content if part["type"] == "text")
        read, written = (int(usage.get(f"{k}_tokens") or 0) for k in ("prompt", "completion"))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelConnectionError(f"no whole answer: {text[:200]!r}") from error
    return as_reply(str(content or ""), read, written)


def _refusal(answer: aiohttp.ClientResponse, text: str) -> ModelError:
    """Return an error with `status_code`, `code` and `response`, as the openai package has them."""
    usual = ModelAPIError if answer.status >= 500 else ModelInvalidRequestError
    code = None
    # A text that has not the protocol's form is taken as it is.
    with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):
        refusal = json.loads(text)["error"]
        text, code = str(refusal["message"]), refusal.get("code")
    error = ERRORS.get(answer.status, usual)(f"{answer.status}: {text[:500]}")
    response = SimpleNamespace(headers=answer.headers)
    vars(error).update(status_code=answer.status, code=code, response=response)
    return error
