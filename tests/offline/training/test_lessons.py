"""Lessons: whole turns, drills that answer themselves, questions on the passage before them."""

import random
import re

from models.blocks import Extract
from offline.language.rules import Penalty
from offline.reader.parser import read_code
from offline.training import lessons


def test_lessons_alternate_turns_and_grow_harder() -> None:
    rng = random.Random(0)
    early = lessons.lessons(rng, 0.0)
    for _ in range(30):
        lesson = next(early)
        assert lesson[-1][0].endswith(lessons.END)
        assert lesson[-1][1] == lessons.ANSWER
    late = [next(lessons.lessons(random.Random(i), 12e6)) for i in range(60)]
    assert max(len(lesson) for lesson in late) > 10


def test_a_drill_in_fines_asks_what_its_sentences_say() -> None:
    pieces = [text for text, _ in lessons.fines(random.Random(3))]
    said = "\n".join(text for text in pieces if not text.startswith(" "))
    priced = {p.value.grade: p.value for p in read_code([Extract("1", "", said)]).penalties}
    asked = re.findall(r"An? (\S+) breach costs (\d+) (\S+)\. So: \2 \3\.", "".join(pieces))
    assert len(asked) == len(priced) >= 8
    for grade, amount, currency in asked:
        assert priced[grade] == Penalty(grade, int(amount), currency)


def test_a_reading_asks_about_its_own_passage() -> None:
    rng = random.Random(6)
    for clauses in range(1, 6):
        lesson = lessons.reading(rng, clauses, lessons.STAGES[-1])
        passage = lesson[0][0].lower()
        replies = [text for text, weight in lesson if weight == lessons.ANSWER]
        assert len(replies) >= clauses
        for reply in replies:
            key = re.split(r"[:.]", reply.strip().lower())[0]
            assert key in passage
