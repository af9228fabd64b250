"""Chat models behind an API: made through LangChain, and looked up before anything is paid."""

import difflib
import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import httpx
from langchain_core.exceptions import ModelError
from pydantic import SecretStr

from elenchus.errors import UserError
from elenchus.printing import in_line
from elenchus.sections import ModelConfig
from models.backend import Backend, Model
from models.bodies import hold
from models.protocol import reply_of

NO_KEY = "none"  # sent to a server of one's own, which may want none
LOOK = 10.0  # seconds to wait for a server when a model is looked up
LARGEST, SHOWN = 8 * 2**20, 300  # bytes of an answer that are read, characters that are shown
UNLISTED = frozenset((404, 405, 501))  # a server may have no list of models
REMEDIES = {
    401: "the key is not accepted; set the right one in the environment",
    403: "the key may not use this; set another one in the environment",
}


class Unlisted(UserError):
    """A server has no list of its models where OpenAI has it."""


class LangChain(Backend):
    """Models that LangChain's `init_chat_model` makes, without retries of its own.

    Attributes:
        extra: the optional dependencies of this package for it; "" where there are none.
        key: the environment variable of its key; "" where it is not known.
    """

    extra = ""
    key = ""

    def chat(self, config: ModelConfig, trained: Path | None = None) -> Model:
        """See `Backend.chat`."""
        from langchain.chat_models import init_chat_model

        if trained is not None:
            raise UserError(f"{config.model} cannot take an adapter here: use hf:FOLDER")
        provider, _, name = config.model.partition(":")
        settings = {**config.options, **self.connection(config)}
        if config.temperature is not None:
            settings["temperature"] = config.temperature
        try:
            chat: Any = init_chat_model(name, model_provider=provider, **settings)
        except ImportError as error:
            package = f"langchain-{provider.replace('_', '-')}"
            if self.extra:
                package = f"-e '.[{self.extra}]'"
            raise UserError(f"{config.model} needs a package: pip install {package}") from error
        except ValueError as error:  # no such provider, or a setting out of range
            reason = str(error).partition("\n")[0]
            raise UserError(f"cannot use the model {config.model!r}: {reason}") from error
        fields = type(chat).model_fields
        names = {*fields, *(field.alias for field in fields.values() if field.alias)}
        check_options(config, names)
        for client in self.clients(chat):
            hold(client)
        return Model(chat, config.model, seeded=False)

    def clients(self, chat: Any) -> Sequence[Any]:
        """Return the clients of httpx that a chat model asks with, as far as they are known."""
        return ()

    def connection(self, config: ModelConfig) -> dict[str, Any]:
        """Return the arguments of the chat model that say how to reach the server.

        Raises:
            UserError: the server wants a key, and there is none.
        """
        address = {"base_url": config.base_url} if config.base_url else {}
        if not self.key:
            return address
        if not address and not os.environ.get(self.key):
            raise UserError(f"{config.model} needs a key: set {self.key} in the environment")
        key = SecretStr(key_in(self.key))
        return {**address, "api_key": key, "max_retries": 0, "timeout": config.timeout}


class OpenAI(LangChain):
    """Models of OpenAI, and of any server that speaks its protocol (`base_url`)."""

    extra = "openai"
    key = "OPENAI_API_KEY"

    def chat(self, config: ModelConfig, trained: Path | None = None) -> Model:
        """See `Backend.chat`; servers of one's own are asked without the package of OpenAI."""
        if config.base_url is None or trained is not None:
            return super().chat(config, trained)
        from models.compatible import OPTIONS, CompatibleModel

        check_options(config, OPTIONS)
        chat = CompatibleModel(
            model=config.model.partition(":")[2],
            base_url=config.base_url,
            api_key=SecretStr(key_in(self.key)),
            temperature=config.temperature,
            timeout=config.timeout,
            options=config.options,
        )
        return Model(chat, config.model, seeded=False, aclose=chat.aclose, plain=True)

    def clients(self, chat: Any) -> Sequence[Any]:
        """See `LangChain.clients`."""
        return (chat.root_async_client._client,)

    def look(self, config: ModelConfig) -> int | None:
        """See `Backend.look`."""
        base = config.base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
        base, name = base.rstrip("/"), config.model.partition(":")[2]
        headers = {"Authorization": f"Bearer {key_in(self.key)}"}
        try:
            served = _served(config, f"{base}/models", headers, "data", "id", self.key)
        except Unlisted:
            served = {}
        if served and (name in served or not any("*" in each for each in served)):
            return _context(config, name, served)
        # It lists none, or all of them by a pattern.
        _try_out(config, f"{base}/chat/completions", headers, self.key)
        return None


class Anthropic(LangChain):
    """Models of Anthropic."""

    extra = "anthropic"
    key = "ANTHROPIC_API_KEY"

    def clients(self, chat: Any) -> Sequence[Any]:
        """See `LangChain.clients`."""
        return (chat._async_client._client,)

    def look(self, config: ModelConfig) -> int | None:
        """See `Backend.look`."""
        address = config.base_url or os.environ.get("ANTHROPIC_BASE_URL")
        base = address or "https://api.anthropic.com"
        headers = {"x-api-key": key_in(self.key), "anthropic-version": "2023-06-01"}
        name = config.model.partition(":")[2]
        _answer(config, f"{base.rstrip('/')}/v1/models/{name}", headers, self.key)
        return None


