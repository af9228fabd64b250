"""What a run of examinations will use, before it is paid for: by the settings, and by a preview.

How often questions are accepted or revised, and how long answers are, is not known beforehand: the
shares below are those of the demonstration, and other domains and models differ. What a few
examinations used tells more, and is put in their place.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from elenchus.ledger import TaskSpent
from elenchus.records import CHARS_A_TOKEN
from graphs import own_estimate
from graphs.adaptation.config import AdaptationTree
from graphs.adaptation.contradictions import MOST
from graphs.adaptation.seeds import how_many
from graphs.estimate import POINTS, SOUND, Measure, Step, Use, corpus, used
from graphs.exams import SPARE
from graphs.general import opened, sizes
from graphs.hand_exam import read_hand_exam
from models.prices import Prices

TURNS = 1.05  # questions in an examination
ASKED = 0.95  # of them, where the expert is not spared by a prediction
CONFIRMED = 0.95  # of the examinations, whose last question would be accepted
KEPT = 0.85  # of the answers in the general exam that training leaves as they were
# An estimate weighs as much as this many of what was seen.
PASSAGES, EXAMINATIONS = 5.0, 2.0


class Seen(NamedTuple):
    """What a preview came to: passages surveyed, their points, examinations, calls by task."""

    passages: int = 0
    points: int = 0
    examinations: int = 0
    accepted: int = 0
    tasks: Mapping[tuple[str, str], TaskSpent] = MappingProxyType({})


UNSEEN = Seen()


class Plan(NamedTuple):
    """What one examination takes, how many there are, and all else that a run does."""

    examination: Sequence[Step]
    examinations: float
    rest: Sequence[Step]

    @property
    def steps(self) -> list[Step]:
        """All that the run does."""
        return [*(step.times(self.examinations) for step in self.examination), *self.rest]


def estimate(config: AdaptationTree, folder: Path) -> list[Use]:
    """Return by role what a run of the domain in `folder` will use.

    Raises:
        UserError: the documents or the exam written by hand cannot be used.
    """
    documents, passages, length = corpus(config, folder)
    hand = config.exam.hand
    by_hand = len(read_hand_exam(folder / hand, documents)) if hand else 0
    return whole(config, Measure(config, folder, length), len(passages), by_hand)


def whole(
    config: AdaptationTree, measure: Measure, passages: int, by_hand: int, seen: Seen = UNSEEN
) -> list[Use]:
    """Return by role what a run will use, by its settings and by what was seen of it.

    Args:
        by_hand: questions that people wrote.
    """
    plan = _plan(config, measure, passages, by_hand, seen)
    models = {
        "expert": config.expert,
        "examiner": config.examiner,
        "grader": config.grader,
        "student": config.student,
    }
    return used(_as_seen(plan, seen), models, Prices(config.models))


def _plan(
    config: AdaptationTree, measure: Measure, passages: int, by_hand: int, seen: Seen
) -> Plan:
    """Return how often each thing will be done."""
    most = how_many(config.sizes[-1], seen.examinations, seen.accepted, config.dataset.candidates)
    passages = min(passages, config.questions.surveyed or passages)
    points = passages * (seen.points + PASSAGES * POINTS) / (seen.passages + PASSAGES)
    rounds = len(config.sizes) if config.training.enabled else 0
    questions = config.exam.questions * (1 + config.questions.untaught)
    again = (_calls(seen, ("examiner", "survey")) + PASSAGES) / (seen.passages + PASSAGES)
    rest = [
        measure.survey(passages * again),
        *(step.times(questions * SPARE) for step in measure.question()),
        *_comparisons(config, measure, points),
        *_exams(config, measure, rounds, by_hand),
        *_readings(config, measure),
        *own_estimate.taken(config, measure, 1 + (rounds > 0)),
    ]
    return Plan(_examination(config, measure), most, rest)


def _examination(config: AdaptationTree, measure: Measure) -> list[Step]:
    """Return what one examination takes, in the mean."""
    settings, samples = config.examination, config.student.samples
    turns = TURNS if settings.max_turns > 1 else 1.0
    steps = 1 if settings.revision == "one call" else 3
    spared = settings.predict and settings.sighted
    answered = turns * (ASKED if spared else 1.0)
    looked_at = [measure.asked(turns * samples), measure.grade(answered * SOUND, samples)]
    return [
        measure.propose(1),
        *measure.revise(turns - 1, samples if settings.sighted else 0, steps),
        measure.answer(answered),
        *(looked_at if settings.sighted else ()),
        *measure.confirm(CONFIRMED),
    ]


def _comparisons(config: AdaptationTree, measure: Measure, points: float) -> list[Step]:
    """Return the search for contradictions: by round, points with several examples, new ones."""
    if not config.checks.consistent:
        return []
    steps, before = [], 0
    for size in config.sizes:
        groups = min(points, (size - before) / max(config.adaptation.depth, 2))
        answers = max(size / points, 2.0)
        steps.append(measure.compare(groups * max(answers / MOST, 1.0), min(answers, MOST)))
        before = size
    return steps


def _exams(config: AdaptationTree, measure: Measure, rounds: int, by_hand: int) -> list[Step]:
    """Return all exams: the held-out one after each round, the others first and last.

    An answer that was given before is not graded again.
    """
    asked, judged, replayed = sizes(config, measure.folder, config.training.replay)
    others = config.exam.questions * config.questions.untaught + asked + by_hand
    times = 1 + (rounds > 0)
    answers = (rounds + 1) * config.exam.questions + times * others
    matched = times * (asked - judged)
    kept = KEPT * judged if rounds else 0
    own = replayed + len(opened(config, measure.folder)) if rounds else 0
    student = measure.asked(answers + own)
    return [student, measure.grade(answers - matched - kept, 1)]


def _readings(config: AdaptationTree, measure: Measure) -> list[Step]:
    """Return the untouched student's answers with passages, which teach where they are right."""
    training = config.training
    if training.objective != "distil" or not training.enabled:
        return []
    return measure.reading(config.sizes[-1])


