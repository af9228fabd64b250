"""Tests of the user's own within a run: taken once, by whoever sits them, and figures of them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.records import Failure
from elenchus.results import Estimate, TestResult, TestSitting
from elenchus.runs import RunFolder
from evaluation import choosing
from evaluation.records import TestItem
from graphs import own_estimate, own_tests, runner, verdicts
from graphs.config import load, of_run, validate
from graphs.estimate import Measure
from graphs.evaluating import evaluate
from graphs.methods import method_of
from graphs.own_tests import AFTER, BEFORE, Sitter
from graphs.test_files import kept
from tests.conftest import records, write_pool
from tests.graphs.making import Bench, graded
from tests.graphs.test_exams import Lines

ROWS = "".join(
    json.dumps({"q": f"May a person swim on day {n}?", "a": "yes" if n % 3 else "no"}) + "\n"
    for n in range(9)
)
CHOICE = {"rows": "own.jsonl", "template": "{q}", "answer": "a", "score": "choice"}
SMALLER = ["exam.questions=6", "exam.general=0", "adaptation.examples=[4]", "training.epochs=1"]
TESTS = f"""tests:
  swim: {json.dumps(CHOICE)}
  say: {json.dumps(CHOICE | {"score": "exact", "own_prompt": True, "count": 4})}