class Ollama(LangChain):
    """Models of an Ollama server."""

    extra = "ollama"
    free = True

    def connection(self, config: ModelConfig) -> dict[str, Any]:
        """See `LangChain.connection`."""
        return super().connection(config) | {"client_kwargs": {"timeout": config.timeout}}

    def clients(self, chat: Any) -> Sequence[Any]:
        """See `LangChain.clients`."""
        return (chat._async_client._client,)

    def look(self, config: ModelConfig) -> int | None:
        """See `Backend.look`."""
        base = config.base_url or os.environ.get("OLLAMA_HOST") or "127.0.0.1:11434"
        base = base if "://" in base else f"http://{base}"
        served = _served(config, f"{base.rstrip('/')}/api/tags", {}, "models", "name")
        name = config.model.partition(":")[2]
        _context(config, name if ":" in name else f"{name}:latest", served)
        return None


def check_options(config: ModelConfig, names: Collection[str]) -> None:
    """Raise a UserError for an option that the model does not have."""
    for option in config.options:
        if option not in names:
            near = difflib.get_close_matches(option, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UserError(f"{config.model} has no option {option!r}{hint}")


def key_in(variable: str) -> str:
    """Return the key in the environment, without a line end that was copied along."""
    return os.environ.get(variable, "").strip() or NO_KEY


def _served(
    config: ModelConfig, url: str, headers: dict[str, str], models: str, name: str, key: str = ""
) -> dict[str, int | None]:
    """Return the models that a server lists, each with its context where that is known."""
    answer = _answer(config, url, headers, key)
    try:
        listed = answer if isinstance(answer, list) else answer[models]
        return {str(m[name]): _tokens(m.get("max_model_len")) for m in listed}
    except (LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{config.model}: {url} lists no models: is base_url right?") from error


def _tokens(told: Any) -> int | None:
    """Return a number of tokens that a server tells; None where it is none."""
    return told if isinstance(told, int) and told > 0 else None


def _answer(
    config: ModelConfig,
    url: str,
    headers: dict[str, str],
    key: str = "",
    body: dict[str, Any] | None = None,
) -> Any:
    """Return what a server answers to a GET request, or to a POST request with a body.

    Args:
        key: the name of the variable that holds its key.

    Raises:
        Unlisted: it knows no such address.
        UserError: nobody answers, or in another way.
    """
    try:
        status, text = fetched(url, headers, body, LOOK if body is None else config.timeout)
    # Both texts may hold the key, which so gets into no traceback.
    except (httpx.LocalProtocolError, UnicodeEncodeError):
        raise UserError(f"{config.model}: {key} cannot be sent: set it again") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        said = in_line(str(error), SHOWN)
        raise UserError(
            f"{config.model}: nothing answers at {url} ({said}): start the server, or correct "
            "base_url"
        ) from error
    if status >= 300:
        remedy = REMEDIES.get(status, "is base_url right? It ends in /v1 for most servers")
        if body and status in (400, 422):
            remedy = "it refuses a trial call; see temperature and options"
        said = f": {in_line(text, SHOWN)}" if body or status < 400 else ""
        refused = Unlisted if status in UNLISTED else UserError
        raise refused(f"{config.model}: {url} answers {status}: {remedy}{said}")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{config.model}: {url} answers no JSON: is base_url right?") from error


def fetched(
    url: str, headers: dict[str, str], body: dict[str, Any] | None, seconds: float
) -> tuple[int, str]:
    """Return the status of an answer and its first megabytes, or the address it redirects to.

    No redirect is followed: another host shall not see the key.
    """
    method, text = "GET" if body is None else "POST", bytearray()
    with httpx.stream(method, url, headers=headers, json=body, timeout=seconds) as answer:
        for piece in answer.iter_bytes():
            text += piece
            if len(text) > LARGEST:
                break
        if answer.is_redirect:
            return answer.status_code, f"it redirects to {answer.headers.get('Location', '')}"
        return answer.status_code, text[:LARGEST].decode("utf-8", errors="replace")


def _try_out(config: ModelConfig, url: str, headers: dict[str, str], key: str) -> None:
    """Ask a model that is not listed for a word, with the run's settings; it is paid for.

    Raises:
        UserError: it gives none.
    """
    messages = [{"role": "user", "content": "Answer with one word: yes."}]
    body = {"model": config.model.partition(":")[2], "messages": messages, **config.options}
    body |= body.pop("extra_body", None) or {}
    if config.temperature is not None:
        body["temperature"] = config.temperature
    answer = _answer(config, url, headers, key, body)
    try:
        reply_of(json.dumps(answer))
    except ModelError as error:
        raise UserError(f"{config.model}: {url} does not answer a trial call: {error}") from error


def _context(config: ModelConfig, name: str, served: dict[str, int | None]) -> int | None:
    """Return the context of a model; UserError where the server does not have it."""
    if name not in served:
        near = difflib.get_close_matches(name, served, n=1) or sorted(served)[:5]
        raise UserError(
            f"{config.model}: the server does not have this model; it has {', '.join(near)}"
        )
    return served[name]
