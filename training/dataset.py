"""Curates accepted turns into a compact dataset, and writes it with its provenance.

Selection is facility location over question embeddings, weighted by the gap: the fewest examples
that cover what the student failed on.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elenchus.config import DatasetConfig
from elenchus.outcomes import Dataset, ExamItem, Example, Text
from elenchus.records import Message, Passage
from elenchus.runs import write_atomic
from training.balance import balanced
from training.deduplication import deduplicate

Vectors = NDArray[np.float32]


def curate(
    examples: Sequence[Example],
    vectors: Vectors,
    nearness: NDArray[np.float32],
    config: DatasetConfig,
    round_: int,
    most: int,
    too_long: int = 0,
    contradicted: int = 0,
    first: Collection[int] = (),
) -> Dataset:
    """Choose the dataset of a round, of `most` examples.

    Examples too near an exam question go first, then near-duplicates (the later of two), those of
    points that have enough, and those whose yes, no or choice is too common; then what
    `dataset.selection` does not need.

    Args:
        vectors: of shape (examples, dimensions), a unit row for each question.
        nearness: of shape (examples,): the cosine to the nearest exam question.
        too_long, contradicted: how many more were left out before.
        first: rows of examples that go before all others, and are selected for certain.
    """
    order = sorted(range(len(examples)), key=lambda i: i not in first)
    apart = [i for i in order if nearness[i] < config.near_exam]
    distinct = without_duplicates(vectors, apart, config.near_duplicate)
    few = _few_a_point(examples, distinct, config.per_point)
    even = balanced(few, config.one_result, lambda i: (examples[i].form, examples[i].result))
    certain = [i for i in even if i in first]
    others = _selected(examples, vectors, even, config, most)
    selected = [*certain, *(i for i in others if i not in first)][:most]
    return Dataset(
        round=round_,
        example_ids=tuple(examples[i].id for i in selected),
        candidates=len(examples) + too_long + contradicted,
        near_duplicates=len(apart) - len(distinct),
        near_exam=len(examples) - len(apart),
        too_long=too_long,
        of_full_points=len(distinct) - len(few),
        unbalanced=len(few) - len(even),
        contradicted=contradicted,
        nearest_exam_similarity=round(float(nearness[selected].max(initial=-1.0)), 4),
    )


def left_out(dataset: Dataset) -> int:
    """Return how many candidates could not be chosen."""
    near = dataset.near_duplicates + dataset.near_exam
    many = dataset.of_full_points + dataset.unbalanced
    return near + many + dataset.too_long + dataset.contradicted


def nearness(
    examples: Sequence[Example],
    items: Sequence[ExamItem],
    questions: Vectors,
    asked: Vectors,
    encode: Callable[[Sequence[str]], Vectors],
) -> NDArray[np.float32]:
    """Return for each example the cosine to the nearest exam question, or -1 without an exam.

    About its own point, question and result are compared together, too: the same case asked for in
    other words is near in its result.

    Args:
        questions, asked: unit rows for the questions of examples and of the exam.
    """
    if not examples or not items:
        return np.full(len(examples), -1.0, dtype=np.float32)
    near: NDArray[np.float32] = (questions @ asked.T).max(axis=1)
    whole = encode([f"{e.prompt[-1].content}\n{e.result}" for e in examples])
    known = encode([f"{i.prompt[-1].content}\n{i.gold.result}" for i in items])
    by_point: dict[str, list[int]] = defaultdict(list)
    for n, item in enumerate(items):
        by_point[item.point_id or ""].append(n)
    for n, example in enumerate(examples):
        if rows := by_point.get(example.point_id):
            near[n] = max(near[n], float((known[rows] @ whole[n]).max()))
    return near


def _few_a_point(examples: Sequence[Example], order: Sequence[int], most: int) -> list[int]:
    """Return the first `most` of each point, in order."""
    counts: Counter[str] = Counter()
    few = []
    for i in order:
        counts[examples[i].point_id] += 1
        if counts[examples[i].point_id] <= most:
            few.append(i)
    return few


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


def write_examples(
    path: Path,
    examples: Sequence[Example],
    citations: Sequence[Sequence[dict[str, Any]]],
    joined: Sequence[Sequence[str]],
) -> None:
    """Write JSONL with `prompt` and `completion` in chat form, and what each came from.

    Args:
        citations: those of each example.
        joined: ids of the points that each example joins to its own.
    """
    write_rows(
        path,
        [
            {
                "prompt": _chat(e.prompt),
                "completion": _chat([Message(role="assistant", content=e.completion)]),
                "citations": list(cited),
                "provenance": e.model_dump(mode="json", exclude={"prompt", "completion"})
                | {"example_id": e.id, "partner_ids": list(partners)},
            }
            for e, cited, partners in zip(examples, citations, joined, strict=True)
        ],
    )


def write_texts(path: Path, texts: Sequence[Text]) -> None:
    """Write JSONL of texts with the ids that each came from."""
    write_rows(path, [text.model_dump(mode="json") | {"id": text.id} for text in texts])


def write_exam(path: Path, items: Sequence[ExamItem]) -> None:
    """Write JSONL of exam items: never to be trained on."""
    write_rows(path, [item.model_dump(mode="json") | {"id": item.id} for item in items])


def _chat(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [m.model_dump() for m in messages]


def passage_rows(passages: Iterable[Passage]) -> list[dict[str, Any]]:
    """Return passages as a file shows what something rests on."""
    return [
        {"id": p.id, "document": p.title, "heading": list(p.heading), "text": p.text}
        for p in passages
    ]


def write_rows(path: Path, rows: Sequence[object]) -> None:
    """Write JSONL of plain values."""
    path.parent.mkdir(exist_ok=True)
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
