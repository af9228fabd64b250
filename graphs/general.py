"""What the student could do before: a general exam, and replay in training against forgetting."""

import asyncio
import math
import random
from collections.abc import Sequence
from pathlib import Path

from elenchus.config import CommonConfig
from elenchus.outcomes import Kept, Replay
from elenchus.records import Message
from graphs.services import Services
from models.backend import General, backend, precision_of, weights
from models.calls import CallFailed
from models.general import GeneralPrompts
from training.encoding import Sample
from training.likelihood import likelihoods


def general(config: CommonConfig, folder: Path) -> General | None:
    """Return what tells of the student's other abilities: the domain's file, else its backend's.

    Raises:
        UserError: the file cannot be used.
    """
    if config.exam.general_prompts is None:
        return backend(config.student.model).general(config.student)
    return GeneralPrompts(folder / config.exam.general_prompts)


def sizes(config: CommonConfig, folder: Path, replay: float) -> tuple[int, int, int]:
    """Count the questions of the general exam, those that a model grades, and prompts to replay.

    Args:
        replay: the share that is replayed.

    Raises:
        UserError: the domain's file of general prompts cannot be used.
    """
    known = general(config, folder)
    asked = len(known.exam(config.exam.general, config.seed)) if known else 0
    judged = asked if known and known.grader == "grader" else 0
    return asked, judged, len(unanswered(config, folder, replay))


def unanswered(config: CommonConfig, folder: Path, share: float) -> list[tuple[Message, ...]]:
    """Return the prompts that the untouched student answers, where a share is to be replayed."""
    known = general(config, folder)
    return list(known.unanswered()) if known and config.training.enabled and share else []


async def prepare(run: Services, share: float) -> None:
    """Have the untouched student answer what is to be replayed, once a run.

    Nothing is where the share is 0. An answer that the longest length cut short teaches to break
    off: it is not replayed.
    """
    prompts = unanswered(run.config, run.domain_folder, share)
    if not prompts or run.ledger.count(Replay):
        return
    replies = await _own_answers(run, prompts, "Answer general prompts, to be replayed")
    run.ledger.write(*(Replay(prompt=p, completion=t, call_id=i) for p, t, i in replies))


def opened(config: CommonConfig, folder: Path) -> list[tuple[Message, ...]]:
    """Return the prompts whose untouched answers are compared; none without a general exam."""
    known = general(config, folder)
    return list(known.open()) if known and config.exam.general else []


async def measure(run: Services, round_: int, adapter: str) -> None:
    """Measure, once, how likely the untouched student's answers to general prompts still are.

    They are answers to the prompts of the general exam's half that cannot be matched.
    """
    prompts = opened(run.config, run.domain_folder)
    if not prompts or run.ledger.count(Kept, round=round_):
        return
    replies = await _own_answers(run, prompts, "Answer general prompts, to be compared")
    told, student = [Sample(p, t) for p, t, _ in replies], run.config.student
    kept = precision_of(student)
    async with run.shared.turns.training():  # it takes as much room
        backend(student.model).release()
        both = [
            await asyncio.to_thread(likelihoods, weights(student), told, path, kept)
            for path in (None, run.folder.path / adapter)
        ]
    run.ledger.write(
        *(
            Kept(prompt=p, completion=t, round=round_, before=b, after=a, call_id=i)
            for (p, t, i), b, a in zip(replies, *both, strict=True)
        )
    )


Reply = tuple[tuple[Message, ...], str, str]  # a prompt, its answer, the id of the call


async def _own_answers(
    run: Services, prompts: Sequence[tuple[Message, ...]], stage: str
) -> list[Reply]:
    """Return the untouched student's answers, but those that the longest length cut short."""
    student = run.examinee("", brief=False)
    most = backend(run.config.student.model).max_new_tokens(run.config.student) or math.inf
    with run.progress.stage(stage) as advance:
        done = 0

        async def ask(prompt: tuple[Message, ...]) -> Reply | None:
            nonlocal done
            try:
                answer = await student.take(prompt)
            except CallFailed:  # which the ledger has
                return None
            done += 1
            advance(done, len(prompts))
            if not answer.text or answer.tokens >= most:
                return None
            return prompt, answer.text, answer.call_id

        replies = await asyncio.gather(*map(ask, prompts))
    return [reply for reply in replies if reply is not None]


def samples(run: Services, count: int, round_: int) -> list[Sample]:
    """Return so many samples to mix into a training, other ones each round, none of the exam's.

    They are fewer where there are no more, and none where nothing is known of the student.
    """
    seed = f"{run.config.seed}/{round_}"
    own = run.ledger.all(Replay)
    if own:
        chosen = random.Random(f"replay/{seed}").sample(own, min(count, len(own)))
        return [Sample(reply.prompt, reply.completion) for reply in chosen]
    known = general(run.config, run.domain_folder)
    return [Sample(*pair) for pair in known.replay(count, seed)] if known and count else []
