"""Loads adapters into a vLLM server that runs, and finds out beforehand whether it lets us.

A server that was started with `VLLM_ALLOW_RUNTIME_LORA_UPDATING=1` has the endpoints
`load_lora_adapter` and `unload_lora_adapter`. It reads the folder of an adapter itself, so it must
see the folder by the same path as this machine.
"""

import asyncio
import functools
import json
import secrets
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from langchain_core.exceptions import (
    ModelAuthenticationError,
    ModelError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
)
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig

from elenchus.errors import RunStopped, UserError
from elenchus.printing import in_line
from elenchus.runs import explained, write_json
from elenchus.sections import ModelConfig
from models import retries
from models.compatible import CompatibleModel
from models.messages import Chat, Messages, as_chat
from models.pretrained import load_tokenizer
from models.protocol import refusal
from models.remote import LOOK, SHOWN, fetched
from models.templates import as_letters, rendered

LOAD, UNLOAD = "load_lora_adapter", "unload_lora_adapter"
LOADED = "already been loaded"  # of vLLM's refusal to load a name again
NO_ENDPOINT = "Not Found"  # all that it says of an address that it does not have
START = (
    "start it with VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 in its environment and --enable-lora "
    "--max-lora-rank {rank}"
)
SEE = (
    "the server must see this folder by the same path (on the same machine, or mounted), and allow "
    "its rank (--enable-lora --max-lora-rank)"
)
UNREACHED = frozenset((502, 503, 504))  # of a gateway before the server; it may come back
PROBE = "Which day follows Monday?"


@dataclass
class AdaptedModel(CompatibleModel):
    """A model of a vLLM server, with a LoRA where one is given, which is loaded when it is missed.

    Attributes:
        adapter: the folder of the LoRA; None for the model as it is.
        sha256: of its weights.
        weights: the folder of the model's weights on this machine, whose tokenizer knows the marks
            that must not be in messages; None where there is none.
    """

    adapter: Path | None = None
    sha256: str = ""
    weights: Path | None = None
    _loaded: bool = field(default=False, init=False)
    _loading: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def ainvoke(
        self, input: Messages, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        if self.weights is not None:
            input = _harmless(input, self.weights)
        if self.adapter is None:
            return _stripped(await super().ainvoke(input, config, **kwargs))
        await self._load(self.adapter)
        try:
            reply = await super().ainvoke(input, config, model=self.served, **kwargs)
        except ModelNotFoundError:  # the server was started anew since
            self._loaded = False
            await self._load(self.adapter)
            reply = await super().ainvoke(input, config, model=self.served, **kwargs)
        return _stripped(reply)

    @property
    def served(self) -> str:
        """Return the name of the adapter on the server; the model's where there is none."""
        return self.model if self.adapter is None else name_of(self.adapter, self.sha256)

    async def _load(self, adapter: Path) -> None:
        """Load the adapter, and unload those of the run's other rounds, if that was not done.

        Raises:
            RunStopped: the server does not load it.
            ModelError: the server does not answer, or not this key.
        """
        async with self._loading:
            if self._loaded:
                return
            for name in await self._earlier(adapter):
                await self._unload(name)
            try:
                await self._send(LOAD, {"lora_name": self.served, "lora_path": str(adapter)})
            except ModelError as error:
                if LOADED not in str(error):
                    raise self._explained(error, adapter) from error
            self._loaded = True

    def _explained(self, error: ModelError, adapter: Path) -> Exception:
        """Return what to raise where an adapter is not loaded: as it is where that may pass."""
        passing = isinstance(error, ModelAuthenticationError | ModelPermissionDeniedError)
        code = retries.status(error)
        if passing or code is None or code in UNREACHED or retries.is_busy(error):
            return error
        missing = NO_ENDPOINT in str(error) and isinstance(error, ModelNotFoundError)
        remedy = START.format(rank="as large as training.rank") if missing else SEE
        return RunStopped(f"{self.base_url} does not load {adapter} ({error}): {remedy}")

    async def _earlier(self, adapter: Path) -> list[str]:
        """Return the names of the run's other adapters that the server has."""
        listed = _names(await self._send("models", None))
        mine = _prefix(adapter)
        return [name for name in listed if mine and name.startswith(mine) and name != self.served]

    async def _unload(self, name: str) -> None:
        try:
            await self._send(UNLOAD, {"lora_name": name})
        except ModelError as error:
            if retries.is_transient(error):
                raise  # else it is gone already, or stays, which does no harm


def _stripped(reply: AIMessage) -> AIMessage:
    """Return a reply without space around it, as models on this machine give it."""
    return reply.model_copy(update={"content": reply.text.strip()})


def _harmless(messages: Messages, weights: Path) -> list[Chat]:
    """Return messages with the marks in them broken, as in training: see `models.templates`."""
    tokenizer = _tokenizer(weights)
    return [
        message | {"content": as_letters(tokenizer, message["content"])}
        for message in as_chat(messages)
    ]


@functools.cache
def _tokenizer(weights: Path) -> Any:
    return load_tokenizer(weights)


def name_of(adapter: Path, sha256: str) -> str:
    """Return the name of an adapter on a server: no two runs, and no two trainings, share one."""
    return f"{_prefix(adapter) or 'elenchus-'}{adapter.name}-{sha256[:12]}"


def _prefix(adapter: Path) -> str:
    """Return how the names of all adapters of a run begin; "" for one that is of no run."""
    return f"{adapter.parents[1].name}-" if adapter.parent.name == "adapters" else ""


def _names(text: str) -> list[str]:
    """Return the names in a list of models; none where it is no such list."""
    try:
        return [str(model["id"]) for model in json.loads(text)["data"]]
    except (ValueError, LookupError, TypeError, RecursionError):
        return []


def try_out(config: ModelConfig, weights: Path, rank: int, place: Path, key: str) -> None:
    """Load an adapter that changes nothing from a folder below `place`, and unload it.

    Args:
        weights: the folder of the model that the server serves, as it lies here.
        rank: of the adapters that will be trained.

    Raises:
        UserError: the server does not let us, does not see the folder, or writes a chat in another
            way than the weights' tokenizer, so that it would be asked in another way than trained.
    """
    _check_chat(config, weights, key)
    name = f"elenchus-probe-{secrets.token_hex(4)}"
    with explained(place):
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place, prefix=".adapter-") as folder:
            Path(folder).chmod(0o755)  # the server may be another user's
            write_untrained(weights, rank, Path(folder))
            asked = {"lora_name": name, "lora_path": str(Path(folder).resolve())}
            status, text = _posted(config, LOAD, asked, key)
            if status == 200:
                _posted(config, UNLOAD, {"lora_name": name}, key)
                return
    said = str(refusal(status, text))
    if status == 404 and NO_ENDPOINT in said:
        why, remedy = "it loads no adapters while it runs", START.format(rank=rank)
    else:
        why, remedy = f"it does not load an adapter of rank {rank} below {place} ({said})", SEE
    raise UserError(f"{config.model} at {config.base_url}: {why}: {remedy}")


