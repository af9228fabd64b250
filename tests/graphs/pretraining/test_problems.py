"""Problems are put into groups, and what became none is told; passages copy no test."""

import random
from collections import Counter

from elenchus.ledger import Ledger
from elenchus.records import Passage, Question, Rejection
from graphs.exams import Refused
from graphs.pretraining import problems, report
from graphs.pretraining.config import PassagesConfig
from graphs.pretraining.records import Problem
from retrieval.selection.overlap import Overlap


def test_groups_use_every_problem_before_any_again() -> None:
    rng = random.Random(0)
    sizes = {"one": 7, "two": 5, "three": 9, "four": 2}
    known = [
        Problem(task=task, question=f"{task} {n} {rng.random()}", answer="", place="", bare="")
        for task, size in sizes.items()
        for n in range(size)
    ]
    across = problems.groups(known, PassagesConfig(count=8, problems=3), 0)
    assert len(across) == 8
    assert all(len({p.task for p in group}) == 3 for group in across)
    used = Counter(p.id for group in across for p in group)
    for task in sizes:
        counts = [used[p.id] for p in known if p.task == task]
        assert max(counts) - min(counts) <= 1
    alone = problems.groups(known, PassagesConfig(count=8, problems=2, across=False), 0)
    assert all(len({p.task for p in group}) == 1 for group in alone)
    few = problems.groups(known[-2:], PassagesConfig(count=50, problems=2, across=False), 0)
    assert len(few) == 1, "there is one group of two problems"
    odd = problems.groups(known[:5], PassagesConfig(count=9, problems=3, across=False), 0)
    assert all(len(group) == 3 for group in odd), "also where a deck ends within a group"


def test_an_overlap_is_of_words_in_a_row() -> None:
    overlap = Overlap.of(["One, two three; four FIVE six seven?", "a shorter one of six"], 6)
    assert overlap.copies("zero one two three four five six")
    assert not overlap.copies("one two three four and five six seven")
    assert overlap.copies("Such: a Shorter\none of six!")
    assert not overlap.copies("a shorter one of seven")
    assert not Overlap.of(["two words", "and four words here"]).copies("two words and four here")
    assert not Overlap.of([]).copies("anything")


def test_a_question_without_a_sound_answer_is_kept_with_the_reply(ledger: Ledger) -> None:
    passage = Passage(document_id="d", source="pool.md", title="Pool", start=0, end=9,
                      heading=("1 Caps",), text="Wear caps.")  # fmt: skip
    question = Question(text="May he swim?", kind="apply", exam=False, point_id="p",
                        passage_ids=(), round=1, call_id="c")  # fmt: skip
    why = Rejection(code="false-citation", detail="no such words", raw="He may: “none”.",
                    passage_ids=(passage.id,))  # fmt: skip
    refusal = problems.unwritten(Refused(why, question), "apply")
    ledger.write(passage, refusal)
    row = report.refusal_row(ledger, refusal)
    shown = [row[key] for key in ("code", "detail", "question", "kind", "reply", "left_out")]
    assert shown == ["false-citation", "no such words", "May he swim?", "apply", why.raw, ""]
    assert [part["text"] for part in row["passages"]] == ["Wear caps."]
    failed = problems.unwritten(Refused(why.model_copy(update={"passage_ids": ()}), None), "apply")
    assert (failed.question, failed.passage_ids) == ("", ())
