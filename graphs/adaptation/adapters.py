"""The cards of the adapters that examinations, or texts beside them, trained."""

from elenchus.outcomes import Adapter, Dataset, Text
from graphs import model_cards
from graphs.adaptation.result import AdaptationResult, KeptResult
from graphs.model_cards import UNKNOWN, Learning, Outcome
from graphs.services import Services
from graphs.state import MeasuredState

OBJECTIVES = {
    "sft": "the examples alone",
    "distil": "the examples, with the base that reads the passages as a teacher",
    "dpo": "the examples, then pairs of them with wrong answers of the base",
}


def write_card(run: Services, adapter: Adapter, outcome: Outcome = UNKNOWN) -> None:
    """Write the card of an adapter, and of the one that was trained before its pairs."""
    folder = run.folder.path / adapter.path
    learnt = Learning(_text(run, adapter), _settings(run, adapter))
    model_cards.write(run, folder, learnt, outcome)
    before_pairs = folder.with_name(f"{folder.name}-examples")
    if before_pairs.is_dir():
        text = f"{learnt.text} This is the adapter before it learnt from pairs."
        model_cards.write(run, before_pairs, learnt._replace(text=text), Outcome(last=False))


def write_cards(run: Services, state: MeasuredState, result: AdaptationResult) -> None:
    """Write the card of each adapter that a run trained itself, now that all figures are known."""
    for adapter in run.ledger.all(Adapter):
        if adapter.round <= state.get("first", 0):
            continue  # the earlier run's
        if adapter.path == result.adapter:
            outcome = Outcome(result.exams, _kept(result.kept), result.verdict, last=True)
        else:
            outcome = model_cards.of_earlier(run, adapter, state)
        write_card(run, adapter, outcome)


def _text(run: Services, adapter: Adapter) -> str:
    config = run.config
    expert = f"{model_cards.shown(config.expert.model)}, which has to cite the documents"
    if not adapter.dataset_id:
        return f"It learnt {run.ledger.count(Text):,} texts on the documents, written by {expert}."
    examples = len(run.ledger.get(Dataset, adapter.dataset_id).example_ids)
    return (
        f"It learnt {examples:,} questions on the documents that the base was likely to get wrong, "
        f"with answers by {expert}. Questions came from "
        f"{model_cards.shown(config.examiner.model)}, grades from "
        f"{model_cards.shown(config.grader.model)}. General samples that the base answers rightly, "
        "or answered itself, were mixed in against forgetting."
    )


def _settings(run: Services, adapter: Adapter) -> dict[str, str]:
    training = run.config.training
    return model_cards.settings(
        run,
        adapter.steps,
        adapter.tokens,
        adapter.previous,
        objective=OBJECTIVES[training.objective] if adapter.dataset_id else "the texts",
        passes=f"{training.epochs:g}",
    )


def _kept(kept: KeptResult | None) -> str:
    if kept is None:
        return ""
    change = kept.change
    return (
        f"A token of what the base said itself to {kept.prompts} general prompts became likelier "
        f"by {change.value:+.3f} nats [{change.low:+.3f}, {change.high:+.3f}]."
    )
