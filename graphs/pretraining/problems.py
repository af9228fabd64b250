"""Problems of several tasks, paragraphs on each, and passages that join them.

After TRAIT (arXiv 2406.16694, section 3): a passage takes problems of different tasks, explains
each with its answer, and closes with what they share and what is unique to each.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Sequence

from agents.matching import matches

from agents.expert import false_citation
from agents.prompting import Prompt
from elenchus.records import Answer, ExamItem, Message, Passage, Point
from graphs import exams
from graphs.pretraining.config import PassagesConfig
from graphs.pretraining.records import Explanation, Problem, Refusal, TaskPassage
from graphs.pretraining.tasks import Collected
from graphs.services import Services
from models.calls import CallFailed
from retrieval.selection.overlap import Overlap

Prompted = Callable[[str], Prompt]
DRAWS = 20  # times that a group of problems is drawn before there is no new one


async def written(
    run: Services, points: Sequence[Point], advance: Advance
) -> list[Problem | Refusal]:
    """Problems about the documents, one task for each kind of question, answered by the expert.

    None copies a question of the exams, or is too near one of the held-out exam. A question that
    cannot be used is a refusal.
    """
    rng = random.Random(f"problems/{run.config.seed}")
    seeds = exams.even_seeds(points, run.config.passages.written, rng, exam=False)
    run.ledger.write(*seeds)
    made = await exams.each(run, seeds, lambda seed: exams.answered(run, seed, "training"), advance)
    problems: dict[str, Problem] = {}
    refused: list[Refusal] = []
    for seed, found in zip(seeds, made, strict=True):
        if isinstance(found, Refusal):
            refused.append(_no_problem(found.reason, found.raw))
            continue
        question, answers = found
        problem = Problem(
            task=question.kind,
            question=question.text,
            answer=answers[0].text,
            place=seed.point_id,
            bare=question.text,
        )
        if problems.setdefault(question.text, problem) is not problem:
            refused.append(_no_problem("it was written before", question.text))
    return [*refused, *await asyncio.to_thread(_apart, run, list(problems.values()))]


def _no_problem(reason: str, raw: str) -> Refusal:
    return Refusal(problem_ids=(), reason=f"a question is no problem: {reason}", raw=raw)


def _apart(run: Services, problems: Sequence[Problem]) -> list[Problem | Refusal]:
    """The problems; a refusal instead of one that is an exam question, in other words or not."""
    asked = tested(run)
    overlap = Overlap.of(asked, run.config.passages.copied)
    if not problems or not asked:
        return list(problems)
    near = run.embedder.encode([p.bare for p in problems]) @ run.embedder.encode(asked).T
    most = run.config.dataset.near_exam
    return [
        _no_problem("it is too near an exam question", problem.question)
        if overlap.copies(problem.bare) or float(row.max()) >= most
        else problem
        for problem, row in zip(problems, near, strict=True)
    ]


def tested(run: Services) -> list[str]:
    """What the student is judged on, which nothing learnt may copy, without what every question of
    a task has in common."""
    items = run.ledger.all(ExamItem, exam="hand")
    if not run.config.tasks:
        items += run.ledger.all(ExamItem, exam="held-out")
    bare = [problem.bare for problem in run.ledger.all(Problem, test=True)]
    return [*bare, *(item.prompt[-1].content for item in items)]


def split_shots(collected: Collected, shots: int) -> tuple[list[Problem], dict[str, list[Problem]]]:
    """The problems to write about, and by task those that are shown solved in exams."""
    by_task: dict[str, list[Problem]] = defaultdict(list)
    for problem in collected.train:
        by_task[problem.task].append(problem)
    # One is left to write about, however few there are.
    shown = {task: own[: min(shots, len(own) - 1)] for task, own in by_task.items()}
    others = [p for task, own in by_task.items() for p in own[len(shown[task]) :]]
    return others, shown


def exam(
    tests: Sequence[Problem], shots: dict[str, list[Problem]], prompted: Prompted
) -> list[ExamItem]:
    """The test problems as an exam: each after solved ones of its task, as turns of a chat."""
    return [
        ExamItem(
            exam="held-out",
            kind=problem.task,
            prompt=_few_shot(problem.question, shots.get(problem.task, []), prompted),
            gold=problem.answer,
        )
        for problem in tests
    ]


def _few_shot(question: str, shots: Sequence[Problem], prompted: Prompted) -> tuple[Message, ...]:
    *system, asked = prompted(question).messages
    shown = [
        message
        for shot in shots
        for message in (
            prompted(shot.question).messages[-1],
            Message(role="assistant", content=shot.answer),
        )
    ]
    return (*system, *shown, asked)


async def explain(run: Services, problem: Problem, tests: Overlap) -> Explanation | Refusal:
    """A paragraph on a problem, or why there is none that holds up."""
    answer: Answer | None = None
    try:
        answer, passages = await run.expert.explain(problem.question)
        reason = _unfounded(run, answer, passages)
        if reason is None and tests.copies(answer.text):
            reason = "it copies a test problem"
        if reason is None:
            reason = await _wrong(run, problem, answer.text)
    except CallFailed as failed:
        reason = f"the {failed.failure.role}'s reply could not be used: {failed.failure.reason}"
        raw = failed.failure.raw if answer is None else answer.text
        return Refusal(problem_ids=(problem.id,), reason=reason, raw=raw)
    if reason is not None:
        return Refusal(problem_ids=(problem.id,), reason=reason, raw=answer.text)
    return Explanation(
        problem_id=problem.id,
        text=answer.text,
        citations=answer.citations,
        passage_ids=tuple(dict.fromkeys(c.passage_id for c in answer.citations)),
        call_id=answer.call_id,
    )


def _unfounded(run: Services, answer: Answer, passages: list[Passage]) -> str | None:
    """Why a paragraph does not rest on the passages, or None."""
    if answer.abstained:
        return "the documents do not decide it"
    if not answer.citations and not run.config.passages.cited:
        return None
    false = false_citation(answer, passages)
    return None if false is None else f"a citation does not hold: {false}"


async def _wrong(run: Services, problem: Problem, paragraph: str) -> str | None:
    """Why a paragraph does not come to the gold answer, or None."""
    task = run.config.tasks.get(problem.task)
    if task is not None and task.how != "grader":
        right = matches(task.how, paragraph, problem.answer)
        return None if right else "it comes to another result than the gold answer"
    verdict = await run.grader.grade(problem.question, problem.answer, [paragraph])
    if verdict.grades[0] == "correct":
        return None
    return f"it comes to another result than the gold answer: {verdict.missed or 'it differs'}"


def groups(problems: Sequence[Problem], config: PassagesConfig, seed: int) -> list[list[Problem]]:
    """The problems of each passage: `count` groups, fewer where no new one is found.

    Every problem of a task is used before any of it is used again. With `across`, those of a group
    are of different tasks, of which the ones that were dealt least of come first; else a group is
    of one task.
    """
    rng = random.Random(f"passages/{seed}")
    by_task: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        by_task[problem.task].append(problem)
    decks = [_Deck(own, rng) for _, own in sorted(by_task.items())]
    found: dict[frozenset[str], list[Problem]] = {}
    repeats = 0
    while decks and len(found) < config.count and repeats < DRAWS:
        decks.sort(key=lambda deck: (deck.dealt, rng.random()))
        dealing = decks[: config.problems] if config.across else decks[:1] * config.problems
        group: list[Problem] = []
        for deck in dealing:
            group += deck.deal(group)
        key = frozenset(problem.id for problem in group)
        repeats = repeats + 1 if key in found else 0
        found.setdefault(key, group)
    return list(found.values())


class _Deck:
    """A task's problems in a random order, again and again; `dealt` says how often all were."""

    def __init__(self, problems: Sequence[Problem], rng: random.Random) -> None:
        self._problems, self._rng = problems, rng
        self._left: list[Problem] = []
        self.dealt = 0.0

    def deal(self, others: Sequence[Problem]) -> list[Problem]:
        """The next problem that is none of the others; none where there is no such problem."""
        if len(others) >= len(self._problems) and all(p in others for p in self._problems):
            return []
        while True:
            if not self._left:
                self._left = self._rng.sample(self._problems, len(self._problems))
            if (problem := self._left.pop()) not in others:
                self.dealt += 1 / len(self._problems)
                return [problem]


async def compose(
    run: Services,
    group: Sequence[tuple[Problem, Explanation]],
    tests: Overlap,
) -> TaskPassage | Refusal:
    """The passage about a group of problems, or why its closing paragraph cannot be used."""
    ids = tuple(problem.id for problem, _ in group)
    parts = [f"{problem.question}\n{explained.text}" for problem, explained in group]
    closing = call_id = ""
    if run.config.passages.enlightenment:
        try:
            made = await run.author.compare([(p.question, e.text) for p, e in group])
        except CallFailed as failed:
            reason = f"the author's reply could not be used: {failed.failure.reason}"
            return Refusal(problem_ids=ids, reason=reason, raw=failed.failure.raw)
        if tests.copies(made.text):
            reason = "it copies a test problem"
            return Refusal(problem_ids=ids, reason=reason, raw=made.text)
        closing, call_id = made.text, made.call_id
        parts.append(closing)
    return TaskPassage(
        problem_ids=ids,
        explanation_ids=tuple(explained.id for _, explained in group),
        closing=closing,
        text="\n\n".join(parts),
        call_id=call_id,
    )
