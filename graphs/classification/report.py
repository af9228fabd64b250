"""The end of a run that makes classifiers: its dataset, report and figures, and its result."""

from collections import Counter
from collections.abc import Iterable, Sequence

from elenchus import runs
from elenchus.printing import plain
from elenchus.results import Estimate
from graphs import cards
from graphs.classification import adapters, screening, verdict
from graphs.classification.evaluate import BASELINE, Evaluation, lacking
from graphs.classification.records import Indicators, RealMessage, Removal, SyntheticMessage
from graphs.classification.result import ClassificationResult, ClassifierRow, Diversity
from graphs.classification.screening import AnyMessage, real_messages, synthetic_messages
from graphs.classification.state import ClassificationState
from graphs.services import Services
from publishing.markdown import table, verdict_in_markdown
from training import deduplication, diagrams, diversity
from training.dataset import write_rows

THRESHOLDS = (0.7, 0.8, 0.85, 0.9, 0.95, 0.99)  # that retention is reported for


def write(run: Services, state: ClassificationState, evaluations: Sequence[Evaluation]) -> None:
    """Write all files, result.json last: its existence means that the run is finished."""
    folder, result = run.folder.path, result_of(run, state, evaluations)
    _write_messages(run)
    _write_card(run, result)
    rows = [evaluation.model_dump(mode="json") for evaluation in evaluations]
    runs.write_json(folder / "metrics.json", rows)
    if rows:
        diagrams.reliability(folder / "reliability.svg", rows)
    diagrams.clusters(folder / "clusters.svg", _clusters(run))
    runs.write_atomic(folder / "report.md", _markdown(run.config.title, result))
    adapters.write_cards(run, result)
    runs.write_result(run.folder.result, result)


def result_of(
    run: Services, state: ClassificationState, evaluations: Sequence[Evaluation]
) -> ClassificationResult:
    """Return what a run came to."""
    ledger, config = run.ledger, run.config
    real, written = ledger.all(RealMessage), ledger.all(SyntheticMessage)
    train, synthetic = real_messages(ledger, "train"), synthetic_messages(ledger)
    removals = ledger.all(Removal)
    # As they were before near-duplicates were left out.
    unusable = {r.message_id for r in removals if r.reason != "near duplicate"}
    learnt = screening.in_learning_order(m for m in real if m.id not in unusable)
    labels = [message.label for message in real_messages(ledger, "test")]
    word, take = verdict.decide(evaluations, labels, config.verdict)
    return ClassificationResult(
        **run.summary(state["stopped"], state["round"]),
        verdict=word,
        take=take,
        classes=screening.labels(run),
        student=config.student.model,
        train=len(train),
        validation=len(real_messages(ledger, "validation")),
        test=len(labels),
        rows_left_out=[removal.detail for removal in removals if removal.reason == "row"],
        real_left_out=_by_reason(removals, real),
        written=len(written),
        examples=len(synthetic),
        left_out=_by_reason(removals, written),
        indicators=screening.paragraphs(ledger),
        lost=[idea for one in ledger.all(Indicators, approved=False) for idea in one.lost],
        diversity={"real": _diversity(train), "synthetic": _diversity(synthetic)},
        retained={
            "real": _retained(run, learnt),
            "synthetic": _retained(run, screening.in_order(written)),
        },
        classifiers=[ClassifierRow.model_validate(e, from_attributes=True) for e in evaluations],
        notes=_notes(run, evaluations),
    )


def _by_reason(removals: Iterable[Removal], messages: Iterable[AnyMessage]) -> dict[str, int]:
    """Count those of the messages that were left out by reason, the commonest first."""
    ids = {message.id for message in messages}
    return dict(Counter(r.reason for r in removals if r.message_id in ids).most_common())


def _diversity(messages: Iterable[AnyMessage]) -> Diversity:
    texts = [message.text for message in messages]
    return Diversity(
        distinct_1=diversity.distinct(texts, 1),
        distinct_2=diversity.distinct(texts, 2),
        self_bleu=diversity.self_bleu(texts),
    )


def _retained(run: Services, messages: Sequence[AnyMessage]) -> dict[str, float]:
    """Return the share of messages that deduplication in their classes leaves, by threshold."""
    counts: Counter[float] = Counter()
    for label in {message.label for message in messages}:
        vectors = run.embedder.encode([m.text for m in messages if m.label == label])
        for threshold, share in deduplication.retained(vectors, THRESHOLDS).items():
            counts[threshold] += round(share * len(vectors))
    return {f"{t:g}": round(count / len(messages), 4) for t, count in counts.items()}


def _notes(run: Services, evaluations: Iterable[Evaluation]) -> list[str]:
    """Return what a reader of the table must know."""
    notes = [
        f"No message of {', '.join(without)} among the {mix} ones: no classifier of these."
        for mix in run.config.classifier.mixes
        if (without := lacking(run, mix))
    ]
    best: dict[str, float] = {}
    for one in evaluations:
        best[one.model] = max(best.get(one.model, 0.0), one.metrics.accuracy.value)
    student = run.config.student.model
    if student in best and best.get(BASELINE, 0.0) > best[student]:
        notes.append(
            f"{BASELINE} is better here than {student} ({best[BASELINE]:.1%} against "
            f"{best[student]:.1%}): use it, or a larger student."
        )
    return notes