def _as_seen(plan: Plan, seen: Seen) -> list[Step]:
    """Return a plan's steps, as often and as long as they were where they were seen.

    How often comes from the examinations, whose tasks have no other part in a preview.
    """
    once = _together(plan.examination)
    often = {
        task: (_calls(seen, task) + EXAMINATIONS * step.calls)
        / (seen.examinations + EXAMINATIONS)
        / step.calls
        for task, step in once.items()
        if step.calls
    }
    long = {task: _longer(seen.tasks.get(task), step) for task, step in once.items()}
    for step in plan.rest:
        if (task := (step.role, step.task)) not in once:
            long[task] = _longer(seen.tasks.get(task), step)
    made = [s.times(often.get((s.role, s.task), 1.0)) for s in plan.examination]
    steps = plan._replace(examination=made).steps
    return [
        s._replace(
            read=s.read * long[s.role, s.task][0], written=s.written * long[s.role, s.task][1]
        )
        for s in steps
    ]


def _together(steps: Sequence[Step]) -> dict[tuple[str, str], Step]:
    """Return one step for each task, with the calls of all."""
    found: dict[tuple[str, str], Step] = {}
    for step in steps:
        task = (step.role, step.task)
        calls = found[task].calls if task in found else 0.0
        found[task] = step._replace(calls=calls + step.calls)
    return found


def _calls(seen: Seen, task: tuple[str, str]) -> int:
    return seen.tasks[task].calls if task in seen.tasks else 0


def _longer(spent: TaskSpent | None, step: Step) -> tuple[float, float]:
    """Return how many times as long as estimated the calls of a task were, read and written.

    Where a server tells no tokens, or nothing was seen, the estimate stands.
    """
    if spent is None or not spent.calls:
        return 1.0, 1.0
    read = CHARS_A_TOKEN * spent.input_tokens / (spent.calls * step.read)
    written = CHARS_A_TOKEN * spent.output_tokens / (spent.calls * step.written)
    return read or 1.0, written or 1.0
