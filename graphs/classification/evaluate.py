"""The end of a run that makes classifiers: train them, judge them on real messages, and report."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from elenchus import runs
from elenchus.printing import plain
from graphs.adaptation.state import IndicatorState
from graphs.classification import screening
from graphs.classification.records import (
    Classifier,
    Indicators,
    RealMessage,
    Removal,
    SyntheticMessage,
)
from graphs.services import Services
from models.backend import weights
from models.weights import weights_hash
from training import baseline as baselines
from training import calibration, deduplication, diagrams, diversity, lora, metrics
from training import classifier as classifiers

Mix = Literal["real", "synthetic", "hybrid"]
Row = dict[str, Any]
THRESHOLDS = (0.7, 0.8, 0.85, 0.9, 0.95, 0.99)  # that retention is told for
BASELINE = "TF-IDF, logistic"  # regression: words and parts of words, no neural network


def task(run: Services, mix: Mix) -> classifiers.Task:
    """What a mix learns from; calibration is on real messages, whatever the mix."""
    ledger = run.ledger
    real, written = screening.real(ledger, "train"), screening.synthetic(ledger)
    learn: dict[Mix, Sequence[RealMessage | SyntheticMessage]] = {
        "real": real,
        "synthetic": written,
        "hybrid": [*real, *written],
    }
    validation = screening.real(ledger, "validation")
    return classifiers.Task(tuple(screening.labels(run)), learn[mix], validation)


def lacking(run: Services, mix: Mix) -> list[str]:
    """Classes of which a mix has no message: no classifier can be made of it."""
    own = task(run, mix)
    held = {message.label for message in own.learn}
    return [label for label in own.labels if label not in held]


def train(run: Services, mix: Mix, advance: Advance) -> Classifier:
    """Train and calibrate the classifier of a mix; one that is finished is taken as it is."""
    config, out, own = run.config, _folder(run, mix), task(run, mix)
    least = max(config.training.least_steps, config.classifier.least_steps)
    training = config.training.model_copy(update={"least_steps": least})
    out.parent.mkdir(exist_ok=True)
    if out.exists():
        card = classifiers.card(out)
    else:
        base = weights(config.student)
        seed, classifier = config.seed, config.classifier
        card = classifiers.train(base, own, training, classifier, seed, out, advance)
    return Classifier(
        mix=mix,
        path=out.relative_to(run.folder.path).as_posix(),
        sha256=weights_hash(out),
        labels=own.labels,
        samples=len(own.learn),
        steps=lora.steps(len(own.learn), training),
        temperature=card.temperature,
        threshold=card.threshold,
    )


def conclude(run: Services, state: IndicatorState, advance: Advance) -> Row:
    """Judge all classifiers, write the files of the dataset and the report, and result.json last:
    its existence means that the run is finished."""
    rows = _judged(run, advance)
    result = _result(run, state, rows)
    _write_messages(run)
    runs.write_json(run.folder.path / "metrics.json", rows)
    if rows:
        diagrams.reliability(run.folder.path / "reliability.svg", rows)
    _draw_clusters(run)
    runs.write_atomic(run.folder.path / "report.md", _report(run, result))
    runs.write_json(run.folder.result, result)
    return result


def _judged(run: Services, advance: Advance) -> list[Row]:
    """A row for every classifier, of what it says of the real test messages."""
    test = screening.real(run.ledger, "test")
    labels = screening.labels(run)
    truth = np.array([labels.index(message.label) for message in test])
    rows: list[Row] = []
    for judge in _judges(run):
        found = judge.classifier.probabilities([message.text for message in test])
        measured = metrics.measure(truth, found, labels, judge.threshold)
        who = "baseline" if judge.model == BASELINE else "student"
        _write_predictions(run, f"{judge.mix}-{who}.jsonl", test, labels, found)
        rows.append(
            {"mix": judge.mix, "model": judge.model, "samples": judge.samples}
            | {"metrics": measured.model_dump(mode="json")}
        )
        advance(len(rows), None)
        del judge  # before the next one is loaded
    return rows


class _Judge(NamedTuple):
    mix: str
    model: str
    samples: int
    threshold: float | None
    classifier: classifiers.Classifying


def _judges(run: Services) -> Iterator[_Judge]:
    """The untouched student, then for each mix a trained one and the baseline; one at a time, since
    a student may be large. Without training there are baselines alone."""
    config, student = run.config, run.config.student.model
    labels = tuple(screening.labels(run))
    if config.training.enabled:
        base = weights(config.student)
        if (untouched := classifiers.untrained(base, labels)) is not None:
            yield _Judge("untrained", student, 0, None, untouched)
        del untouched
    trained = {one.mix: one for one in run.ledger.all(Classifier)}
    for mix in config.classifier.mixes:
        if lacking(run, mix):
            continue
        own = task(run, mix)
        if mix in trained:
            tuned = classifiers.load(run.folder.path / trained[mix].path, base)
            yield _Judge(mix, student, len(own.learn), tuned.card.threshold, tuned)
            del tuned
        baseline = baselines.baseline(own, config.classifier)
        threshold = _threshold(baseline, own, run)
        yield _Judge(mix, BASELINE, len(own.learn), threshold, baseline)


def _threshold(
    judge: classifiers.Classifying, own: classifiers.Task, run: Services
) -> float | None:
    """As a trained classifier has one: the best on validation messages; None for many classes."""
    if len(own.labels) > 2 or not own.validation:
        return None
    found = judge.probabilities([message.text for message in own.validation])
    best_for = run.config.classifier.threshold
    return calibration.threshold(found, own.truth(own.validation), best_for)


def _result(run: Services, state: IndicatorState, rows: list[Row]) -> Row:
    ledger, config = run.ledger, run.config
    written, kept = ledger.all(SyntheticMessage), screening.synthetic(ledger)
    in_order = sorted(written, key=screening.order)
    real = screening.real(ledger, "train")
    removals = ledger.all(Removal)
    calls, tokens = ledger.usage()
    return {
        "domain": config.domain,
        "run": run.folder.id,
        "stopped": state["stopped"],
        "rounds": state["round"],
        "classes": screening.labels(run),
        "student": config.student.model,
        "train": len(real),
        "validation": len(screening.real(ledger, "validation")),
        "test": len(screening.real(ledger, "test")),
        "rows_left_out": [removal.detail for removal in removals if removal.reason == "row"],
        "real_left_out": screening.by_reason(removals, ledger.all(RealMessage)),
        "written": len(written),
        "examples": len(kept),
        "left_out": screening.by_reason(removals, written),
        "indicators": screening.paragraphs(ledger),
        "lost": [idea for one in ledger.all(Indicators, approved=False) for idea in one.lost],
        "diversity": {"real": _diversity(real), "synthetic": _diversity(kept)},
        "retained": {
            "real": _retained(run, screening.learnt(_with_near_duplicates(run))),
            "synthetic": _retained(run, in_order),
        },
        "classifiers": [row | {"metrics": _main(row["metrics"])} for row in rows],
        "notes": _notes(run, rows),
        "calls": calls,
        "tokens": tokens,
        "resumed": run.resumed,
        "seconds": round(time.monotonic() - run.started, 1),
    }


def _main(measured: Row) -> Row:
    """The measures that are shown; metrics.json has them all."""
    keys = ("accuracy", "precision", "recall", "f1", "brier", "calibration_error", "roc_auc",
            "pr_auc")  # fmt: skip
    return {key: measured[key] for key in keys}


def _notes(run: Services, rows: list[Row]) -> list[str]:
    """What a reader of the table must know."""
    notes = [
        f"No message of {', '.join(without)} among the {mix} ones: no classifier of these."
        for mix in run.config.classifier.mixes
        if (without := lacking(run, mix))
    ]
    best = {
        model: max(rows_of, default=0.0)
        for model in {row["model"] for row in rows}
        if (rows_of := [r["metrics"]["accuracy"]["value"] for r in rows if r["model"] == model])
    }
    student = run.config.student.model
    if student in best and best.get(BASELINE, 0.0) > best[student]:
        notes.append(
            f"{BASELINE} is better here than {student} ({best[BASELINE]:.1%} against "
            f"{best[student]:.1%}): use it, or a larger student."
        )
    return notes


def _diversity(messages: Sequence[RealMessage | SyntheticMessage]) -> Row:
    texts = [message.text for message in messages]
    return {
        "distinct_1": diversity.distinct(texts, 1),
        "distinct_2": diversity.distinct(texts, 2),
        "self_bleu": diversity.self_bleu(texts),
    }


def _with_near_duplicates(run: Services) -> list[RealMessage]:
    """The real messages of training and validation as they were before deduplication."""
    others = {r.message_id for r in run.ledger.all(Removal) if r.reason != "near duplicate"}
    return [m for m in run.ledger.all(RealMessage) if m.id not in others]


def _retained(run: Services, messages: Sequence[RealMessage | SyntheticMessage]) -> Row:
    """Share of messages that deduplication within their classes leaves, by threshold."""
    kept: Counter[float] = Counter()
    for label in {message.label for message in messages}:
        own = screening.vectors(run, [m for m in messages if m.label == label])
        for threshold, share in deduplication.retained(own, THRESHOLDS).items():
            kept[threshold] += round(share * len(own))
    return {f"{threshold:g}": round(kept[threshold] / len(messages), 4) for threshold in kept}


def _draw_clusters(run: Services) -> None:
    real, written = screening.real(run.ledger, "train"), screening.synthetic(run.ledger)
    groups = [
        (label, kind, screening.vectors(run, own))
        for label in screening.labels(run)
        for kind, some in (("real", real), ("synthetic", written))
        if (own := [message for message in some if message.label == label])
    ]
    diagrams.clusters(run.folder.path / "clusters.svg", groups)


def _write_messages(run: Services) -> None:
    """dataset/messages.jsonl with what is learnt and calibrated on, and left-out.jsonl with what is
    not, and why."""
    ledger, folder = run.ledger, run.folder.dataset
    folder.mkdir(exist_ok=True)
    real, written = screening.real(ledger, "train", "validation"), screening.synthetic(ledger)
    known: dict[str, RealMessage | SyntheticMessage] = {m.id: m for m in ledger.all(RealMessage)}
    known |= {m.id: m for m in ledger.all(SyntheticMessage)}
    _write_lines(folder / "messages.jsonl", [*map(_with_id, real), *map(_with_id, written)])
    _write_lines(
        folder / "left-out.jsonl",
        [
            removal.model_dump(mode="json") | {"message": _with_id(known[removal.message_id])}
            for removal in ledger.all(Removal)
            if removal.message_id in known
        ],
    )


def _with_id(message: RealMessage | SyntheticMessage) -> Row:
    return message.model_dump(mode="json") | {
        "id": message.id,
        "synthetic": isinstance(message, SyntheticMessage),
    }


def _write_predictions(
    run: Services, name: str, test: Sequence[RealMessage], labels: Sequence[str], found: Any
) -> None:
    folder = run.folder.path / "predictions"
    folder.mkdir(exist_ok=True)
    rows = [
        {"message_id": m.id, "label": m.label}
        | {"probabilities": dict(zip(labels, map(float, row.round(6)), strict=True))}
        for m, row in zip(test, found, strict=True)
    ]
    _write_lines(folder / name, rows)


def _write_lines(path: Any, rows: Sequence[Row]) -> None:
    runs.write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _folder(run: Services, mix: Mix) -> Any:
    return run.folder.path / "classifiers" / mix


def _report(run: Services, result: Row) -> str:
    """What a run came to, for a person to read."""
    indicators = "\n\n".join(
        f"**{plain(label)}**: {plain(text)}" for label, text in result["indicators"].items()
    )
    out = "\n".join(f"- {count} × {why}" for why, count in result["left_out"].items())
    return f"""# Classifiers of run {result["run"]}

