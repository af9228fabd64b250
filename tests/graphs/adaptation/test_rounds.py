"""Rounds that give little or nothing, with other settings and students, and their messages."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import records
from langchain_core.messages import BaseMessage

from elenchus import runs
from elenchus.ledger import Call, Ledger
from elenchus.records import Examination, Question, Seed, Turn
from graphs.adaptation import examination, graph, predictor
from graphs.adaptation.seeds import how_many
from graphs.checks import rejection
from models import mock
from models.blocks import read_request
from models.messages import PromptTooLong
from offline.nano.chat import WEIGHTS


def add(home: Path, *settings: str) -> None:
    """Add sections to the domain's settings."""
    with (home / "domain.yaml").open("a") as file:
        file.write("\n".join((*settings, "")))


def changes(*settings: str) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


KNOWN = "known"
MODELS = ("student.model=mock:knows", "grader.model=mock:marks")


def marks(messages: Sequence[BaseMessage]) -> str:
    """Call the answer of a student that knows right, and all others wrong."""
    if read_request(messages).task != "grader: grade":
        return mock.plain(messages)
    judged = "right" if f"\n{KNOWN}\n" in messages[-1].text else "wrong"
    entry = {"result": judged, "reason": judged, "checks": [], "critique": ""}
    count = messages[-1].text.count("<student")
    return json.dumps({"answers": [entry] * count, "missed": ""})


def test_a_round_that_accepts_nothing_ends_the_run_with_a_result(
    mock_pool: Path, tmp_path: Path, elenchus
) -> None:
    add(mock_pool, "examination: {accept_below: 0}")
    result = elenchus("launch", mock_pool, "--runs", tmp_path / "runs", "--json").json
    assert result["stopped"] == "no examination was accepted"
    assert result["adapter"] == ""
    assert result["exams"]["held-out"]["gain"] is None
    assert result["accepted"] == result["examples"] == 0
    ledger = Ledger(runs.find(tmp_path / "runs", result["run"]).ledger)
    fresh = {seed.id: seed.fresh for seed in ledger.all(Seed)}
    turns: dict[bool, set[int]] = {True: set(), False: set()}
    for one in ledger.all(Examination):
        if one.turn_ids:  # the first question stood
            turns[fresh[one.seed_id]].add(len(one.turn_ids))
    ledger.close()
    assert turns[True] == {1}  # a point's first question is not revised
    assert 1 < max(turns[False]) <= 3


@pytest.mark.parametrize("share, goes_on", [(0, True), (1, False)])
def test_a_round_that_falls_short_ends_where_the_student_has_learnt(
    mock_pool: Path, tmp_path: Path, elenchus, share: float, goes_on: bool
) -> None:
    """The student knows what is asked of points in some cases, and fails the others."""

    def knows(messages: Sequence[BaseMessage]) -> str:
        case = re.search(r"In case (-?\d+)", messages[-1].text)
        assert case is not None
        return KNOWN if int(case[1]) % 3 == 0 else "I do not know."

    mock.register("knows", knows)
    mock.register("marks", marks)
    sets = changes(f"adaptation.stop_failure_share={share}", "adaptation.examples=[11]", *MODELS)
    ended = elenchus("launch", mock_pool, *sets, "--runs", tmp_path / "runs", "--json")
    assert ended.code == 0, ended.err
    result = ended.json
    assert (result["examinations"] > how_many(11, 0, 0, 1.08)) == goes_on
    assert (result["examples"] == 11) == goes_on
    assert len(result["failure_share_by_round"]) == 1


