"""Samples of what the student could do before, mixed in against forgetting."""

from elenchus.config import CommonConfig
from models.backend import backend
from training.lora import Sample


def samples(config: CommonConfig, count: int, round_: int) -> list[Sample]:
    """Return so many of them, none in the general exam; none for a student that brings none.

    Every round has its own.
    """
    general = backend(config.student.model).general(config.student)
    if general is None or count == 0:
        return []
    return [Sample(*pair) for pair in general.replay(count, f"{config.seed}/{round_}")]
