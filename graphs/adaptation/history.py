"""What earlier examinations showed: what is asked next, and of whom, depends on it."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from elenchus.ledger import Ledger
from elenchus.outcomes import ExamItem
from elenchus.records import Examination, Point, Question, Seed, Turn, Verdict

Counts = defaultdict[tuple[str, str], float]
UNUSED = ("known", "unsuited")  # a question and an answer that are sound, and teach too little
SHOWN = 4  # questions of a topic that the examiner is shown, failed and passed ones each
EXAMS = ("held-out", "untaught")


@dataclass
class History:
    """What earlier rounds showed.

    `asked` and `failed` count first questions by point and kind, older ones for less; `covered`
    counts accepted examples by point; `questions` holds the training questions by point, and
    `examined` those of the exam. `missed` and `known` hold, by topic, questions that the student
    could not and could answer, the newest last.
    """

    asked: Counts = field(default_factory=lambda: defaultdict(float))
    failed: Counts = field(default_factory=lambda: defaultdict(float))
    covered: Counter[str] = field(default_factory=Counter)
    questions: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    examined: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    missed: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    known: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def history(ledger: Ledger, before: int, memory: float) -> History:
    """Return what the examinations before a round showed, and those that it had so far.

    The round and the one before it count whole; earlier ones count `memory` times as much for every
    round between, since the student has learnt.
    """
    past = History()
    topics = {point.id: topic_of(point) for point in ledger.all(Point)}
    seeds = {seed.id: seed for seed in ledger.all(Seed)}
    turns = {turn.id: turn for turn in ledger.all(Turn)}
    for examination in sorted(ledger.all(Examination), key=lambda e: (e.round, e.id)):
        seed = seeds[examination.seed_id]
        past.covered[seed.point_id] += examination.accepted_turn_id is not None
        asked = [turns[i] for i in examination.turn_ids]
        past.questions[seed.point_id] += [turn.question.text for turn in asked]
        counted = [turn for turn in asked if is_sound(turn, examination)]
        if predicted := known_by_prediction(examination):
            past.questions[seed.point_id].append(ledger.get(Question, predicted).text)
        if (first := _first(examination, turns)) is not None:
            weight = memory ** max(before - 1 - examination.round, 0)
            past.asked[seed.point_id, seed.kind] += weight
            past.failed[seed.point_id, seed.kind] += weight * first
        for turn in counted:
            _remember(past, topics.get(seed.point_id, ""), turn)
    for exam in EXAMS:
        for item in ledger.all(ExamItem, exam=exam):
            past.examined[item.point_id or ""].append(item.prompt[-1].content)
    return past


def failed(verdict: Verdict) -> bool:
    """Tell whether most of the student's answers to a question were not right throughout."""
    wrong = sum(grade != "correct" for grade in verdict.grades)
    return 2 * wrong > len(verdict.grades)


def is_sound(turn: Turn, examination: Examination) -> bool:
    """Tell whether the expert's answer of a turn held: no check refused it afterwards."""
    refused = examination.rejection
    if refused is None or refused.code in UNUSED:
        return True
    return refused.question_id != turn.question.id


def known_by_prediction(examination: Examination) -> str:
    """Return the id of the question that the expert was spared; "" where it was asked them all."""
    refused = examination.rejection
    return (refused.question_id or "") if refused and refused.code == "likely-known" else ""


def fresh_failures(ledger: Ledger, round_: int) -> tuple[int, int]:
    """Count a round's fresh (first) questions: those that the student failed, and all.

    Those that users kept do not count: they were chosen since the student failed them. What it was
    predicted to know counts as known. Without, the more was foreseen, the more of the rest would be
    failed, as if the student learnt nothing.
    """
    turns = {turn.id: turn for turn in ledger.all(Turn)}
    drawn = {seed.id for seed in ledger.all(Seed, round=round_) if not seed.complaint_id}
    asked = [e for e in ledger.all(Examination, round=round_) if e.seed_id in drawn]
    outcomes = [_first(e, turns) for e in asked]
    told = [outcome for outcome in outcomes if outcome is not None]
    return sum(told), len(told)


def topic_of(point: Point) -> str:
    """Return the topic of a point in the form in which topics are compared."""
    return " ".join(point.topic.casefold().split())


def _first(examination: Examination, turns: Mapping[str, Turn]) -> bool | None:
    """Tell whether the student failed the first question; None where nothing sound tells it."""
    if not examination.turn_ids:
        return False if known_by_prediction(examination) else None
    first = turns[examination.turn_ids[0]]
    if first.verdict is None or not is_sound(first, examination):
        return None
    return failed(first.verdict)


def _remember(past: History, topic: str, turn: Turn) -> None:
    """Keep a question with what its answers missed, for the examiner to see."""
    if turn.verdict is None:
        return
    if failed(turn.verdict):
        said = f"{turn.question.text}\nMissed: {turn.verdict.missed}"
        past.missed[topic] = [*past.missed[topic], said][-SHOWN:]
    else:
        past.known[topic] = [*past.known[topic], turn.question.text][-SHOWN:]
