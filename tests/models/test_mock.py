"""The mock backend: canned replies, computed ones, plain ones, and a whole run of mocks."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from agents import author, examiner, expert, indicators, judge, labeller, messenger, rater
from elenchus.errors import UserError
from elenchus.sections import ModelConfig
from models import mock
from models.backend import make_model
from models.mock import MockChatModel

PASSAGE = '<passage id="p-1" heading="Tea">\n# Tea\n\n{}\n</passage>'
KIND = '<kind name="apply">\ntells facts\n</kind>'
TEA = PASSAGE.format("Tea is made\nfrom the leaves of a shrub. It was sold as a medicine for long.")
DOCUMENTS = {
    "tea": "# Tea\n\n## Origin\n\nTea is a drink made from the leaves of a shrub of East Asia. "
    "Traders brought it\nto Europe, where it was sold as a medicine.\n\n## Brewing\n\nGreen tea "
    "tastes best when the water has cooled for a while.\n",
    "bicycles": "# Bicycles\n\n## History\n\nThe first bicycles had no pedals, and riders pushed "
    "themselves along.\n\n## Care\n\nA dry chain wears out quickly. Oil keeps it quiet for long.\n",
}
SCHEMAS = {
    "examiner: survey": examiner.Survey, "examiner: propose": examiner.Proposal,
    "examiner: revise": examiner.Revision, "examiner: feedback": examiner.Feedback,
    "examiner: guide": examiner.Guidance, "expert: answer": expert.Reply,
    "expert: explain": expert.Reply, "expert: rate": rater.Rating,
    "expert: indicators": indicators.Listed, "expert: merge": indicators.Merged,
    "expert: lost": indicators.Lost, "grader: grade": judge.Grading,
    "grader: agree": judge.Agreement, "grader: support": judge.Support,
    "grader: guess": judge.Guess, "grader: consistent": judge.Consistency,
    "grader: label": labeller.Labelling, "author: messages": messenger.Batch,
    "author: paraphrase": author.Written, "author: entities": author.Entities,
    "author: relate": author.Written, "author: compare": author.Written,
    **{f"author: {form}": author.Written for form in author.STUDIES},
    "author: strategies": author.Strategies, "author: apply": author.Written,
}  # fmt: skip
ROLES = ("expert", "examiner", "grader", "student")
SETTINGS = (
    *(f"{role}.model=mock:plain" for role in ROLES), "training.enabled=false",
    "exam.questions=8", "adaptation.examples=[6]",
)  # fmt: skip


def model(name: str = "mock:plain", **options: Any) -> MockChatModel:
    chat = make_model(ModelConfig(model=name, options=options)).chat
    assert isinstance(chat, MockChatModel)
    return chat


def prompt(task: str, user: str) -> list[BaseMessage]:
    return [SystemMessage(f"# {task}\n\nDo as you are told."), HumanMessage(user)]


def reply(task: str, user: str) -> Any:
    return json.loads(model().invoke(prompt(task, user)).text)


def block(tag: str, text: str) -> str:
    return f"<{tag}>\n{text}\n</{tag}>"


def test_canned_replies_come_one_after_the_other_and_the_last_again() -> None:
    canned = model(replies=["one", "two"])
    assert [canned.invoke(text).text for text in "abc"] == ["one", "two", "two"]
    assert [messages[0].text for messages in canned.asked] == ["a", "b", "c"]


def test_each_canned_reply_is_given_once_to_calls_at_the_same_time() -> None:
    canned = model(replies=[str(n) for n in range(200)])
    with ThreadPoolExecutor(8) as threads:
        texts = threads.map(lambda n: canned.invoke(str(n)).text, range(200))
    assert sorted(map(int, texts)) == list(range(200))


def test_a_task_has_its_canned_reply_and_others_a_plain_one() -> None:
    canned = model(replies={"student: answer": "Leaves.", "grader: grade": ""})
    assert canned.invoke(prompt("Student: answer", "Tea?")).text == "Leaves."
    assert canned.invoke(prompt("Grader: grade", "")).text == ""
    assert json.loads(canned.invoke(prompt("Examiner: survey", TEA)).text)["points"]


def test_a_registered_function_computes_the_reply() -> None:
    def shout(messages: Sequence[BaseMessage]) -> str:
        return messages[-1].text.upper()

    mock.register("shout", shout)
    said = model("mock:shout").invoke("tea")
    assert said.text == "TEA"
    assert said.usage_metadata is not None and said.usage_metadata["output_tokens"] == 0
    canned = model("mock:shout", replies={"student: answer": "Leaves."})
    assert canned.invoke(prompt("Student: answer", "Tea?")).text == "Leaves."
    assert canned.invoke(prompt("Expert: answer", "Tea?")).text == "TEA?"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mock:nobody", {}, "unknown model 'mock:nobody'; there are: mock:plain"),
        ("mock:plain", {"reply": "x"}, "has no option 'reply'; it has: replies"),
        ("mock:plain", {"replies": 5}, "mock:plain: .*replies"),
    ],
)
def test_what_is_no_mock_is_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"(?s){message}"):
        model(name, **options)


def test_a_mock_has_no_address() -> None:
    with pytest.raises(UserError, match="leave base_url out"):
        make_model(ModelConfig(model="mock:plain", base_url="http://localhost:1/v1"))


def test_a_plain_examiner_asks_about_first_sentences_and_never_the_same() -> None:
    (point,) = reply("Examiner: survey", TEA)["points"]
    assert point["statement"] == "Tea is made from the leaves of a shrub."
    assert point["quotes"] == [point["statement"]] and point["sort"] == "rule"
    fields = TEA + block("point", point["statement"]) + KIND + block("variation", "7")
    first = reply("Examiner: propose", fields + block("asked", ""))["question"]
    second = reply("Examiner: propose", fields + block("asked", first))["question"]
    shown = block("question", first) + block("expert", "Leaves.") + block("student", "Water.")
    revised = reply("Examiner: revise", fields + block("asked", "") + shown)
    assert len({first, second, revised["question"]}) >= 2
    assert first != revised["question"] and revised["kind"] == "apply"
    assert point["statement"] not in first
    apart = reply("Examiner: feedback", fields + shown) | reply("Examiner: guide", fields + shown)
    assert apart == {name: revised[name] for name in ("difference", "guidance")}


def test_a_plain_expert_quotes_what_shares_most_words() -> None:
    said = reply("Expert: answer", block("question", "Was it a medicine?") + TEA)
    quote = "It was sold as a medicine for long."
    assert said["explanation"] == quote and not said["abstained"]
    assert (said["result"], said["form"]) == ("It was sold as", "phrase")
    assert said["citations"] == [{"passage_id": "p-1", "quote": quote}]
    assert reply("Expert: answer", block("question", "Why?"))["abstained"]


def test_a_plain_grader_compares_texts() -> None:
    students = "".join(block("student", text) for text in ("a", "b", ""))
    said = reply("Grader: grade", block("expert", "a") + block("check", "is a") + students)
    assert [one["result"] for one in said["answers"]] == ["right", "wrong", "none"]
    assert [one["reason"] for one in said["answers"]] == ["right", "wrong", "none"]
    assert [one["checks"] for one in said["answers"]] == [[True], [False], [False]]
    assert [bool(one["critique"]) for one in said["answers"]] == [False, True, True]
    assert said["missed"] == "a"


def test_a_plain_grader_objects_to_nothing() -> None:
    two = block("first", "a") + block("second", "b") + block("answer", "c")
    asked = block("question", "What is tea?") + TEA + two
    assert reply("Grader: agree", asked)["agree"] and reply("Grader: support", asked)["supported"]
    assert reply("Grader: guess", asked) == {"result": ""}
    assert reply("Grader: consistent", asked) == {"conflicts": []}


def test_a_plain_author_numbers_the_messages_shown() -> None:
    asked = block("count", "3") + block("variation", "2")
    shown = block("message", "Hi") + block("message", "Ho")
    said = reply("Author: messages", shown + asked)
    assert said == {"messages": ["Hi (2.0)", "Ho (2.1)", "Hi (2.2)"]}
    assert reply("Author: messages", asked) == {"messages": []}


@pytest.mark.parametrize("task", sorted(SCHEMAS))
def test_a_plain_reply_is_what_its_task_asks_for(task: str) -> None:
    blocks = {
        "point": "Tea is made of leaves.", "variation": "1", "asked": "", "first": "a",
        "second": "b", "answer": "Leaves.",
        "question": "What is tea?", "expert": "Leaves.", "student": "Water.", "count": "1",
        "message": "Hi", "idea": "tea", "paragraph": "Tea. So: leaves.", "indicators": "tea",
    }  # fmt: skip
    user = TEA + KIND + "".join(block(tag, text) for tag, text in blocks.items())
    user += block("class", "").replace("<class>", '<class name="drinks">')
    assert SCHEMAS[task].model_validate(reply(task, user))


def test_every_prompt_has_a_plain_reply() -> None:
    prompts = Path(mock.__file__).parent.parent / "prompts"
    tasks = {f"{path.parent.name}: {path.stem}" for path in prompts.glob("*/*.md")}
    assert tasks == {*SCHEMAS, "student: answer", "student: read"}


def test_a_prompt_of_others_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot do 'poet: rhyme'"):
        model().invoke(prompt("Poet: rhyme", ""))


def test_a_run_of_mocks_on_plain_documents_ends_with_a_dataset(tmp_path: Path, elenchus) -> None:
    home = tmp_path / "leisure"
    (home / "documents").mkdir(parents=True)
    for name, text in DOCUMENTS.items():
        (home / "documents" / f"{name}.md").write_text(text, encoding="utf-8")
    (home / "domain.yaml").write_text("domain: leisure\ntitle: tea and bicycles\n", "utf-8")
    settings = (*SETTINGS, f"retrieval.index={tmp_path / 'indexes'}")
    changes = [part for setting in settings for part in ("--set", setting)]
    done = elenchus("launch", home, "--runs", tmp_path / "runs", "--json", *changes)
    assert done.code == 0, done.err
    (folder,) = (tmp_path / "runs" / "leisure").iterdir()
    lines = (folder / "dataset" / "train.jsonl").read_text("utf-8").splitlines()
    examples = [json.loads(line) for line in lines]
    assert len(examples) == 6
    quotes = " ".join(" ".join(DOCUMENTS.values()).split())
    for example in examples:
        quote, _, result = example["completion"][0]["content"].partition("\nAnswer: ")
        assert quote in quotes and quote.startswith(result) and result
    assert len({example["prompt"][1]["content"] for example in examples}) == 6
