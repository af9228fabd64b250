"""Questions that users kept: asked word for word in the next run, by the rules of any other."""

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from elenchus import launch, runs
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import Complaint, ExamItem, Example
from elenchus.progress import Unseen
from elenchus.records import Examination, Point, Question, Seed
from graphs.adaptation import complaints
from graphs.config import of_run
from graphs.services import Services
from tests.conftest import MOCKED, write_pool
from tests.graphs.making import Bench, graded, make_item, make_passage, make_point

ASKED = "My cap is still wet, so may I hand it back after a fortnight?"
CAPS = make_passage("A swimming cap must be handed back within 12 days of the visit.")


@pytest.fixture(scope="module")
def pool_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small domain in which every point is taught, beside a finished run of it with mocks."""
    pool = write_pool(tmp_path_factory.mktemp("kept"), MOCKED)
    settings = (pool / "domain.yaml").read_text("utf-8")
    settings = settings.replace("{questions: 20, general: 8}", "{questions: 6, general: 2}")
    settings = settings.replace("[11, 22]", "[6]") + "questions: {untaught: 0}\n"
    (pool / "domain.yaml").write_text(settings, "utf-8")
    launch(pool, runs=pool.parent / "runs")
    return pool


@pytest.fixture
def mock_pool(pool_once: Path, tmp_path: Path) -> Path:
    """A copy of the domain and of its run."""
    shutil.copytree(pool_once.parent, tmp_path / "kept")
    return tmp_path / "kept" / pool_once.name


@pytest.fixture
def finished(mock_pool: Path) -> runs.RunFolder:
    (path,) = (mock_pool.parent / "runs").glob("*/*/run.yaml")
    return runs.RunFolder(path.parent)


def keep(run: runs.RunFolder, question: str, note: str = "") -> complaints.Placed:
    complaint = Complaint(question=question, answer="Yes.", adapter="", note=note)
    ledger = Ledger(run.ledger)
    services = Services(run, of_run(run), run.domain_folder(), ledger, Unseen())
    try:
        return complaints.keep(services, complaint)
    finally:
        services.close()


def made(run: runs.RunFolder, question: str) -> tuple[list[Examination], list[Example]]:
    """Return the examinations that began with a question, and what was learnt from them."""
    with closing(Ledger(run.ledger, read_only=True)) as ledger:
        ids = {q.id for q in ledger.all(Question) if q.text == question}
        seeds = {s.id for s in ledger.all(Seed) if s.complaint_id}
        examined = [e for e in ledger.all(Examination) if e.seed_id in seeds]
        return examined, [e for e in ledger.all(Example) if e.question_id in ids]


@pytest.mark.parametrize("verb", ["update", "launch"])
def test_a_kept_question_is_asked_and_learnt(
    elenchus, finished: runs.RunFolder, mock_pool: Path, verb: str
) -> None:
    root = mock_pool.parent / "runs"
    keep(finished, ASKED, "twelve days is the limit")
    keep(finished, ASKED, "twelve days is the limit")
    given = (
        ("update", finished.id)
        if verb == "update"
        else ("launch", mock_pool, "--reuse", finished.id)
    )
    end = elenchus(*given, "--runs", root, "--json")
    assert end.code == 0, end.err
    run = runs.find(root, end.json["run"])
    (examination,), examples = made(run, ASKED)
    assert examination.accepted_turn_id
    shown = elenchus("trace", run.id, examination.id, "--runs", root)
    assert "by a user, who was answered: Yes." in shown.out and "is the limit" in shown.out
    assert {e.examination_id for e in examples} == {examination.id}
    learnt = (run.dataset / "train.jsonl").read_text("utf-8").splitlines()
    asked = [json.loads(line)["prompt"][-1]["content"] for line in learnt]
    assert asked.count(ASKED) == 1
    with closing(Ledger(run.ledger, read_only=True)) as ledger:
        assert ASKED not in {i.prompt[-1].content for i in ledger.all(ExamItem)}
        assert not complaints.waiting(ledger)
    again = elenchus("update", run.id, "--runs", root)
    assert (again.code, "nothing to update" in again.err) == (2, True)


def test_what_users_kept_is_no_sign_of_what_the_student_fails(
    ledger: Ledger, tmp_path: Path
) -> None:
    from graphs.adaptation.history import fresh_failures

    bench, point = with_point(ledger, tmp_path)
    run_one(bench, point, graded("incorrect"))
    assert ledger.count(Examination) == 1
    assert fresh_failures(ledger, 1) == (0, 0)


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        ({"abstained": False}, "recall", None),
        ({"abstained": True, "result": "", "citations": []}, "unstated", None),
        (
            {"citations": [{"passage_id": CAPS.id, "quote": "within 31 days"}]},
            "recall",
            "false-citation",
        ),
    ],
)
def test_a_kept_question_is_of_the_kind_that_its_answer_makes_it(
    ledger: Ledger, tmp_path: Path, reply: dict[str, Any], kind: str, code: str | None
) -> None:
    bench, point = with_point(ledger, tmp_path)
    bench.say("expert: answer", ANSWER | reply)
    examination = run_one(bench, point, graded("incorrect", "incorrect"))
    assert not bench.requests("examiner: propose")
    assert (examination.rejection.code if examination.rejection else None) == code
    turns = [ledger.get(Question, i) for i in [q.id for q in ledger.all(Question)]]
    assert {q.text for q in turns} == {ASKED}
    assert kind in {q.kind for q in turns}


def test_a_domain_without_unstated_questions_leaves_them_out(
    ledger: Ledger, tmp_path: Path
) -> None:
    bench, point = with_point(ledger, tmp_path, questions={"kinds": {"unstated": None}})
    bench.say("expert: answer", ANSWER | {"abstained": True, "result": "", "citations": []})
    examination = run_one(bench, point, graded("incorrect", "incorrect"))
    assert examination.rejection and examination.rejection.code == "undecided"


@pytest.mark.parametrize(
    ("question", "why"),
    [
        (
            "What is the capital of France?",
            r"do not seem to cover this; the nearest .* A swimming cap",
        ),
        (
            "When must a swimming cap be handed back?",
            r"too near an exam question: an exam asks: When",
        ),
        (
            "By which day is a swimming cap due?",
            r"an exam asks: By which day is a swimming cap due",
        ),
        ("May a cap be handed back late?", r"repeats an earlier one"),
        ("According to the text, when is a cap due?", r"does not stand on its own"),
    ],
)
def test_what_cannot_be_trained_on_is_not_kept(
    ledger: Ledger, tmp_path: Path, question: str, why: str
) -> None:
    bench, point = with_point(ledger, tmp_path)
    ledger.write(
        make_item("held-out", "When must a swimming cap be handed back?", point.id),
        make_item("hand", "By which day is a swimming cap due?", point.id),
        Question(text="May a cap be handed back late?", kind="apply", exam=False, point_id=point.id,
                 passage_ids=(), round=1, call_id=""),
    )  # fmt: skip
    with pytest.raises(UserError, match=why):
        complaints.keep(bench.services, Complaint(question=question, answer="", adapter=""))
    assert not ledger.count(Complaint)


def test_points_of_the_exam_alone_are_not_taught_by_users(ledger: Ledger, tmp_path: Path) -> None:
    bench, point = with_point(ledger, tmp_path, questions={"untaught": 0.999999})
    complaint = Complaint(question=ASKED, answer="", adapter="")
    with pytest.raises(UserError, match=r"kept from training"):
        complaints.keep(bench.services, complaint)
    ledger.write(complaint)  # kept in a run that teaches it, and reused by one that does not
    examination = run_one(bench, point, graded("incorrect"))
    assert examination.rejection and examination.rejection.code == "near-exam"
    assert not bench.requests("expert: answer")


ANSWER = {
    "explanation": "A cap is due after 12 days.",
    "result": "no",
    "form": "yes-no",
    "citations": [{"passage_id": CAPS.id, "quote": "within 12 days of the visit"}],
    "abstained": False,
}


def with_point(ledger: Ledger, folder: Path, **sections: Any) -> tuple[Bench, Point]:
    """Return a bench whose documents say one thing."""
    bench, point = (
        Bench(folder, ledger, **({"questions": {"untaught": 0}} | sections)),
        make_point(CAPS),
    )
    bench.found = [CAPS]
    bench.say("expert: answer", ANSWER)
    ledger.write(CAPS, point)
    return bench, point


def run_one(bench: Bench, point: Point, grades: dict[str, Any]) -> Examination:
    """Examine what users kept; where there is none, a question on a point."""
    import asyncio

    from graphs.adaptation.examination import build_graph
    from graphs.adaptation.history import history

    services, ledger = bench.services, bench.ledger
    if not ledger.count(Complaint):
        complaints.keep(services, Complaint(question=ASKED, answer="", adapter=""))
    bench.say("grader: grade", grades)
    (seed,) = complaints.draw(services, 1, history(ledger, 1, 0.3))
    assert seed.point_id == point.id
    ledger.write(seed)

    async def examined() -> None:
        graph = build_graph().compile()
        with services.registered() as ref:
            await graph.ainvoke({"seed_id": seed.id, "adapter": ""}, context=ref)

    asyncio.run(examined())
    (examination,) = ledger.all(Examination)
    return examination
