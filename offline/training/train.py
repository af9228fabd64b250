"""Pre-train the nano from nothing and print its skills.

    python -m offline.training.train --out runs/nano            # the recipe of the weights here
    python -m offline.training.train --out runs/nano --tokens 2e6 --export offline/nano/weights

It can be stopped at any time and started again with the same folder: it goes on from the last
checkpoint, with the same batches. `--tokens` may be changed until the decay of the learning rate
has begun. The learning curve is in `curve.jsonl`.
"""

import os

# To be set before torch is imported: waiting threads that spin slow a shared machine sixfold.
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

import torch
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from models.weights import file_hash
from offline.nano import checksums, skills
from offline.training import lessons
from offline.training.muon import Muon
from offline.training.tokenizer import VOCABULARY, train_tokenizer

WARM_UP, DECAY = 100, 1 / 3  # steps; share of the run in which the rate falls to nothing
CHECKPOINT_EVERY, CURVE_EVERY = 200, 400  # steps
LISTED = (".json", ".safetensors", ".jinja")  # files with a check sum


@dataclass(frozen=True, slots=True)
class Recipe:
    """The settings that decide the weights; `window` is the length of each row of a batch."""

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
    """Return tokens and their loss weights, cut at the last whole turn that fits the window."""
    ids: list[int] = []
    weights: list[float] = []
    end = 0  # of the last whole turn
    for text, weight in lesson:
        piece = tokenizer(text, add_special_tokens=False).input_ids
        ids += piece
        weights += [weight] * len(piece)
        if len(ids) > window:
            break
        if text.endswith(lessons.END):
            end = len(ids)
    return ids[:end], weights[:end]


def batch(step: int, recipe: Recipe, tokenizer: Any) -> tuple[Any, Any]:
    """Make the windows of a step, [rows, window], and say which of their tokens count.

    It is a function of step and recipe. A token of weight w counts with probability w, which is
    the weighted loss on average and saves the logits of all tokens that do not count.
    """
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
    """Make the nano with random weights."""
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
    """Make a Muon for the matrices and an AdamW for embeddings and norms."""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    ids = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in ids]
    return [
        Muon(matrices, lr=rate),
        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def rate_at(step: int, recipe: Recipe) -> float:
    """Return the learning rate of a step: warm-up, plateau, linear decay."""
    left = (recipe.steps - step) / (recipe.steps * DECAY)
    return recipe.rate * min(1.0, (step + 1) / WARM_UP, left)


def loss_of(body: Any, head: Any, tokens: Any, counts: Any) -> Any:
    """Return the mean loss over the tokens that count; logits are made for these only."""
    hidden = body(input_ids=tokens, use_cache=False).last_hidden_state
    counts = counts[:, 1:]
    return functional.cross_entropy(head(hidden[:, :-1][counts]), tokens[:, 1:][counts])


# --- checkpoints -------------------------------------------------------------------------------


def save(folder: Path, model: Any, optimisers: list[Any], step: int) -> None:
    """Write the checkpoint beside its place and then rename it, so that it is always whole."""
    state = {
        "step": step,
        "model": model.state_dict(),
        "optimisers": [o.state_dict() for o in optimisers],
    }
    torch.save(state, folder / "checkpoint.new")
    (folder / "checkpoint.new").replace(folder / "checkpoint.pt")


def load(folder: Path, model: Any, optimisers: list[Any]) -> int:
    """Restore the state of the checkpoint, if there is one; return the step to go on with."""
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
    _tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)


def _next_batch(step: int, recipe: Recipe) -> tuple[Any, Any]:
    return batch(step, recipe, _tokenizer)


def train(recipe: Recipe, folder: Path) -> Any:
    """Train until the recipe's tokens are spent; return the model and its tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "tokenizer.json").exists():
        train_tokenizer(folder, recipe.seed)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
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
    """Take one step with all optimisers."""
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
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_checksums(folder)


def write_checksums(folder: Path) -> None:
    """List every data file of the folder with its SHA-256."""
    files = [path for path in sorted(folder.iterdir()) if path.suffix in LISTED]
    lines = [f"{file_hash(path)}  {path.name}\n" for path in files]
    (folder / checksums.LIST).write_text("".join(lines), encoding="utf-8", newline="\n")


def main() -> None:
    """Run the command."""
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
