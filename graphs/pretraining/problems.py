"""Problems of several tasks, paragraphs on each, and passages that join them.

After TRAIT (arXiv 2406.16694, section 3): a passage takes problems of different tasks, explains
each with its answer, and closes with what they share and what is unique to each.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from agents.expert import false_citation
from agents.graders import Grader
from elenchus.outcomes import ExamItem
from elenchus.progress import Advance
from elenchus.records import Answer, Gold, Message, Passage, Point, Rejection
from graphs import exams
from graphs.checks import failed_call, rejection
from graphs.concurrency import each
from graphs.pretraining.config import PassagesConfig
from graphs.pretraining.records import Explanation, Problem, Refusal, TaskPassage
from graphs.pretraining.tasks import Collected
from graphs.services import Services
from models.calls import CallFailed, Prompt
from retrieval.selection.overlap import Overlap

Prompted = Callable[[str], Prompt]
DRAWS = 20  # times that a group of problems is drawn before there is no new one


async def written(
    run: Services, points: Sequence[Point], advance: Advance
) -> list[Problem | Refusal]:
    """Write problems about the documents, one task for each kind of question.

    The expert answers them. None copies a question of the exams, or is too near one of the held-out
    exam. A question that cannot be used is a refusal.
    """
    rng = random.Random(f"problems/{run.config.seed}")
    seeds = exams.even_seeds(points, run.config.passages.written, rng, False, run.asking)
    run.ledger.write(*seeds)
    outcomes = await each(
        run.turnstile, seeds, lambda seed: exams.answered(run, seed, False), advance
    )
    problems: dict[str, Problem] = {}
    refusals: list[Problem | Refusal] = []
    for seed, outcome in zip(seeds, outcomes, strict=True):
        if isinstance(outcome, exams.Refused):
            refusals.append(unwritten(outcome, seed.kind))
            continue
        question, (answer, *_) = outcome
        text, task, place = question.text, question.kind, seed.point_id
        problem = Problem(task=task, question=text, answer=answer.text, place=place, bare=text)
        if problems.setdefault(text, problem) is not problem:
            refused = exams.Refused(rejection("written-before", raw=answer.text), question)
            refusals.append(unwritten(refused, task))
    return refusals + await asyncio.to_thread(_apart, run, list(problems.values()))


def unwritten(refused: exams.Refused, kind: str) -> Refusal:
    """Record why a question about the documents is no problem."""
    why, asked = refused
    return Refusal(
        problem_ids=(), code=why.code, detail=why.detail, raw=why.raw, task=kind,
        question=asked.text if asked else "",
        passage_ids=why.passage_ids or (asked.passage_ids if asked else ()),
    )  # fmt: skip


def _apart(run: Services, problems: Sequence[Problem]) -> list[Problem | Refusal]:
    """Return the problems; a refusal instead of each that is an exam question in other words."""
    asked = tested(run)
    if not problems or not asked:
        return list(problems)
    overlap = overlap_with_tests(run)
    near = run.embedder.encode([p.bare for p in problems]) @ run.embedder.encode(asked).T
    most = run.config.dataset.near_exam
    return [
        Refusal(
            problem_ids=(),
            code="near-exam",
            raw=problem.answer,
            task=problem.task,
            question=problem.question,
        )
        if overlap.copies(problem.bare) or float(row.max()) >= most
        else problem
        for problem, row in zip(problems, near, strict=True)
    ]


def tested(run: Services) -> list[str]:
    """Return the questions of the exams, which nothing learnt may copy.

    What every question of a task has in common is left out of them.
    """
    items = run.ledger.all(ExamItem, exam="hand")
    if not run.config.tasks:
        for name in ("held-out", "untaught"):
            items += run.ledger.all(ExamItem, exam=name)
    bare = [problem.bare for problem in run.ledger.all(Problem, test=True)]
    return [*bare, *(item.prompt[-1].content for item in items)]


def overlap_with_tests(run: Services) -> Overlap:
    """Return what finds texts that copy a question of the exams."""
    return Overlap.of(tested(run), run.config.passages.copied)


def graders(run: Services) -> dict[str, Grader]:
    """Return the grader of each task."""
    return {name: run.grader_of(task.grader) for name, task in run.config.tasks.items()}


def split_shots(collected: Collected, shots: int) -> tuple[list[Problem], dict[str, list[Problem]]]:
    """Return the problems to write about, and by task those that exams show solved."""
    by_task = _by_task(collected.train)
    # One is left to write about, however few there are.
    shown = {task: train[: min(shots, len(train) - 1)] for task, train in by_task.items()}
    rest = [problem for task, train in by_task.items() for problem in train[len(shown[task]) :]]
    return rest, shown


def exam(
    tests: Sequence[Problem], shots: Mapping[str, Sequence[Problem]], prompted: Prompted
) -> list[ExamItem]:
    """Make the held-out exam: each test problem after solved ones of its task, as a chat."""
    shown = {
        task: as_chat([(shot.question, shot.answer) for shot in solved], prompted)
        for task, solved in shots.items()
    }
    return [
        ExamItem(
            exam="held-out",
            kind=test.task,
            prompt=(*shown[test.task], prompted(test.question).messages[-1]),
            gold=Gold(text=test.answer, result=test.answer),
        )
        for test in tests
    ]


def as_chat(exchanges: Sequence[tuple[str, str]], prompted: Prompted) -> list[Message]:
    """Return questions with their answers as a chat in the student's form."""
    *messages, _ = prompted("").messages
    for question, answer in exchanges:
        messages += [prompted(question).messages[-1], Message(role="assistant", content=answer)]
    return messages