{plain(run.config.title)}: {len(result["classes"])} classes; {result["train"]} real messages to
learn from, {result["validation"]} to calibrate on, {result["test"]} to be judged on.

{_classifier_table(result["classifiers"])}

In brackets: 95 % intervals over test messages. Every class, every measure: `metrics.json`; every
probability: `predictions/`; how sure it is and how often right: `reliability.svg`.

{" ".join(map(plain, result["notes"]))}

## Synthetic messages

{result["examples"]} of {result["written"]} were kept. Left out:

{out or "- none"}

{_message_table(result)}

Kept at T: the share of all real messages, and of all that were written, that deduplication alone
would keep at cosine T. `clusters.svg` shows where they lie; `dataset/left-out.jsonl` has every
message that was left out, and why.

## Indicators

{indicators or "None were used."}
"""


def _classifier_table(rows: Sequence[Row]) -> str:
    measures = ("accuracy", "f1", "brier", "calibration_error", "roc_auc")
    lines = [
        "| classifier | trained on | accuracy | macro F1 | Brier | calibration error | ROC AUC |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = " | ".join(_interval(row["metrics"][key]) for key in measures)
        lines.append(f"| {row['mix']}, {plain(row['model'])} | {row['samples']} | {cells} |")
    return "\n".join(lines)


def _message_table(result: Row) -> str:
    """How varied the messages are that were kept, and the share of those that were there or written
    that deduplication alone would keep, by threshold."""
    thresholds = [f"{threshold:g}" for threshold in THRESHOLDS]
    lines = [
        f"| messages | number | distinct-1 | distinct-2 | Self-BLEU | "
        f"{' | '.join(f'kept at {threshold}' for threshold in thresholds)} |",
        "|---|---|---|---|---|" + "---|" * len(thresholds),
    ]
    for kind, count in (("real", result["train"]), ("synthetic", result["examples"])):
        values = [*result["diversity"][kind].values()]
        values += [result["retained"][kind].get(threshold) for threshold in thresholds]
        lines.append(f"| {kind} | {count} | {' | '.join(map(_number, values))} |")
    return "\n".join(lines)


def _interval(found: Row | None) -> str:
    if found is None:
        return "–"
    return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
