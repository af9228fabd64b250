"""The card of what examinations left to learn, or of texts beside them."""

from collections import Counter
from collections.abc import Iterable

from elenchus.outcomes import Adapter, Dataset, ExamItem, Text
from elenchus.records import Point
from graphs import cards
from graphs.adaptation import curation, reviewing
from graphs.adaptation.result import AdaptationResult
from graphs.services import Services
from training import dataset as datasets


def write_card(run: Services, result: AdaptationResult) -> None:
    """Write the card of the dataset, or of the texts that a run taught in its place."""
    if run.ledger.count(Dataset):
        _write_examples_card(run, result)
    elif texts := run.ledger.all(Text):
        _write_texts_card(run, result, texts)


def _write_examples_card(run: Services, result: AdaptationResult) -> None:
    names = ("train.jsonl", "pairs.jsonl", "held-out.jsonl", "rejected.jsonl")
    dataset = reviewing.newest(run.ledger)
    assert dataset is not None
    examples = curation.chosen_examples(run.ledger, dataset)
    topics = {point.id: point.topic for point in run.ledger.all(Point)}
    about = [
        f"{result.examples} questions with answers that a small model did not know, chosen from "
        f"{result.candidates} candidates; they cover {result.points_covered} of {result.points} "
        "points of the documents.",
        _left_out(result),
        "Questions come from the examiner, answers from the expert, which has to cite the "
        "documents; the grader compared the student's own answers with them.",
        f"The student was {_trained(run)}.",
    ]
    if result.nearest_exam_similarity is not None:
        about.append(
            "The nearest pair of a training question and a held-out one has cosine "
            f"{result.nearest_exam_similarity}."
        )
    cards.write(
        run,
        cards.counted(run.folder.dataset, names),
        about,
        result.verdict,
        counts={
            "kinds of question": Counter(e.kind for e in examples),
            "topics": Counter(topics.get(e.point_id, "unknown") for e in examples),
        },
        refused=result.rejected,
        review=reviewing.in_words(result.review),
    )


def _write_texts_card(run: Services, result: AdaptationResult, texts: Iterable[Text]) -> None:
    """Write the card of texts; the exam lies beside them, as beside any dataset."""
    place = run.folder.dataset
    place.mkdir(exist_ok=True)
    datasets.write_exam(place / "held-out.jsonl", run.ledger.all(ExamItem, exam="held-out"))
    cards.write(
        run,
        cards.counted(place, ("texts.jsonl", "held-out.jsonl")),
        [
            "Texts for a small model to learn as they stand, made from the passages of documents "
            f"({run.config.rewriting.form}).",
            f"The student was {_trained(run)}.",
        ],
        result.verdict,
        counts={"tasks of the author": Counter(text.task for text in texts)},
        tasks=("text-generation",),
    )


def _left_out(result: AdaptationResult) -> str:
    counts = {
        "near-duplicates of others": result.near_duplicates,
        "too near a question of the exam": result.near_exam,
        "too long to train on": result.too_long,
        "on points that had enough": result.of_full_points,
        "with the commoner of two results": result.unbalanced,
        "that contradict others": result.contradicted,
    }
    told = [f"{count} {what}" for what, count in counts.items() if count]
    return f"Left out were {', '.join(told)}." if told else "No candidate had to be left out."


def _trained(run: Services) -> str:
    adapters = run.ledger.all(Adapter)
    steps = max(adapters, key=lambda a: a.round).steps if adapters else 0
    return f"trained for {steps} steps" if steps else "not trained"
