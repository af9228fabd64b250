"""The reader as grader: result and reason apart, agreement, support, and contradictions."""

from typing import Any

import pytest

from elenchus.questions import AnswerForm
from tests.offline.reader.prompts import BREACH, PASSAGE, PENALTIES, block, call

FINE = BREACH.replace(
    "So: breach.", "So far breach. A petty breach costs 30 crowns. So: 30 crowns."
)
LIMIT = "Library card. Grade: petty. Exception: when the holder is a minor. Limit: within 14 days."
QUESTION = "The library card came back after 17 days. Is it a breach?"


def graded(expert: str, *answers: str, form: str = "", checks: tuple[str, ...] = ()) -> Any:
    user = block("question", QUESTION) + f'<expert form="{form}">\n{expert}\n</expert>'
    user += "".join(f'<check n="{n}">\n{text}\n</check>' for n, text in enumerate(checks, 1))
    user += PASSAGE
    user += "".join(f'<student n="{n}">\n{a}\n</student>' for n, a in enumerate(answers, 1))
    return call("Grader: grade", user)


def judged(expert: str, answer: str) -> tuple[str, str]:
    (one,) = graded(expert, answer)["answers"]
    return one["result"], one["reason"]


# --- grade -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "result", "reason"),
    [
        (BREACH, "right", "right"),
        ("so: Breach", "right", "none"),
        ("Library card. So: breach.", "right", "none"),
        ("", "none", "none"),
        (BREACH.replace("So: breach", "So: no breach"), "wrong", "right"),
        (BREACH.replace("within 14 days", "within 12 days"), "right", "wrong"),
        (BREACH.replace("a minor", "a student"), "right", "right"),  # it decides nothing here
        (BREACH.replace("Library card", "Parking card"), "right", "wrong"),
        (BREACH.replace("17 is over 14", "17 is over 15"), "right", "wrong"),
        ("Limit: at most 14 days. So: breach.", "right", "right"),
        ("The card was due within fourteen days, so it is a breach.", "right", "right"),
        ("There were 14 days. So: breach.", "right", "right"),
        ("Parking card. So: breach.", "right", "wrong"),
        ("It took far too long, so this is a breach.", "right", "none"),
        ("This violates the rules.", "right", "none"),
        ("Yes.", "wrong", "none"),
        ("That is not a breach of any rule.", "wrong", "none"),
        ("There was no breach here.", "wrong", "none"),
        ("I cannot tell.", "wrong", "none"),
    ],
)
def test_a_verdict_and_its_reason_are_judged_apart(answer: str, result: str, reason: str) -> None:
    assert judged(BREACH, answer) == (result, reason)


@pytest.mark.parametrize(
    ("answer", "result", "reason"),
    [
        (FINE, "right", "right"),
        ("He must pay 30 crowns.", "right", "none"),
        ("He must pay 40 crowns.", "wrong", "none"),
        (FINE.replace("petty", "gross"), "right", "wrong"),
        ("So: no fine.", "wrong", "none"),
    ],
)
def test_a_fine_and_its_reason_are_judged_apart(answer: str, result: str, reason: str) -> None:
    assert judged(FINE, answer) == (result, reason)


