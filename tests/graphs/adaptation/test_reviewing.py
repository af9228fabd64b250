"""People accept, correct and reject examples, and every dataset afterwards obeys them."""

import io
import json
import re
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenchus import runs
from elenchus.errors import RunStopped, UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import Action, Adapter, Correction, Dataset, Decision, Example
from elenchus.progress import Unseen
from elenchus.questions import AnswerForm
from elenchus.records import Answer, Citation, Question, Turn, digest
from graphs import runner
from graphs.adaptation import reviewing
from graphs.adaptation.reviewing import Case
from graphs.config import load
from tests.conftest import TRAINED, write_pool

FORM = AnswerForm("{explanation} So: {result}.")
CORRECTED = "The byelaws say otherwise. So: corrected."
EDITOR = f"""import pathlib, sys, yaml
path = pathlib.Path(sys.argv[-1])
tree = yaml.safe_load(path.read_text(encoding="utf-8"))
tree["completion"] = {CORRECTED!r}
path.write_text(yaml.safe_dump(tree), encoding="utf-8")
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A domain with a run that waits for a review before its one training."""
    home = write_pool(tmp_path_factory.mktemp("review"), TRAINED)
    settings = home / "domain.yaml"
    text = settings.read_text("utf-8").replace("examples: [11, 22]", "examples: [8]")
    text = text.replace("training: {", "review: true\ntraining: {replay: 0, ")
    settings.write_text(text.replace("general: 8", "general: 0"), encoding="utf-8")
    with pytest.raises(RunStopped) as stopped:
        runner.launch(load(settings), home, home.parent / "runs", None, Unseen())
    assert "elenchus review" in str(stopped.value) and "elenchus resume" in str(stopped.value)
    return home


def run_of(home: Path) -> runs.RunFolder:
    return runs.listed(home.parent / "runs")[-1]


def read(folder: Path) -> tuple[list[Case], list[Decision]]:
    with closing(Ledger(folder / "ledger.sqlite", read_only=True)) as ledger:
        return reviewing.cases(ledger), ledger.all(Decision)


def texts(example: Example) -> tuple[str, str]:
    return example.prompt[-1].content, example.completion


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *keys: str) -> None:
    """Have keys typed at the prompts, and corrections made by an editor."""
    editor = tmp_path / "editor.py"
    editor.write_text(EDITOR, encoding="utf-8")
    monkeypatch.setenv("VISUAL", f"{sys.executable} {editor}")
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{key}\n" for key in keys)))


