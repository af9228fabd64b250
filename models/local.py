"""Runs chat models of transformers on this machine, in batches.

Weights are safetensors only, and no code that comes with a model is run.
"""

import contextlib
import functools
import gc
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from pydantic import Field

from elenchus.errors import UserError
from models.batching import Batcher
from models.decoding import Continuation, Wanted, decode
from models.messages import Messages, PromptTooLong, as_chat, as_result
from models.pretrained import LOADING, SINGLE, Precision, load_causal, load_tokenizer, usual_device
from models.room import Room, kept_bytes, tokens_of
from models.templates import end_of_turn, rendered
from models.weights import weights_hash

Said = tuple[str, Continuation]  # an answer, and its tokens
Answer = Callable[[Sequence[Wanted]], Sequence[Said]]
FEW, MANY = 32, 128  # prompts that are answered together; more than a few where they take little
LITTLE = 1 << 31  # bytes of the keys and values that many prompts may take, answers included
QUEUE = MANY  # requests that are sorted into batches at a time


class LocalChatModel(BaseChatModel):
    """A chat model of transformers; loaded once a process, however many roles use it.

    An answer depends on messages, temperature and seed: its batch changes the last digits of what
    is computed, and nothing else.

    Attributes:
        model: its folder.
        adapter: folder of a LoRA trained on it.
        temperature: 0 gives the likeliest answer.
        seed: decides the draws, and is an argument of each call, too; drawn itself where None.
        device: where it runs; "" for a GPU where there is one.
        thinking: whether it thinks first, where its chat template can choose.
        precision: in which its weights are kept.
    """

    model: str
    adapter: Path | None = None
    temperature: float = Field(default=0.0, ge=0.0)
    max_new_tokens: int = Field(default=512, ge=1)
    seed: int | None = None
    device: str = ""
    thinking: bool = False
    precision: Precision = SINGLE

    @property
    def _llm_type(self) -> str:
        return "transformers"

    def load(self) -> "Loaded":
        """Load the model, if it is not; UserError where there is none that can chat."""
        stamps = _stamp(Path(self.model)), self.adapter and _stamp(self.adapter)
        with LOADING:
            if _bases is None:
                return _loaded(self.model, self.adapter, self.device, self.precision, stamps)
            base = self.model, None, self.device, self.precision, stamps[0]
            if base not in _bases:
                _bases[base] = OneBase(_loaded.__wrapped__(*base))
            return _bases[base].loaded(self.adapter, stamps[1])

    def shown(self, text: str) -> str:
        """Return an answer as it leaves the model."""
        return text

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        loaded = self.load()
        wanted = self.wanted(loaded, messages, **kwargs)
        return self._result(loaded.batcher.submit(wanted).result(), wanted, stop)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        loaded = self.load()
        wanted = self.wanted(loaded, messages, **kwargs)
        return self._result(await loaded.batcher.ask(wanted), wanted, stop)

    def wanted(
        self,
        loaded: "Loaded",
        messages: Messages,
        *,
        seed: int | None = None,
        **_: Any,
    ) -> Wanted:
        """Return what is decoded for messages; PromptTooLong where they leave no room."""
        prompt = loaded.prompt(as_chat(messages), self.thinking)
        if len(prompt) + self.max_new_tokens > loaded.context:
            raise PromptTooLong(
                f"the prompt has {len(prompt)} tokens; with max_new_tokens="
                f"{self.max_new_tokens} it must stay within {loaded.context}: shorten the messages"
            )
        given = self.seed if seed is None else seed
        drawn = random.getrandbits(32) if given is None else given
        return Wanted(prompt, self.max_new_tokens, self.temperature, drawn)

    def _result(self, said: Said, wanted: Wanted, stop: list[str] | None) -> ChatResult:
        text, made = said
        text = self.shown(text)
        for end in stop or ():
            text = text.partition(end)[0]
        cut = len(made.tokens) == wanted.limit
        return as_result(text, len(wanted.prompt), len(made.tokens), made.likelihood, cut)


