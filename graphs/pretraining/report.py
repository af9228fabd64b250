"""The end of a run: the dataset folder with its card, and the result."""

from collections import Counter
from typing import Any

from elenchus import runs
from elenchus.ledger import Ledger
from elenchus.outcomes import Adapter, ExamItem
from elenchus.reasons import by_code, sentence
from elenchus.records import Passage, Point
from elenchus.results import Basis, Estimate
from graphs import cards, verdicts
from graphs.adaptation.citing import rows_of
from graphs.exams import EXAMS, exam_result
from graphs.own_tests import results as own_results
from graphs.pretraining import adapters
from graphs.pretraining.records import Explanation, Problem, Refusal, TaskPassage, explained
from graphs.pretraining.result import PretrainingResult, Stage
from graphs.pretraining.stages import stage_names
from graphs.screens import EXAM_NAMES
from graphs.services import Services
from graphs.state import MeasuredState, is_trained
from publishing.markdown import table
from training import dataset


def write(run: Services, state: MeasuredState) -> None:
    """Write the passages, then result.json: its existence means that the run is finished."""
    folder, ledger = run.folder.dataset, run.ledger
    folder.mkdir(exist_ok=True)
    passages = [_passage_row(ledger, passage) for passage in ledger.all(TaskPassage)]
    refusals = [refusal_row(ledger, refusal) for refusal in ledger.all(Refusal)]
    dataset.write_rows(folder / "passages.jsonl", passages)
    dataset.write_rows(folder / "rejected.jsonl", refusals)
    dataset.write_exam(folder / "held-out.jsonl", ledger.all(ExamItem, exam="held-out"))
    result = _result(run, state)
    _write_card(run, result)
    adapters.write_cards(run, result.stages, result.verdict)
    runs.write_result(run.folder.result, result)


def _passage_row(ledger: Ledger, passage: TaskPassage) -> dict[str, Any]:
    parts = explained(ledger, passage)
    return {
        "id": passage.id,
        "text": passage.text,
        "problems": [{"task": problem.task, "place": problem.place} for problem, _ in parts],
        "citations": rows_of(ledger, [c for _, paragraph in parts for c in paragraph.citations]),
    }


def refusal_row(ledger: Ledger, refusal: Refusal) -> dict[str, Any]:
    """Return a line of rejected.jsonl: the reason, with problems or question, passages, reply."""
    problems = [ledger.get(Problem, i) for i in refusal.problem_ids]
    is_reply = bool(problems or refusal.task)  # else a paragraph of a document, or rows of a task
    kinds = dict.fromkeys(problem.task for problem in problems)
    return {
        "code": refusal.code,
        "reason": sentence(refusal),
        "detail": refusal.detail,
        "question": refusal.question or "\n\n".join(problem.question for problem in problems),
        "kind": refusal.task or ", ".join(kinds),
        "problems": [{"task": p.task, "place": p.place, "answer": p.answer} for p in problems],
        "reply": refusal.raw if is_reply else "",
        "left_out": "" if is_reply else refusal.raw,
        "passages": dataset.passage_rows(ledger.get(Passage, i) for i in refusal.passage_ids),
    }


def _result(run: Services, state: MeasuredState) -> PretrainingResult:
    ledger = run.ledger
    passages = ledger.count(TaskPassage)
    taken = {exam: exam_result(run, exam, state) for exam in EXAMS}
    tests = own_results(run, state)
    return PretrainingResult(
        **run.summary(state["stopped"], state["round"]),
        examples=passages,
        exams=taken,
        tests=tests,
        verdict=verdicts.decide(
            taken, _basis(run), run.config.verdict, is_trained(state), tests=tests
        ),
        stages=_stages(run, state),
        passages=ledger.count(Passage),
        points=ledger.count(Point),
        problems=ledger.count(Problem, test=False),
        explanations=ledger.count(Explanation),
        passages_written=passages,
        refused=by_code(ledger.all(Refusal)),
        adapter=state["adapter"],
    )


def _basis(run: Services) -> Basis:
    """Return what the run stands on; problems of tasks are about no points of the documents."""
    ledger = run.ledger
    points = {point.id: point.passage_ids for point in ledger.all(Point)}
    readable = {i for passage_ids in points.values() for i in passage_ids}
    passages = ledger.count(Passage)
    parts = [pair for passage in ledger.all(TaskPassage) for pair in explained(ledger, passage)]
    about = [problem.place for problem, _ in parts if problem.place in points]
    made = ledger.count(TaskPassage) + ledger.count(Explanation)
    return Basis(
        passages_with_points=len(readable) / passages if points and passages else None,
        dataset=verdicts.spread(about),
        exam=verdicts.spread(
            item.point_id or item.id for item in ledger.all(ExamItem, exam="held-out")
        ),
        rejected=verdicts.rejected_share(made, by_code(ledger.all(Refusal))),
    )


def _stages(run: Services, state: MeasuredState) -> list[Stage]:
    """Return the untouched student, then every stage: what it was trained on, and its exams."""
    adapters = {adapter.round: adapter for adapter in run.ledger.all(Adapter)}
    stages = []
    for number, name in enumerate(["untouched", *stage_names(run.config)]):
        adapter = adapters.get(number)
        then = MeasuredState(
            accuracies=state["accuracies"][: number + 1], adapter=adapter.path if adapter else ""
        )
        stages.append(
            Stage(
                stage=name,
                tokens=adapter.tokens if adapter else None,
                steps=adapter.steps if adapter else None,
                exams={exam: exam_result(run, exam, then) for exam in EXAMS},
            )
        )
    return stages


def _write_card(run: Services, result: PretrainingResult) -> None:
    passages, about_tasks = run.ledger.all(TaskPassage), run.config.passages.across
    tasks = Counter(p.task for passage in passages for p, _ in explained(run.ledger, passage))
    stages = [
        (stage.stage, f"{stage.tokens or 0:,}", *(_share(stage.accuracy(e)) for e in EXAM_NAMES))
        for stage in result.stages
    ]
    names = ("passages.jsonl", "held-out.jsonl", "rejected.jsonl")
    cards.write(
        run,
        cards.counted(run.folder.dataset, names),
        [
            f"{result.passages_written} passages to go on with pre-training, each about problems "
            f"of {'several tasks' if about_tasks else 'one task'}, from {result.explanations} "
            f"paragraphs on {result.problems} problems.",
            "Paragraphs come from the expert, grounded on cited passages and compared with the "
            "gold answers by the grader.",
        ],
        result.verdict,
        counts={"tasks": tasks},
        refused=result.refused,
        tables={"Exams after each stage": table(("after", "tokens", *EXAM_NAMES.values()), stages)},
        tasks=("text-generation",),
    )


def _share(accuracy: Estimate | None) -> str:
    if accuracy is None:
        return "–"
    return f"{accuracy.as_share()} [{accuracy.low:.1%}, {accuracy.high:.1%}]"
