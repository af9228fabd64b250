"""Facts for tests of cards, and a small adapter."""

from pathlib import Path

from elenchus.config import TrainingConfig
from elenchus.progress import unseen
from elenchus.records import Message
from elenchus.results import Estimate, ExamResult, RunVerdict
from models.bases import Base
from offline.nano.chat import WEIGHTS
from publishing.model_card import Facts
from training import encoding, lora

EXAM = ExamResult(
    questions=40,
    ungraded=0,
    before=Estimate(value=0.25, low=0.1, high=0.4),
    after=Estimate(value=0.75, low=0.6, high=0.9),
    gain=Estimate(value=0.5, low=0.3, high=0.7),
    kinds={},
    constant=0.35,
)
FACTS = Facts(
    kind="adapter",
    run="20260101-000000-abcd",
    name="round-2",
    title="a harbour",
    language="German",
    base=Base("owner/model", True, "abc1234", "Apache-2.0"),
    learnt="It learnt 40 questions.",
    settings={"rank": "12"},
    exams={"held-out exam": EXAM, "hand-written exam": None},
    verdict=RunVerdict(word="better", reasons=["The change is +50.0 points."]),
    datasets=["owner/laws"],
    prompt="You answer questions.",
    rank=12,
    last=True,
)

CONFIG = TrainingConfig(
    learning_rate=4e-3, epochs=1, least_steps=1, batch_size=4, rank=4, save_steps=1
)
SAMPLES = [
    encoding.Sample((Message(role="user", content=f"Where is lamp {n}?"),), f"Lamp {n}: hall.")
    for n in range(4)
]


def train(out: Path, start: Path | None = None) -> Path:
    """Train a small adapter of the built-in student in a step; return its folder."""
    plan = encoding.batches(encoding.encoded(WEIGHTS, SAMPLES), CONFIG, 0)
    lora.train(WEIGHTS, plan, CONFIG, 0, out, unseen, start)
    return out
