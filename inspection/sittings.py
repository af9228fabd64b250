"""Exams before and after: each item with both answers, what was learnt and what was lost.

Two runs are compared on the questions that both were asked, paired.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from elenchus.outcomes import ExamItem, Score
from elenchus.results import Estimate

Change = Literal["learnt", "lost", "same", "ungraded"]
EXAMS = ("held-out", "untaught", "hand", "general")


class Sat(NamedTuple):
    """An item of an exam with two answers to it; None where one has no grade."""

    item: ExamItem
    before: Score | None
    after: Score | None

    @property
    def change(self) -> Change:
        """What became of it: a right answer gained or lost, the same, or one without a grade."""
        if self.before is None or self.after is None:
            return "ungraded"
        right = (self.before.grade == "correct", self.after.grade == "correct")
        return {(False, True): "learnt", (True, False): "lost"}.get(right, "same")  # type: ignore[return-value]


class Paired(NamedTuple):
    """One exam of two runs, on the items that both have: the second run minus the first.

    `gain` is None where they share no graded item; `only` counts items of either run alone.
    """

    exam: str
    items: list[Sat]
    only: tuple[int, int]
    first: Estimate | None
    second: Estimate | None
    gain: Estimate | None

    @property
    def counts(self) -> Counter[str]:
        """How many answers were gained and lost from one run to the other."""
        return Counter(sat.change for sat in self.items)


def rounds(scores: Iterable[Score], exam: str) -> tuple[int, int] | None:
    """Return the first and the last round that an exam was sat in; None where it was not."""
    seen = {score.round for score in scores if score.exam == exam}
    return (min(seen), max(seen)) if seen else None


def sat(items: Sequence[ExamItem], scores: Sequence[Score], exam: str) -> list[Sat]:
    """Return the items of an exam with the answers of its first and last sitting.

    Where it was sat only once, that is the first, and there is no other.
    """
    ends = rounds(scores, exam)
    of_exam = [score for score in scores if score.exam == exam]
    first = {s.item_id: s for s in of_exam if ends and s.round == ends[0]}
    last = {s.item_id: s for s in of_exam if ends and s.round == ends[1] != ends[0]}
    return [Sat(i, first.get(i.id), last.get(i.id)) for i in items if i.exam == exam]


def paired(
    first: tuple[Sequence[ExamItem], Sequence[Score]],
    second: tuple[Sequence[ExamItem], Sequence[Score]],
    exam: str,
) -> Paired:
    """Compare the last answers of two runs to the questions of an exam that both have.

    A question is known again by its text; intervals are over points (`training.evaluation`).
    """
    from training import evaluation  # brings scipy

    ends = [rounds(scores, exam) for _, scores in (first, second)]
    theirs = {item.prompt[-1].content: item for item in second[0] if item.exam == exam}
    ours = {item.prompt[-1].content: item for item in first[0] if item.exam == exam}
    last = [
        {s.item_id: s for s in scores if end and s.exam == exam and s.round == end[1]}
        for (_, scores), end in zip((first, second), ends, strict=True)
    ]
    shared = [
        Sat(item, last[0].get(item.id), last[1].get(theirs[text].id))
        for text, item in ours.items()
        if text in theirs
    ]
    graded = [one for one in shared if one.change != "ungraded"]
    items = [one.item for one in graded]
    before = [one.before for one in graded if one.before]
    # Known by the first run's ids: of one question, two runs may hold different right answers.
    after = [one.after.model_copy(update={"item_id": one.item.id}) for one in graded if one.after]
    return Paired(
        exam,
        shared,
        (len(ours) - len(shared), len(theirs) - len(shared)),
        evaluation.accuracy(items, before) if items else None,
        evaluation.accuracy(items, after) if items else None,
        evaluation.gain(items, before, after) if items else None,
    )
