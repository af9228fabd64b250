"""Chat models behind an API: made through LangChain, and looked at before anything is paid for."""

import difflib
import os
from collections.abc import Collection
from typing import Any

import httpx
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable
from pydantic import SecretStr

from agents.compatible import OPTIONS, CompatibleModel
from elenchus.config import ModelConfig
from elenchus.errors import UserError

EXTRAS = ("openai", "anthropic", "ollama")  # providers with an extra of their own
KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
SECRET = ("key", "secret", "password", "token", "headers", "authorization")
NO_KEY = "none"  # for a server of one's own that asks for none
LOOK = 10.0  # seconds to wait for a server when it is looked at
REMEDIES = {
    401: "the key is not accepted; set the right one in the environment",
    403: "the key may not use this; set another one in the environment",
}


def make_remote(config: ModelConfig) -> Runnable[Any, AIMessage]:
    """The chat model of a provider, without retries of its own.

    Raises:
        UserError: the provider is unknown, its package or key is missing, or it has no such option.
    """
    from langchain.chat_models import init_chat_model

    provider, _, name = config.model.partition(":")
    if provider == "openai" and config.base_url is not None:
        _check_options(config, OPTIONS)
        return CompatibleModel(
            model=name,
            base_url=config.base_url,
            api_key=SecretStr(_key(provider)),
            temperature=config.temperature,
            timeout=config.timeout,
            options=config.options,
        )
    settings = {**config.options, **_connection(config)}
    if config.temperature is not None:
        settings["temperature"] = config.temperature
    try:
        made: BaseChatModel = init_chat_model(name, model_provider=provider, **settings)
    except ImportError as error:
        extra = provider if provider in EXTRAS else f"langchain-{provider.replace('_', '-')}"
        package = f"-e '.[{extra}]'" if provider in EXTRAS else extra
        raise UserError(f"{config.model} needs a package: pip install {package}") from error
    except ValueError as error:  # no such provider, or a setting out of range
        raise UserError(f"cannot use the model {config.model!r}: {_first_line(error)}") from error
    known = type(made).model_fields
    _check_options(config, {*known, *(field.alias for field in known.values() if field.alias)})
    return made


def look(config: ModelConfig) -> int | None:
    """Ask a server, without paying, whether it serves the model; the context in tokens if it says.

    Raises:
        UserError: no answer, a wrong address or key, or another model.
    """
    provider, _, name = config.model.partition(":")
    if provider == "openai":
        base = config.base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
        url, headers = f"{base.rstrip('/')}/models", {"Authorization": f"Bearer {_key(provider)}"}
        return _found(config, name, _served(config, url, headers, "data", "id"))
    if provider == "anthropic":
        address = config.base_url or os.environ.get("ANTHROPIC_BASE_URL")
        base = address or "https://api.anthropic.com"
        headers = {"x-api-key": _key(provider), "anthropic-version": "2023-06-01"}
        _answer(config, f"{base.rstrip('/')}/v1/models/{name}", headers)
    if provider == "ollama":
        base = config.base_url or os.environ.get("OLLAMA_HOST") or "127.0.0.1:11434"
        base = base if "://" in base else f"http://{base}"
        served = _served(config, f"{base.rstrip('/')}/api/tags", {}, "models", "name")
        _found(config, name if ":" in name else f"{name}:latest", served)
    return None


def _connection(config: ModelConfig) -> dict[str, Any]:
    """How to reach the server, in the provider's own words."""
    provider = config.model.partition(":")[0]
    address = {"base_url": config.base_url} if config.base_url else {}
    if provider == "ollama":
        return {**address, "client_kwargs": {"timeout": config.timeout}}
    if provider not in KEYS:
        return address
    if config.base_url is None and not os.environ.get(KEYS[provider]):
        raise UserError(f"{config.model} needs a key: set {KEYS[provider]} in the environment")
    key = SecretStr(_key(provider))
    return {**address, "api_key": key, "max_retries": 0, "timeout": config.timeout}


def _check_options(config: ModelConfig, names: Collection[str]) -> None:
    provider = config.model.partition(":")[0]
    for option in config.options:
        if secret := _secret({option: config.options[option]}):
            raise UserError(
                f"{config.model}: options.{secret} would be written into the run folder; secrets "
                f"are set in the environment ({KEYS.get(provider, 'as its package says')})"
            )
        if option not in names:
            near = difflib.get_close_matches(option, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UserError(f"{config.model} has no option {option!r}{hint}")


def _secret(options: Any) -> str:
    """The name of an option, however deep, that sounds like a secret; "" where none does."""
    if not isinstance(options, dict):
        return ""
    for name, value in options.items():
        if str(name).lower().endswith(SECRET):
            return str(name)
        if found := _secret(value):
            return f"{name}.{found}"
    return ""


def _key(provider: str) -> str:
    """The key in the environment; a line's end that was copied along is no part of it."""
    return os.environ.get(KEYS[provider], "").strip() or NO_KEY


def _served(
    config: ModelConfig, url: str, headers: dict[str, str], models: str, name: str
) -> dict[str, int | None]:
    """The models that a server lists, with their context where it tells."""
    answer = _answer(config, url, headers)
    try:
        listed = answer if isinstance(answer, list) else answer[models]
        return {str(m[name]): m.get("max_model_len") for m in listed}
    except (LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{config.model}: {url} lists no models: is base_url right?") from error


def _answer(config: ModelConfig, url: str, headers: dict[str, str]) -> Any:
    try:
        answer = httpx.get(url, headers=headers, timeout=LOOK)
        answer.raise_for_status()
        return answer.json()
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        remedy = REMEDIES.get(status, "is base_url right? It ends in /v1 for most servers")
        raise UserError(f"{config.model}: {url} answers {status}: {remedy}") from error
    # Both may hold the key in their text; the second is of a key that is not ASCII.
    except (httpx.LocalProtocolError, UnicodeEncodeError):
        key = KEYS.get(config.model.partition(":")[0])
        raise UserError(f"{config.model}: {key} cannot be sent: set it again") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UserError(
            f"{config.model}: nothing answers at {url} ({error}): start the server, or correct "
            "base_url"
        ) from error
    except ValueError as error:
        raise UserError(f"{config.model}: {url} answers no JSON: is base_url right?") from error


def _found(config: ModelConfig, name: str, served: dict[str, int | None]) -> int | None:
    if name not in served:
        near = difflib.get_close_matches(name, served, n=1) or sorted(served)[:5]
        raise UserError(
            f"{config.model}: the server does not have this model; it has {', '.join(near)}"
        )
    return served[name]


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