def test_a_run_waits_and_trains_on_what_people_left(
    home: Path, elenchus: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root, run = home.parent / "runs", run_of(home)
    assert not list(run.path.glob("adapters/*")), "nothing is trained before the review"
    proposed = read(run.path)[0]
    typed(monkeypatch, tmp_path, "a", "c", "the fine is another", "r", "nobody asks this", "s", "q")
    shown = elenchus("review", run.id, "--runs", root, "--reviewer", "Ada")
    assert shown.code == 0, shown.err
    assert "1 accepted, 1 corrected, 1 rejected" in shown.out
    cases, decisions = read(run.path)
    assert [d.action for d in decisions if d.number == 2] == ["correct"]
    assert {d.reviewer for d in decisions} == {"Ada"}
    assert [c.example.id for c in cases] == [c.example.id for c in proposed]

    ended = elenchus("resume", run.id, "--runs", root, "--json")
    assert ended.code == 0, ended.err
    review = ended.json["review"]
    assert (review["accepted"], review["corrected"], review["rejected"]) == (1, 1, 1)
    assert review["wrong"] is None, "none was drawn at random"
    trained = lines(run.dataset / "train.jsonl")
    rows = [(row["prompt"][-1]["content"], row["completion"][0]["content"]) for row in trained]
    corrected, rejected = (texts(case.example) for case in proposed[1:3])
    assert (corrected[0], CORRECTED) in rows
    assert corrected not in rows and rejected not in rows
    assert len(trained) == len(proposed) - 1
    assert "Ada reviewed 3 of" in (run.dataset / "README.md").read_text("utf-8")
    with closing(Ledger(run.ledger, read_only=True)) as ledger:
        (adapter,) = ledger.all(Adapter)
        dataset = ledger.get(Dataset, adapter.dataset_id)
        examples = [ledger.get(Example, i) for i in dataset.example_ids]
    assert "corrected" in {example.result for example in examples}

    # A run that pays no call again knows the decisions, and waits for the others alone.
    again = elenchus("launch", home, "--runs", root, "--reuse", run.id)
    assert again.code == 3
    reused = run_of(home)
    assert reused.id != run.id
    cases, _ = read(reused.path)
    left = [texts(case.example) for case in cases]
    assert (corrected[0], CORRECTED) in left
    assert corrected not in left and rejected not in left
    assert sum(c.decision is None for c in cases) < len(cases)


def test_a_sample_says_how_many_are_wrong(
    home: Path, elenchus: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root, run = home.parent / "runs", run_of(home)
    typed(monkeypatch, tmp_path, "r", "wrong", "a", "x", "a")
    shown = elenchus(
        "review", run.id, "--runs", root, "--reviewer", "Ada", "--sample", 3, "--again"
    )
    assert shown.code == 0, shown.err
    assert "Of 3 drawn at random, 33.3% [6.1%, 79.2%] were wrong" in shown.out


def test_what_cannot_be_kept_is_refused(home: Path) -> None:
    run = run_of(home)
    with closing(Ledger(run.ledger)) as ledger:
        case = reviewing.cases(ledger)[0]
        question = case.example.prompt[-1].content

        def correct(asked: str, answer: str, *cited: Citation) -> None:
            wanted = Correction(question=asked, completion=answer, citations=cited)
            reviewing.decide(ledger, FORM, case.example, "correct", "Ada", corrected=wanted)

        count = ledger.count(Decision)
        unknown = Citation(passage_id="p-nowhere", quote="a")
        invented = Citation(passage_id=case.example.passage_ids[0], quote="never said there")
        for arguments, why in (
            ((question, case.example.completion), "nothing is changed"),
            ((question, "  "), "question and an answer"),
            ((question, "It depends."), "in the domain's form"),
            ((question, "Why. So: this.", unknown), "no passage has the id"),
            ((question, "Why. So: this.", invented), "does not say"),
        ):
            with pytest.raises(UserError, match=why):
                correct(*arguments)
        with pytest.raises(UserError, match="name of the person"):
            reviewing.decide(ledger, FORM, case.example, "accept", " ")
        with pytest.raises(UserError, match="comes with a question"):
            reviewing.decide(ledger, FORM, case.example, "correct", "Ada")
        assert ledger.count(Decision) == count


def example(number: int) -> Example:
    return Example(
        prompt=({"role": "user", "content": f"question {number}"},), completion=f"So: {number}.",
        question_id="q", turn_id="t", examination_id="e", point_id="o", passage_ids=("p",),
        kind="recall", round=1, weight=1.0,
    )  # fmt: skip


DECISIONS = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from(["accept", "correct", "reject"]), st.integers(0, 3)
    )
)


@given(DECISIONS)
def test_the_last_decision_on_a_text_holds(
    tmp_path_factory: pytest.TempPathFactory, taken: list[tuple[int, str, int]]
) -> None:
    """Corrections lead from text to text, in circles too; rejected texts are nowhere."""
    with closing(Ledger(tmp_path_factory.mktemp("d") / "ledger.sqlite")) as ledger:
        for on, action, to in taken:
            wanted = Correction(question=f"question {to}", completion=f"So: {to}.")
            if action == "correct" and on == to:
                continue
            reviewing.decide(
                ledger, FORM, example(on), action, "Ada",
                corrected=wanted if action == "correct" else None,
            )  # fmt: skip
        last = {on: (action, to) for on, action, to in taken if action != "correct" or on != to}
        left = reviewing.obeyed(ledger, FORM, [example(n) for n in range(4)])
        texts = {e.completion for e in left}
        rejected = {f"So: {on}." for on, (action, _) in last.items() if action == "reject"}
        assert not texts & rejected
        assert len(left) + sum(1 for n in range(4) if _ends(last, n) == "reject") == 4