def _clusters(run: Services) -> list[diagrams.Group]:
    """Return the vectors of what is learnt, by class and kind."""
    kinds: dict[str, Sequence[AnyMessage]] = {
        "real": real_messages(run.ledger, "train"),
        "synthetic": synthetic_messages(run.ledger),
    }
    return [
        (label, kind, run.embedder.encode(texts))
        for label in screening.labels(run)
        for kind, messages in kinds.items()
        if (texts := [message.text for message in messages if message.label == label])
    ]


def _write_messages(run: Services) -> None:
    """Write what is learnt and calibrated on, and what is not, and why."""
    ledger, folder = run.ledger, run.folder.dataset
    real, synthetic = real_messages(ledger, "train", "validation"), synthetic_messages(ledger)
    write_rows(folder / "messages.jsonl", [*map(_with_id, real), *map(_with_id, synthetic)])
    by_id = {m.id: _with_id(m) for m in ledger.all(RealMessage)}
    by_id |= {m.id: _with_id(m) for m in ledger.all(SyntheticMessage)}
    left_out = [
        removal.model_dump(mode="json") | {"message": by_id[removal.message_id]}
        for removal in ledger.all(Removal)
        if removal.message_id in by_id
    ]
    write_rows(folder / "left-out.jsonl", left_out)


def _write_card(run: Services, result: ClassificationResult) -> None:
    synthetic = synthetic_messages(run.ledger)
    cards.write(
        run,
        cards.counted(run.folder.dataset, ("messages.jsonl", "left-out.jsonl")),
        [
            f"Short messages with one of {len(result.classes)} classes each: {result.train} real "
            f"ones to learn from, {result.validation} to calibrate on, and {result.examples} that "
            "a model wrote after them.",
            "The messages that classifiers were judged on are not among them.",
        ],
        result.verdict,
        counts={
            "classes, written by people": Counter(
                m.label for m in real_messages(run.ledger, "train", "validation")
            ),
            "classes, written by a model": Counter(m.label for m in synthetic),
        },
        refused=result.left_out,
        tasks=("text-classification",),
    )


def _with_id(message: AnyMessage) -> dict[str, object]:
    synthetic = isinstance(message, SyntheticMessage)
    return message.model_dump(mode="json") | {"id": message.id, "synthetic": synthetic}


def _markdown(title: str, result: ClassificationResult) -> str:
    """Return the report for a person to read."""
    indicators = "\n\n".join(
        f"**{plain(label)}**: {plain(text)}" for label, text in result.indicators.items()
    )
    left_out = "\n".join(f"- {count} × {why}" for why, count in result.left_out.items())
    return f"""# Classifiers of run {result.run}

{verdict_in_markdown(result.verdict)}

{plain(title)}: {len(result.classes)} classes; {result.train} real messages to
learn from, {result.validation} to calibrate on, {result.test} to be judged on.

{_classifiers(result.classifiers)}
In brackets: 95 % intervals over test messages. Every class, every measure: `metrics.json`; every
probability: `predictions/`; how sure it is and how often right: `reliability.svg`.

{" ".join(map(plain, result.notes))}

## Synthetic messages

{result.examples} of {result.written} were kept. Left out:

{left_out or "- none"}

{_variety(result)}
Kept at T: the share of all real messages, and of all that were written, that deduplication alone
would keep at cosine T. `clusters.svg` shows where they lie; `dataset/left-out.jsonl` has every
message that was left out, and why.

## Indicators

{indicators or "None were used."}
"""


def _classifiers(rows: Iterable[ClassifierRow]) -> str:
    head = ["classifier", "trained on", "accuracy", "macro F1", "Brier", "calibration error"]
    cells = []
    for row in rows:
        measured = row.metrics
        estimates = (measured.accuracy, measured.f1, measured.brier, measured.calibration_error)
        shown = map(_cell, (*estimates, measured.roc_auc))
        cells.append([f"{row.mix}, {plain(row.model)}", row.samples, *shown])
    return table([*head, "ROC AUC"], cells)


def _variety(result: ClassificationResult) -> str:
    """Return how varied real and synthetic messages are, and how many deduplication would keep."""
    thresholds = [f"{threshold:g}" for threshold in THRESHOLDS]
    head = ["messages", "number", "distinct-1", "distinct-2", "Self-BLEU"]
    cells = []
    for kind, count in (("real", result.train), ("synthetic", result.examples)):
        varied, retained = result.diversity[kind], result.retained[kind]
        values = [varied.distinct_1, varied.distinct_2, varied.self_bleu]
        values += [retained.get(threshold) for threshold in thresholds]
        cells.append([kind, count, *map(_cell, values)])
    return table([*head, *(f"kept at {threshold}" for threshold in thresholds)], cells)


def _cell(value: Estimate | float | None) -> str:
    if isinstance(value, Estimate):
        return f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"
    return "–" if value is None else f"{value:.3f}"
