"""Invented codes: balance, distinctness, and nothing of the demonstration domains in them."""

import random
from collections import Counter
from pathlib import Path

from models.blocks import Extract
from offline.language import stock
from offline.language.questions import KINDS, verdict
from offline.nano import codes
from offline.reader.parser import read_code

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
    """Return the topics that the reader finds in the sections of the demonstration domains."""
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


def test_no_topic_of_a_demo_domain_is_in_a_pretraining_code() -> None:
    topics = _demo_topics()
    assert len(topics) > 120
    taught = set(codes.known_names())
    rng = random.Random("any")
    for _ in range(2000):
        taught |= {rule.topic for rule in codes.fresh_code(rng, 5).rules}
    assert not topics & taught
