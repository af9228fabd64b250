"""The interpreter: every frame of the question grammar, free wording, and when it abstains."""

import json
import random
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from models.blocks import Extract
from offline.language import drafting
from offline.language.questions import (
    KINDS,
    STYLES,
    answer,
    ask,
    definition_case,
    draw_case,
    verdict,
)
from offline.language.rules import Rule
from offline.nano import codes
from offline.reader.answering import reply
from offline.reader.circumstances import exception_holds
from offline.reader.figures import read_figures
from offline.reader.interpreter import interpret
from offline.reader.matching import analyse, find_name
from offline.reader.parser import read_code

DOMAINS = Path(__file__).resolve().parents[3] / "domains"
CODE = """
The quarterly report must be sent within 20 days of the quarter's end, unless the auditor is ill.
Breach of this rule is graded serious.

A bookcase must not exceed 8 shelves. A breach is minor.

A reading lamp must give at least 300 lumens, except when the room has daylight. Breach is minor.

Night baking is prohibited. This does not apply while the mill festival is on. A breach is serious.

Members may use the roof terrace.

"Quiet room" means the room behind the stairs.

A serious breach costs 400 crowns. A minor breach costs 50 crowns.
"""


def verdict_of(question: str, text: str = CODE) -> str:
    return verdict(reply(question, [Extract("p-1", "Part 1 > 1.1 House rules", text)]).answer)


def test_every_frame_in_every_style_is_read_rightly() -> None:
    wrong, asked = [], 0
    for seed in range(80):
        rng = random.Random(f"frames {seed}")
        code = codes.draw_code(rng, 5, definitions=1, used={"none"})
        text = codes.passage(code, code.rules, rng)
        extract = Extract("p", "Part", f"{text}\n{drafting.meaning(code.definitions[0], rng)}")
        read = {norm.rule for norm in read_code([extract]).norms}
        cases = [
            (draw_case(rule, kind, rng, code.rules), code.penalty(rule))
            for rule in code.rules
            if rule in read
            for kind in KINDS
            for _ in range(2)
        ]
        cases.append((definition_case(code.definitions[0]), None))
        for case, penalty in cases:
            for style in STYLES if case is not None else ():
                assert case is not None
                question, gold = ask(case, style, rng), answer(case, penalty)
                asked += 1
                if reply(question, [extract]).answer != gold:
                    wrong.append((question, gold))
    assert asked > 5000
    # Told exceptions that differ from the rule's in the person alone ("the judge keeps watch" for
    # "the pilot keeps watch") are taken for it: people write names and pronouns there.
    assert len(wrong) <= 0.0005 * asked, wrong


