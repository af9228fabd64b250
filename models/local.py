"""`hf:FOLDER` or `hf:ID`: any chat model that transformers can load, on this machine, in batches.

A model id is looked up in the local cache of the hub first. Weights are safetensors only, and no
code that comes with a model is run.
"""

import functools
import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from pydantic import Field

from elenchus.errors import UserError
from models.batching import Batcher
from models.messages import PromptTooLong, as_chat, as_result
from models.pretrained import load
from models.templates import rendered
from models.weights import weights_hash

if TYPE_CHECKING:
    import torch

MAX_BATCH = 16


@dataclass(frozen=True)
class Request:
    """One prompt in the model's own chat form, and how to go on from it."""

    text: str
    temperature: float
    max_new_tokens: int


class LocalChatModel(BaseChatModel):
    """A model of transformers; loaded once a process, however many roles use it.

    Attributes:
        model: folder or hub id.
        adapter: folder of a LoRA trained on it.
        device: where it runs; "" for a GPU where there is one.
        thinking: whether it thinks first, where its chat template can choose.
    """

    model: str
    adapter: Path | None = None
    temperature: float = Field(default=0.0, ge=0.0)
    max_new_tokens: int = Field(default=512, ge=1)
    device: str = ""
    thinking: bool = False

    @property
    def _llm_type(self) -> str:
        return "transformers"

    def load(self) -> "Loaded":
        """Load the model now; UserError where there is none that can chat."""
        return _loaded(self.model, self.adapter, self.device)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        loaded = self.load()
        return loaded.batcher.submit(self._request(loaded, messages)).result()

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        loaded = self.load()
        return await loaded.batcher.ask(self._request(loaded, messages))

    def _request(self, loaded: "Loaded", messages: list[BaseMessage]) -> Request:
        text = loaded.prompt(as_chat(messages), self.thinking)
        read = loaded.length(text)
        if read + self.max_new_tokens > loaded.context:
            raise PromptTooLong(
                f"the prompt has {read} tokens; with max_new_tokens="
                f"{self.max_new_tokens} it must stay within {loaded.context}: shorten it"
            )
        return Request(text, self.temperature, self.max_new_tokens)


class Loaded:
    """A model with its tokenizer, answering batches.

    `weights` is a hash of what was loaded from a folder, whose files may change under its name; ""
    for a model of the hub.
    """

    def __init__(self, model: Any, tokenizer: Any, weights: str) -> None:
        self._tokenizer, self.weights = tokenizer, weights
        self.context = int(getattr(model.config, "max_position_embeddings", 0) or 1 << 30)
        # Not a method: a model that holds itself stays in memory long after it was let go of.
        answer = functools.partial(_run, model, tokenizer)
        self.batcher: Batcher[Request, ChatResult] = Batcher(answer, max_batch=MAX_BATCH)

    def prompt(self, chat: list[dict[str, str]], thinking: bool = False) -> str:
        """The messages in the model's chat form, up to where its answer begins."""
        made: str = rendered(
            self._tokenizer,
            chat,
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=thinking,
        )
        return made

    def length(self, text: str) -> int:
        """Tokens of a prompt."""
        return len(self._tokenizer(text, add_special_tokens=False).input_ids)


def _run(model: Any, tokenizer: Any, requests: Sequence[Request]) -> list[ChatResult]:
    """The answers to a batch, in its order."""
    found: dict[Request, list[ChatResult]] = {}
    for settings in dict.fromkeys((r.temperature, r.max_new_tokens) for r in requests):
        alike = [r for r in requests if (r.temperature, r.max_new_tokens) == settings]
        for request, result in zip(alike, _answers(model, tokenizer, alike), strict=True):
            found.setdefault(request, []).append(result)
    return [found[request].pop() for request in requests]


def _answers(model: Any, tokenizer: Any, requests: Sequence[Request]) -> list[ChatResult]:
    import torch

    batch = tokenizer(
        [request.text for request in requests],
        return_tensors="pt",
        padding=True,
        padding_side="left",
        add_special_tokens=False,
    ).to(model.device)
    warm = requests[0].temperature > 0
    with torch.inference_mode():
        made = model.generate(
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            max_new_tokens=requests[0].max_new_tokens,
            do_sample=warm,
            temperature=requests[0].temperature if warm else None,
            pad_token_id=tokenizer.pad_token_id,
        )
    read = batch.attention_mask.sum(dim=1).tolist()
    answers = made[:, batch.input_ids.shape[1] :]
    return [_result(tokenizer, n, answer) for n, answer in zip(read, answers, strict=True)]


def _result(tokenizer: Any, read: int, answer: "torch.Tensor") -> ChatResult:
    text = tokenizer.decode(answer, skip_special_tokens=True).strip()
    written = int((answer != tokenizer.pad_token_id).sum())
    return as_result(text, read, written)


@functools.lru_cache(maxsize=3)  # an expert's, the untouched student, and the newest trained one
def _loaded(name: str, adapter: Path | None, device: str) -> Loaded:
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ModuleNotFoundError as error:
        raise UserError(f"hf:{name} needs {error.name}: pip install -e '.[train]'") from error
    tokenizer = load(AutoTokenizer, name)
    model = load(AutoModelForCausalLM, name, dtype="auto", use_safetensors=True)
    if tokenizer.chat_template is None:
        raise UserError(f"hf:{name} has no chat template: take a model that was tuned to chat")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    usual = "cuda" if torch.cuda.is_available() else "cpu"
    weights = weights_hash(Path(name))
    if adapter is not None:
        weights += weights_hash(adapter)
        model = _merged(model, adapter)
    return Loaded(model.to(device or usual).eval(), tokenizer, weights)


def forget() -> None:
    """Let go of the loaded models: a training wants the room. They are loaded again when asked."""
    if not _loaded.cache_info().currsize:
        return
    _loaded.cache_clear()
    gc.collect()  # packages make cycles, too
    import torch

    torch.cuda.empty_cache()  # does nothing where there is no GPU


def _merged(model: Any, adapter: Path) -> Any:
    """The model with the LoRA's update added into its matrices."""
    from peft import PeftModel
    from safetensors import SafetensorError

    try:
        return PeftModel.from_pretrained(model, adapter).merge_and_unload()
    # torch raises a RuntimeError for tensors of another shape.
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{adapter}: no adapter of this model ({error}): train again") from error