class Loaded:
    """A model with its tokenizer, answering batches.

    `weights` is the hash of weights in a folder, whose files may change under its name; "" for a
    model of the hub.
    """

    def __init__(
        self, model: Any, tokenizer: Any, weights: str, answer: "Answer | None" = None
    ) -> None:
        self.model, self.tokenizer, self.weights = model, tokenizer, weights
        self.context = int(getattr(model.config, "max_position_embeddings", 0) or 1 << 30)
        # A method would be a cycle of references, which keeps the model in memory once released.
        answer = answer or functools.partial(answered, model, tokenizer, room=Room(tokens_of))
        self.batcher: Batcher[Wanted, Said] = Batcher(answer, max_batch=QUEUE)

    def prompt(self, chat: list[dict[str, str]], thinking: bool = False) -> tuple[int, ...]:
        """Return the tokens of messages in the model's chat form: see `prompt_of`."""
        return prompt_of(self.tokenizer, chat, thinking)


class OneBase:
    """One set of weights that answers untouched, and with any of several adapters, by turns.

    Adapters stay beside the matrices, which rounds otherwise in the last digits than an adapter
    that is added into them.
    """

    def __init__(self, base: Loaded) -> None:
        self._base, self._turn, self._room = base, Lock(), Room(tokens_of)
        self._adapted: Any = None  # peft's model around the base, once there is an adapter
        self._loaded: dict[object, Loaded] = {}

    def loaded(self, adapter: Path | None, stamp: object) -> Loaded:
        """Return what answers with an adapter, or untouched; the adapter is read when asked."""
        key = adapter, stamp
        if key not in self._loaded:
            base, weights = self._base, weights_hash(adapter) if adapter else ""
            name = f"adapter-{len(self._loaded)}" if adapter else ""
            answer = functools.partial(self._answered, adapter, name)
            self._loaded[key] = Loaded(base.model, base.tokenizer, base.weights + weights, answer)
        return self._loaded[key]

    def _answered(self, adapter: Path | None, name: str, wanted: Sequence[Wanted]) -> list[Said]:
        with self._turn:
            if adapter is not None and (self._adapted is None or name not in self._names()):
                self._add(adapter, name)
            if self._adapted is not None:
                self._switch(name)
            return answered(self._base.model, self._base.tokenizer, wanted, self._room)

    def _names(self) -> set[str]:
        return set(self._adapted.peft_config)

    def _add(self, adapter: Path, name: str) -> None:
        model, device = self._base.model, self._base.model.device
        with LOADING:
            self._adapted = beside(self._adapted or model, adapter, name)
        model.to(device).eval()

    def _switch(self, name: str) -> None:
        from peft.tuners.tuners_utils import BaseTunerLayer

        for layer in self._base.model.modules():
            if isinstance(layer, BaseTunerLayer):
                if name:
                    layer.set_adapter(name)
                layer.enable_adapters(bool(name))


# By weights, while several runs are at work; None where adapters are added into them.
_bases: dict[object, OneBase] | None = None


@contextlib.contextmanager
def one_base() -> Iterator[None]:
    """Keep one set of weights of each model in memory, and all adapters beside it."""
    global _bases
    forget()
    _bases = {}
    try:
        yield
    finally:
        forget()
        _bases = None


def prompt_of(
    tokenizer: Any, chat: list[dict[str, str]], thinking: bool = False
) -> tuple[int, ...]:
    """Return the tokens of messages in a model's chat form, up to where its answer begins."""
    prompt: str = rendered(
        tokenizer, chat, tokenize=False, add_generation_prompt=True, enable_thinking=thinking
    )
    return tuple(tokenizer(prompt, add_special_tokens=False).input_ids)


def answered(
    model: Any, tokenizer: Any, wanted: Sequence[Wanted], room: Room[Wanted] | None = None
) -> list[Said]:
    """Answer prompts, those of like length together; return the answers in their order."""
    ends, found, room = ends_of(model, tokenizer), dict[int, Said](), room or Room(tokens_of)
    decoding = functools.partial(decode, model, ends=ends, pad=tokenizer.pad_token_id)
    for places in _groups(wanted, room.most, LITTLE / kept_bytes(model)):
        made = room.done(decoding, [wanted[place] for place in places])
        for place, one in zip(places, made, strict=True):
            text = tokenizer.decode(one.tokens, skip_special_tokens=True).strip()
            found[place] = text, one
    return [found[place] for place in range(len(wanted))]


