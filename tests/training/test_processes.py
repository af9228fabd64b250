"""Several processes that share each batch learn what one learns."""

import atexit
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from otlp import mapped
from safetensors.torch import load_file

from elenchus import telemetry
from elenchus.config import TelemetryConfig, TrainingConfig
from elenchus.errors import UserError
from elenchus.progress import Advance, unseen
from elenchus.records import Message
from offline.nano.chat import WEIGHTS
from tests.training.test_lora import CONFIG, SAMPLES
from training import encoding, lora, processes
from training.checks import check_processes
from training.encoding import IGNORED, Dealt

TWO = CONFIG.model_copy(update={"processes": 2})
TOLD = (Message(role="user", content="Lamp 3 is in the hall. Where is lamp 3?"),)


def workers() -> list[psutil.Process]:
    """Return the processes of a training that are still there."""
    alive = [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]
    return [p for p in alive if "spawn_main" in str(p.cmdline())]


def test_each_part_of_a_batch_goes_to_one_process() -> None:
    rows = [{"input_ids": [n], "labels": [n]} for n in range(5)]
    parts = list(Dealt([rows[:4], rows[4:]], 2))
    assert parts[:3] == [[rows[0], rows[2]], [rows[1], rows[3]], [rows[4]]]
    assert parts[3] == [{"input_ids": [4], "labels": [IGNORED]}]  # nothing is left for it


@pytest.mark.parametrize("objective", ["sft", "distil", "dpo"])
def test_two_processes_learn_what_one_learns(objective: str, tmp_path: Path) -> None:
    """Within what the order of a sum changes; the last batch is of one sample."""
    more: list[dict[str, Any]] = {
        "sft": [{} for _ in SAMPLES],
        "distil": [{"teacher": TOLD} for _ in SAMPLES],
        "dpo": [{"rejected": "It is nowhere. " * (n + 1)} for n in range(len(SAMPLES))],
    }[objective]
    samples = [replace(sample, **given) for sample, given in zip(SAMPLES, more, strict=True)]
    rows = encoding.encoded(WEIGHTS, samples)
    plan = [rows[:4], rows[2:5], rows[:1]]
    told: list[tuple[int, int | None]] = []
    for name, usual in (("one", CONFIG), ("two", TWO)):
        config = usual.model_copy(update={"objective": objective})
        told.clear()
        lora.train(WEIGHTS, plan, config, 0, tmp_path / name, lambda *step: told.append(step))
        assert told[-1] == (3, 3)
    one, two = (json.loads((tmp_path / n / lora.CURVE).read_text()) for n in ("one", "two"))
    assert [r["loss"] for r in two] == pytest.approx([r["loss"] for r in one], rel=1e-4)
    weights = [load_file(tmp_path / n / "adapter_model.safetensors") for n in ("one", "two")]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, rtol=1e-2, atol=1e-4)


def test_what_ends_one_ends_all_with_its_reason(tmp_path: Path) -> None:
    wild = TWO.model_copy(update={"learning_rate": 1e30})
    plan = [encoding.encoded(WEIGHTS, SAMPLES)[:4]] * 4
    with pytest.raises(UserError, match=r"the loss is no number: lower training\.learning_rate"):
        lora.train(WEIGHTS, plan, wild, 0, tmp_path / "adapter", unseen)
    assert not workers()


def test_a_process_that_is_killed_ends_the_training(tmp_path: Path) -> None:
    plan = [encoding.encoded(WEIGHTS, SAMPLES)[:4]] * 500

    def kill(step: int, of: int | None) -> None:
        for worker in workers()[:1]:
            os.kill(worker.pid, signal.SIGKILL)

    with pytest.raises(UserError, match="goes on from the last checkpoint"):
        lora.train(WEIGHTS, plan, TWO, 0, tmp_path / "adapter", kill)
    assert not (tmp_path / "adapter").exists()


def sum_of_ranks(job: Path, advance: Advance) -> None:
    """Stands for a training whose processes exchange what they learn."""
    torch.distributed.init_process_group("gloo")
    torch.distributed.all_reduce(torch.ones(2))
    rank = torch.distributed.get_rank()
    atexit.register(lambda: (job / str(rank)).write_text(" ".join(threads())))


def threads() -> list[str]:
    """Return the names of this process's threads."""
    return [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no list of threads")
def test_no_thread_of_the_exchange_outlives_the_training(tmp_path: Path) -> None:
    """At Python's end such a thread may abort its process, and a training that was done."""
    processes.run(sum_of_ranks, tmp_path, 2, unseen)
    for rank in ("0", "1"):
        assert "gloo" not in (tmp_path / rank).read_text()


def one_step(job: str, advance: Advance) -> None:
    """Stands for a training, in a process of its own."""
    with telemetry.span("training step", {"elenchus.training.name": job}):
        advance(1, 1)


def test_a_step_in_another_process_is_a_span_of_the_run(tmp_path: Path) -> None:
    spans = TelemetryConfig(spans=True)
    with telemetry.traced(spans, tmp_path, print, "run", {"elenchus.run.id": "r-1"}):
        processes.run(one_step, "round-1", 1, unseen)
    lines = (tmp_path / telemetry.FILE).read_text("utf-8").splitlines()
    step, run = (
        json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0] for line in lines
    )
    assert (step["name"], step["parentSpanId"]) == ("training step", run["spanId"])
    assert step["traceId"] == run["traceId"]
    told = mapped(step["attributes"])
    assert told == {"elenchus.run.id": "r-1", "elenchus.training.name": "round-1"}


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_processes(TrainingConfig(processes=2))
    with pytest.raises(UserError, match=r"has 2 GPUs: set training\.processes=2"):
        check_processes(TrainingConfig(processes=4))
    assert [processes.fitting(many) for many in (1, 2, 4)] == [1, 2, 2]  # where a run goes on
