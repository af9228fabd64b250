"""Pre-train the nano from nothing and print its skills.

    python -m offline.training.train --out runs/nano            # the shipped recipe
    python -m offline.training.train --out runs/nano --tokens 2e6 --export offline/nano/weights

It can be stopped at any time and started again with the same folder: it goes on from the last
checkpoint, with the same batches. `--tokens` may be changed until the decay of the learning rate
has begun. The learning curve is in `curve.jsonl`.
"""

import os

# Before torch is imported: spinning threads slow a shared machine down by a factor of six.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import argparse
import json
import multiprocessing
import random
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offline.nano import skills
from offline.nano.tokenizer import VOCABULARY, load_tokenizer, train_tokenizer
from offline.training import lessons

WARM_UP, DECAY = 100, 1 / 3  # steps; share of the run in which the rate falls to nothing
CHECKPOINT_EVERY, CURVE_EVERY = 200, 400


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides the weights."""

    tokens: float = 22e6
    rate: float = 3e-3
    seed: int = 0
    window: int = 512
    rows: int = 12

    @property
    def batch_tokens(self) -> int:
        return self.window * self.rows

    @property
    def steps(self) -> int:
        return int(self.tokens / self.batch_tokens)


_tokenizer: Any = None  # of the process that makes batches


# --- batches -----------------------------------------------------------------------------------


def encode(lesson: lessons.Lesson, tokenizer: Any, window: int) -> tuple[list[int], list[float]]:
    """Tokens and their loss weights, cut at the last whole turn that fits the window."""
    ids: list[int] = []
    weights: list[float] = []
    whole = 0
    for text, weight in lesson:
        piece = tokenizer(text, add_special_tokens=False).input_ids
        ids += piece
        weights += [weight] * len(piece)
        if len(ids) > window:
            break
        if text.endswith(lessons.END):
            whole = len(ids)
    return ids[:whole], weights[:whole]


def batch(step: int, recipe: Recipe, tokenizer: Any) -> tuple[Any, Any]:
    """The windows of a step and which of their tokens count; the same whenever it is asked for.

    A token of weight w counts with probability w, which is the weighted loss on the average and
    saves the logits of all others.
    """
    import torch

    rng = random.Random(f"{recipe.seed} {step}")
    stream = lessons.lessons(rng, step * recipe.batch_tokens)
    rows: list[tuple[list[int], list[float]]] = [([], []) for _ in range(recipe.rows)]
    misses = 0
    while misses < 8:
        ids, weights = encode(next(stream), tokenizer, recipe.window)
        room = [row for row in rows if len(row[0]) + len(ids) <= recipe.window]
        if not room:
            misses += 1
            continue
        best = max(room, key=lambda row: len(row[0])) if misses else rng.choice(room)
        best[0].extend(ids)
        best[1].extend(weights)
    tokens = torch.zeros(recipe.rows, recipe.window, dtype=torch.long)
    counts = torch.zeros(recipe.rows, recipe.window, dtype=torch.bool)
    for i, (ids, weights) in enumerate(rows):
        tokens[i, : len(ids)] = torch.tensor(ids)
        counts[i, : len(ids)] = torch.tensor([rng.random() < w for w in weights])
    return tokens, counts


# --- model and optimisers ----------------------------------------------------------------------


def new_model(seed: int) -> Any:
    """The nano with random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        pad_token_id=0,
        eos_token_id=3,
    )
    return LlamaForCausalLM(config)