def test_the_expert_is_spared_and_a_resume_spares_it_alike(
    mock_pool: Path, tmp_path: Path, elenchus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The student knows what the byelaws say of some things, and nothing of others."""

    def asks(messages: Sequence[BaseMessage]) -> str:
        request = read_request(messages)
        if request.task not in ("examiner: propose", "examiner: revise"):
            return mock.plain(messages)
        count, about = len(request.texts("question")), request.text("point").split()[4:]
        text = f"In case {request.text('variation')}.{count}, what of {' '.join(about)}"
        said = {"question": text, "kind": request.attribute("kind", "name")}
        more = {"difference": "", "guidance": ""} if count else {}
        return json.dumps(said | more)

    def knows(messages: Sequence[BaseMessage]) -> str:
        of = ("minutes", "floats", "crowns", "bath hall")
        return KNOWN if any(word in messages[-1].text for word in of) else ""

    mock.register("asks", asks)
    mock.register("knows", knows)
    mock.register("marks", marks)
    monkeypatch.setattr(graph, "PORTION", 40)
    monkeypatch.setattr(predictor, "LEAST", 20)
    own = ("examiner.model=mock:asks", "checks.novelty=1", "dataset.near_duplicate=1")
    sets = changes("adaptation.examples=[40]", "dataset.near_exam=1", *own, *MODELS)
    one, other = (("--runs", tmp_path / name) for name in ("one", "other"))
    whole = elenchus("launch", mock_pool, *sets, *one, "--json")
    assert whole.code == 0, whole.err
    assert whole.json["rejected"].get("likely-known", 0) > 3, whole.err
    stopped = elenchus("launch", mock_pool, *sets, *other, "--set",
                       f"budget.calls={whole.json['calls'] - 20}")  # fmt: skip
    assert stopped.code == 3, stopped.err
    (run,) = runs.listed(tmp_path / "other")
    ended = elenchus("resume", run.id, *other, "--budget", "calls=100000", "--json")
    assert ended.code == 0, ended.err
    assert records(run.path) == records(runs.find(tmp_path / "one", whole.json["run"]).path)
    assert ended.json["calls"] == whole.json["calls"], "nothing is asked twice"
    ledger = Ledger(run.ledger, read_only=True)
    spared = [e for e in ledger.all(Examination)
              if e.rejection and e.rejection.code == "likely-known"]  # fmt: skip
    seeds = [ledger.get(Seed, e.seed_id) for e in spared]
    asked = {call.request for call in calls(ledger, "expert")}
    for one_spared in spared:
        question = ledger.get(Question, one_spared.rejection.question_id).text
        assert not any(question in request for request in asked)
    assert {seed.predictor_id for seed in seeds} <= {p.id for p in ledger.all(predictor.Predictor)}
    ledger.close()


def calls(ledger: Ledger, role: str) -> list[Call]:
    ids = [i for (i,) in ledger._query("SELECT DISTINCT id FROM calls WHERE role = ?", role)]
    return [call for i in ids if (call := ledger.call(i))]


def test_a_round_without_a_question_is_no_sign_of_learning(
    mock_pool: Path, tmp_path: Path, elenchus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def repeats(question, *_):
        return rejection("repeats", question=question)

    monkeypatch.setattr(examination, "unfit", repeats)
    root = tmp_path / "runs"
    result = elenchus("launch", mock_pool, "--runs", root, "--json").json
    assert result["stopped"] == "no question could be put to the student"
    assert result["failure_share_by_round"] == []
    assert result["rejected"] == {"repeats": result["examinations"]}
    (first, *_) = elenchus("trace", result["run"], "--json", "--runs", root).json
    shown = elenchus("trace", result["run"], first["examination"], "--runs", root).out
    assert "question" in shown and "?" in shown  # the refused question is kept and shown


def test_examples_too_long_to_train_on_are_left_out_and_counted(
    trained_pool: Path, tmp_path: Path, elenchus
) -> None:
    sets = ("--set", "training.max_tokens=16")
    result = elenchus("launch", trained_pool, *sets, "--runs", tmp_path / "runs", "--json").json
    assert "over training.max_tokens" in result["stopped"]
    assert result["too_long"] == result["candidates"] == result["accepted"] > 0


def test_texts_too_long_to_train_on_are_left_out_and_counted(
    pool: Path, tmp_path: Path, elenchus
) -> None:
    changes = {"method": "rewriting", "rewriting": "{form: entigraph, tokens: 1500}"}
    changes |= {"training.max_tokens": "110", "exam": "{questions: 6, general: 0}"}
    sets = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
    ended = elenchus("launch", pool, *sets, "--runs", tmp_path / "runs")
    assert ended.code == 0, ended.err
    assert "left out, over training.max_tokens" in ended.out + ended.err


def test_a_student_in_a_folder_is_trained_round_after_round(
    trained_pool: Path, tmp_path: Path, elenchus
) -> None:
    student = f"{{model: 'hf:{WEIGHTS}', options: {{max_new_tokens: 24}}, samples: 1}}"
    small = ("exam={questions: 6, general: 0}", "adaptation.examples=[4, 8]")
    sets = changes(f"student={student}", *small)
    ended = elenchus("launch", trained_pool, *sets, "--runs", tmp_path / "runs", "--json")
    assert ended.code == 0, ended.err
    result = ended.json
    assert result["rounds"] == 2 and len(result["accuracy_by_round"]) == 3
    assert (Path(result["path"]) / result["adapter"] / "adapter_model.safetensors").is_file()


def test_a_student_without_a_temperature_is_asked_as_often_as_any(
    mock_pool: Path, tmp_path: Path, elenchus
) -> None:
    root = tmp_path / "runs"
    sets = ("--set", "student.temperature=null", "--set", "adaptation.examples=[11]")
    result = elenchus("launch", mock_pool, *sets, "--runs", root, "--json").json
    ledger = Ledger(runs.find(root, result["run"]).ledger)
    assert {len(turn.student) for turn in ledger.all(Turn)} == {2}
    ledger.close()


def test_an_exam_without_a_grade_is_told_and_ends_nothing(
    trained_pool: Path, tmp_path: Path, elenchus
) -> None:
    asked = {"question": "May one swim? " * 900, "answer": "no breach"}  # too long for the nano
    (trained_pool / "exam.jsonl").write_text(json.dumps(asked), encoding="utf-8-sig")
    sets = changes("exam.hand=exam.jsonl", "exam.general=0", "adaptation.examples=[6]")
    ended = elenchus("launch", trained_pool, *sets, "--runs", tmp_path / "runs")
    assert ended.code == 0, ended.err
    reason = "none of 1 answers has a grade; most: the student's: the prompt was refused"
    assert f"hand exam: {reason}" in " ".join(ended.err.split())
    (run,) = runs.listed(tmp_path / "runs")
    exams = json.loads(run.result.read_text("utf-8"))["exams"]
    unknown = ("before", "after", "gain", "results_before", "results_after", "constant")
    ungraded = {"questions": 0, "ungraded": 1, "kinds": {}}
    assert exams["hand"] == ungraded | dict.fromkeys(unknown)
    assert exams["held-out"]["after"]
    assert "hand-written exam: 1 answers had no usable grade" in ended.out


def test_without_a_grade_of_the_untouched_student_nothing_more_is_asked(
    mock_pool: Path, tmp_path: Path, elenchus
) -> None:
    def refuses(messages: Sequence[BaseMessage]) -> str:
        raise PromptTooLong("the prompt is too long")

    mock.register("refuses", refuses)
    root = tmp_path / "runs"
    ended = elenchus("launch", mock_pool, "--set", "student.model=mock:refuses", "--runs", root)
    assert ended.code == 2
    assert "held-out exam: none of 20 answers has a grade; most: the student's" in ended.err
    assert "use another student" in ended.err
    ledger = Ledger(runs.listed(root)[0].ledger, read_only=True)
    assert ledger.count(Examination) == 0
    ledger.close()
