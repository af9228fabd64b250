"""The user's own tests: read before anything is paid for, taken by the student before and after.

Whatever takes a test is a `Sitter`. Answers come through the ledger, as all calls do, and labels
are weighed once a sitter and item, so that nothing is asked twice, however often a test is taken.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from agents.prompting import Subject
from agents.student import Student
from elenchus.config import CommonConfig
from elenchus.errors import UserError
from elenchus.own_tests import TestConfig
from elenchus.progress import Advance
from elenchus.reasons import sentence
from elenchus.records import Failure, Gold
from elenchus.results import TestResult, TestSitting
from elenchus.sections import ModelConfig
from evaluation import figures
from evaluation.choosing import Asked, Chooser, TooLong
from evaluation.comparing import compared
from evaluation.figures import Answered
from evaluation.reading import Read, read
from evaluation.records import BASE, TestItem, TestScore, UnusableRow
from graphs import leaks, test_files
from graphs.concurrency import thread_stage
from graphs.method import Method
from graphs.services import Services
from graphs.state import MeasuredState, is_trained
from models.backend import backend, precision_of, weights
from models.calls import CallFailed
from models.weights import is_adapter

BEFORE, AFTER = "before", "after"  # what the student's sittings are called
CHUNK = 256  # questions under way at once
PORTION = 32  # items whose labels are weighed between two writes
JUDGED = ("rubric", "judge")  # by the grader


class Sitter(NamedTuple):
    """Who takes a test.

    Attributes:
        name: in tables and results.
        model: in scores: `BASE`, the path of an adapter below the run folder, or provider:model.
        settings: of a model other than the run's student; None for that.
    """

    name: str
    model: str = BASE
    settings: ModelConfig | None = None


def check(config: CommonConfig, folder: Path, method: Method) -> None:
    """Find out whether every test of a domain can be read and asked.

    Raises:
        UserError: one of them cannot.
    """
    if config.tests and not method.takes_tests:
        raise UserError(f"tests: runs of method {method.name} take no tests of your own: leave out")
    for name, test in config.tests.items():
        check_choice(name, test, config.student)
        read(name, test, folder, Subject.of(config, folder), config.seed)


def check_choice(name: str, test: TestConfig, settings: ModelConfig) -> None:
    """Find out whether a model can weigh labels, where a test wants that.

    Raises:
        UserError: its weights are not here.
    """
    if test.score != "choice":
        return
    try:
        weights(settings)
    except UserError as error:
        raise UserError(
            f"tests.{name}: score: choice reads how likely each label is from a model's weights, "
            f"and those of {settings.model} are not here: use score: exact, or an hf: model"
        ) from error


def students(state: MeasuredState) -> list[Sitter]:
    """Return the student before and, where it was trained, after."""
    before = Sitter(BEFORE, state.get("start", BASE))
    return [before, Sitter(AFTER, state["adapter"])] if is_trained(state) else [before]


def prepare(run: Services) -> None:
    """Write down the items of the run's tests, once: as they are when the run first looks."""
    for name, test in run.config.tests.items():
        if not run.ledger.count(TestItem, test=name):
            keep(run, read(name, test, run.domain_folder, run.subject, run.config.seed))


def keep(run: Services, found: Read) -> None:
    """Write down what was read of a test, and say what cannot be asked."""
    run.ledger.write(*found.items, *found.unusable)
    if found.unusable:
        place, why = found.unusable[0].place, found.unusable[0].reason
        name, count = found.unusable[0].test, len(found.unusable)
        run.progress.say(f"test {name}: {count} rows cannot be asked, among them {place}: {why}")


async def take(run: Services, sitters: Sequence[Sitter]) -> None:
    """Have the run's own tests taken by all of these, and write a file for each test."""
    prepare(run)
    seen = await leaked(run, run.config.tests)
    for name, test in run.config.tests.items():
        items = run.ledger.all(TestItem, test=name)
        for sitter in sitters:
            await sit(run, items, sitter)
        test_files.write(run.folder, name, test, result(run, items, sitters, seen[name]))


async def leaked(run: Services, tests: Collection[str]) -> dict[str, frozenset[str]]:
    """Look for tests in what the run saw; see `leaks.left_out`."""
    if not tests:
        return {}
    with run.progress.stage("Tests: look for what was seen before"):
        return await asyncio.to_thread(leaks.left_out, run, tests)


async def sit(run: Services, items: Sequence[TestItem], sitter: Sitter) -> None:
    """Have one test taken by one sitter, and write the scores down.

    An item that gets no answer, or none that can be graded, has a failure in the ledger instead.
    """
    name = f"Test {items[0].test}: {sitter.name}"
    if items[0].score == "choice":
        with thread_stage(run.progress, name) as step:
            await asyncio.to_thread(_weigh, run, items, sitter, step)
        return
    with run.progress.stage(name) as advance:
        student = run.guest(sitter.settings) if sitter.settings else run.examinee(
            sitter.model, brief=False
        )  # fmt: skip
        failures: list[Failure] = []
        for start in range(0, len(items), CHUNK):
            chunk = items[start : start + CHUNK]
            made = await asyncio.gather(*(_answer(run, student, i, sitter) for i in chunk))
            run.ledger.write(*(one for one in made if isinstance(one, TestScore)))
            failures += [one for one in made if isinstance(one, Failure)]
            advance(start + len(chunk), len(items))
    if failures:
        most = Counter(map(sentence, failures)).most_common(1)[0][0]
        run.progress.say(f"{name}: {len(failures)} of {len(items)} have no grade; most: {most}")


