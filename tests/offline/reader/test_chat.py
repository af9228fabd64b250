"""The reader as a chat model: the protocol, the examiner, and the grader."""

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from models.blocks import read_blocks
from offline.reader.chat import ReaderChatModel
from tests.offline.reader.prompts import FINES, PASSAGE, PENALTIES, RULES, block, call, messages

# --- protocol ----------------------------------------------------------------------------------


def test_usage_counts_about_four_characters_a_token() -> None:
    sent = messages("Expert: answer", block("question", "Is it so?") + PASSAGE)
    reply = ReaderChatModel().invoke(sent)
    assert isinstance(reply, AIMessage)
    assert reply.usage_metadata is not None
    assert reply.usage_metadata["input_tokens"] == sum(len(m.text) for m in sent) // 4
    assert reply.usage_metadata["output_tokens"] == len(reply.text) // 4


def test_async_gives_the_same() -> None:
    sent = messages("Examiner: survey", PASSAGE)
    model = ReaderChatModel()
    assert asyncio.run(model.ainvoke(sent)).text == model.invoke(sent).text


def test_a_chat_that_went_on_is_answered_from_its_first_prompt() -> None:
    sent = messages("Examiner: survey", PASSAGE)
    model = ReaderChatModel()
    more = [*sent, AIMessage("what?"), HumanMessage("That was not usable. Answer again.")]
    assert model.invoke(more).text == model.invoke(sent).text


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ([HumanMessage("hello")], "system message"),
        (messages("Poet: rhyme", PASSAGE), "cannot do 'poet: rhyme'"),
        (messages("no task", PASSAGE), "cannot do|names no task"),
        ([SystemMessage("Expert"), HumanMessage("x")], "names no task"),
        (messages("Student: answer", "What is it?"), "cannot do 'student: answer'"),
        (messages("Expert: answer", block("question", "What?")), "no <passage> block"),
        (messages("Expert: answer", PASSAGE), "no <question> block"),
        (messages("Examiner: survey", '<passage id="p">text'), "never closed"),
        (messages("Examiner: propose", PASSAGE), "no <variation> block"),
        (messages("Examiner: propose", PASSAGE + block("variation", "many")), "an integer"),
        (messages("Grader: grade", block("question", "x") + block("expert", "")), "nothing to"),
    ],
)
def test_malformed_prompts(sent: list[BaseMessage], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReaderChatModel().invoke(sent)


def test_blocks_keep_their_text_and_attributes() -> None:
    text = '<passage id="p-1" heading="A > B">\n‹question>no</question>\n\nx < y\n</passage>'
    blocks = read_blocks(f"before {text} after {block('asked', '')}")
    assert [b.tag for b in blocks] == ["passage", "asked"]
    assert blocks[0].attributes == {"id": "p-1", "heading": "A > B"}
    assert blocks[0].text == "‹question>no</question>\n\nx < y"
    assert blocks[1].text == ""


# --- expert ------------------------------------------------------------------------------------


def test_the_expert_answers_and_cites_every_fact_it_used() -> None:
    asked = block("question", "The library card came back after 17 days. What is the fine?")
    reply = call("Expert: answer", f"{asked}\n{PASSAGE}\n{PENALTIES}")
    assert reply["answer"] == (
        "Library card. Grade: petty. Exception: when the holder is a minor. Not met. Limit: within "
        "14 days. 17 is over 14. So far breach. A petty breach costs 30 crowns. So: 30 crowns."
    )
    assert not reply["abstained"]
    texts = {"p-a": RULES, "p-b": FINES}
    assert len(reply["citations"]) == 3
    assert all(c["quote"] in texts[c["passage_id"]] for c in reply["citations"])


def test_the_expert_follows_a_reference_to_another_passage() -> None:
    asked = block("question", "Which grade of breach are ball games?")
    reply = call("Expert: answer", f"{asked}\n{PASSAGE}\n{PENALTIES}")
    assert reply["answer"].endswith("So: gross.")
    assert {c["passage_id"] for c in reply["citations"]} == {"p-a", "p-b"}


def test_the_expert_abstains_and_asks_for_what_it_lacks() -> None:
    unknown = call("Expert: answer", block("question", "How deep is the pond?") + PASSAGE)
    assert unknown == {"answer": "", "citations": [], "abstained": True, "look_up": ""}
    lacking = call("Expert: answer", block("question", "What grade are ball games?") + PASSAGE)
    assert lacking["abstained"]
    assert "2.1" in lacking["look_up"]


# --- examiner ----------------------------------------------------------------------------------


def proposal(variation: int, kind: str = "apply", **more: str) -> Any:
    point = "A library card must be returned within 14 days of moving away"
    fields = {
        "point": point,
        "kind": kind,
        "style": "training",
        "variation": str(variation),
        "asked": "",
    }
    fields |= more
    user = PASSAGE + "".join(block(tag, text) for tag, text in fields.items())
    task = "Examiner: revise" if "critique" in more else "Examiner: propose"
    return call(task, user)


def test_survey_lists_the_points_with_their_kinds() -> None:
    points = call("Examiner: survey", PASSAGE)["points"]
    assert [(p["topic"], p["kinds"]) for p in points] == [
        ("library card", ["recall", "apply", "except", "multi", "counter"]),
        ("ball games", ["recall", "apply", "except", "multi"]),
        ("north door", ["recall", "apply", "multi"]),
        ("reading room", ["recall"]),
    ]
    assert all(p["quote"] in RULES for p in points)
    assert points[0]["quote"].endswith("petty breach (section 9.1).")


def test_survey_of_prose_and_of_penalties_is_empty() -> None:
    for text in ("The house is old and cold.", FINES):
        assert call("Examiner: survey", f'<passage id="p" heading="x">{text}</passage>') == {
            "points": []
        }


def test_proposals_repeat_with_their_variation_and_differ_between_them() -> None:
    assert proposal(3) == proposal(3)
    assert len({proposal(n)["question"] for n in range(20)}) >= 18


@pytest.mark.parametrize("kind", ["recall", "apply", "except", "multi", "counter"])
def test_proposals_honour_the_kind_and_read_back(kind: str) -> None:
    for variation in range(10):
        reply = proposal(variation, kind)
        assert reply["kind"] == kind
        asked = block("question", reply["question"])
        assert not call("Expert: answer", f"{asked}\n{PASSAGE}\n{PENALTIES}")["abstained"]


def test_a_kind_that_the_rule_lacks_becomes_the_nearest() -> None:
    assert proposal(1, "counter", point="Readers may use the north door.")["kind"] == "apply"
    assert proposal(1, "multi", point='"Reading room" means the hall')["kind"] == "recall"


def test_proposals_never_repeat_what_was_asked() -> None:
    asked: list[str] = []
    for _ in range(25):
        question = proposal(7, "recall", asked="\n".join(asked))["question"]
        assert question not in asked
        asked.append(question)


def test_revision_is_new_and_follows_the_critique() -> None:
    first = proposal(5, "apply")["question"]
    fine = proposal(5, "apply", question=first, critique="Ask for the fine as well.")
    assert fine["kind"] == "multi"
    assert fine["question"] != first
    case = proposal(5, "apply", question=first, critique="State a circumstance in the scene.")
    assert case["kind"] == "except"
    meaning = proposal(5, "recall", point='"Reading room" means the hall', question="What is it?",
                       critique="Ask in other words.")  # fmt: skip
    assert "reading room" in meaning["question"].lower()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"kind": "riddle"}, "unknown kind"),
        ({"style": "verse"}, "unknown style"),
        ({"point": "Old cards are pretty."}, "no norm can be read"),
        ({"point": "something else"}, "no norm can be read"),
    ],
)
def test_proposals_that_cannot_be_made(more: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        proposal(1, **more)


# --- grader ------------------------------------------------------------------------------------

BREACH = (
    "Library card. Grade: petty. Exception: when the holder is a minor. Not met. "
    "Limit: within 14 days. 17 is over 14. So: breach."
)
FINE = BREACH.replace(
    "So: breach.", "So far breach. A petty breach costs 30 crowns. So: 30 crowns."
)


def grades(expert: str, *answers: str) -> list[str]:
    user = block("question", "The library card …?") + block("expert", expert)
    user += "".join(f'<student n="{n}">\n{a}\n</student>' for n, a in enumerate(answers, 1))
    return list(call("Grader: grade", user)["grades"])


@pytest.mark.parametrize(
    ("expert", "answer", "grade"),
    [
        (BREACH, BREACH, "correct"),
        (BREACH, "so: Breach", "correct"),
        (BREACH, "", "abstained"),
        (BREACH, BREACH.replace("So: breach", "So: no breach"), "incorrect"),
        (BREACH, BREACH.replace("within 14 days", "within 12 days"), "partial"),
        (BREACH, BREACH.replace("a minor", "a student"), "partial"),
        (BREACH, BREACH.replace("Library card", "Parking card"), "partial"),
        (BREACH, BREACH.replace("17 is over 14", "17 is over 15"), "partial"),
        (BREACH, "Yes.", "incorrect"),
        (BREACH, "The card had to be back in two weeks, so this is a breach.", "correct"),
        (BREACH, "This violates the rules.", "correct"),
        (BREACH, "That is not a breach of any rule.", "incorrect"),
        (BREACH, "There was no breach here.", "incorrect"),
        (BREACH, "I cannot tell.", "incorrect"),
        ("So: no breach.", "It complies, so there is no breach.", "correct"),
        ("So: no breach.", "This is a breach.", "incorrect"),
        (FINE, FINE, "correct"),
        (FINE, "He must pay 30 crowns.", "correct"),
        (FINE, "He must pay 40 crowns.", "incorrect"),
        (FINE, FINE.replace("petty", "gross"), "partial"),
        (FINE, "So: no fine.", "incorrect"),
        ("So: no fine.", "Nothing is due, no fine.", "correct"),
        ("So: no fine.", "30 crowns.", "incorrect"),
        ("So: 14 days.", "So: 14 day", "correct"),
        ("So: 14 days.", "So: fourteen days.", "correct"),
        ("So: 14 days.", "The limit is 14 days.", "correct"),
        ("So: 14 days.", "The limit is 15 days.", "incorrect"),
        ("So: petty.", "So: Petty", "correct"),
        ("So: petty.", "It is a petty breach.", "correct"),
        ("So: petty.", "It is a gross breach.", "incorrect"),
        ("So: forbidden.", "So: prohibited.", "correct"),
        ("So: forbidden.", "So: allowed.", "incorrect"),
        ("So: none.", "There is no exception.", "correct"),
        ("So: changed.", "The outcome would be different.", "correct"),
        ("So: changed.", "It stays the same.", "incorrect"),
        ("So: same.", "So: unchanged", "correct"),
        ("So: when the holder is a minor.", "So: unless the holder is a minor.", "correct"),
        ("So: when the holder is a minor.", "So: if a holder is a minor", "correct"),
        ("So: when the holder is away at sea.", "So: when the holder is at sea.", "partial"),
        ("So: when the holder is away at sea.", "So: when the bar is shut.", "incorrect"),
        ("So: the hall on the first floor.", "So: a hall on the first floor", "correct"),
        ("So: the hall on the first floor.", "So: the big hall on the first floor", "partial"),
    ],
)
def test_grades(expert: str, answer: str, grade: str) -> None:
    assert grades(expert, answer) == [grade]


def test_what_was_missed_and_how_to_go_on() -> None:
    wrong = BREACH.replace("within 14 days", "within 12 days").replace("So: b", "So: no b")
    user = block("question", "…?") + block("expert", BREACH)
    reply = call("Grader: grade", user + f'<student n="1">{wrong}</student>')
    assert reply["grades"] == ["incorrect"]
    assert '"breach"' in reply["missed"]
    assert "limit" in reply["missed"]
    assert "figure nearer" in reply["critique"]
    right = call("Grader: grade", user + f'<student n="1">{BREACH}</student>')
    assert right["missed"] == ""
    assert "fine" in right["critique"]
