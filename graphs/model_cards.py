"""Gathers what the cards of trained folders tell, and writes them: after a training, at the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from agents.student import prompted
from elenchus import runs
from elenchus.outcomes import Adapter
from elenchus.results import Estimate, ExamResult, RunVerdict
from graphs import cards
from graphs.exams import EXAMS, exam_result
from graphs.methods import method_of
from graphs.screens import EXAM_NAMES
from graphs.services import Services
from graphs.state import MeasuredState
from models.backend import precision_of, weights
from models.bases import base_of, public_name
from models.weights import is_adapter
from publishing.adapters import dress
from publishing.markdown import inline
from publishing.model_card import Facts, Kind

Measures = Mapping[str, Estimate | None]
PACKAGES = ("elenchus", "torch", "transformers", "peft")


class Learning(NamedTuple):
    """What a folder learnt from, in sentences, and the settings of its training as shown."""

    text: str
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """What is known of a trained folder at the end of a run: see `publishing.model_card.Facts`."""

    exams: Mapping[str, ExamResult | None] = field(default_factory=dict)
    word: str = ""
    verdict: RunVerdict | None = None
    last: bool | None = None
    measures: Measures = field(default_factory=dict)


UNKNOWN = Outcome()


def write(
    run: Services,
    folder: Path,
    learnt: Learning,
    outcome: Outcome = UNKNOWN,
    labels: Sequence[str] = (),
) -> None:
    """Write the card of a LoRA or a whole model; the base is named in the settings of a LoRA.

    Args:
        labels: the classes of a classifier.
    """
    config, kind = run.config, _kind(folder, labels)
    system = [m.content for m in prompted(run.subject, "").messages if m.role == "system"]
    dress(
        folder,
        Facts(
            kind=kind,
            run=run.folder.id,
            name=folder.name,
            title=config.title,
            language=config.language,
            base=base_of(config.student.model, weights(config.student)),
            learnt=learnt.text,
            settings=learnt.settings,
            exams={EXAM_NAMES[name]: taken for name, taken in outcome.exams.items()},
            word=outcome.word,
            verdict=outcome.verdict,
            datasets=hub_datasets(run),
            prompt=system[0] if system else "",
            rank=0 if kind == "model" else config.training.rank,
            last=outcome.last,
            measures=outcome.measures,
            labels=labels,
        ),
    )


def of_earlier(run: Services, adapter: Adapter, state: MeasuredState) -> Outcome:
    """Return what is known at the end of an adapter that the run went on from."""
    first = state.get("first", 0)
    then = MeasuredState(
        accuracies=state["accuracies"][: adapter.round - first + 1],
        adapter=adapter.path,
        start=state.get("start", ""),
        first=first,
    )
    taken = {exam: exam_result(run, exam, then) for exam in EXAMS}
    # Most exams are taken with the last adapter alone.
    return Outcome({n: t for n, t in taken.items() if t and t.after is not None}, last=False)


def settings(
    run: Services, steps: int, tokens: int, previous: str, **own: object
) -> dict[str, str]:
    """Return the settings of a training as shown; those of a method's `own` stand first."""
    training = run.config.training
    named = {name.replace("_", " "): value for name, value in own.items()}
    values: dict[str, object] = named | {
        "optimiser steps": f"{steps:,}",
        "tokens seen": f"{tokens:,}" if tokens else None,
        "began with": previous or "the base",
        "learning rate": training.learning_rate,
        "warm-up steps": training.warmup_steps,
        "batch size": training.batch_size,
        "rank of the LoRA": training.rank,
        "alpha of the LoRA": training.alpha,
        "longest example in tokens": training.max_tokens,
        "replay for each example": training.replay,
        "precision of the base": precision_of(run.config.student),
        "seed": run.config.seed,
        "made with": _versions(),
    }
    # What a method sets otherwise holds; None says that it has no such setting.
    return {name: str(value) for name, value in (values | named).items() if value is not None}


def shown(model: str) -> str:
    """Return the name of a model for a sentence of a card."""
    return inline(public_name(model))


def hub_datasets(run: Services) -> list[str]:
    """Return the ids of the datasets on the hub that a run's documents or messages come from."""
    inputs = method_of(run.config.method).inputs(run.config)
    return sorted({found for source in inputs if (found := cards.hub_id(source))})


def _kind(folder: Path, labels: Sequence[str]) -> Kind:
    if labels:
        return "classifier"
    return "adapter" if is_adapter(folder) else "model"


def _versions() -> str:
    installed = runs.versions()
    return ", ".join(f"{name} {installed[name]}" for name in PACKAGES if name in installed)
