"""Runs chat models of transformers on this machine, in batches.

Weights are safetensors only, and no code that comes with a model is run.
"""

import functools
import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from pydantic import Field

from elenchus.errors import UserError
from models.batching import Batcher
from models.decoding import decode
from models.messages import PromptTooLong, as_chat, as_result
from models.pretrained import load_causal, load_tokenizer, usual_device, usual_dtype
from models.templates import rendered
from models.weights import weights_hash

MAX_BATCH = 32


@dataclass(frozen=True)
class _Generation:
    """What to generate: a prompt's tokens, in the model's chat form, and how to go on from it."""

    prompt: tuple[int, ...]
    temperature: float
    max_new_tokens: int


class LocalChatModel(BaseChatModel):
    """A chat model of transformers; loaded once a process, however many roles use it.

    Attributes:
        model: its folder.
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
        """Load the model, if it is not; UserError where there is none that can chat."""
        return _loaded(self.model, self.adapter, self.device)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        loaded = self.load()
        return loaded.batcher.submit(self._generation(loaded, messages)).result()

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        loaded = self.load()
        return await loaded.batcher.ask(self._generation(loaded, messages))

    def _generation(self, loaded: "Loaded", messages: list[BaseMessage]) -> _Generation:
        prompt = loaded.prompt(as_chat(messages), self.thinking)
        length = len(prompt)
        if length + self.max_new_tokens > loaded.context:
            raise PromptTooLong(
                f"the prompt has {length} tokens; with max_new_tokens="
                f"{self.max_new_tokens} it must stay within {loaded.context}: shorten it"
            )
        return _Generation(prompt, self.temperature, self.max_new_tokens)


class Loaded:
    """A model with its tokenizer, answering batches.

    `weights` is the hash of weights in a folder, whose files may change under its name; "" for a
    model of the hub.
    """

    def __init__(self, model: Any, tokenizer: Any, weights: str) -> None:
        self._tokenizer, self.weights = tokenizer, weights
        self.context = int(getattr(model.config, "max_position_embeddings", 0) or 1 << 30)
        # A method would be a cycle of references, which keeps the model in memory once released.
        answer = functools.partial(_answer_batch, model, tokenizer)
        self.batcher: Batcher[_Generation, ChatResult] = Batcher(answer, max_batch=MAX_BATCH)

    def prompt(self, chat: list[dict[str, str]], thinking: bool = False) -> tuple[int, ...]:
        """Return the tokens of messages in the model's chat form, up to where its answer begins."""
        prompt: str = rendered(
            self._tokenizer,
            chat,
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=thinking,
        )
        return tuple(self._tokenizer(prompt, add_special_tokens=False).input_ids)


def _answer_batch(
    model: Any, tokenizer: Any, generations: Sequence[_Generation]
) -> list[ChatResult]:
    """Generate the answers to a batch, in its order; those with like settings go together."""
    results: dict[int, ChatResult] = {}
    for settings in dict.fromkeys(map(_settings, generations)):
        places = [n for n, one in enumerate(generations) if _settings(one) == settings]
        prompts = [generations[n].prompt for n in places]
        results |= zip(places, _answers(model, tokenizer, prompts, *settings), strict=True)
    return [results[n] for n in range(len(generations))]


def _settings(generation: _Generation) -> tuple[float, int]:
    return generation.temperature, generation.max_new_tokens


def _answers(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[tuple[int, ...]],
    temperature: float,
    max_new_tokens: int,
) -> list[ChatResult]:
    continuations = decode(
        model,
        prompts,
        limit=max_new_tokens,
        temperature=temperature,
        ends=_ends(model, tokenizer),
        pad=tokenizer.pad_token_id,
    )
    return [
        as_result(
            tokenizer.decode(made.tokens, skip_special_tokens=True).strip(),
            len(prompt),
            len(made.tokens),
            made.likelihood,
        )
        for prompt, made in zip(prompts, continuations, strict=True)
    ]


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """Return the tokens that end an answer: the tokenizer's, and those that the model names."""
    named = model.generation_config.eos_token_id
    several = named if isinstance(named, list) else [named]
    return frozenset(one for one in (*several, tokenizer.eos_token_id) if one is not None)


@functools.lru_cache(maxsize=3)  # an expert's, the untouched student, and the newest trained one
def _loaded(name: str, adapter: Path | None, device: str) -> Loaded:
    try:
        device = device or usual_device()
        tokenizer, model = load_tokenizer(name), load_causal(name, usual_dtype(device))
    except ModuleNotFoundError as error:
        raise UserError(f"hf:{name} needs {error.name}: pip install -e '.[train]'") from error
    if tokenizer.chat_template is None:
        raise UserError(f"hf:{name} has no chat template: take a model that was tuned to chat")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    weights = weights_hash(Path(name))
    if adapter is not None:
        weights += weights_hash(adapter)
        model = _merged(model, adapter)
    return Loaded(model.to(device).eval(), tokenizer, weights)


def forget() -> None:
    """Release the loaded models: a training needs the room. They are loaded again when asked."""
    if not _loaded.cache_info().currsize:
        return
    _loaded.cache_clear()
    gc.collect()  # packages make cycles, too
    import torch

    torch.cuda.empty_cache()  # does nothing where there is no GPU


def _merged(model: Any, adapter: Path) -> Any:
    """Add a LoRA's update into the matrices of a model."""
    from peft import PeftModel
    from safetensors import SafetensorError

    try:
        return PeftModel.from_pretrained(model, adapter).merge_and_unload()
    # torch raises a RuntimeError for tensors of another shape.
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{adapter}: no adapter of this model ({error}): train again") from error