async def explain(run: Services, tests: Overlap, problem: Problem) -> Explanation | Refusal:
    """Have a paragraph written on a problem; a refusal where it does not hold up."""
    try:
        answer, passages = await run.expert.explain(problem.question)
    except CallFailed as failed:
        return _refusal(failed_call(failed), [problem])
    if why := await _unsound(run, problem, answer, passages, tests):
        shown = tuple(passage.id for passage in passages)
        found = why.model_copy(update={"raw": answer.text, "passage_ids": shown})
        return _refusal(found, [problem])
    return Explanation(
        problem_id=problem.id,
        text=answer.text,
        citations=answer.citations,
        passage_ids=tuple(dict.fromkeys(c.passage_id for c in answer.citations)),
        call_id=answer.call_id,
    )


async def _unsound(
    run: Services, problem: Problem, answer: Answer, passages: list[Passage], tests: Overlap
) -> Rejection | None:
    """Say why a paragraph is not used: it has no ground, copies a test, or errs."""
    if answer.abstained:
        return rejection("undecided")
    must_cite = answer.citations or run.config.passages.cited
    if must_cite and (false := false_citation(answer, passages)):
        return rejection("false-citation", false)
    if tests.copies(answer.text):
        return rejection("copies-test")
    grader = graders(run).get(problem.task, run.grader)
    try:
        gold = Gold(text=problem.answer, result=run.subject.form.result(problem.answer))
        verdict = await grader.grade(problem.question, gold, [answer.text])
    except CallFailed as failed:
        return failed_call(failed)
    right = verdict.grades[0] == "correct"
    return None if right else rejection("other-result", verdict.missed)


def groups(problems: Sequence[Problem], config: PassagesConfig, seed: int) -> list[list[Problem]]:
    """Draw the problems of each passage: `count` groups, fewer where no new one is found.

    Every problem of a task is used before any of it is used again. With `across`, those of a group
    are of different tasks, of which the ones that were dealt least of come first; else a group is
    of one task.
    """
    rng = random.Random(f"passages/{seed}")
    decks = [_Deck(of_task, rng) for _, of_task in sorted(_by_task(problems).items())]
    drawn: dict[frozenset[str], list[Problem]] = {}
    repeats = 0
    while decks and len(drawn) < config.count and repeats < DRAWS:
        decks.sort(key=lambda deck: (deck.dealt, rng.random()))
        dealing = decks[: config.problems] if config.across else decks[:1] * config.problems
        group: list[Problem] = []
        for deck in dealing:
            group += deck.deal(group)
        key = frozenset(problem.id for problem in group)
        repeats = repeats + 1 if key in drawn else 0
        drawn.setdefault(key, group)
    return list(drawn.values())


class _Deck:
    """A task's problems in a random order, again and again; `dealt` says how often all were."""

    def __init__(self, problems: Sequence[Problem], rng: random.Random) -> None:
        self._problems, self._rng = problems, rng
        self._left: list[Problem] = []
        self.dealt = 0.0

    def deal(self, group: Sequence[Problem]) -> list[Problem]:
        """Return the next problem that is not in the group; none where all of them are."""
        if len(group) >= len(self._problems) and all(p in group for p in self._problems):
            return []
        while True:
            if not self._left:
                self._left = self._rng.sample(self._problems, len(self._problems))
            if (problem := self._left.pop()) not in group:
                self.dealt += 1 / len(self._problems)
                return [problem]


async def compose(
    run: Services, tests: Overlap, explained: Mapping[str, Explanation], group: Sequence[Problem]
) -> TaskPassage | Refusal:
    """Join the paragraphs on a group of problems to a passage; a refusal where it has no close.

    Args:
        explained: the paragraph on each problem, by the problem's id.
    """
    paragraphs = [explained[problem.id] for problem in group]
    exchanges = [(p.question, e.text) for p, e in zip(group, paragraphs, strict=True)]
    closing = call_id = ""
    if run.config.passages.enlightenment:
        try:
            text = await run.author.compare(exchanges)
        except CallFailed as failed:
            return _refusal(failed_call(failed), group)
        if tests.copies(text.text):
            cited = tuple(dict.fromkeys(i for p in paragraphs for i in p.passage_ids))
            why = rejection("copies-test", raw=text.text).model_copy(update={"passage_ids": cited})
            return _refusal(why, group)
        closing, call_id = text.text, text.call_id
    return TaskPassage(
        problem_ids=tuple(problem.id for problem in group),
        explanation_ids=tuple(paragraph.id for paragraph in paragraphs),
        closing=closing,
        text="\n\n".join(filter(None, (*map("\n".join, exchanges), closing))),
        call_id=call_id,
    )


def _by_task(problems: Sequence[Problem]) -> dict[str, list[Problem]]:
    by_task: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        by_task[problem.task].append(problem)
    return by_task


def _refusal(why: Rejection, problems: Sequence[Problem]) -> Refusal:
    """Record why a text about some problems is not used."""
    return Refusal(
        problem_ids=tuple(problem.id for problem in problems), code=why.code, detail=why.detail,
        raw=why.raw, passage_ids=why.passage_ids,
    )  # fmt: skip
