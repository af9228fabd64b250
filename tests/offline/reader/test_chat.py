"""The reader as a chat model: the protocol, the expert and the examiner."""

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from models.blocks import read_blocks
from offline.reader.chat import ReaderChatModel
from tests.offline.reader.prompts import (
    BREACH,
    FINES,
    PASSAGE,
    PENALTIES,
    RULES,
    block,
    call,
    messages,
)

KIND = '<kind name="apply">\ntells facts\n</kind>'
TRAINING = KIND + block("purpose", "training")

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
        (messages("no task", PASSAGE), "cannot do 'student: read'"),
        ([SystemMessage("Expert"), HumanMessage("x")], "cannot do 'student: answer'"),
        (messages("Student: answer", "What is it?"), "cannot do 'student: answer'"),
        (messages("Expert: answer", block("question", "What?")), "no <passage> block"),
        (messages("Expert: answer", PASSAGE), "no <question> block"),
        (messages("Examiner: survey", '<passage id="p">text'), "never closed"),
        (messages("Examiner: propose", PASSAGE), "no <kind> block"),
        (messages("Examiner: propose", KIND), "no <purpose> block"),
        (messages("Examiner: propose", TRAINING), "no <variation> block"),
        (messages("Examiner: propose", TRAINING + block("variation", "many")), "an integer"),
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
    assert reply["explanation"] == (
        "Library card. Grade: petty. Exception: when the holder is a minor. Not met. Limit: within "
        "14 days. 17 is over 14. So far breach. A petty breach costs 30 crowns."
    )
    assert (reply["result"], reply["form"]) == ("30 crowns", "number")
    assert not reply["abstained"] and reply["rubric"] == []
    texts = {"p-a": RULES, "p-b": FINES}
    assert len(reply["citations"]) == 3
    assert all(c["quote"] in texts[c["passage_id"]] for c in reply["citations"])


def test_the_expert_follows_a_reference_to_another_passage() -> None:
    asked = block("question", "Which grade of breach are ball games?")
    reply = call("Expert: answer", f"{asked}\n{PASSAGE}\n{PENALTIES}")
    assert (reply["result"], reply["form"]) == ("gross", "phrase")
    assert {c["passage_id"] for c in reply["citations"]} == {"p-a", "p-b"}


def test_the_expert_abstains_and_asks_for_what_it_lacks() -> None:
    unknown = call("Expert: answer", block("question", "How deep is the pond?") + PASSAGE)
    assert unknown.pop("rubric") == []
    assert unknown == {
        "explanation": "The passages do not decide it.",
        "result": "",
        "form": "",
        "citations": [],
        "abstained": True,
        "look_up": "",
    }
    assert call("Expert: explain", block("question", "How deep is the pond?") + PASSAGE) == unknown
    lacking = call("Expert: answer", block("question", "What grade are ball games?") + PASSAGE)
    assert lacking["abstained"]
    assert "2.1" in lacking["look_up"]


# --- examiner ----------------------------------------------------------------------------------


POINT = "A library card must be returned within 14 days of moving away"


def assignment(variation: int, kind: str = "apply", point: str = POINT, **more: str) -> str:
    """Return the blocks that a question is written from."""
    fields = {
        "point": point,
        "partner": "Readers may use the north door.",
        "purpose": "training",
        "persona": "a clerk",
        "format": "a mail",
        "wanted": "yes",
        "variation": str(variation),
        "asked": "",
        "failed": "What is a library card?",
        "passed": "What is the north door?",
    } | more
    named = f'<kind name="{kind}">\nwhat it means\n</kind>'
    return PASSAGE + PENALTIES + named + "".join(block(t, text) for t, text in fields.items())


def proposal(variation: int, kind: str = "apply", **more: str) -> Any:
    return call("Examiner: propose", assignment(variation, kind, **more))


def answered(question: str, expert: str, *students: str) -> str:
    """Return the blocks of a question with the answers to it."""
    given = "".join(f'<student n="1" grade="incorrect">\n{s}\n</student>' for s in students)
    return block("question", question) + block("expert", expert) + given


def test_survey_lists_the_points_with_their_kinds() -> None:
    points = call("Examiner: survey", PASSAGE)["points"]
    assert [(p["sort"], p["topic"], p["kinds"]) for p in points] == [
        ("rule", "library card", ["recall", "apply", "exception", "combine", "counterfactual"]),
        ("rule", "ball games", ["recall", "apply", "exception", "combine"]),
        ("rule", "north door", ["recall", "apply", "combine"]),
        ("definition", "reading room", ["recall"]),
    ]
    assert all(p["statement"] in RULES and p["quotes"] == [p["statement"]] for p in points)
    assert points[0]["statement"].endswith("petty breach (section 9.1).")


