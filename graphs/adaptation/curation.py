"""Between examinations and adapter: examples, the dataset of a round, and its training."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elenchus.config import TrainingConfig
from elenchus.ledger import Ledger
from elenchus.outcomes import Adapter, Dataset, ExamItem, Example, Text, Update
from elenchus.progress import Advance
from elenchus.records import Examination, Passage, Point, Question, Seed, Turn
from graphs import general
from graphs.adaptation import adapters, citing, complaints, lessons, reviewing
from graphs.adaptation.contradictions import Contradiction
from graphs.adaptation.history import EXAMS
from graphs.adaptation.seeds import how_many_more
from graphs.adaptation.state import AdaptationState
from graphs.checks import overlap
from graphs.services import Services
from models.backend import precision_of, weights
from models.weights import weights_hash
from training import dataset as datasets
from training import encoding, lora, objectives
from training.dataset import Vectors

LEAST = 8  # examples for a point of an update, which has few of them


def choose(run: Services, round_: int) -> Dataset:
    """Turn what was accepted so far into examples, and choose the dataset of a round.

    In an update, it is what was kept, and the choice among what is new. What users kept is in it,
    unless something is against it.
    """
    ledger = run.ledger
    taken = update(ledger)
    begun = taken.round if taken else 0
    among = [e for e in ledger.all(Examination) if begun < e.round <= round_]
    asked_for = complaints.examinations(run, among)
    refuted = {c.example_id for c in ledger.all(Contradiction)}
    candidates = examples_of(run, among)
    ledger.write(*candidates)
    consistent = [e for e in candidates if e.id not in refuted]
    decided = reviewing.obeyed(ledger, run.subject.form, consistent)
    ledger.write(*decided)
    examples = _short_enough(run, decided)
    items = [i for name in EXAMS for i in ledger.all(ExamItem, exam=name)]
    questions = run.embedder.encode([e.prompt[-1].content for e in examples])
    asked = run.embedder.encode([i.prompt[-1].content for i in items])
    first = {n for n, e in enumerate(examples) if e.examination_id in asked_for}
    most = wanted(run) + len(first) if taken else run.config.sizes[round_ - 1]
    chosen = datasets.curate(
        examples,
        questions,
        _nearness(run, examples, items, questions, asked),
        run.config.dataset,
        round_,
        most,
        too_long=len(decided) - len(examples),
        contradicted=len(candidates) - len(consistent),
        first=first,
    )
    kept, nearest = _kept(run, taken, asked)
    return chosen.model_copy(
        update={
            "example_ids": (*kept, *chosen.example_ids),
            "nearest_exam_similarity": max(chosen.nearest_exam_similarity, round(nearest, 4)),
        }
    )


def _nearness(
    run: Services,
    examples: Sequence[Example],
    items: Sequence[ExamItem],
    questions: Vectors,
    asked: Vectors,
) -> NDArray[np.float32]:
    """Return how near each example is to the exam; 1 where it shares too many words with it.

    Questions of a preview were asked before there was an exam that they could have been refused
    for.
    """
    near = datasets.nearness(examples, items, questions, asked, run.embedder.encode)
    most = run.config.checks.novelty
    for n, example in enumerate(examples):
        text, examined = example.prompt[-1].content, run.examined(example.point_id)
        if any(overlap(text, other) >= most for other in examined):
            near[n] = 1.0
    return near


def keep(run: Services, dataset: Dataset) -> None:
    """Write a round's dataset down, and its files."""
    run.ledger.write(dataset)
    _write_files(run, dataset)


def more(run: Services, dataset: Dataset, wanted: int) -> int:
    """Return how many further examinations a round needs, as its candidates are too few.

    `wanted` examples should the round add. A choice of fewer among enough candidates is compact.
    """
    usable = dataset.candidates - datasets.left_out(dataset)
    done = run.ledger.all(Examination, round=dataset.round)
    return how_many_more(
        run.config.sizes[dataset.round - 1] - usable,
        wanted,
        len(done),
        min(usable, accepted(done)),
        run.config.dataset.candidates,
    )


def accepted(examinations: Sequence[Examination]) -> int:
    """Count the examinations that accepted a turn."""
    return sum(e.accepted_turn_id is not None for e in examinations)


def keep_so_far(run: Services) -> int:
    """Write the files of a round that was broken off; return the number of examples.

    The ledger does not get the dataset: when the round goes on, it will be another.
    """
    rounds = [e.round for e in run.ledger.all(Examination)]
    if not rounds:
        return 0
    dataset = choose(run, max(rounds))
    _write_files(run, dataset)
    return len(dataset.example_ids)


def update(ledger: Ledger) -> Update | None:
    """Return what the run took over from an earlier one, where it is an update."""
    return next(iter(ledger.all(Update)), None)


