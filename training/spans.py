"""Spans of the steps of a training."""

from typing import Any

from elenchus import telemetry

# What transformers logs of a step, by the names of attributes.
LOGGED = {
    "loss": "elenchus.training.loss",
    "learning_rate": "elenchus.training.learning_rate",
    "grad_norm": "elenchus.training.grad_norm",
    "epoch": "elenchus.training.epoch",
}


def step_spans(name: str) -> list[Any]:
    """Return the callback of a Trainer that makes a span of each step; none where none is wanted.

    Args:
        name: of the training.
    """
    if not telemetry.current():
        return []
    from transformers import TrainerCallback

    class Steps(TrainerCallback):  # type: ignore[misc]
        """Ends a step's span with what is logged of it, which comes after its end."""

        def __init__(self) -> None:
            self._span: telemetry.Span | telemetry.Nothing = telemetry.Nothing()

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._span.end()
            step = {
                "elenchus.training.name": name,
                "elenchus.training.step": state.global_step + 1,
                "elenchus.training.steps": state.max_steps,
            }
            self._span = telemetry.span("training step", step)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if "loss" in (logs or {}):
                self._span.set({LOGGED[key]: logs[key] for key in LOGGED.keys() & logs.keys()})
                self._finish()

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._finish()

        def _finish(self) -> None:
            self._span.end()
            self._span = telemetry.Nothing()

    return [Steps()]
