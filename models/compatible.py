"""Servers of one's own that speak OpenAI's protocol (vLLM, llama.cpp, LM Studio), over aiohttp.

At hundreds of calls a second, processor time limits the rate (`benchmarks/orchestration.py`), and
the openai package and the callbacks of LangChain's chat models take much of it. OpenAI itself is
asked through its package.
"""

import contextlib
import functools
from dataclasses import dataclass
from typing import Any
from urllib import request
from urllib.parse import urljoin, urlsplit

import aiohttp
from langchain_core.exceptions import ModelConnectionError, ModelTimeoutError
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig
from pydantic import SecretStr

from elenchus.errors import UserError
from elenchus.printing import in_line
from models.bodies import Body, elsewhere
from models.connections import Connections
from models.events import ASKED, Events
from models.messages import Messages, as_chat
from models.protocol import SHOWN, refusal, reply_of

REDIRECTS = 3  # on the same host
# Fields of a request for which the configuration has no key of its own.
OPTIONS = (
    "max_tokens", "max_completion_tokens", "top_p", "stop", "seed", "presence_penalty",
    "frequency_penalty", "logit_bias", "reasoning_effort", "extra_body",
)  # fmt: skip


@dataclass
class CompatibleModel(Runnable[Messages, AIMessage]):
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

    def __post_init__(self) -> None:
        self._connections = Connections(self.base_url, self.api_key.get_secret_value())
        self._patience = aiohttp.ClientTimeout(total=self.timeout)

    @functools.cached_property
    def _proxy(self) -> str | None:
        return _proxy_to(self.base_url)

    def invoke(
        self, input: Messages, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        raise NotImplementedError("this model is asked asynchronously: use ainvoke")

    async def ainvoke(
        self, input: Messages, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        heard = kwargs.pop("heard", None)  # who reads along: see `models.events`
        events = Events(heard) if heard is not None else None
        fields = {**self.options, **kwargs, **(ASKED if events else {})}
        fields |= fields.pop("extra_body", None) or {}
        if self.temperature is not None:
            fields["temperature"] = self.temperature
        body = {"model": self.model, "messages": as_chat(input), **fields}
        text = await self._send("chat/completions", body, events)
        return reply_of(events.body(text) if events else text)

    async def _send(
        self, path: str, body: dict[str, Any] | None, events: Events | None = None
    ) -> str:
        """Return the body of the answer to a POST request, or without a body to a GET request.

        Raises:
            ModelError: of the class that LangChain has for what went wrong.
        """
        session = self._connections.session()
        method = "GET" if body is None else "POST"
        url = f"{self.base_url.rstrip('/')}/{path}"
        try:
            for _ in range(1 + REDIRECTS):
                async with session.request(
                    method,
                    url,
                    json=body,
                    proxy=self._proxy,
                    allow_redirects=False,
                    timeout=self._patience,
                ) as answer:
                    text = await _text(answer, events)
                if answer.status not in (307, 308):
                    break
                url = _redirected(url, answer)
        except TimeoutError as error:
            raise ModelTimeoutError(f"no answer in {self.timeout:g} seconds") from error
        except aiohttp.ClientError as error:
            said = in_line(str(error), SHOWN)  # with what was read, and all of it
            raise ModelConnectionError(f"the connection failed: {said}") from error
        if answer.status >= 400:
            raise refusal(answer.status, text, answer.headers)
        if answer.status >= 300:
            raise elsewhere(answer.headers.get("Location", ""))
        return text

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connections.close()


async def _text(answer: aiohttp.ClientResponse, events: Events | None) -> str:
    """Return the text of an answer, whose events are read on the way; see `Body` for its errors."""
    body = Body(answer.headers.get("Content-Encoding", "identity"))
    async for piece in answer.content.iter_any():
        body.add(piece)
        if events is not None and answer.status < 300:  # a redirect's body is none of the answer
            events.read(body.content)
    return body.content.decode("utf-8", errors="replace")


def _redirected(url: str, answer: aiohttp.ClientResponse) -> str:
    """Return the address on the same host that an answer redirects to.

    Raises:
        ModelInvalidRequestError: it is on another host, which shall see neither prompts nor key.
    """
    where = answer.headers.get("Location", "")
    with contextlib.suppress(ValueError):
        to = urljoin(url, where)
        if urlsplit(to)[:2] == urlsplit(url)[:2]:
            return to
    raise elsewhere(where)


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
