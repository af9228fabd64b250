"""What the student could do before: the general exam, and the samples replayed against forgetting.

Only the built-in student has both so far; its general exam is half closed book on the codes it was
pre-trained on and half open book on codes it never saw.
"""

from elenchus.config import DomainConfig
from elenchus.records import ExamItem, as_message
from training.lora import Sample


def general_exam(config: DomainConfig) -> list[ExamItem]:
    """`exam.general` questions with their answers; none for a student that brings no exam."""
    if config.student.model != "builtin:nano":
        return []
    from agents.builtin.codes import general_exam as invented_exam

    return [
        ExamItem(
            exam="general",
            kind="general",
            prompt=tuple(as_message(m["role"], m["content"]) for m in messages),
            gold=gold,
        )
        for messages, gold in invented_exam(config.exam.general, config.seed)
    ]


def replay(config: DomainConfig, examples: int, round_: int) -> list[Sample]:
    """`training.replay` general samples for each example, none of them in the general exam.

    Every round has its own.
    """
    return samples(config, round(config.training.replay * examples), round_)


def samples(config: DomainConfig, count: int, round_: int) -> list[Sample]:
    """So many of them; none for a student that brings none."""
    if config.student.model != "builtin:nano" or count == 0:
        return []
    from agents.builtin.codes import replay as invented_replay

    return [
        Sample(tuple(as_message(m["role"], m["content"]) for m in messages), gold)
        for messages, gold in invented_replay(count, f"{config.seed}/{round_}")
    ]
