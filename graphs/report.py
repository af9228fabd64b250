"""The end of a run: its result with intervals, the dataset's card, and the completion marker."""

import dataclasses
import math
import time
from collections import Counter
from typing import Any

from elenchus import runs
from elenchus.records import (
    Adapter,
    Dataset,
    Examination,
    ExamItem,
    Passage,
    Point,
    Score,
)
from graphs import curation
from graphs.context import Context
from graphs.curation import chosen_examples
from graphs.state import AdaptationState, failure_shares, is_trained, trained_rounds
from training import evaluation

EXAMS = ("held-out", "general", "hand")


def write(context: Context, state: AdaptationState) -> dict[str, Any]:
    """Write dataset/card.md, then result.json: its existence means that the run is finished."""
    result = result_of(context, state)
    if context.config.method == "examination":
        context.folder.dataset.mkdir(exist_ok=True)
        runs.write_atomic(context.folder.dataset / "card.md", _card(context, result))
    runs.write_json(context.folder.result, result)
    return result


def result_of(context: Context, state: AdaptationState) -> dict[str, Any]:
    """What a run came to, as plain values."""
    ledger = context.ledger
    datasets = {d.id: d for d in ledger.all(Dataset)}
    dataset = datasets.get(state.get("dataset_id", ""))
    calls, tokens = ledger.usage()
    points, passages = ledger.all(Point), ledger.count(Passage)
    examinations = ledger.all(Examination)
    return {
        "domain": context.config.domain,
        "run": context.folder.id,
        "stopped": state["stopped"],
        "rounds": state["round"],
        "exams": {exam: _exam(context, exam, state) for exam in EXAMS},
        # No number stands for an exam without questions, which an update may be left with.
        "accuracy_by_round": [None if math.isnan(a) else a for a in state["accuracies"]],
        "failure_share_by_round": failure_shares(state),
        "passages": passages,
        "readable_passages": len({p.passage_id for p in points}),
        "points": len(points),
        "examinations": len(examinations),
        "accepted": sum(e.accepted_turn_id is not None for e in examinations),
        "rejected": _reasons(examinations),
        "examples": len(dataset.example_ids) if dataset else 0,
        "candidates": dataset.candidates if dataset else 0,
        "near_duplicates": dataset.near_duplicates if dataset else 0,
        "near_exam": dataset.near_exam if dataset else 0,
        "too_long": dataset.too_long if dataset else 0,
        "nearest_exam_similarity": dataset.nearest_exam_similarity if dataset else None,
        "points_covered": _covered(context, dataset),
        "adapter": state["adapter"] if is_trained(state) else "",
        "update": _update(context, state, dataset),
        "calls": calls,
        "tokens": tokens,
        # Of the process that finished the run: how long those before it took is not known.
        "resumed": context.resumed,
        "seconds": round(time.monotonic() - context.started, 1),
    }


def _exam(
    context: Context, exam: str, state: AdaptationState, among: set[str] | None = None
) -> dict[str, Any] | None:
    """Before, after and the paired gain on one exam; None where there is no such exam.

    Without training there is neither "after" nor "gain": both are None. So are all three where no
    question has a grade in every sitting. `among` are points whose questions alone count.
    """
    asked = context.ledger.all(ExamItem, exam=exam)
    if among is not None:
        asked = [item for item in asked if item.point_id in among]
    if not asked:
        return None
    before = context.ledger.all(Score, exam=exam, round=state.get("first", 0))
    after = context.ledger.all(Score, exam=exam, round=trained_rounds(state))
    sittings = (before, after) if is_trained(state) else (before,)
    items = evaluation.graded(asked, *sittings)
    shares: dict[str, Any] = {"before": None, "after": None, "gain": None}
    if items:
        shares["before"] = dataclasses.asdict(evaluation.accuracy(items, before))
    if items and is_trained(state):
        shares["after"] = dataclasses.asdict(evaluation.accuracy(items, after))
        shares["gain"] = dataclasses.asdict(evaluation.gain(items, before, after))
    ungraded = len(asked) - len(items)
    found = {"questions": len(items), "ungraded": ungraded, **shares}
    return found | {"kinds": _by_kind(items, *sittings)}


def _update(
    context: Context, state: AdaptationState, dataset: Dataset | None
) -> dict[str, Any] | None:
    """What moved since the run that this one goes on from; None where there is none."""
    if (update := curation.update(context.ledger)) is None:
        return None
    ids = dataset.example_ids if dataset else ()
    new = {point.id for point in curation.new_points(context.ledger)}
    others = {point.id for point in context.ledger.all(Point)} - new
    return {
        "run": update.run,
        "passages_gone": len(update.passages_gone),
        "passages_new": len(update.passages_new),
        "examples_kept": (kept := len(set(update.kept).intersection(ids))),
        "examples_retired": len(update.kept) + len(update.retired) - kept,
        "questions_retired": update.items_retired,
        "new_passages": _exam(context, "held-out", state, new),
        "other_passages": _exam(context, "held-out", state, others),
    }


def _by_kind(items: list[ExamItem], *sittings: list[Score]) -> dict[str, list[float]]:
    """For each kind of question: share right before and, where something was trained, after."""
    kinds = {}
    for kind in sorted({i.kind for i in items}):
        some = [i for i in items if i.kind == kind]
        kinds[kind] = [round(evaluation.share(some, scores), 4) for scores in sittings]
    return kinds


def _covered(context: Context, dataset: Dataset | None) -> int:
    if dataset is None:
        return 0
    return len({e.point_id for e in chosen_examples(context.ledger, dataset)})


def _reasons(examinations: list[Examination]) -> dict[str, int]:
    """How many examinations gave nothing, by the start of the reason."""
    reasons = Counter(e.rejection.reason.split(":")[0] for e in examinations if e.rejection)
    return dict(reasons.most_common())


def _card(context: Context, result: dict[str, Any]) -> str:
    adapters = context.ledger.all(Adapter)
    steps = max(adapters, key=lambda a: a.round).steps if adapters else 0
    trained = f"trained for {steps} steps" if steps else "not trained"
    rejected = "".join(f"- {count} × {reason}\n" for reason, count in result["rejected"].items())
    return f"""# Dataset of run {result["run"]}

Domain: {context.config.title}

- `train.jsonl`: {result["examples"]} examples, chosen from {result["candidates"]} candidates
  ({result["near_duplicates"]} near-duplicates, {result["near_exam"]} too near the held-out exam and
  {result["too_long"]} over training.max_tokens left out); they cover {result["points_covered"]} of
  {result["points"]} points.
- `held-out.jsonl`: the exam. Never train on it.
- `rejected.jsonl`: {result["examinations"] - result["accepted"]} examinations that gave no example.

Answers come from {context.config.expert.model}, grounded on cited passages; questions from
{context.config.examiner.model}; grades from {context.config.grader.model}; the student is
{context.config.student.model}, {trained}.
The nearest pair of a training question and a held-out one has cosine
{result["nearest_exam_similarity"]}.

## Why examinations gave nothing

{rejected or "- all gave an example"}
"""
