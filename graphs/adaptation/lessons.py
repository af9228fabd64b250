"""How a dataset's examples are taught: as they are, by the student with passages, or in pairs.

`training.objective` decides. All of it comes from what a run has anyway: the passages that examples
rest on, and the student's own wrong answers.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from agents.student import reading
from elenchus.outcomes import Example, Reading
from elenchus.records import SCORES, Gold, Passage, Turn
from graphs.services import Services
from models.calls import CallFailed
from training.encoding import Sample


async def prepare(run: Services, examples: Sequence[Example]) -> None:
    """Have the untouched student answer the questions of examples with the passages before it.

    Only what it then answers rightly does it teach (`training.objective: distil`). What was asked
    before is not asked again.
    """
    training = run.config.training
    if training.objective != "distil" or not training.enabled:
        return
    read = {one.example_id for one in run.ledger.all(Reading)}
    asked = [e for e in examples if e.passage_ids and e.id not in read]
    with run.progress.stage("Read the passages of examples") as advance:
        done = 0

        async def one(example: Example) -> None:
            nonlocal done
            if (made := await _read(run, example)) is not None:
                run.ledger.write(made)
            done += 1
            advance(done, len(asked))

        await asyncio.gather(*map(one, asked))
    right = sum(one.right for one in run.ledger.all(Reading))
    run.progress.say(
        f"with the passages before it, the untouched student is right about {right} of "
        f"{run.ledger.count(Reading)} questions: these it teaches"
    )


def samples(run: Services, examples: Sequence[Example]) -> list[Sample]:
    """Return examples as samples to train on, with a teacher where there is one."""
    right = {one.example_id for one in run.ledger.all(Reading) if one.right}
    return [_taught(run, e) if e.id in right else plain(e) for e in examples]


def pairs(run: Services, examples: Sequence[Example]) -> list[Sample]:
    """Return examples beside a wrong answer of the student, where it gave one."""
    wrong = _wrong(run)
    found = [(e, wrong[asked]) for e in examples if (asked := _asked(e)) in wrong]
    return [replace(plain(e), rejected=answer) for e, answer in found]


def pair_rows(run: Services, examples: Sequence[Example]) -> list[dict[str, Any]]:
    """Return the lines of pairs.jsonl, with what a reward model wants to know of each answer."""
    wrong = _wrong(run)
    return [
        {
            "prompt": [m.model_dump() for m in e.prompt],
            "chosen": [{"role": "assistant", "content": e.completion}],
            "rejected": [{"role": "assistant", "content": wrong[_asked(e)]}],
            "rubric": list(e.rubric),
            "passage_ids": list(e.passage_ids),
            "example_id": e.id,
        }
        for e in examples
        if _asked(e) in wrong
    ]


def plain(example: Example) -> Sample:
    """Return an example as it is."""
    return Sample(example.prompt, example.completion)


def _taught(run: Services, example: Example) -> Sample:
    question = example.prompt[-1].content
    shown = reading(run.subject, question, _passages(run, example), example.completion)
    return replace(plain(example), teacher=shown.messages)


def _asked(example: Example) -> tuple[str, str]:
    """Return the turn and the question, which a person may have put in other words since."""
    return example.turn_id, example.prompt[-1].content


def _wrong(run: Services) -> dict[tuple[str, str], str]:
    """Return by turn and question the student's worst answer, where that is not right."""
    found = {}
    for turn in run.ledger.all(Turn):
        if turn.verdict is None:
            continue
        graded = zip(turn.verdict.grades, turn.student, strict=True)
        worst = [(SCORES[grade], answer.text) for grade, answer in graded if answer.text]
        score, text = min(worst, default=(1.0, ""))
        if score < 1.0:
            found[turn.id, turn.question.text] = text
    return found


async def _read(run: Services, example: Example) -> Reading | None:
    """Ask and grade; None where the student or the grader failed, which the ledger has."""
    question, student = example.prompt[-1].content, run.examinee("")
    gold = Gold(text=example.completion, result=example.result, form=example.form,
                rubric=example.rubric)  # fmt: skip
    try:
        answer = await student.read(question, _passages(run, example))
        verdict = await run.grader.grade(question, gold, [answer.text])
    except CallFailed:
        return None
    return Reading(
        example_id=example.id,
        answer=answer.text,
        right=verdict.results[0],
        call_id=answer.call_id,
    )


def _passages(run: Services, example: Example) -> list[Passage]:
    return [run.ledger.get(Passage, i) for i in example.passage_ids]