def _ends(last: dict[int, tuple[str, int]], number: int) -> str:
    """Return the action at the end of a chain of corrections; of a circle, "accept"."""
    seen = set()
    while number in last and number not in seen:
        seen.add(number)
        action, to = last[number]
        if action != "correct":
            return action
        number = to
    return "accept"


def case(number: int, action: str | None, sampled: bool = False) -> Case:
    on = example(number)
    decision = action and Decision(
        number=number, example_id=on.id, action=action, reviewer="Ada", sampled=sampled,
        question=on.prompt[-1].content, completion=on.completion,
    )  # fmt: skip
    return Case(on, decision or None)


def drawn(count: int) -> list[int]:
    """Return numbers of examples in the random order, as a ledger has them."""
    return sorted(range(count), key=lambda number: digest(f"review/{example(number).id}"))


def test_the_rate_of_all_is_exact_and_that_of_a_sample_is_an_interval() -> None:
    assert reviewing.summary([case(1, None)]) is None
    whole = reviewing.summary([case(1, "accept"), case(2, "reject")])
    assert whole and whole.wrong and (whole.wrong.low, whole.wrong.high) == (0.5, 0.5)
    *sample, last = drawn(31)
    some = reviewing.summary([case(n, "accept", True) for n in sample] + [case(last, None)])
    assert some and some.wrong and some.wrong.value == 0 and 0.1 < some.wrong.high < 0.12
    doubtful = reviewing.summary([case(1, "reject"), case(2, None)])
    assert doubtful and doubtful.wrong is None


def test_a_sample_counts_what_was_decided_by_doubt_before_it_but_nothing_else() -> None:
    """Else it would be of the examples that are little in doubt, and find too few of them wrong."""
    one, two, three, four, five, *rest = drawn(9)
    by_doubt = [case(two, "reject"), case(four, "reject"), case(rest[0], "reject")]
    sampled = [case(one, "accept", True), case(three, "accept", True)]
    left = [case(n, None) for n in (five, *rest[1:])]
    review = reviewing.summary([*left, *by_doubt, *sampled])
    assert review and review.wrong
    assert review.sampled == 3 and review.wrong.value == pytest.approx(1 / 3)
    skipped = reviewing.summary([case(one, None), case(two, "accept", True), *left])
    assert skipped and skipped.wrong is None


def chosen(round_: int, *examples: Example) -> Dataset:
    return Dataset(
        round=round_, example_ids=tuple(e.id for e in examples), candidates=9,
        near_duplicates=0, near_exam=0, too_long=0, nearest_exam_similarity=0.0,
    )  # fmt: skip


def asked(number: int) -> tuple[Turn, Example]:
    """Return a turn and its example."""
    question = Question(
        text=f"question {number}", kind="recall", exam=False, point_id="o", passage_ids=("p",),
        round=1, call_id="x",
    )  # fmt: skip
    cited = (Citation(passage_id="p", quote="as it\nstands"),)
    answer = Answer(text=f"So: {number}.", citations=cited, call_id="x", tokens=3)
    turn = Turn(question=question, expert=(answer,), student=(), verdict=None)
    return turn, example(number).model_copy(update={"turn_id": turn.id})


def test_the_texts_and_citations_as_they_were_are_no_correction(tmp_path: Path) -> None:
    turn, one = asked(1)
    cited = Citation(passage_id="p", quote="as it stands")  # as a form sends it back
    same = Correction(question="question 1", completion="So: 1.", citations=(cited,))
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        ledger.write(turn, one)
        with pytest.raises(UserError, match="nothing is changed"):
            reviewing.decide(ledger, FORM, one, "correct", "Ada", corrected=same)


def test_what_was_rejected_in_an_earlier_round_still_counts(tmp_path: Path) -> None:
    turns, (one, two, three) = zip(*map(asked, range(3)), strict=True)
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        ledger.write(*turns, one, two, three, chosen(1, one, two))
        reviewing.decide(ledger, FORM, one, "reject", "Ada")
        left = reviewing.revised(ledger, FORM, ledger.all(Dataset)[0])
        ledger.write(left, chosen(2, two, three))
        assert {c.example.id for c in reviewing.cases(ledger)} == {one.id, two.id, three.id}
        review = reviewing.summary(reviewing.cases(ledger))
    assert review and (review.examples, review.rejected) == (3, 1)


