"""Curates accepted turns into a compact dataset, and writes it with its provenance.

Selection is facility location over question embeddings, weighted by the gap: the fewest examples
that cover what the student failed on.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from elenchus.config import DatasetConfig
from elenchus.records import Dataset, Examination, ExamItem, Example, Message, Text
from elenchus.runs import write_atomic
from training.deduplication import deduplicate

Vectors = NDArray[np.float32]


def curate(
    examples: Sequence[Example],
    vectors: Vectors,
    exam_vectors: Vectors,
    config: DatasetConfig,
    round_: int,
    most: int,
    too_long: int = 0,
) -> Dataset:
    """Choose the dataset of a round, of `most` examples.

    `vectors` has a unit row for each example's question, `exam_vectors` one for each held-out
    question. Examples too near a held-out question go first, then near-duplicates (the later of
    two), then what `dataset.selection` does not need. `too_long` more were left out before.
    """
    if not examples:
        vectors = np.zeros((0, exam_vectors.shape[1]), dtype=np.float32)
    nearness = (vectors @ exam_vectors.T).max(axis=1, initial=-1.0)
    apart = [i for i in range(len(examples)) if nearness[i] < config.near_exam]
    distinct = without_duplicates(vectors, apart, config.near_duplicate)
    selected = _selected(examples, vectors, distinct, config, most)
    return Dataset(
        round=round_,
        example_ids=tuple(examples[i].id for i in selected),
        candidates=len(examples) + too_long,
        near_duplicates=len(apart) - len(distinct),
        near_exam=len(examples) - len(apart),
        too_long=too_long,
        nearest_exam_similarity=round(float(nearness[selected].max(initial=-1.0)), 4),
    )


def _selected(
    examples: Sequence[Example],
    vectors: Vectors,
    candidates: list[int],
    config: DatasetConfig,
    most: int,
) -> list[int]:
    """Select among candidates as the configuration says; they are indices of examples."""
    if config.selection == "random":  # an id is a hash
        return sorted(candidates, key=lambda i: examples[i].id)[:most]
    if config.selection == "hardest":
        return sorted(candidates, key=lambda i: (-examples[i].weight, examples[i].id))[:most]
    weights = np.array([examples[i].weight for i in candidates])
    chosen = facility_location(vectors[candidates], weights, most, config.coverage)
    return [candidates[i] for i in chosen]


def without_duplicates(vectors: Vectors, order: Sequence[int], threshold: float) -> list[int]:
    """Return those of `order`, in order, whose cosine to all returned before is < `threshold`."""
    distinct = deduplicate(vectors[list(order)], threshold).index < 0
    return [i for i, is_distinct in zip(order, distinct, strict=True) if is_distinct]


def facility_location(
    vectors: Vectors, weights: NDArray[np.float64], most: int, coverage: float
) -> list[int]:
    """Maximise, greedily, the sum over i of weight[i] * max over chosen j of cosine(i, j).

    Stops at `most` items, or when the chosen ones reach `coverage` of what all items reach. The
    objective is monotone and submodular, so greedy is within 1 - 1/e of the best set
    (Nemhauser, Wolsey and Fisher 1978). Returns rows in the order chosen.
    """
    similarity = np.clip(vectors @ vectors.T, 0.0, None) * weights[:, None]
    reach = np.zeros(len(vectors))
    total = float(similarity.max(axis=1, initial=0.0).sum())
    chosen: list[int] = []
    available = np.ones(len(vectors), dtype=bool)
    while len(chosen) < most and available.any() and reach.sum() < coverage * total:
        gains = np.maximum(similarity, reach[:, None]).sum(axis=0)
        best = int(np.where(available, gains, -np.inf).argmax())
        chosen.append(best)
        available[best] = False
        reach = np.maximum(reach, similarity[:, best])
    return chosen


def write_examples(path: Path, examples: Sequence[Example]) -> None:
    """Write JSONL with `prompt` and `completion` in chat form, and the ids that each came from."""
    write_rows(
        path,
        [
            {
                "prompt": _chat(e.prompt),
                "completion": _chat([Message(role="assistant", content=e.completion)]),
                "provenance": e.model_dump(mode="json", exclude={"prompt", "completion"})
                | {"example_id": e.id},
            }
            for e in examples
        ],
    )


def write_texts(path: Path, texts: Sequence[Text]) -> None:
    """Write JSONL of texts with the ids that each came from."""
    write_rows(path, [text.model_dump(mode="json") | {"id": text.id} for text in texts])


def write_exam(path: Path, items: Sequence[ExamItem]) -> None:
    """Write JSONL of exam items: never to be trained on."""
    write_rows(path, [item.model_dump(mode="json") | {"id": item.id} for item in items])


def write_rejected(path: Path, examinations: Sequence[Examination]) -> None:
    """Write JSONL of the examinations without an example, each with its reason and raw text."""
    write_rows(path, [e.model_dump(mode="json") | {"id": e.id} for e in examinations])


def _chat(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [m.model_dump() for m in messages]


def write_rows(path: Path, rows: Sequence[object]) -> None:
    """Write JSONL of plain values."""
    path.parent.mkdir(exist_ok=True)
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