def _groups(wanted: Sequence[Wanted], most: float, little: float) -> list[list[int]]:
    """Return the places of prompts in groups, none of which is mostly padding; equals go together.

    None has more than `most` tokens. A group of up to `little` tokens may have `MANY` prompts; a
    larger one has a `FEW` at most.
    """
    prompts = [one.prompt for one in wanted]
    groups: list[list[int]] = []
    for place in sorted(range(len(prompts)), key=lambda n: (len(prompts[n]), prompts[n])):
        if groups and len(groups[-1]) < MANY:
            shortest = len(prompts[groups[-1][0]])
            with_it = [wanted[n] for n in (*groups[-1], place)]
            room = most if len(with_it) <= FEW else min(most, little)
            if len(prompts[place]) <= 2 * shortest + 16 and tokens_of(with_it) <= room:
                groups[-1].append(place)
                continue
        groups.append([place])
    return groups


def ends_of(model: Any, tokenizer: Any) -> frozenset[int]:
    """Return the tokens that end an answer: the tokenizer's, the model's, the template's.

    A base model may come with a template whose turns end otherwise than its texts.
    """
    named = model.generation_config.eos_token_id
    several = named if isinstance(named, list) else [named]
    all_named = (*several, tokenizer.eos_token_id, end_of_turn(tokenizer))
    return frozenset(one for one in all_named if one is not None)


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when a folder of weights is written anew: names, sizes and times."""
    files = [(file.name, file.stat()) for file in sorted(folder.glob("*.safetensors"))]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in files)


@functools.lru_cache(maxsize=3)  # an expert's, the untouched student, and the newest trained one
def _loaded(
    name: str, adapter: Path | None, device: str, precision: Precision, stamps: object
) -> Loaded:
    try:
        device = device or usual_device()
        tokenizer, model = load_tokenizer(name), load_causal(name, precision)
    except ModuleNotFoundError as error:
        raise UserError(f"hf:{name} needs {error.name}: pip install -e '.[train]'") from error
    if tokenizer.chat_template is None:
        raise UserError(f"hf:{name} has no chat template: take a model that was tuned to chat")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    weights = weights_hash(Path(name))
    if adapter is not None:
        weights += weights_hash(adapter)
        model = adapted(model, adapter, merged=not precision.four_bit)
    return Loaded(model.to(device).eval(), tokenizer, weights)


def forget() -> None:
    """Release the loaded models: a training needs the room. They are loaded again when asked."""
    if not _loaded.cache_info().currsize and not _bases:
        return
    _loaded.cache_clear()
    if _bases is not None:
        _bases.clear()
    gc.collect()  # packages make cycles, too
    import torch

    torch.cuda.empty_cache()  # does nothing where there is no GPU


def adapted(model: Any, adapter: Path, merged: bool) -> Any:
    """Add a LoRA's update into the matrices of a model, or beside those that would round it.

    Raises:
        UserError: the adapter is that of another model.
    """
    adapted = beside(model, adapter)
    return adapted.merge_and_unload() if merged else adapted.get_base_model()


def beside(model: Any, adapter: Path, name: str = "default") -> Any:
    """Put a LoRA beside the matrices of a model, or of peft's model around one, which is returned.

    Raises:
        UserError: the adapter is that of another model.
    """
    from peft import PeftModel
    from safetensors import SafetensorError

    try:
        if isinstance(model, PeftModel):
            model.load_adapter(str(adapter), name)
        else:
            model = PeftModel.from_pretrained(model, adapter, name)
        _check_complete(model, adapter, name)
        return model
    # torch raises a RuntimeError for tensors of another shape.
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{adapter}: no adapter of this model ({error}): train again") from error


def _check_complete(adapted: Any, adapter: Path, name: str) -> None:
    """Raise a ValueError where the model lacks matrices that an adapter is for, or has others."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(adapter / "adapter_model.safetensors", framework="pt") as file:
        stored = set(file.keys())
    own = get_peft_model_state_dict(adapted, adapter_name=name, save_embedding_layers=False)
    held = {name for name in own if "lora_" in name}
    if odd := held ^ {name for name in stored if "lora_" in name}:
        raise ValueError(f"{min(odd)} is in one of them alone")
