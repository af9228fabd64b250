"""Samples of what the student could do before, mixed in against forgetting."""

from elenchus.config import CommonConfig
from models.backend import backend
from training.lora import Sample


def samples(config: CommonConfig, count: int, round_: int) -> list[Sample]:
    """Return so many samples, other ones each round and none of the general exam.

    There are none where the student's backend has none.
    """
    general = backend(config.student.model).general(config.student)
    if general is None or count == 0:
        return []
    return [Sample(*pair) for pair in general.replay(count, f"{config.seed}/{round_}")]
