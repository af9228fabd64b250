"""The cards of what the stages of a continued pre-training trained: LoRAs, or whole models."""

from elenchus.outcomes import Adapter
from elenchus.results import RunVerdict
from graphs import model_cards
from graphs.model_cards import UNKNOWN, Learning, Outcome
from graphs.pretraining.records import TaskPassage
from graphs.pretraining.result import Stage
from graphs.services import Services

LEARNT = {
    "domain": "the text of the documents",
    "passages": "passages on problems of its tasks",
    "mixed": "the text of the documents, mixed with passages on problems of its tasks",
}


def write_card(run: Services, adapter: Adapter, stage: str, outcome: Outcome = UNKNOWN) -> None:
    """Write the card of what a stage trained."""
    settings, lora = run.config.pretraining, run.config.pretraining.weights == "lora"
    text = f"It learnt {LEARNT[stage]}, {adapter.tokens:,} tokens with general samples."
    if stage != "domain":
        text += (
            f" There are {run.ledger.count(TaskPassage):,} passages, of paragraphs that "
            f"{model_cards.shown(run.config.expert.model)} wrote, which has to cite the documents, "
            f"and that {model_cards.shown(run.config.grader.model)} compared with the gold answers."
        )
    own: dict[str, object] = {
        "stage": stage,
        "weights_trained": "a LoRA" if lora else "all",
        "learning_rate": settings.learning_rate,
        "batch_size": f"{settings.batch_size} blocks of {settings.block} tokens",
        "replay_for_each_example": None,
        "longest_example_in_tokens": None,
        "replay_for_each_token": settings.replay,
    }
    if not lora:
        own |= {"rank_of_the_LoRA": None, "alpha_of_the_LoRA": None}
    shown = model_cards.settings(run, adapter.steps, adapter.tokens, adapter.previous, **own)
    model_cards.write(run, run.folder.path / adapter.path, Learning(text, shown), outcome)


def write_cards(run: Services, stages: list[Stage], verdict: RunVerdict | None) -> None:
    """Write the cards of all stages, now that all figures are known.

    Args:
        stages: the untouched student, and then each.
    """
    trained = {adapter.round: adapter for adapter in run.ledger.all(Adapter)}
    for number, stage in enumerate(stages):
        if number in trained:
            last = number == max(trained)
            outcome = Outcome(stage.exams, verdict=verdict if last else None, last=last)
            write_card(run, trained[number], stage.stage, outcome)