@pytest.mark.parametrize(
    ("expert", "answer", "result"),
    [
        ("So: no breach.", "It complies, so there is no breach.", "right"),
        ("So: no breach.", "This is a breach.", "wrong"),
        ("So: no fine.", "Nothing is due, no fine.", "right"),
        ("So: no fine.", "30 crowns.", "wrong"),
        ("So: 14 days.", f"{LIMIT} So: 14 days.", "right"),
        ("So: 14 days.", "So: 14 day", "right"),
        ("So: 14 days.", "So: fourteen days.", "right"),
        ("So: 14 days.", "The limit is 14 days.", "right"),
        ("So: 14 days.", "The limit is 15 days.", "wrong"),
        ("So: petty.", "So: Petty", "right"),
        ("So: petty.", "It is a petty breach.", "right"),
        ("So: petty.", "It is a gross breach.", "wrong"),
        ("So: forbidden.", "So: prohibited.", "right"),
        ("So: forbidden.", "So: allowed.", "wrong"),
        ("So: none.", "There is no exception.", "right"),
        ("So: changed.", "The outcome would be different.", "right"),
        ("So: changed.", "It stays the same.", "wrong"),
        ("So: same.", "So: unchanged", "right"),
        ("So: when the holder is a minor.", "So: unless the holder is a minor.", "right"),
        ("So: when the holder is a minor.", "So: if a holder is a minor", "right"),
        ("So: when the holder is away at sea.", "So: when the holder is at sea.", "partly"),
        ("So: when the holder is away at sea.", "So: when the bar is shut.", "wrong"),
        ("So: the hall on the first floor.", "So: a hall on the first floor", "right"),
        ("So: the hall on the first floor.", "So: the big hall on the first floor", "partly"),
    ],
)
def test_a_gold_result_without_a_reason_asks_for_none(
    expert: str, answer: str, result: str
) -> None:
    assert judged(expert, answer) == (result, "right" if result == "right" else "none")


@pytest.mark.parametrize("label", ["Answer:", "Result:"])
def test_answers_are_read_in_the_form_of_other_domains(label: str) -> None:
    form = AnswerForm(label=label)
    explanation = BREACH.partition(" So:")[0]
    expert = form.text(explanation, "breach")
    assert judged(expert, expert) == ("right", "right")
    assert judged(expert, form.text("", "breach")) == ("right", "none")
    assert judged(expert, form.text(explanation, "no breach")) == ("wrong", "right")
    assert judged(expert, form.text(LIMIT.replace("14", "9"), "breach")) == ("right", "wrong")
    assert judged(form.text("", "28 days"), "28 days") == ("right", "right")


def test_a_critique_says_what_the_answer_has_wrong_or_lacks() -> None:
    wrong = BREACH.replace("within 14 days", "within 12 days").replace("So: b", "So: no b")
    reply = graded(BREACH, wrong, BREACH, "So: breach.", "")
    assert [one["critique"] for one in reply["answers"]] == [
        'It concludes "no breach"; right is "breach". '
        'It takes the limit to be "within 12 days"; right is "within 14 days".',
        "",
        "It does not say the limit, the exception, the grade of breach, the comparison with the "
        "limit, whether the exception holds.",
        "It gives no answer.",
    ]
    assert reply["missed"] == (
        '3 of 4 answers missed that the verdict is "breach" and the limit was not known.'
    )


def test_a_lucky_verdict_has_missed_something_and_a_bare_amount_has_not() -> None:
    assert graded(BREACH, BREACH)["missed"] == ""
    assert graded(BREACH, "So: breach.")["missed"] == (
        "The verdict was right, but the limit was not known."
    )
    assert graded(FINE, "So: 30 crowns.")["missed"] == ""
    assert graded(FINE, "So: 30 crowns.", form="choice")["missed"] != ""


def test_checks_are_met_by_their_words() -> None:
    checks = ("names the limit of 14 days", "weighs that the holder is a minor")
    full = "It names the limit of 14 days, and weighs that the holder is a minor. So: breach."
    half = "The limit of 14 days it names. So: breach."
    answers = graded(BREACH, full, half, "", form="judgement", checks=checks)["answers"]
    assert [one["checks"] for one in answers] == [[True, True], [True, False], [False, False]]
    assert graded(BREACH, full)["answers"][0]["checks"] == []


# --- agree -------------------------------------------------------------------------------------


def agreement(first: str, second: str) -> Any:
    user = block("question", QUESTION) + block("first", first) + block("second", second)
    return call("Grader: agree", user)