def new_optimisers(model: Any, rate: float) -> list[Any]:
    """Muon for the matrices, AdamW for embeddings and norms."""
    import torch

    from offline.training.muon import Muon

    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    chosen = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [
        Muon(matrices, lr=rate),
        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def rate_at(step: int, recipe: Recipe) -> float:
    """Warm-up, plateau, linear decay."""
    left = (recipe.steps - step) / (recipe.steps * DECAY)
    return recipe.rate * min(1.0, (step + 1) / WARM_UP, left)


def loss_of(body: Any, head: Any, tokens: Any, counts: Any) -> Any:
    """Mean loss over the tokens that count; logits are made for these only."""
    from torch.nn import functional

    hidden = body(input_ids=tokens, use_cache=False).last_hidden_state
    wanted = counts[:, 1:]
    return functional.cross_entropy(head(hidden[:, :-1][wanted]), tokens[:, 1:][wanted])


# --- checkpoints -------------------------------------------------------------------------------


def save(folder: Path, model: Any, optimisers: list[Any], step: int) -> None:
    """Write the checkpoint whole, then put it in its place."""
    import torch

    state = {
        "step": step,
        "model": model.state_dict(),
        "optimisers": [o.state_dict() for o in optimisers],
    }
    torch.save(state, folder / "checkpoint.new")
    (folder / "checkpoint.new").replace(folder / "checkpoint.pt")


def load(folder: Path, model: Any, optimisers: list[Any]) -> int:
    """Put the checkpoint's state back; the step to go on with."""
    import torch

    path = folder / "checkpoint.pt"
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    for optimiser, saved in zip(optimisers, state["optimisers"], strict=True):
        optimiser.load_state_dict(saved)
    return int(state["step"])


# --- the run -----------------------------------------------------------------------------------


def _get_ready(folder: Path) -> None:
    """Prepare the process that makes batches."""
    global _tokenizer
    _tokenizer = load_tokenizer(folder)


def _next_batch(step: int, recipe: Recipe) -> tuple[Any, Any]:
    return batch(step, recipe, _tokenizer)


def train(recipe: Recipe, folder: Path) -> Any:
    """Train until the recipe's tokens are spent; the model and its tokenizer."""

    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "tokenizer.json").exists():
        train_tokenizer(folder, recipe.seed)
    tokenizer = load_tokenizer(folder)
    model = new_model(recipe.seed)
    optimisers = new_optimisers(model, recipe.rate)
    first = load(folder, model, optimisers)
    started, done, recent = time.monotonic(), 0, 0.0
    # A process, not a thread: making a batch would hold the interpreter lock.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, _get_ready, (folder,)) as ahead:
        following = ahead.submit(_next_batch, first, recipe)
        for step in range(first, recipe.steps):
            tokens, counts = following.result()
            following = ahead.submit(_next_batch, step + 1, recipe)
            loss = loss_of(model.model, model.lm_head, tokens, counts)
            update(model, loss, optimisers, rate_at(step, recipe))
            recent = 0.98 * recent + 0.02 * float(loss.detach())
            done += 1
            if done % 50 == 0:
                speed = done * recipe.batch_tokens / (time.monotonic() - started)
                at = f"step {step + 1}/{recipe.steps}"
                print(f"{at} loss {recent:.3f} {speed:.0f} tokens/s", flush=True)
            if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == recipe.steps:
                save(folder, model, optimisers, step + 1)
            if (step + 1) % CURVE_EVERY == 0:
                note_curve(folder, model, tokenizer, (step + 1) * recipe.batch_tokens)
    return model, tokenizer


def update(model: Any, loss: Any, optimisers: list[Any], rate: float) -> None:
    """One step of both optimisers."""
    import torch

    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        optimiser.zero_grad()


def note_curve(folder: Path, model: Any, tokenizer: Any, tokens: int) -> None:
    """Measure the skills on small samples and add them to the learning curve."""
    row = {"tokens": tokens} | skills.quick(skills.answerer(model, tokenizer))
    print(json.dumps(row), flush=True)
    with (folder / "curve.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def export(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write the weights in half precision, with tokenizer and check sums."""
    from offline.nano.checksums import write_checksums

    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_checksums(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description="Pre-train the nano.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--tokens", type=float, default=Recipe().tokens)
    parser.add_argument("--rate", type=float, default=Recipe().rate)
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    parser.add_argument("--export", type=Path, help="write weights to this folder at the end")
    args = parser.parse_args()
    recipe = Recipe(tokens=args.tokens, rate=args.rate, seed=args.seed)
    model, tokenizer = train(recipe, args.out)
    print(skills.table(skills.measure(skills.answerer(model, tokenizer), 200)))
    if args.export is not None:
        export(model, tokenizer, args.export)


if __name__ == "__main__":
    main()
