"""Chat models by name: "provider:model", the built-in ones included."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable

from agents.compatible import CompatibleModel
from agents.remote import make_remote
from elenchus.config import ModelConfig
from elenchus.errors import UserError
from elenchus.records import digest

OWN_KEYS = ("model", "temperature", "adapter")  # which the configuration has keys for, or none


class PromptTooLong(ValueError):
    """A prompt and its answer do not fit into a model's context."""


@dataclass(frozen=True)
class Model:
    """A chat model with the identity that its calls are cached under.

    `seeded` models take a `seed` with each call and answer the same to the same seed.
    """

    chat: Runnable[Any, AIMessage]
    identity: str
    seeded: bool

    async def close(self) -> None:
        """Close the connections to a server."""
        if isinstance(self.chat, CompatibleModel):
            await self.chat.aclose()


def make_model(config: ModelConfig, trained: Path | None = None) -> Model:
    """The model that a configuration names, as trained where `trained` is given.

    That is the folder of a LoRA, which is put on, or of a whole model, which is taken instead.

    Raises:
        UserError: the provider is unknown, its package or weights are missing or damaged.
    """
    provider, _, name = config.model.partition(":")
    if provider in ("builtin", "hf") and config.base_url is not None:
        raise UserError(f"{config.model} runs in this process: leave base_url out")
    if provider == "builtin":
        return _builtin(name, config, trained)
    if provider == "hf":
        return _local(name, config, trained)
    if trained is not None:
        raise UserError(f"{config.model} cannot take an adapter here: use hf:FOLDER")
    return Model(make_remote(config), config.model, seeded=False)


def weights(config: ModelConfig) -> Path:
    """Folder of the weights to train: those of the nano, or of a causal model in a folder.

    Raises:
        UserError: the model has none here.
    """
    if config.model == "builtin:nano":
        from agents.builtin.nano import WEIGHTS

        return WEIGHTS
    provider, _, name = config.model.partition(":")
    if provider != "hf":
        raise UserError(
            f"student.model is {config.model}, which has no local weights to train; use "
            "builtin:nano, hf:FOLDER, or training.enabled=false for a dataset to train it on "
            "elsewhere"
        )
    folder = Path(name)
    if not (folder / "config.json").is_file() or not list(folder.glob("*.safetensors")):
        raise UserError(
            f"student.model: {name} is no folder of a model with safetensors; download it into one"
        )
    return folder


def weights_hash(folder: Path) -> str:
    """What tells the weights in a folder from others; "" where it has none."""
    hashes = [file_hash(path) for path in sorted(folder.glob("*.safetensors"))]
    return digest(" ".join(hashes)) if len(hashes) > 1 else "".join(hashes)


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _builtin(name: str, config: ModelConfig, trained: Path | None) -> Model:
    identity = config.model
    if name == "reader":
        from agents.builtin.reader import ReaderChatModel

        try:
            chat = ReaderChatModel(**_checked(config, ReaderChatModel))
            return Model(chat, identity, seeded=bool(config.options))
        except ValueError as error:
            raise UserError(f"{config.model}: {error}") from error
    if name == "nano":
        try:
            from agents.builtin.nano import NanoChatModel
        except ModuleNotFoundError as error:
            raise UserError(
                f"builtin:nano needs {error.name}: pip install -e '.[train]'"
            ) from error
        if trained is not None:
            identity += "+" + weights_hash(trained)[:16]
        try:
            own: dict[str, Any] = {"temperature": config.temperature or 0.0}
            if trained is not None:
                own |= {"adapter" if is_adapter(trained) else "model_path": trained}
            nano = NanoChatModel(**(_checked(config, NanoChatModel) | own))
            nano.load()
        except ValueError as error:
            raise UserError(str(error)) from error
        return Model(nano, identity, seeded=True)
    raise UserError(f"unknown model {config.model!r}; built in are builtin:reader, builtin:nano")


def is_adapter(folder: Path) -> bool:
    """Whether a folder that training made holds a LoRA; else a whole model."""
    return (folder / "adapter_config.json").is_file()


def _local(name: str, config: ModelConfig, trained: Path | None) -> Model:
    from agents.local import LocalChatModel

    own: dict[str, Any] = {"model": name, "temperature": config.temperature or 0.0}
    if trained is not None:
        own |= {"adapter": trained} if is_adapter(trained) else {"model": str(trained)}
    try:
        local = LocalChatModel(**(_checked(config, LocalChatModel) | own))
    except ValueError as error:
        raise UserError(f"{config.model}: {error}") from error
    identity = "+".join(filter(None, (config.model, local.load().weights)))
    return Model(local, identity, seeded=False)


def _checked(config: ModelConfig, model: type[BaseChatModel]) -> dict[str, Any]:
    """The options; UserError for one that the model does not have."""
    known = [key for key in model.__annotations__ if key not in OWN_KEYS]
    for key in config.options:
        if key not in known:
            raise UserError(f"{config.model} has no option {key!r}; it has: {', '.join(known)}")
    return config.options