def _check_chat(config: ModelConfig, weights: Path, key: str) -> None:
    """Compare how the server and the tokenizer of the weights write a chat, where it tells."""
    chat = [{"role": "user", "content": PROBE}]
    thinking = bool(config.options.get("thinking"))
    asked = {
        "model": config.model.partition(":")[2],
        "messages": chat,
        "chat_template_kwargs": {"enable_thinking": thinking},
    }
    status, text = _posted(config, "../tokenize", asked, key)
    if status != 200:
        return  # a server behind a gateway may not offer it
    tokenizer = _tokenizer(weights)
    prompt: str = rendered(
        tokenizer, chat, tokenize=False, add_generation_prompt=True, enable_thinking=thinking
    )
    ours = list(tokenizer(prompt, add_special_tokens=False).input_ids)
    try:
        theirs = json.loads(text)["tokens"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return
    if isinstance(theirs, list) and ours != theirs:
        raise UserError(
            f"{config.model} at {config.base_url}: the server writes a chat in {len(theirs)} "
            f"tokens, the tokenizer in {weights} writes the same one in {len(ours)} others: serve "
            "these weights, with --chat-template where they have one of their own, or name those "
            "that are served in student.options.weights"
        )


def _posted(config: ModelConfig, path: str, body: dict[str, Any], key: str) -> tuple[int, str]:
    """Return status and text of the answer to a POST request.

    Raises:
        UserError: nobody answers.
    """
    base = str(config.base_url).rstrip("/")
    url = f"{base.removesuffix('/v1')}/{path[3:]}" if path.startswith("../") else f"{base}/{path}"
    headers = {"Authorization": f"Bearer {key}"}
    try:
        return fetched(url, headers, body, max(LOOK, config.timeout))
    except (httpx.LocalProtocolError, UnicodeEncodeError):
        raise UserError(f"{config.model}: the server's key cannot be sent: set it again") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        said = in_line(str(error), SHOWN)
        raise UserError(f"{config.model}: nothing answers at {url} ({said})") from error


def write_untrained(weights: Path, rank: int, folder: Path) -> None:
    """Write a LoRA of one layer that changes nothing, as peft would save it.

    Args:
        weights: the folder of the model it is on.
        folder: where it is written; it exists.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):  # shapes alone
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(weights))
    inner = {id(module) for module in model.get_decoder().modules()}
    name, layer = next(
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and id(module) in inner
    )
    wide, high = layer.in_features, layer.out_features
    tensors = {"A": torch.zeros(rank, wide), "B": torch.zeros(high, rank)}
    named = {f"base_model.model.{name}.lora_{k}.weight": t for k, t in tensors.items()}
    save_file(named, folder / "adapter_model.safetensors", {"format": "pt"})
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(weights),
        "r": rank,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": [name.rpartition(".")[2]],
        "inference_mode": True,
    }
    write_json(folder / "adapter_config.json", settings)