def test_a_decision_that_is_taken_back_after_a_kill_is_obeyed(tmp_path: Path) -> None:
    turns, (one, two) = zip(*map(asked, range(2)), strict=True)
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        proposed = chosen(1, one, two)
        ledger.write(*turns, one, two, proposed)
        assert reviewing.revised(ledger, FORM, proposed).id == proposed.id
        taken: list[tuple[Action, tuple[str, ...]]] = [
            ("reject", (two.id,)), ("accept", (one.id, two.id)),
        ]  # fmt: skip
        for action, ids in taken:
            reviewing.decide(ledger, FORM, one, action, "Ada")
            ledger.write(left := reviewing.revised(ledger, FORM, proposed))
            newest = reviewing.newest(ledger)
            assert newest and newest.id == left.id and left.example_ids == ids


def decided_in(program: str, rows: list[dict[str, Any]], action: str, answer: str = "") -> None:
    """Decide on the first example, as a person's file of the program would have it."""
    said = {"decision": action, "reason": "as I read it"} | (
        {"corrected_answer": answer} if answer else {}
    )
    if program == "argilla":
        rows[0]["responses"] = {
            name: [{"value": value, "user_id": "u-7", "status": "submitted"}]
            for name, value in said.items()
        }
        return
    key = {"decision": "choices"}
    result = [
        {"from_name": name, "to_name": "question", "type": key.get(name, "textarea"),
         "value": {key.get(name, "text"): [value]}} for name, value in said.items()
    ]  # fmt: skip
    rows[0]["annotations"] = [{"completed_by": {"email": "u-7"}, "result": result}]
    for row in rows[1:]:
        row["annotations"] = []


@pytest.mark.parametrize("program", ["argilla", "label-studio"])
def test_other_programs_take_examples_and_give_decisions(
    home: Path, program: str, elenchus: Callable[..., Any], tmp_path: Path
) -> None:
    run, root, file = run_of(home), home.parent / "runs", tmp_path / "examples.json"

    def review(*options: object) -> Any:
        return elenchus("review", run.id, *options, "--format", program, "--runs", root)

    assert "examples in" in review("--export", file).out
    rows = json.loads(file.read_text("utf-8"))
    assert len(rows) == len(read(run.path)[0])
    assert (file.with_suffix(".xml")).exists() == (program == "label-studio")

    for answer, why in (("It depends.", "decision 1: .*domain's form"), ("", "nothing is changed")):
        decided_in(program, rows, "correct", answer)
        file.write_text(json.dumps(rows), encoding="utf-8")
        refused = review("--import", file)
        assert refused.code == 2 and re.search(why, refused.err), refused.err
    before = len(read(run.path)[1])
    decided_in(program, rows, "correct", f"In {program}. So: this.")
    file.write_text(json.dumps(rows), encoding="utf-8")
    for new in (1, 0):  # reading a file again keeps nothing twice
        taken = review("--import", file)
        assert taken.code == 0 and taken.out.startswith(f"{new} new decisions"), taken.err
    decisions = sorted(read(run.path)[1], key=lambda d: d.number)
    assert len(decisions) == before + 1
    assert "1 new decisions" in review("--import", file, "--reviewer", "Bea").out
    assert "0 new decisions" in review("--import", file).out, "Bea's holds, being the later"
    assert (decisions[-1].action, decisions[-1].reviewer) == ("correct", "u-7")
    assert decisions[-1].reason == "as I read it"
    assert decisions[-1].corrected and decisions[-1].corrected.completion.startswith(
        f"In {program}"
    )

    for content, why in (("{", "cannot read"), ('[{"id": 1}]', "row 1: .*export it as JSON")):
        file.write_text(content, encoding="utf-8")
        refused = review("--import", file)
        assert refused.code == 2 and re.search(why, refused.err), refused.err
    assert elenchus("review", run.id, "--export", file, "--runs", root).code == 2