"""


def bench(tmp_path: Path, ledger: Ledger, **test: Any) -> Bench:
    (tmp_path / "own.jsonl").write_text(ROWS, encoding="utf-8")
    made = Bench(tmp_path, ledger, tests={"swim": CHOICE | test})
    made.say("student: answer", "no")
    return made


def take(made: Bench, *sitters: Sitter) -> TestResult:
    asyncio.run(own_tests.take(made.services, sitters))
    items = made.ledger.all(TestItem, test="swim")
    return own_tests.result(made.services, items, sitters)


def test_a_test_is_asked_once_however_often_it_is_taken(tmp_path: Path, ledger: Ledger) -> None:
    made = bench(tmp_path, ledger, score="exact", own_prompt=True)
    first = take(made, Sitter(BEFORE))
    calls = len(made.asked)
    assert calls == 9 and first.questions == 9
    assert first.models[BEFORE].accuracy.value == pytest.approx(3 / 9)
    assert first.models[BEFORE].balanced.value == pytest.approx(0.5)
    assert first.chance == pytest.approx(6 / 9)
    (tmp_path / "own.jsonl").write_text("changed", encoding="utf-8")  # after the run began
    assert take(made, Sitter(BEFORE)) == first
    assert len(made.asked) == calls


def test_the_grader_judges_by_a_rubric(tmp_path: Path, ledger: Ledger) -> None:
    made = bench(tmp_path, ledger, score="rubric", rubric="says yes or no", own_prompt=True)
    entry = graded("correct")["answers"][0]
    made.say(
        "grader: grade",
        {"answers": [entry | {"checks": [True]}], "missed": ""},
        {"answers": [entry | {"checks": [False]}], "missed": ""},
    )
    taken = take(made, Sitter(BEFORE))
    assert taken.models[BEFORE].accuracy.value == pytest.approx(5 / 9)
    assert taken.models[BEFORE].balanced is None and taken.chance is None
    assert len(made.requests("grader: grade")) == 9


def test_what_cannot_be_graded_is_a_failure_and_counts_for_nobody(
    tmp_path: Path, ledger: Ledger
) -> None:
    made = bench(tmp_path, ledger, score="judge", own_prompt=True)
    made.say("grader: grade", "what?")
    taken = take(made, Sitter(BEFORE))
    assert (taken.questions, taken.ungraded, taken.models) == (0, 9, {})
    assert ledger.count(Failure, role="grader") == 9


def test_items_seen_in_training_count_in_no_figure(tmp_path: Path, ledger: Ledger) -> None:
    made = bench(tmp_path, ledger, score="exact", own_prompt=True)
    take(made, Sitter(BEFORE))
    items = ledger.all(TestItem, test="swim")
    seen = [item.id for item in items if item.answer == "no"][:2]
    taken = own_tests.result(made.services, items, [Sitter(BEFORE)], seen)
    assert (taken.questions, taken.leaked) == (7, 2)
    assert taken.models[BEFORE].accuracy.value == pytest.approx(1 / 7)


def test_a_choice_needs_weights(tmp_path: Path) -> None:
    home = write_pool(tmp_path, "student: {model: 'mock:plain'}\ntraining: {enabled: false}\n")
    (home / "own.jsonl").write_text(ROWS, encoding="utf-8")
    config = load(home / "domain.yaml", changes=[f"tests={json.dumps({'swim': CHOICE})}"])
    with pytest.raises(UserError, match=r"tests.swim: score: choice .* mock:plain are not here"):
        runner.check(config, home, Lines())


def test_methods_without_such_tests_refuse_them(tmp_path: Path) -> None:
    config = validate({"domain": "d", "title": "t", "tests": {"swim": CHOICE}}, "d")
    with pytest.raises(UserError, match=r"tests: runs of method indicators take no tests"):
        own_tests.check(config, tmp_path, method_of("indicators"))


def test_a_run_takes_its_tests_before_and_after_and_resumes_exactly(
    trained_pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (trained_pool / "own.jsonl").write_text(ROWS, encoding="utf-8")
    with (trained_pool / "domain.yaml").open("a", encoding="utf-8") as file:
        file.write(TESTS)
    config = load(trained_pool / "domain.yaml", changes=SMALLER)
    monkeypatch.setattr(own_tests, "PORTION", 2)
    weigh, portions = choosing.Chooser.weigh, list[int]()

    def killed(self: Any, asked: Any) -> Any:
        portions.append(len(asked))
        if len(portions) == 7:  # the second of those after the training
            raise KeyboardInterrupt
        return weigh(self, asked)

    monkeypatch.setattr(choosing.Chooser, "weigh", killed)
    with pytest.raises(BaseException):  # noqa: B017  # as Ctrl-C ends a process
        runner.launch(config, trained_pool, tmp_path / "runs", None, Lines())
    folder = RunFolder(next((tmp_path / "runs" / "pool").iterdir()))
    result = runner.resume(folder, Lines())
    assert portions == [2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 1]
    swim, say = result.tests["swim"], result.tests["say"]
    assert swim.questions == 9 and say.questions == 4
    assert swim.after is not None and swim.after.gain is not None and swim.after.p is not None
    assert swim.after.brier is not None and sum(b.count for b in swim.after.reliability) == 9
    assert any("test swim" in reason for reason in result.verdict.reasons)
    assert kept(folder.path, "swim").result == swim
    assert "<svg" in (folder.path / "tests" / "swim.svg").read_text("utf-8")
    weighed, before = len(portions), records(folder.path)
    again = evaluate(folder, of_run(folder).tests, [], Lines())
    assert again == result.tests and len(portions) == weighed
    assert records(folder.path) == before


def sat(gain: float, low: float, high: float, p: float) -> TestResult:
    def estimate(value: float) -> Estimate:
        return Estimate(value=value, low=value, high=value)

    after = TestSitting(
        accuracy=estimate(0.4), gain=Estimate(value=gain, low=low, high=high), p=p
    )  # fmt: skip
    models = {BEFORE: TestSitting(accuracy=estimate(0.5)), AFTER: after}
    return TestResult(score="exact", questions=100, models=models)


@pytest.mark.parametrize(
    ("tests", "word"),
    [
        ({"a": sat(-0.1, -0.15, -0.05, 0.001)}, "worse"),
        ({"a": sat(-0.1, -0.15, 0.05, 0.4)}, "better"),
        ({"a": sat(0.1, 0.05, 0.15, 0.001)}, "better"),
        # One of many may lose by chance.
        ({f"t{n}": sat(-0.1, -0.15, -0.05, 0.03) for n in range(10)}, "better"),
    ],
)
def test_a_sure_loss_on_a_test_is_a_loss(tests: dict[str, TestResult], word: str) -> None:
    limits = validate({"domain": "d", "title": "t"}, "d").verdict
    found = verdicts._of_tests(tests, limits)
    assert len(found) == len(tests)
    assert min(found, key=lambda pair: verdicts.RANK[pair[0]])[0] == word
    assert all("points" in why for _, why in found)


def test_an_estimate_counts_answers_and_grades_but_no_choice(
    tmp_path: Path, ledger: Ledger
) -> None:
    made = bench(tmp_path, ledger)
    tests = {"a": CHOICE, "b": CHOICE | {"score": "judge"}, "c": CHOICE | {"score": "exact"}}
    config = validate({"domain": "d", "title": "t", "tests": tests}, "d")
    steps = own_estimate.taken(config, Measure(config, made.services.domain_folder, 800.0), 2)
    assert [(step.role, step.calls) for step in steps] == [
        ("student", 18), ("grader", 18), ("student", 18),
    ]  # fmt: skip
