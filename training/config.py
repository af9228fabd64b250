"""Sections of the configuration for training other than a LoRA on examples."""

from typing import Literal

from pydantic import Field

from elenchus.sections import Section


class ClassifierConfig(Section):
    """The classifiers that are trained and compared; `training` says how."""

    mixes: tuple[Literal["real", "synthetic", "hybrid"], ...] = Field(
        ("real", "synthetic", "hybrid"), min_length=1, description="training sets to compare"
    )
    least_steps: int = Field(
        200, ge=1, description="optimiser steps at least: a head that begins at random needs more"
    )
    class_weights: bool = Field(True, description="whether rare classes weigh as much as others")
    threshold: Literal["accuracy", "f1"] = Field(
        "f1", description="two classes: what the threshold on validation messages is best for"
    )


class PretrainingConfig(Section):
    """Continued pre-training in two stages; `training` has rank, warm-up and checkpoints."""

    order: Literal["staged", "mixed"] = Field(
        "staged", description="the domain's text, then the passages; or both mixed"
    )
    domain_tokens: int | None = Field(
        None, ge=0, description="tokens of the domain's text to train on; once over where none"
    )
    passage_tokens: int | None = Field(
        None, ge=0, description="tokens of passages to train on; once over where none is given"
    )
    chat: bool = Field(
        True, description="passages as turns of a chat in the student's form; else as plain text"
    )
    weights: Literal["lora", "all"] = Field("lora", description="what is trained")
    block: int = Field(256, ge=16, description="tokens of a block that texts are packed into")
    batch_size: int = Field(4, ge=1, description="blocks a step")
    learning_rate: float = Field(
        1e-4, gt=0, description="peak; 1e-4 fits a LoRA on most models, 1e-5 all weights"
    )
    replay: float = Field(
        1.0, ge=0, description="tokens of general samples for each token of text, where there are"
    )
    shots: int = Field(4, ge=0, description="solved problems shown before one of a task")
