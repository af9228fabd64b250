"""The nano loaded to answer: weights with an adapter merged in, tokenizer, batches."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from models.batching import Batcher
from models.messages import PromptTooLong
from models.templates import rendered
from offline.nano.checksums import LIST, verify_checksums
from offline.nano.generate import Decoder, decode

MAX_BATCH = 64
_QUEUE = 4 * MAX_BATCH  # requests sorted into batches of like length at a time
_loaded: dict[tuple[Any, ...], "Engine"] = {}
_loading = Lock()


@dataclass(frozen=True, slots=True)
class Request:
    """A chat to continue: its messages as pairs of role and text, and how."""

    messages: tuple[tuple[str, str], ...]
    temperature: float
    max_new_tokens: int
    seed: int


@dataclass(frozen=True, slots=True)
class Reply:
    """A continuation, with the tokens that were read and written, and their mean likelihood."""

    text: str
    input_tokens: int
    output_tokens: int
    likelihood: float


class Engine:
    """A loaded model that answers batches of requests."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._decoder = Decoder(model)
        self._tokenizer = tokenizer
        self._longest = int(model.config.max_position_embeddings)
        self.batcher: Batcher[Request, Reply] = Batcher(self.run, max_batch=_QUEUE)

    def run(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer the requests, those of like length together; return the replies in their order."""
        prompts = [self.encode(request) for request in requests]
        replies: dict[int, Reply] = {}
        for rows in _groups([len(prompt) for prompt in prompts]):
            continuations = decode(
                self._decoder,
                [prompts[row] for row in rows],
                limits=[requests[row].max_new_tokens for row in rows],
                temperatures=[requests[row].temperature for row in rows],
                seeds=[requests[row].seed for row in rows],
                pad=self._tokenizer.pad_token_id,
                end=self._tokenizer.eos_token_id,
            )
            for row, (ids, likelihood) in zip(rows, continuations, strict=True):
                text = sentence_case(self._tokenizer.decode(ids, skip_special_tokens=True))
                replies[row] = Reply(text, len(prompts[row]), len(ids), likelihood)
        return [replies[row] for row in range(len(requests))]

    def encode(self, request: Request) -> list[int]:
        """Return the prompt's tokens by the chat template.

        Raises:
            PromptTooLong: prompt and answer do not fit into the model's context.
        """
        chat = [{"role": role, "content": text} for role, text in request.messages]
        ids: list[int] = rendered(
            self._tokenizer, chat, add_generation_prompt=True, return_dict=False
        )
        if len(ids) + request.max_new_tokens > self._longest:
            raise PromptTooLong(
                f"the prompt has {len(ids)} tokens; with max_new_tokens={request.max_new_tokens} "
                f"it must stay within {self._longest}: shorten the messages"
            )
        return ids

    def check(self, request: Request) -> None:
        """Raise PromptTooLong for a request that would fail, and its whole batch with it."""
        # A token has at least one byte, so only long prompts have to be counted.
        size = sum(len(text.encode()) + 8 for _, text in request.messages)
        if size + request.max_new_tokens > self._longest:
            self.encode(request)


def _groups(lengths: Sequence[int]) -> list[list[int]]:
    """Return the places of prompts, grouped by length so that no batch is mostly padding."""
    groups: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if groups and len(groups[-1]) < MAX_BATCH:
            shortest = lengths[groups[-1][0]]
            if lengths[row] <= 2 * shortest + 16:
                groups[-1].append(row)
                continue
        groups.append([row])
    return groups


def sentence_case(text: str) -> str:
    """Put a capital at the start of every sentence: the nano itself knows lower case only."""
    return re.sub(r"(^|[.!?] )([a-z])", lambda match: match[1] + match[2].upper(), text.strip())


def load_engine(path: Path, adapter: Path | None) -> Engine:
    """Return the engine of weights and adapter, which is loaded once a process.

    Raises:
        ValueError: the weights or the adapter are missing or damaged.
    """
    key = (path.resolve(), adapter and adapter.resolve(), _stamp(path), adapter and _stamp(adapter))
    with _loading:
        if key not in _loaded:
            _loaded[key] = _load(path, adapter)
        return _loaded[key]


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when a folder of weights is written anew: names, sizes and times."""
    files = sorted(folder.glob("*.safetensors"))
    return tuple((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files)


def _load(path: Path, adapter: Path | None) -> Engine:
    if not (path / "config.json").is_file():
        raise ValueError(f"{path}: no model weights there; give the folder of a saved model")
    if (path / LIST).is_file() or path == Path(__file__).parent / "weights":
        verify_checksums(path)
    tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    model: Any = LlamaForCausalLM.from_pretrained(path, dtype=torch.float32)
    if adapter is not None:
        model = _merged(model, adapter)
    return Engine(model.eval(), tokenizer)


def _merged(model: Any, adapter: Path) -> Any:
    """Return the model with the adapter's update added to its matrices."""
    from peft import PeftModel
    from safetensors import SafetensorError

    if not (adapter / "adapter_config.json").is_file():
        raise ValueError(f"{adapter}: no adapter there; train one, or leave `adapter` out")
    try:
        return PeftModel.from_pretrained(model, adapter).merge_and_unload()
    except SafetensorError as error:
        raise ValueError(f"{adapter}: the adapter is damaged ({error}); train it again") from error