def test_survey_of_prose_and_of_penalties_is_empty() -> None:
    for text in ("The house is old and cold.", FINES):
        assert call("Examiner: survey", f'<passage id="p" heading="x">{text}</passage>') == {
            "points": []
        }


def test_proposals_repeat_with_their_variation_and_differ_between_them() -> None:
    assert proposal(3) == proposal(3)
    assert len({proposal(n)["question"] for n in range(20)}) >= 18


@pytest.mark.parametrize("kind", ["recall", "apply", "exception", "combine", "counterfactual"])
def test_proposals_honour_the_kind_and_read_back(kind: str) -> None:
    for variation in range(10):
        reply = proposal(variation, kind)
        assert reply["kind"] == kind
        asked = block("question", reply["question"])
        assert not call("Expert: answer", f"{asked}\n{PASSAGE}\n{PENALTIES}")["abstained"]


def test_a_kind_that_the_rule_lacks_becomes_the_nearest() -> None:
    door, room = "Readers may use the north door.", '"Reading room" means the hall'
    assert proposal(1, "counterfactual", point=door)["kind"] == "apply"
    assert proposal(1, "combine", point=room)["kind"] == "recall"


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("interpret", "apply"),
        ("compare", "combine"),
        ("unstated", "recall"),
        ("riddle", "apply"),
    ],
)
def test_a_kind_that_the_reader_cannot_ask_becomes_the_nearest(kind: str, asked: str) -> None:
    assert proposal(1, kind) == proposal(1, asked)


def test_a_point_is_found_though_its_line_breaks_were_lost() -> None:
    broken = assignment(1).replace("must be returned within", "must\nbe returned\n within", 1)
    assert call("Examiner: propose", broken) == proposal(1)


def test_an_exam_is_worded_otherwise() -> None:
    wordings = [
        {proposal(n, purpose=p)["question"] for n in range(9)} for p in ("exam", "training")
    ]
    assert not wordings[0] & wordings[1]


def test_proposals_never_repeat_what_was_asked() -> None:
    asked: list[str] = []
    for _ in range(25):
        question = proposal(7, "recall", asked="\n".join(asked))["question"]
        assert question not in asked
        asked.append(question)


def test_a_revision_asks_for_what_the_answers_lack() -> None:
    first = proposal(5)["question"]
    wrong = BREACH.replace("Grade: petty", "Grade: gross").replace("So: b", "So: no b")
    sent = assignment(5) + answered(first, BREACH, wrong)
    reply = call("Examiner: revise", sent)
    assert '"breach"' in reply["difference"] and "the grade of breach" in reply["difference"]
    assert "fine" in reply["guidance"]
    assert reply["kind"] == "combine" and reply["question"] != first
    both = block("feedback", "It was the grade.") + block("guidance", "State a circumstance.")
    told = call("Examiner: revise", sent + both)
    assert told["difference"] == "It was the grade."
    assert told["guidance"] == "State a circumstance." and told["kind"] == "exception"


def test_a_revision_of_a_definition_asks_for_it_again() -> None:
    shown = answered("What is it?", "Reading room. Meaning: the hall. So: the hall.", "A room.")
    sent = assignment(5, "recall", point='"Reading room" means the hall') + shown
    assert "reading room" in call("Examiner: revise", sent)["question"].lower()


def test_feedback_and_guidance_are_those_of_a_revision_in_one() -> None:
    sent = assignment(5) + answered("How late?", BREACH, BREACH.replace("within 14", "within 12"))
    whole = call("Examiner: revise", sent)
    first = call("Examiner: feedback", sent)
    assert first == {"difference": whole["difference"]} and "the limit" in whole["difference"]
    told = sent + block("feedback", first["difference"])
    assert call("Examiner: guide", told) == {"guidance": whole["guidance"]}
    nothing = call("Examiner: feedback", assignment(5) + answered("How late?", BREACH, BREACH))
    assert nothing["difference"] == "The answers come to what the expert says."


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"kind": ""}, "<kind> has no name"),
        ({"purpose": "verse"}, "unknown purpose"),
        ({"point": "Old cards are pretty."}, "no norm can be read"),
        ({"point": "something else"}, "no norm can be read"),
        ({"point": ""}, "no norm can be read"),
    ],
)
def test_proposals_that_cannot_be_made(more: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        proposal(1, **more)