@pytest.mark.parametrize(
    ("first", "second", "agree"),
    [
        (BREACH, BREACH, True),
        (BREACH, "Limit: within 14 days. So: breach.", True),
        (BREACH, "This violates the rules.", True),
        (BREACH, BREACH.replace(" So: breach.", "\nAnswer: breach"), True),
        (BREACH, BREACH.replace("So: breach", "So: no breach"), False),
        (BREACH, BREACH.replace("within 14", "within 12"), False),
        (BREACH, "", False),
        ("", "", True),
        (f"{LIMIT} So: 14 days.", "So: 14 days.", True),
        (f"{LIMIT} So: 14 days.", "So: 15 days.", False),
    ],
)
def test_agreement_is_of_results_and_facts_in_either_order(
    first: str, second: str, agree: bool
) -> None:
    for reply in (agreement(first, second), agreement(second, first)):
        assert reply["agree"] is agree
        assert bool(reply["difference"]) is not agree


# --- support -----------------------------------------------------------------------------------


def support(answer: str, passages: str = PASSAGE, question: str = QUESTION) -> Any:
    return call("Grader: support", block("question", question) + passages + block("answer", answer))


def test_an_answer_that_its_passages_establish_is_supported() -> None:
    assert support(BREACH) == {"supported": True, "missing": ""}
    assert support(BREACH.replace(" So: breach.", "\nAnswer: breach"))["supported"]
    asked = "The library card came back after 17 days. What is the fine?"
    assert support(FINE, PASSAGE + PENALTIES, asked)["supported"]


@pytest.mark.parametrize(
    ("answer", "passages", "missing"),
    [
        (BREACH.replace("So: breach", "So: no breach"), PASSAGE, 'right is "breach"'),
        (BREACH.replace("within 14", "within 12"), PASSAGE, '"within 12 days"'),
        (BREACH, PENALTIES, "do not decide the question"),
        (BREACH, "", "do not decide the question"),
        (BREACH, PASSAGE.replace("is a petty breach", "is bad"), "do not give the grade"),
    ],
)
def test_an_answer_that_its_passages_do_not_establish_is_not(
    answer: str, passages: str, missing: str
) -> None:
    reply = support(answer, passages)
    assert not reply["supported"] and missing in reply["missing"]


def test_that_documents_do_not_say_is_supported_where_they_do_not() -> None:
    unstated = "The passages do not decide it. So: The documents do not say."
    assert support(unstated, question="How deep is the pond?")["supported"]
    assert not support(unstated)["supported"]


# --- guess, consistent -------------------------------------------------------------------------


def test_nothing_is_guessed() -> None:
    assert call("Grader: guess", block("question", QUESTION)) == {"result": ""}


def contradictions(*answers: str) -> list[tuple[int, int]]:
    user = "".join(
        f'<answer n="{n}" question="How long?">\n{text}\n</answer>'
        for n, text in enumerate(answers, 1)
    )
    found = call("Grader: consistent", user)["conflicts"]
    assert all(conflict["why"] for conflict in found)
    return [(conflict["first"], conflict["second"]) for conflict in found]


def test_answers_that_state_one_rule_differently_conflict() -> None:
    other = BREACH.replace("within 14 days", "within 12 days")
    no_breach = BREACH.replace("17 is over 14. So: breach", "9 is not over 14. So: no breach")
    assert contradictions(BREACH, no_breach, FINE, f"{LIMIT} So: 14 days.") == []
    assert contradictions(BREACH, other, FINE) == [(1, 2), (2, 3)]
    assert contradictions(BREACH, other.replace("Library", "Parking")) == []
    assert contradictions(BREACH, BREACH.replace("a minor", "abroad")) == [(1, 2)]
    assert contradictions(BREACH, BREACH.replace("petty", "gross")) == [(1, 2)]
    assert contradictions(FINE, FINE.replace("30 crowns", "40 crowns")) == [(1, 2)]
    assert contradictions(BREACH) == []
    meaning = "Reading room. Meaning: the hall. So: the hall."
    assert contradictions(meaning, meaning.replace("the hall", "the stairs")) == [(1, 2)]
    assert contradictions(f"{LIMIT}\nAnswer: 14 days", other) == [(1, 2)]