def new_points(ledger: Ledger) -> list[Point]:
    """Return the points of passages that an update has new; none in any other run."""
    taken = update(ledger)
    new = set(taken.passages_new) if taken else set()
    return [point for point in ledger.all(Point) if new.intersection(point.passage_ids)]


def wanted(run: Services) -> int:
    """Return how many examples an update should get from its new points."""
    taken = update(run.ledger)
    each = max(taken.examples_a_point, LEAST) if taken else 0.0
    return math.ceil(each * len(new_points(run.ledger)))


def size(ledger: Ledger, state: AdaptationState) -> int:
    """Return the number of examples in the newest dataset; 0 before the first."""
    newest = state.get("dataset_id", "")
    return len(ledger.get(Dataset, newest).example_ids) if newest else 0


def chosen_examples(ledger: Ledger, dataset: Dataset) -> list[Example]:
    """Return the examples of a dataset, in the order they were chosen."""
    by_id = {example.id: example for example in ledger.all(Example)}
    return [by_id[i] for i in dataset.example_ids]


def train(
    run: Services, dataset: Dataset, previous: str, advance: Advance, steps: int = 0
) -> Adapter:
    """Fit the adapter of a round, from that of the round before; a finished one is taken as it is.

    `previous` is a path below the run folder, "" in the first round; `steps` are taken at least.
    """
    examples = chosen_examples(run.ledger, dataset)
    paired = run.config.training.objective == "dpo"
    return _fitted(
        run,
        lessons.samples(run, examples),
        dataset.round,
        dataset.id,
        previous,
        advance,
        steps,
        lessons.pairs(run, examples) if paired else (),
    )


def train_on_texts(run: Services, advance: Advance) -> Adapter:
    """Fit an adapter to the texts of a run, repeated until they fill the least steps.

    Repeated before replay is added, so that every pass over them has replay of its own.
    """
    config, samples = run.config.training, encoding.texts(run.ledger.all(Text))
    needed = config.least_steps * config.batch_size / (1 + config.replay)
    passes = max(1, math.ceil(needed / len(samples)))
    return _fitted(run, samples * passes, 1, "", "", advance)


def _fitted(
    run: Services,
    samples: list[encoding.Sample],
    round_: int,
    dataset_id: str,
    previous: str,
    advance: Advance,
    steps: int = 0,
    pairs: Sequence[encoding.Sample] = (),
) -> Adapter:
    """Train the adapter of a round on samples and their share of replay, then on pairs."""
    config, out = run.config, run.folder.adapter(round_)
    least = max(steps, config.training.least_steps)
    training = config.training.model_copy(update={"least_steps": least})
    base = weights(config.student)
    known = general.samples(run, round(training.replay * len(samples)), round_)
    precision = precision_of(config.student)
    learnt, apart = _held_out(samples, training, config.seed)
    plan = encoding.batches(
        encoding.encoded(base, [*learnt, *_fitting(base, known, training)]), training, config.seed
    )
    second = objectives.second_stage(training)
    rows = encoding.encoded(base, _fitting(base, pairs, training))
    paired = encoding.batches(rows, second, config.seed) if rows else []
    first = out.with_name(f"{out.name}-examples") if paired else out
    if not out.exists():
        start = run.folder.path / previous if previous else None
        if not first.exists():
            held_out = encoding.in_order(encoding.encoded(base, apart), training)
            lora.train(
                base,
                plan,
                training,
                config.seed,
                first,
                advance,
                start,
                held_out=held_out,
                precision=precision,
            )
        if paired:
            lora.train(base, paired, second, config.seed, out, advance, first, precision=precision)
    adapter = Adapter(
        round=round_,
        path=out.relative_to(run.folder.path).as_posix(),
        sha256=weights_hash(out),
        previous=previous,
        dataset_id=dataset_id,
        steps=(steps := lora.steps_of(first)) + len(paired),
        tokens=encoding.tokens([*plan[:steps], *paired]),
    )
    adapters.write_card(run, adapter)
    return adapter


def _held_out(
    samples: Sequence[encoding.Sample], training: TrainingConfig, seed: int
) -> tuple[list[encoding.Sample], list[encoding.Sample]]:
    """Return the samples to train on, one at least, and those kept apart: none for a share of 0."""
    count = min(math.ceil(training.held_out * len(samples)), max(0, len(samples) - 1))
    places = set(random.Random(f"held out/{seed}").sample(range(len(samples)), count))
    learnt = [sample for n, sample in enumerate(samples) if n not in places]
    return learnt, [replace(samples[n], teacher=()) for n in sorted(places)]


