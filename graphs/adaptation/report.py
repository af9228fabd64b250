"""The end of a run: its result with intervals, the dataset's card, and the completion marker."""

import math
from statistics import fmean

from elenchus import runs
from elenchus.outcomes import Dataset, ExamItem, Kept
from elenchus.reasons import by_code
from elenchus.records import Examination, Passage, Point
from elenchus.results import Basis
from graphs import exams, own_tests, verdicts
from graphs.adaptation import adapters, complaints, curation, folder, reviewing
from graphs.adaptation.curation import chosen_examples
from graphs.adaptation.result import AdaptationResult, KeptResult, UpdateResult
from graphs.adaptation.state import AdaptationState, failure_shares
from graphs.services import Services
from graphs.state import is_trained, trained_rounds
from training import evaluation


def write(run: Services, state: AdaptationState) -> None:
    """Write all cards, then result.json: its existence means that the run is finished."""
    result = result_of(run, state)
    folder.write_card(run, result)
    adapters.write_cards(run, state, result)
    runs.write_result(run.folder.result, result)


def result_of(run: Services, state: AdaptationState) -> AdaptationResult:
    """Return what a run came to."""
    ledger = run.ledger
    datasets = {d.id: d for d in ledger.all(Dataset)}
    dataset = datasets.get(state.get("dataset_id", ""))
    points, passages = ledger.all(Point), ledger.count(Passage)
    examinations = ledger.all(Examination)
    taken = {exam: exams.exam_result(run, exam, state) for exam in exams.EXAMS}
    tests = own_tests.results(run, state)
    to_train = run.config.training.enabled
    return AdaptationResult(
        **run.summary(state["stopped"], state["round"]),
        exams=taken,
        tests=tests,
        verdict=verdicts.decide(
            taken,
            _basis(run, state, dataset),
            run.config.verdict,
            is_trained(state),
            missed=state["stopped"] if to_train else "",
            tests=tests,
        ),
        # No number stands for an exam without questions, which an update may be left with.
        accuracy_by_round=[None if math.isnan(a) else a for a in state["accuracies"]],
        failure_share_by_round=failure_shares(state),
        passages=passages,
        readable_passages=len({i for p in points for i in p.passage_ids}),
        points=len(points),
        examinations=len(examinations),
        accepted=curation.accepted(examinations),
        rejected=by_code(e.rejection for e in examinations if e.rejection),
        examples=len(dataset.example_ids) if dataset else 0,
        candidates=dataset.candidates if dataset else 0,
        near_duplicates=dataset.near_duplicates if dataset else 0,
        near_exam=dataset.near_exam if dataset else 0,
        too_long=dataset.too_long if dataset else 0,
        of_full_points=dataset.of_full_points if dataset else 0,
        unbalanced=dataset.unbalanced if dataset else 0,
        contradicted=dataset.contradicted if dataset else 0,
        nearest_exam_similarity=dataset.nearest_exam_similarity if dataset else None,
        points_covered=_covered(run, dataset),
        adapter=state["adapter"] if is_trained(state) else "",
        kept=_kept(run, state),
        review=reviewing.summary(reviewing.cases(ledger)),
        update=_update(run, state, dataset),
    )


def _kept(run: Services, state: AdaptationState) -> KeptResult | None:
    rows = run.ledger.all(Kept, round=trained_rounds(state)) if is_trained(state) else []
    if not rows:
        return None
    before, after = [row.before for row in rows], [row.after for row in rows]
    return KeptResult(
        prompts=len(rows),
        before=fmean(before),
        after=fmean(after),
        change=evaluation.change(before, after),
    )


def _basis(run: Services, state: AdaptationState, dataset: Dataset | None) -> Basis:
    """Return what the run stands on; what an update took over was not examined again.

    What users asked says nothing of the questions that models wrote.
    """
    ledger, begun = run.ledger, state.get("first", 0)
    passages = ledger.count(Passage)
    readable = {i for point in ledger.all(Point) for i in point.passage_ids}
    users = complaints.examinations(run, ledger.all(Examination))
    examinations = [e for e in ledger.all(Examination) if e.round > begun and e.id not in users]
    examples = chosen_examples(ledger, dataset) if dataset else []
    refuted = dataset.contradicted if dataset else 0
    refused = by_code(e.rejection for e in examinations if e.rejection)
    return Basis(
        passages_with_points=len(readable) / passages if passages else None,
        dataset=verdicts.spread(example.point_id for example in examples),
        exam=verdicts.spread(
            item.point_id or item.id for item in ledger.all(ExamItem, exam="held-out")
        ),
        rejected=verdicts.rejected_share(
            curation.accepted(examinations) - refuted, {**refused, "contradicts": refuted}
        ),
    )


def _update(run: Services, state: AdaptationState, dataset: Dataset | None) -> UpdateResult | None:
    """Return what moved since the run that this one goes on from; None where there is none."""
    if (update := curation.update(run.ledger)) is None:
        return None
    ids = dataset.example_ids if dataset else ()
    new = {point.id for point in curation.new_points(run.ledger)}
    others = {point.id for point in run.ledger.all(Point)} - new
    return UpdateResult(
        run=update.run,
        passages_gone=len(update.passages_gone),
        passages_new=len(update.passages_new),
        examples_kept=(kept := len(set(update.kept).intersection(ids))),
        examples_retired=len(update.kept) + len(update.retired) - kept,
        questions_retired=update.items_retired,
        new_passages=exams.exam_result(run, "held-out", state, new),
        other_passages=exams.exam_result(run, "held-out", state, others),
    )


def _covered(run: Services, dataset: Dataset | None) -> int:
    if dataset is None:
        return 0
    return len({e.point_id for e in chosen_examples(run.ledger, dataset)})
