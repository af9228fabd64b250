"""How likely each of several labels is to follow a prompt: choices made without a word.

As lm-evaluation-harness computes it for `multiple_choice`: the sum of the log-likelihoods of the
tokens that a label adds to the chat, rendered up to where the answer begins. White space at the end
of the prompt belongs to the label; its tokens are those of the whole without those of the prompt.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from elenchus.records import Message
from models.decoding import LEAST_SHARED, shared_by
from models.local import adapted
from models.pretrained import Precision, load_causal, load_tokenizer, usual_device
from models.room import Room
from models.templates import rendered
from training.encoding import Ids, pad_token, with_mask

AT_ONCE = 8192  # tokens of a batch, padding included
WINDOW = 1 << 30  # tokens, where a model does not say


class Asked(NamedTuple):
    """A prompt, and the labels that may follow it."""

    prompt: tuple[Message, ...]
    labels: tuple[str, ...]


class TooLong(NamedTuple):
    """A prompt that the model cannot read whole: its tokens with a label, and the most."""

    tokens: int
    most: int


class Chooser:
    """A model that weighs labels; loaded when it is made.

    Args:
        weights: the folder of a model.
        adapter: of a LoRA on it; None for the model as it is.
        precision: in which it computes.
        device: where; "" for a GPU where there is one.
        thinking: whether the chat template lets it think first.

    Raises:
        UserError: there is no such model, or the adapter is another one's.
    """

    def __init__(
        self,
        weights: Path,
        adapter: Path | None,
        precision: Precision,
        device: str = "",
        thinking: bool = False,
    ) -> None:
        model = load_causal(weights, precision)
        if adapter is not None:
            model = adapted(model, adapter, merged=not precision.four_bit)
        self._model = model.to(device or usual_device()).eval()
        self._tokenizer = load_tokenizer(weights)
        self._thinking = thinking
        self._window = int(getattr(model.config, "max_position_embeddings", 0) or WINDOW)

    def weigh(self, asked: Sequence[Asked]) -> list[tuple[float, ...] | TooLong]:
        """Return for each prompt the log-likelihood of each of its labels, in their order."""
        found: list[tuple[float, ...] | TooLong] = []
        wanted: dict[tuple[int, ...], list[tuple[int, int, Ids]]] = defaultdict(list)
        for place, one in enumerate(asked):
            pairs = [_tokens(self._tokenizer, self.context(one.prompt), t) for t in one.labels]
            longest = max(len(before) + len(after) for before, after in pairs)
            if longest > self._window:
                found.append(TooLong(longest, self._window))
                continue
            found.append((0.0,) * len(one.labels))
            for n, (before, after) in enumerate(pairs):
                # Labels of one token share what is read: nothing is computed twice.
                wanted[(*before, *after[:-1])].append((place, n, after))
        sums = {(place, n): total for place, n, total in self._summed(wanted)}
        return [
            one if isinstance(one, TooLong) else tuple(sums[place, n] for n in range(len(one)))
            for place, one in enumerate(found)
        ]

    def context(self, prompt: Sequence[Message]) -> str:
        """Return a chat as the model reads it, up to where its answer begins."""
        chat = [message.model_dump() for message in prompt]
        text: str = rendered(
            self._tokenizer,
            chat,
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=self._thinking,
        )
        return text

    def _summed(
        self, wanted: dict[tuple[int, ...], list[tuple[int, int, Ids]]]
    ) -> list[tuple[int, int, float]]:
        """Return for each continuation, by its place and number, its summed log-likelihood."""
        import torch

        room, found = Room(_tokens_of), list[tuple[int, int, float]]()

        def sums(rows: Sequence[tuple[int, ...]]) -> list[tuple[int, int, float]]:
            # Logits are computed only where some continuation of the batch is read.
            ends = [range(len(row) - _longest(wanted[row]), len(row)) for row in rows]
            places = sorted({place for end in ends for place in end})
            odds = self._odds(rows, places)
            at = {place: n for n, place in enumerate(places)}
            made = []
            for line, row in enumerate(rows):
                for place, n, after in wanted[row]:
                    begin = len(row) - len(after)
                    chosen = [odds[line, at[begin + k], t] for k, t in enumerate(after)]
                    made.append((place, n, float(sum(chosen))))
            return made

        with torch.inference_mode():
            for rows in _batches(sorted(wanted, key=lambda row: (len(row), row)), room):
                found += room.done(sums, rows)
        return found

    def _odds(self, rows: Sequence[tuple[int, ...]], places: Sequence[int]) -> Any:
        """Return log-probabilities after some places: of shape (rows, places, vocabulary).

        What all rows begin with, such as solved examples, is read once.
        """
        import torch

        device = self._model.device
        cache, shared = self._begun(rows, min(places))
        rests = [list(row[shared:]) for row in rows]
        batch = with_mask(rests, pad_token(self._tokenizer))
        width = batch["input_ids"].shape[1]
        begun = torch.ones((len(rows), shared), dtype=torch.long)
        logits = self._model(
            input_ids=batch["input_ids"].to(device),
            attention_mask=torch.cat([begun, batch["attention_mask"]], 1).to(device),
            position_ids=torch.arange(shared, shared + width, device=device).expand(len(rows), -1),
            past_key_values=cache,
            use_cache=cache is not None,
            logits_to_keep=torch.tensor(places, device=device) - shared,
        ).logits
        return logits.float().log_softmax(-1)

    def _begun(self, rows: Sequence[tuple[int, ...]], most: int) -> tuple[Any, int]:
        """Return what the model keeps of the tokens that all rows begin with, and how many.

        Args:
            most: tokens that may be read so.
        """
        import torch
        from transformers import DynamicCache

        shared = min(shared_by(rows), most) if len(rows) > 1 else 0
        cache = DynamicCache(config=self._model.config)
        # Layers that keep a state, and not their past, cannot be repeated.
        if shared < LEAST_SHARED or not all(
            hasattr(c, "batch_select_indices") for c in cache.layers
        ):
            return None, 0
        ids = torch.tensor([rows[0][:shared]], device=self._model.device)
        self._model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache.batch_repeat_interleave(len(rows))
        return cache, shared


def _longest(continuations: Sequence[tuple[int, int, Ids]]) -> int:
    return max(len(after) for _, _, after in continuations)


def _tokens(tokenizer: Any, context: str, label: str) -> tuple[Ids, Ids]:
    """Return the tokens of a prompt, and those that a label adds to it."""
    stripped = context.rstrip()
    label = context[len(stripped) :] + label
    whole: Ids = tokenizer(stripped + label, add_special_tokens=False)["input_ids"]
    before: Ids = tokenizer(stripped, add_special_tokens=False)["input_ids"]
    cut = min(len(before), len(whole) - 1)  # a label that joins the prompt's last token keeps it
    return before[:cut], whole[cut:]


def _tokens_of(rows: Sequence[tuple[int, ...]]) -> int:
    return len(rows) * max(map(len, rows))


def _batches(
    rows: Sequence[tuple[int, ...]], room: Room[tuple[int, ...]]
) -> Iterator[list[tuple[int, ...]]]:
    """Yield rows, the shorter ones first, in batches that hold no more tokens than have room."""
    batch: list[tuple[int, ...]] = []
    for row in rows:
        if batch and len(row) * (len(batch) + 1) > min(AT_ONCE, room.most):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