def results(run: Services, state: MeasuredState) -> dict[str, TestResult]:
    """Return what the run's own tests came to, by name."""
    seen = leaks.left_out(run, run.config.tests)
    return {
        name: result(run, run.ledger.all(TestItem, test=name), students(state), seen[name])
        for name in run.config.tests
    }


def result(
    run: Services,
    items: Sequence[TestItem],
    sitters: Sequence[Sitter],
    leaked: Collection[str] = (),
) -> TestResult:
    """Return the figures of one test, on the items that all sitters have a score on.

    A sitter without any score is left out: it would leave nothing of the others'.

    Args:
        leaked: ids of items that were seen in training: they count in no figure.
    """
    first = items[0]
    asked = [item for item in items if item.id not in set(leaked)]
    ids = {item.id for item in asked}
    sat = {s.name: {o.item_id: o for o in _scores(run, first.test, s)} for s in sitters}
    sat = {name: scores for name, scores in sat.items() if not ids.isdisjoint(scores)}
    graded = [i for i in asked if sat and all(i.id in scores for scores in sat.values())]
    golds = [item.answer for item in graded]
    labelled = bool(first.labels)
    answers = {
        name: [_answered(item, scores[item.id]) for item in graded] for name, scores in sat.items()
    }
    return TestResult(
        score=first.score,
        questions=len(graded),
        ungraded=len(asked) - len(graded),
        leaked=len(items) - len(asked),
        left_out=run.ledger.count(UnusableRow, test=first.test),
        labels={label: golds.count(label) for label in first.labels},
        chance=figures.chance(golds) if graded and labelled else None,
        models=_sittings(answers, first.labels) if graded else {},
    )


def _sittings(
    answers: Mapping[str, Sequence[Answered]], labels: Sequence[str]
) -> dict[str, TestSitting]:
    first, *others = answers
    sittings = {name: figures.sitting(each, labels) for name, each in answers.items()}
    for name in others:
        update = figures.compared(answers[first], answers[name])
        sittings[name] = sittings[name].model_copy(update=update)
    return sittings


def _answered(item: TestItem, score: TestScore) -> Answered:
    return Answered(item.answer, score.given, score.right, score.likelihoods)


def _scores(run: Services, test: str, sitter: Sitter) -> list[TestScore]:
    return run.ledger.all(TestScore, test=test, model=sitter.model)


def _weigh(run: Services, items: Sequence[TestItem], sitter: Sitter, advance: Advance) -> None:
    """Weigh the labels of all items, and write the scores down portion by portion.

    Portions are the same whatever was done before, so that a resumed run weighs as another would;
    one that has a score was written whole.
    """
    done = {score.item_id for score in _scores(run, items[0].test, sitter)}
    portions = [items[n : n + PORTION] for n in range(0, len(items), PORTION)]
    left = [portion for portion in portions if not any(item.id in done for item in portion)]
    if not left:
        return
    settings = sitter.settings or run.config.student
    provider = backend(settings.model)
    provider.release()  # what is loaded to chat is not needed at the same time
    adapter = sitter.model if sitter.settings is None else BASE
    trained = run.folder.path / adapter if adapter else None
    whole = trained is not None and not is_adapter(trained)  # all weights were trained
    chooser = Chooser(
        trained if trained is not None and whole else weights(settings),
        None if whole else trained,
        precision_of(settings),
        provider.device(settings),
        bool(settings.options.get("thinking")),
    )
    for number, portion in enumerate(left, 1 + len(portions) - len(left)):
        weighed = chooser.weigh([Asked(item.prompt, item.labels) for item in portion])
        run.ledger.write(
            *(_chosen(item, one, sitter) for item, one in zip(portion, weighed, strict=True))
        )
        advance(min(number * PORTION, len(items)), len(items))


def _chosen(
    item: TestItem, weighed: tuple[float, ...] | TooLong, sitter: Sitter
) -> TestScore | Failure:
    """Return the likeliest label, the first of equals, as a score."""
    if isinstance(weighed, TooLong):
        detail = f"{item.place} has {weighed.tokens} tokens; the model reads {weighed.most}"
        return Failure(
            role="student", task="choose", code="refused", detail=detail, raw="", call_id=""
        )
    given = item.labels[weighed.index(max(weighed))]
    return TestScore(
        test=item.test, item_id=item.id, model=sitter.model, answer=given, given=given,
        right=given == item.answer, likelihoods=weighed,
    )  # fmt: skip


async def _answer(
    run: Services, student: Student, item: TestItem, sitter: Sitter
) -> TestScore | Failure:
    """Have an item answered, and the answer compared or graded."""
    try:
        answer = await student.take(item.prompt)
        if item.score in JUDGED:
            gold = Gold(text=item.answer, result=item.answer, rubric=item.rubric)
            question = item.prompt[-1].content
            verdict = await run.grader.grade(question, gold, [answer.text])
            right, given, call = verdict.grades[0] == "correct", "", verdict.call_id
        else:
            right, given = compared(item, answer.text, run.subject.form)
            call = answer.call_id
    except CallFailed as failed:
        return failed.failure
    return TestScore(
        test=item.test, item_id=item.id, model=sitter.model, answer=answer.text, given=given,
        right=right, call_id=call or answer.call_id,
    )  # fmt: skip