def _fitting(
    base: Path, samples: Sequence[encoding.Sample], training: TrainingConfig
) -> list[encoding.Sample]:
    """Return the samples that are not over the longest length."""
    long = encoding.too_long(base, samples, training)
    return [sample for sample, too_long in zip(samples, long, strict=True) if not too_long]


def _kept(run: Services, taken: Update | None, exam: datasets.Vectors) -> tuple[list[str], float]:
    """Return the examples that an update took over, and the cosine of the nearest exam question.

    Those too near one of its new exam questions are left out.
    """
    if taken is None:
        return [], -1.0
    examples = {e.id: e for e in run.ledger.all(Example)}
    vectors = run.embedder.encode([examples[i].prompt[-1].content for i in taken.kept])
    nearest = (vectors @ exam.T).max(axis=1, initial=-1.0)
    most = run.config.dataset.near_exam
    apart = {i: float(cosine) for i, cosine in zip(taken.kept, nearest, strict=True)
             if cosine < most}  # fmt: skip
    return list(apart), max(apart.values(), default=-1.0)


def _write_files(run: Services, dataset: Dataset) -> None:
    ledger, folder = run.ledger, run.folder.dataset
    rejected = [e for e in ledger.all(Examination) if e.rejection and e.round <= dataset.round]
    examples = chosen_examples(ledger, dataset)
    cited = citing.citations(ledger, examples)
    joined = citing.joined(ledger, examples, cited)
    datasets.write_examples(folder / "train.jsonl", examples, cited, joined)
    datasets.write_rows(folder / "pairs.jsonl", lessons.pair_rows(run, examples))
    datasets.write_exam(folder / "held-out.jsonl", ledger.all(ExamItem, exam="held-out"))
    refuted = [c for c in ledger.all(Contradiction) if c.round <= dataset.round]
    rows = [_refusal(ledger, e) for e in rejected] + [_refuted(ledger, c) for c in refuted]
    datasets.write_rows(folder / "rejected.jsonl", rows)


def _refusal(ledger: Ledger, examination: Examination) -> dict[str, Any]:
    """Return a line of rejected.jsonl: the reason, with question, passages and reply."""
    refused = examination.rejection
    assert refused is not None
    asked = ledger.get(Question, refused.question_id) if refused.question_id else None
    return {
        "code": refused.code,
        "detail": refused.detail,
        "question": asked.text if asked else "",
        "kind": asked.kind if asked else ledger.get(Seed, examination.seed_id).kind,
        "reply": refused.raw,
        "passages": _passages(ledger, refused.passage_ids),
        "round": examination.round,
        "examination_id": examination.id,
    }


def _refuted(ledger: Ledger, contradiction: Contradiction) -> dict[str, Any]:
    """Return the line of an example that was left out, since it contradicts others."""
    example = ledger.get(Example, contradiction.example_id)
    return {
        "code": "contradicts",
        "detail": contradiction.why,
        "question": example.prompt[-1].content,
        "kind": example.kind,
        "reply": example.completion,
        "passages": _passages(ledger, example.passage_ids),
        "round": example.round,
        "examination_id": example.examination_id,
    }


def _passages(ledger: Ledger, ids: Sequence[str]) -> list[dict[str, Any]]:
    return datasets.passage_rows(ledger.get(Passage, i) for i in ids)


def _short_enough(run: Services, examples: list[Example]) -> list[Example]:
    config = run.config
    if not config.training.enabled:
        return examples  # whoever trains has a tokenizer of their own
    samples = [lessons.plain(example) for example in examples]
    long = encoding.too_long(weights(config.student), samples, config.training)
    return [example for example, too_long in zip(examples, long, strict=True) if not too_long]


def examples_of(run: Services, examinations: list[Examination]) -> list[Example]:
    """Make one example of each accepted turn, oldest round first, the widest gap first."""
    examples = [
        _example(run, examination, run.ledger.get(Turn, examination.accepted_turn_id))
        for examination in examinations
        if examination.accepted_turn_id is not None
    ]
    return sorted(examples, key=lambda e: (e.round, -e.weight, e.id))


def _example(run: Services, examination: Examination, turn: Turn) -> Example:
    """Make the example that a turn teaches: its question, and the expert's answer."""
    cited = [c.passage_id for c in turn.expert[0].citations]
    return Example(
        prompt=run.examinee("").prompt(turn.question.text).messages,
        completion=turn.expert[0].text,
        question_id=turn.question.id,
        turn_id=turn.id,
        examination_id=examination.id,
        point_id=turn.question.point_id,
        passage_ids=tuple(dict.fromkeys((*turn.question.passage_ids, *cited))),
        kind=turn.question.kind,
        round=examination.round,
        weight=1.0 if turn.gap is None else turn.gap,
        form=turn.expert[0].form,
        result=turn.expert[0].result,
        rubric=turn.expert[0].rubric,
    )
