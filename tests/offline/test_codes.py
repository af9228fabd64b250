"""Invented codes: balance, distinctness, and nothing of the demo domains in them."""

import random
import re
from collections import Counter
from pathlib import Path

import pytest

from models.blocks import Extract
from offline.language import drafting, stock
from offline.language.questions import KINDS, verdict
from offline.language.rules import Definition, Penalty, Rule
from offline.nano import codes
from offline.reader.parser import read_code
from offline.training import lessons

DOMAINS = Path(__file__).resolve().parents[3] / "domains"


def test_known_codes_are_always_the_same_and_share_no_name() -> None:
    known = codes.known_codes()
    assert [len(code.rules) for code in known] == [codes.KNOWN_RULES] * codes.KNOWN_CODES
    topics = [rule.topic for code in known for rule in code.rules]
    assert len(set(topics)) == len(topics)
    exceptions = [r.exception for code in known for r in code.rules if r.exception]
    assert len(set(exceptions)) == len(exceptions)
    grades = [penalty.grade for code in known for penalty in code.penalties]
    assert len(set(grades)) == len(grades)
    codes.known_codes.cache_clear()
    assert codes.known_codes() == known


def test_a_fresh_code_shares_no_name_with_the_known_ones() -> None:
    rng = random.Random(4)
    names = codes.known_names()
    for _ in range(300):
        code = codes.fresh_code(rng, 5)
        assert not names & {rule.topic for rule in code.rules}
        assert not names & {penalty.grade for penalty in code.penalties}


def test_every_duty_has_a_grade_with_a_fine() -> None:
    code = codes.fresh_code(random.Random(1), 200)
    for rule in code.rules:
        penalty = code.penalty(rule)
        if rule.kind == "permission":
            assert rule.exception is rule.grade is penalty is None
        else:
            assert penalty is not None and penalty.amount % 50 == 0
        if rule.value is not None:
            assert 3 <= rule.value <= 95 and rule.unit
    shares = Counter(rule.kind for rule in code.rules)
    assert shares["deadline"] > shares["permission"] > 0


@pytest.mark.parametrize("kind", ["deadline", "maximum", "minimum", "prohibition", "permission"])
def test_a_clause_states_the_whole_rule(kind: str) -> None:
    rng = random.Random(2)
    for _ in range(100):
        code = codes.fresh_code(rng, 3)
        for rule in code.rules:
            text = drafting.clause(rule, rng).lower()
            assert rule.topic in text
            assert rule.value is None or f"{rule.value} {rule.unit}" in text
            assert rule.exception is None or rule.exception in text
            assert rule.grade is None or rule.grade in text
            assert "{" not in text and "[" not in text


def test_one_of_a_unit_is_singular_in_a_clause() -> None:
    rule = Rule("maximum", "queue", 1, "lamps", None, None)
    assert "1 lamp" in drafting.clause(rule, random.Random(0))
    assert "1 lamps" not in drafting.clause(rule, random.Random(0))


def test_fines_and_definitions_are_stated() -> None:
    rng = random.Random(0)
    for _ in range(30):
        text = drafting.fine(Penalty("odd", 450, "crowns"), rng).lower()
        assert "450 crowns" in text and "an odd breach" in text
        assert "a rest" in drafting.meaning(Definition("stay", "a rest"), rng)
        assert drafting.prose(rng).endswith((".", ")"))


def test_general_exam_and_replay_are_fixed_and_apart() -> None:
    exam, replay = codes.general_exam(60, 3), codes.replay(60, "3")
    assert exam == codes.general_exam(60, 3)
    assert exam != codes.general_exam(60, 4)
    asked = {messages[0]["content"] for messages, _ in exam}
    assert not asked & {messages[0]["content"] for messages, _ in replay}
    for messages, gold in exam + replay:
        assert [m["role"] for m in messages] == ["user"]
        assert verdict(gold)
    assert sum("\n\n" in text for text in asked) == 30


def test_verdicts_of_the_general_exam_are_balanced() -> None:
    counts = Counter(verdict(gold) for _, gold in codes.general_exam(1000, 1))
    assert 0.8 < counts["breach"] / counts["no breach"] < 1.25
    assert 0.7 < counts["changed"] / counts["same"] < 1.4


def test_open_book_questions_are_decided_by_their_passage() -> None:
    rng = random.Random(8)
    for kind in KINDS:
        (messages, _), case = codes.open_exchange(rng, "exam", 3, kind)
        text, _, question = messages[0]["content"].partition("\n\n")
        assert case.kind == kind
        assert case.rule.topic in text.lower()
        assert case.rule.topic in question.lower()


def _demo_topics() -> set[str]:
    """Topics that the reader finds in the documents of the demo domains, section by section."""
    topics = set()
    for path in DOMAINS.glob("*/documents/*.md"):
        for section in path.read_text(encoding="utf-8").split("\n## ")[1:]:
            heading, _, text = section.partition("\n")
            code = read_code([Extract(path.name, heading, text.strip())])
            topics |= {norm.rule.topic for norm in code.norms}
    return topics


def test_the_subjects_of_the_demo_domains_are_not_in_the_stock() -> None:
    words = {
        w for block in (stock.THINGS, stock.PAPERS, stock.MODIFIERS, stock.DEEDS) for w in block
    }
    for subject in ("harbour", "boat", "vessel", "mooring", "quay", "pier", "berth", "market"):
        assert subject not in words
    for subject in ("stall", "stallholder", "food", "fish", "meat", "cheese", "fruit", "bread"):
        assert subject not in words


@pytest.mark.skipif(not DOMAINS.exists(), reason="no demo domains here")
def test_no_topic_of_a_demo_domain_is_in_a_pretraining_code() -> None:
    topics = _demo_topics()
    assert len(topics) > 120
    taught = set(codes.known_names())
    rng = random.Random("any")
    for _ in range(2000):
        taught |= {rule.topic for rule in codes.fresh_code(rng, 5).rules}
    assert not topics & taught


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