@cache
def sections(domain: str) -> tuple[Extract, ...]:
    extracts = []
    for path in sorted((DOMAINS / domain / "documents").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        title = text.partition("\n")[0].removeprefix("# ")
        parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
        extracts += [
            Extract(f"{path.name}#{name}", f"{title} > {name}", body.strip())
            for name, body in zip(parts[1::2], parts[2::2], strict=True)
        ]
    return tuple(extracts)


def exam(domain: str) -> list[dict[str, Any]]:
    lines = (DOMAINS / domain / "exam.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def plain(text: str) -> str:
    return re.sub(r"[^a-z0-9 ]", "", text.casefold()).strip()


def deciding(domain: str, item: dict[str, Any]) -> list[Extract]:
    """Return the section with the quote, and those on grades and fines."""
    right = [
        s for s in sections(domain) if s.id.startswith(item["document"]) and item["quote"] in s.text
    ]
    if item["kind"] == "reference":  # the quote is the reference, its rule stands elsewhere
        return list(sections(domain))
    fines = [s for s in sections(domain) if re.search("breach|fine|grade", s.heading, re.I)]
    return right + [s for s in fines if s not in right]


@pytest.mark.parametrize("domain", ["harbour", "market"])
def test_the_hand_written_exam_with_the_right_passages(domain: str) -> None:
    items = exam(domain)
    wrong = [
        item["id"]
        for item in items
        if plain(verdict(reply(item["question"], deciding(domain, item)).answer))
        != plain(item["answer"])
    ]
    assert len(wrong) <= 0.03 * len(items), wrong


@pytest.mark.parametrize("domain", ["harbour", "market"])
def test_explanation_and_result_make_the_canonical_answer(domain: str) -> None:
    code = read_code(list(sections(domain)))
    rng = random.Random(domain)
    questions = [item["question"] for item in exam(domain)]
    for norm in code.norms:
        drawn = [draw_case(norm.rule, kind, rng, [n.rule for n in code.norms]) for kind in KINDS]
        questions += [ask(case, "exam", rng) for case in drawn if case is not None]
    given = list(sections(domain))
    replies = [said for q in questions if (said := reply(q, given)).answer]
    assert len(replies) > 0.9 * len(questions)
    for said in replies:
        assert f"{said.explanation} So: {said.result}." == said.answer
        assert verdict(said.answer) == said.result.casefold().strip(".!\"' ")
        assert "So:" not in said.result


@pytest.mark.parametrize("domain", ["harbour", "market"])
def test_it_abstains_without_the_section_that_decides(domain: str) -> None:
    items = [item for item in exam(domain) if item["kind"] != "reference"]
    answered = []
    for item in items:
        elsewhere = [s for s in sections(domain) if item["quote"] not in s.text]
        if reply(item["question"], elsewhere).answer:
            answered.append(item["id"])
    assert len(answered) <= 0.02 * len(items), answered


@pytest.mark.parametrize(
    ("question", "gold"),
    [
        ("How long do I have for the quarterly report?", "20 days"),
        ("The quarterly report came 3 days late. Is that a breach?", "breach"),
        ("We sent the quarterly report with 2 days to spare. What do we owe?", "no fine"),
        ("We sent the quarterly report after three weeks. What is the fine?", "400 crowns"),
        ("It took 22 days, but the auditor is ill. Has the quarterly report broken a rule?",
         "no breach"),
        ("The quarterly report took 22 days. The auditor was not ill. A breach?", "breach"),
        ("The quarterly report took 22 days. Would the verdict change with a limit of 25 days?",
         "changed"),
        ("What excuses a late quarterly report?", "when the auditor is ill"),
        ("Is there any exception for the bookcase?", "none"),
        ("My bookcase has 9 shelves. Anything wrong with that?", "breach"),
        ("How badly graded is a bookcase that is too tall?", "minor"),
        ("I overran the shelves of the bookcase by 1 shelf. What does it cost?", "50 crowns"),
        ("The reading lamp gives 280 lumens, but the room has daylight. Is it a breach?",
         "no breach"),
        ("The reading lamp gives 280 lumens and the room has a clock. Is it a breach?", "breach"),
        ("Is night baking allowed?", "forbidden"),
        ("Olga was at her night baking during the mill festival. Breach or no breach?",
         "no breach"),
        ("There was night baking and no mill festival. What must the baker pay?", "400 crowns"),
        ("Where do I stand with the roof terrace?", "allowed"),
        ("Hugo sat on the roof terrace. What will he be fined?", "no fine"),
        ("What does quiet room mean?", "the room behind the stairs"),
        ("What does a serious breach cost?", "400 crowns"),
    ],
)  # fmt: skip
def test_free_wording(question: str, gold: str) -> None:
    assert verdict_of(question) == gold


@pytest.mark.parametrize(
    "question",
    [
        "How long is the swimming pool?",
        "What is the fine for the annual report after 30 days?",  # another report
        "The quarterly report was written by Anna. Is it a breach?",  # no figure
        "",
        "?!",
    ],
)
def test_it_abstains(question: str) -> None:
    assert reply(question, [Extract("p-1", "1.1 House rules", CODE)]).answer == ""


def test_it_abstains_on_a_fine_without_the_penalty_and_says_what_it_lacks() -> None:
    text = CODE.partition("A serious breach costs")[0]
    lacking = reply("The bookcase has 9 shelves. What is the fine?", [Extract("p", "1.1", text)])
    assert lacking.answer == ""
    assert "minor breach" in lacking.look_up


def test_a_conditional_prohibition_needs_its_condition() -> None:
    text = "Where the lights are red, shunting is prohibited. A breach is minor."
    assert verdict_of("There was shunting. Is that a breach?", text) == ""
    asked = "There was shunting while the lights were red. Is that a breach?"
    assert verdict_of(asked, text) == "breach"


def test_the_longest_name_wins() -> None:
    text = "Visiting vessels may anchor. A visiting vessel fee must be paid within 4 days."
    reading = interpret(
        "How soon is the visiting vessel fee due?", read_code([Extract("p", "", text)])
    )
    assert reading is not None
    assert reading.case.rule.topic == "visiting vessel fee"


def test_names_match_in_other_forms() -> None:
    text = analyse("She gave notice of her arrival by telephone.")
    assert find_name("arrival notice", text) is not None
    assert find_name("departure notice", text) is None
    assert find_name("full holding tank", analyse("the holding tank leaks")) is not None


DEADLINE = Rule("deadline", "report", 10, "days", None, None)


@pytest.mark.parametrize(
    ("question", "figures"),
    [
        ("The report took 12 days.", (12, None)),
        ("The report took two weeks.", (14, None)),
        ("The report took 50 hours.", (3, None)),
        ("The report was 4 days late.", (14, None)),
        ("The report was handed in on the 9th day.", (9, None)),
        ("The report went in on day 11.", (11, None)),
        ("The report took 12 days. What if the limit were 15 days?", (12, 15)),
        ("If 15 days were the limit, what of a report after 12 days?", (12, 15)),
        ("The report has 12 pages.", (None, None)),
    ],
)
def test_figures(question: str, figures: tuple[int | None, int | None]) -> None:
    text = analyse(question)
    topic = find_name("report", text)
    assert topic is not None
    read = read_figures(DEADLINE, text, (topic.first, topic.last))
    assert (read.number, read.hypothetical) == figures


@pytest.mark.parametrize(
    ("exception", "question", "holds"),
    [
        ("a storm warning is in force", "a storm warning was in force", True),
        ("a storm warning is in force", "no storm warning was in force", False),
        ("a storm warning is in force", "during the storm warning", True),
        ("the leading lights are burning", "the leading lights were dark", False),
        ("the old gate is locked", "the old barn is locked", False),
        ("the old gate is locked", "the new gate is locked", False),
        ("the coastguard has taken charge", "soon the coastguard took charge", True),
        ("the maker has none in stock", "because the maker has none in stock", True),
        ("the market is shut", "the market had closed", True),
        ("the pilot has ordered it", "the printer is out of order", False),
        ("the claimant lies in hospital", "as I am in hospital", True),
    ],
)
def test_exceptions_hold(exception: str, question: str, holds: bool) -> None:
    rule = Rule("prohibition", "night work", None, None, exception, None)
    text = analyse(f"There was night work and {question}.")
    assert (exception_holds(exception, rule, text) is not None) == holds
