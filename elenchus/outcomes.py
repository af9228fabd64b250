"""What a run ends with, as records: examples and the dataset, exams and scores, adapters."""

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from elenchus.records import Citation, Form, Gold, Grade, Message, Record

Action = Literal["accept", "correct", "reject"]
ACTIONS: tuple[Action, ...] = get_args(Action)


class Example(Record):
    """A training sample in chat form.

    `weight` is the gap with which it was accepted, or 1 where the student was not asked.
    """

    prefix = "x"
    prompt: tuple[Message, ...]
    completion: str
    question_id: str
    turn_id: str
    examination_id: str
    point_id: str
    passage_ids: tuple[str, ...]
    kind: str
    round: int
    weight: float
    form: Form = ""
    result: str = ""
    rubric: tuple[str, ...] = ()


class Text(Record):
    """A text written from passages, to be learnt as it stands; `task` is the author's."""

    prefix = "w"
    task: str
    text: str
    passage_ids: tuple[str, ...]
    call_id: str


class Dataset(Record):
    """The compact set chosen after a round: ids of its examples, and counts of what it omits.

    `revises` is the dataset that people decided on, and of which this is what they left.
    """

    prefix = "c"
    round: int
    example_ids: tuple[str, ...]
    candidates: int
    near_duplicates: int
    near_exam: int
    too_long: int
    of_full_points: int = 0
    unbalanced: int = 0
    contradicted: int = 0
    nearest_exam_similarity: float
    revises: str = ""


class Correction(BaseModel):
    """An example as a person wants it; without citations, it keeps those that it has."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    question: str
    completion: str
    citations: tuple[Citation, ...] = ()


class Decision(Record):
    """What a person decided on an example before it is trained on.

    Attributes:
        number: counts all decisions of a run; of several on one example, the last holds.
        sampled: whether the example was drawn at random, so that it speaks for the others.
        question, completion: as they were, so that other runs know the example again.
    """

    prefix = "dn"
    number: int
    example_id: str
    action: Action
    reviewer: str
    question: str
    completion: str
    reason: str = ""
    sampled: bool = False
    corrected: Correction | None = None


class Complaint(Record):
    """A question that a user kept, since the adapted student answered it badly.

    `adapter` is the path of what the student answered with, "" for none; `note` what the user has
    to say of the answer.
    """

    prefix = "cm"
    question: str
    answer: str
    adapter: str
    note: str = ""


class ExamItem(Record):
    """One question of an exam with its gold answer.

    `exam` is "held-out" (written by the examiner, answered by the expert), "untaught" (the same,
    about points that no training question is about), "general" (abilities that the model had
    before) or "hand" (written by people, with the passage that decides it).
    """

    prefix = "i"
    exam: Literal["held-out", "untaught", "general", "hand"]
    kind: str
    prompt: tuple[Message, ...]
    gold: Gold
    point_id: str | None = None
    passage_ids: tuple[str, ...] = ()
    call_ids: tuple[str, ...] = ()


class Score(Record):
    """The student's grade on one exam item after a round (0: the untouched student).

    `result` says whether the result alone is right, whatever the reason.
    """

    prefix = "g"
    item_id: str
    exam: str
    round: int
    answer: str
    grade: Grade
    result: bool
    call_id: str


class Replay(Record):
    """An answer of the untouched student to a general prompt, mixed into trainings."""

    prefix = "y"
    prompt: tuple[Message, ...]
    completion: str
    call_id: str


class Kept(Record):
    """How likely an answer of the untouched student to a general prompt is, before and after.

    Both are mean log-likelihoods of a token, by the untouched student and after `round`; the
    prompt is none of those that are replayed.
    """

    prefix = "kp"
    prompt: tuple[Message, ...]
    completion: str
    round: int
    before: float
    after: float
    call_id: str


class Reading(Record):
    """The untouched student's answer to an example's question, with the passages before it.

    `right` is the grader's word on its result: what the student then answers rightly, it teaches.
    """

    prefix = "rd"
    example_id: str
    answer: str
    right: bool
    call_id: str


class Adapter(Record):
    """A trained LoRA: its path in the run folder, and its training.

    `previous` is the path of the adapter that the training began with, "" for the untouched
    student; `dataset_id` is "" where texts were learnt; `tokens` counts every token as often as it
    was seen, replay included.
    """

    prefix = "a"
    round: int
    path: str
    sha256: str
    previous: str
    dataset_id: str
    steps: int
    tokens: int


class Update(Record):
    """The link from a run to the finished one that it goes on from, after documents changed.

    `round` is the last one of the earlier run, `adapter` the path of its last adapter. `kept` and
    `retired` are ids of its examples: those that cite only passages that are still there, in order,
    and the others. `examples_a_point` is its ratio, which the new passages should reach.
    """

    prefix = "u"
    run: str
    round: int
    adapter: str
    passages_gone: tuple[str, ...]
    passages_new: tuple[str, ...]
    kept: tuple[str, ...]
    retired: tuple[str, ...]
    items_retired: int
    examples_a_point: float
