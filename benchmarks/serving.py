"""Compare what a vLLM server answers with what the same weights answer in this process.

    elenchus bench serving --vllm PYTHON            # a quarter of an hour on two cores
    elenchus bench serving --vllm PYTHON --quick    # minutes; with the smallest student

PYTHON is that of an environment with vLLM; `ELENCHUS_VLLM_PYTHON` names it, too. The questions are
those of the exams that come with the program, asked greedily in single precision of the student and
of an adapter that was trained on some of them (or the one at `--adapter`), which is loaded while
the server runs, as in a run.

Keys of the JSON: `equal` (share of `items` questions to which the adapter's answers are the same,
letter by letter), `base_equal` (the same of the student without it, on a quarter of them), `items`,
`seconds_to_ready` (until the server answered), `answers_per_second` of the server, `model`, and
`unequal`: the first questions with both answers. Where it cannot be measured here, `skipped` alone
says why. The exit code is 1 where a share misses `TARGET`.
"""

import asyncio
import json
import os
import platform
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import harness
from elenchus import domains
from elenchus.cli.usage import Parser
from elenchus.config import TrainingConfig
from elenchus.errors import UserError
from elenchus.progress import unseen
from elenchus.records import Message
from elenchus.sections import ModelConfig
from graphs.adapters import context_of, rank_of
from graphs.hand_exam import hand_questions
from models import vllm_server
from models.backend import DEFAULTS, backend, make_model, weights
from models.pretrained import SINGLE
from models.vllm_server import Serving
from training import encoding, lora

TARGET = 0.99  # of answers that are the same
DOMAINS = ("market", "harbour")
ITEMS, QUICK_ITEMS, LEARNT = 200, 24, 96
TOKENS, AT_ONCE = 32, 16  # of an answer; questions
BASE_SHARE = 4  # one question of so many is asked of the student without the adapter, too
SHOWN = 5  # unequal answers
SYSTEM = "Answer briefly."
CPU = ("--max-num-seqs", str(AT_ONCE), "--enforce-eager")
# The server may load adapters, and takes one gigabyte for its cache where it has no GPU.
SETTINGS = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}


def main(arguments: list[str] | None = None) -> int:
    parser = Parser("elenchus bench serving", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few questions, smallest student")
    parser.add_argument("--json", action="store_true", help="one JSON value, and nothing else")
    parser.add_argument("--vllm", metavar="PYTHON", help="python of an environment with vLLM")
    parser.add_argument("--student", metavar="PROVIDER:MODEL", help="hf:FOLDER or hf:ID")
    parser.add_argument("--adapter", type=Path, help="folder of a LoRA of it; else one is trained")
    options = parser.parse_args(arguments)
    if options.vllm:
        os.environ[vllm_server.PYTHON] = options.vllm
    if why := _missing():
        _show({"skipped": why}, options.json)
        return 0
    model = options.student or (DEFAULTS["student"] if options.quick else "hf:smollm2")
    student = ModelConfig(model=model)
    with tempfile.TemporaryDirectory() as folder:
        questions = exam(QUICK_ITEMS if options.quick else ITEMS)
        adapter = options.adapter or trained(student, questions[:LEARNT], Path(folder))
        figures = measure(student, adapter.resolve(), [question for question, _ in questions])
    _show(figures, options.json)
    return 0 if min(figures["equal"], figures["base_equal"]) >= TARGET else 1


def _missing() -> str:
    """Say what is missing for a vLLM server on this machine; "" where nothing is."""
    import torch

    try:
        vllm_server.program()
    except UserError as error:
        return str(error)
    has = torch.backends.cpu.get_cpu_capability()
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    if is_x86 and not torch.cuda.is_available() and "AVX512" not in has:
        return f"vLLM wants AVX-512 on a machine without GPU, and this processor has {has}"
    return ""


def exam(count: int) -> list[tuple[str, str]]:
    """Return so many questions of the exams that come with the program, with their answers."""
    files = [domains.find(name).with_name("exam.jsonl") for name in DOMAINS]
    rows = [row for file in files for _, row in hand_questions(file)]
    return [(row.question, row.answer) for row in rows[:count]]


def asked(question: str) -> tuple[Message, ...]:
    """Return the messages that ask a question."""
    return Message(role="system", content=SYSTEM), Message(role="user", content=question)


def trained(student: ModelConfig, learnt: Sequence[tuple[str, str]], out: Path) -> Path:
    """Train an adapter to answer questions; return its folder."""
    config = TrainingConfig(
        rank=8, alpha=16, batch_size=8, epochs=4, least_steps=1, learning_rate=1e-3, warmup_steps=2
    )
    base = weights(student)
    samples = [encoding.Sample(asked(question), answer) for question, answer in learnt]
    plan = encoding.batches(encoding.encoded(base, samples), config, 0)
    lora.train(base, plan, config, 0, out / "adapter", unseen)
    return out / "adapter"


def measure(student: ModelConfig, adapter: Path, questions: Sequence[str]) -> dict[str, Any]:
    """Return the figures of a student, and of its adapter, on both ways."""
    base = weights(student)
    local = ModelConfig(model=f"hf:{base}", options={"max_new_tokens": TOKENS, "dtype": "float32"})
    few = questions[::BASE_SHARE]
    here = [answers(local, None, few), answers(local, adapter, questions)]
    backend(local.model).release()  # the server wants the room
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    rank = rank_of(adapter)
    plan = Serving(base.resolve(), "base", {}, rank, context_of(base), SINGLE)
    command = [*vllm_server.program(), str(base), *plan.options("127.0.0.1", port), *CPU]
    served = ModelConfig(
        model="vllm:base",
        base_url=f"{url}/v1",
        options={"weights": str(base), "max_new_tokens": TOKENS, "dtype": "float32"},
    )
    begun = time.monotonic()
    with vllm_server.started(command, url, 600, _say, SETTINGS):
        ready = time.monotonic() - begun
        backend(served.model).check_adapters(served, rank, adapter.parent)
        begun = time.monotonic()
        there = [answers(served, None, few), answers(served, adapter, questions)]
        seconds = time.monotonic() - begun
    base_equal, equal = (_share(*pair) for pair in zip(here, there, strict=True))
    rows = zip(questions, here[1], there[1], strict=True)
    unequal = [{"question": q, "here": a, "vllm": b} for q, a, b in rows if a != b]
    return {
        "equal": equal,
        "base_equal": base_equal,
        "items": len(questions),
        "seconds_to_ready": round(ready, 1),
        "answers_per_second": round((len(few) + len(questions)) / seconds, 1),
        "model": student.model,
        "unequal": unequal[:SHOWN],
    }


def answers(config: ModelConfig, adapter: Path | None, questions: Sequence[str]) -> list[str]:
    """Return the greedy answers of a model to questions, in their order."""
    from langchain_core.messages import HumanMessage, SystemMessage

    model = make_model(config, adapter)
    places = asyncio.Semaphore(AT_ONCE)

    async def answer(question: str) -> str:
        async with places:
            messages = [SystemMessage(SYSTEM), HumanMessage(question)]
            return (await model.chat.ainvoke(messages)).text

    async def every() -> list[str]:
        try:
            return list(await asyncio.gather(*map(answer, questions)))
        finally:
            await model.close()

    return asyncio.run(every())


def _share(here: Sequence[str], there: Sequence[str]) -> float:
    same = sum(a == b for a, b in zip(here, there, strict=True))
    return round(same / len(here), 4)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _show(figures: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures, ensure_ascii=False))
        return
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):<20} {value}")


if __name__ == "__main__":
    harness.run_program(main)
