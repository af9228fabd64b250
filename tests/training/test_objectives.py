"""What trainings lower beside the cross entropy: a teacher's probabilities, and a preference."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from elenchus.progress import unseen
from elenchus.records import Message
from models.pretrained import load_causal, load_tokenizer
from offline.nano.chat import WEIGHTS
from tests.training.test_lora import CONFIG, SAMPLES
from training import encoding, lora, objectives
from training.encoding import IGNORED, Sample
from training.likelihood import likelihoods

DISTIL, DPO = (CONFIG.model_copy(update={"objective": name}) for name in ("distil", "dpo"))
TOKENIZER = load_tokenizer(WEIGHTS)
PAD = encoding.pad_token(TOKENIZER)
READING = (Message(role="user", content="A lamp burns for 9 hours. How long does a lamp burn?"),)
TAUGHT = [dataclasses.replace(sample, teacher=READING) for sample in SAMPLES]
PAIRS = [dataclasses.replace(sample, rejected="I do not know.") for sample in SAMPLES]


def adapted() -> Any:
    return get_peft_model(load_causal(WEIGHTS), LoraConfig(target_modules="all-linear"))


def mean(terms: Sequence[tuple[Any, Any]]) -> float:
    """Return a loss of what one process has."""
    return sum(float(total / many) for total, many in terms)


def loss_of(samples: list[Sample]) -> float:
    """Return the loss of a batch before a step, when the adapter changes nothing."""
    rows = [encoding.encode(TOKENIZER, sample) for sample in samples]
    model = adapted()
    collate, loss = objectives.objective(model, [rows], DISTIL, PAD)
    batch = collate([rows])
    with torch.no_grad():
        return mean(loss(model, batch)) if loss else float(model(**batch).loss)


def odds_of(prompt: tuple[Message, ...], completion: str) -> torch.Tensor:
    """Return the log-probabilities at each place of an answer, read by itself."""
    row = encoding.encode(TOKENIZER, Sample(prompt, completion))
    with torch.inference_mode():
        logits = load_causal(WEIGHTS)(input_ids=torch.tensor([row["input_ids"]])).logits[0]
    return logits.log_softmax(-1)[row["labels"].count(IGNORED) - 1 : -1]


def test_a_teacher_adds_how_far_the_student_is_from_it() -> None:
    apart, places = 0.0, 0
    for sample in TAUGHT:
        teacher, student = (odds_of(p, sample.completion) for p in (READING, sample.prompt))
        top = teacher.topk(objectives.LIKELIEST)
        gap = top.values - student.gather(1, top.indices)
        apart += float((top.values.exp() * gap).sum())
        places += len(teacher)
    assert loss_of(TAUGHT) == pytest.approx(loss_of(SAMPLES) + apart / places, abs=1e-4)


def test_what_has_no_teacher_is_learnt_plainly_beside_what_has() -> None:
    one, two = TAUGHT[0], SAMPLES[1]
    counts = [len(odds_of(s.prompt, s.completion)) for s in (one, two)]
    apart = (loss_of([one]), loss_of([two]))
    mean = sum(c * value for c, value in zip(counts, apart, strict=True)) / sum(counts)
    assert loss_of([one, two]) == pytest.approx(mean, abs=1e-4)


def test_a_student_comes_nearer_to_its_teacher(tmp_path: Path) -> None:
    plan = encoding.batches(encoding.encoded(WEIGHTS, TAUGHT), DISTIL, 0)
    lora.train(WEIGHTS, plan, DISTIL, 0, tmp_path / "adapter", unseen)
    after = likelihoods(WEIGHTS, SAMPLES, tmp_path / "adapter")
    assert all(b < a for b, a in zip(likelihoods(WEIGHTS, SAMPLES), after, strict=True))


def test_a_teacher_without_room_for_its_prompt_teaches_nothing() -> None:
    room = load_causal(WEIGHTS).config.max_position_embeddings
    long = (Message(role="user", content="Lamp. " * room),)
    samples = [dataclasses.replace(sample, teacher=long) for sample in SAMPLES]
    assert loss_of(samples) == pytest.approx(loss_of(SAMPLES), abs=1e-5)


def test_before_a_step_neither_answer_is_preferred() -> None:
    assert loss_of(PAIRS) == pytest.approx(loss_of(SAMPLES) + 0.6931, abs=1e-3)


def test_a_preference_is_learnt_and_the_better_answer_becomes_likelier(tmp_path: Path) -> None:
    plan = encoding.batches(encoding.encoded(WEIGHTS, PAIRS), DPO, 0)
    lora.train(WEIGHTS, plan, DPO, 0, tmp_path / "adapter", unseen)
    worse = [Sample(pair.prompt, pair.rejected) for pair in PAIRS]
    before = likelihoods(WEIGHTS, [*SAMPLES, *worse])
    after = likelihoods(WEIGHTS, [*SAMPLES, *worse], tmp_path / "adapter")
    gains = [now - then for now, then in zip(after, before, strict=True)]
    better, other = gains[: len(SAMPLES)], gains[len(SAMPLES) :]
    assert all(one > 0 for one in better)
    assert all(one > two for one, two in zip(better, other, strict=True))


def test_a_row_that_only_fills_a_part_is_no_pair() -> None:
    rows = [encoding.encode(TOKENIZER, pair) for pair in PAIRS[:1]]
    collate, loss = objectives.objective(adapted(), [rows], DPO, PAD)
    assert loss is not None
    silent = encoding.Dealt([rows], 2)[1]
    with torch.no_grad():
        terms = loss(adapted(), collate([silent]))
    assert [(float(total), int(many)) for total, many in terms] == [(0, 0), (0, 0)]
