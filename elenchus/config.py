"""The configuration: one pydantic tree, with the same names in YAML, `--set` and Python.

Every default states its unit. Secrets are never part of it: they come from the environment. It is
read by `elenchus.loading`.
"""

import itertools
from typing import Any, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from elenchus.message_config import (
    ClassifierConfig,
    GenerationConfig,
    IndicatorsConfig,
    MessagesConfig,
)
from elenchus.passage_config import PassagesConfig, PretrainingConfig, TaskConfig
from elenchus.sections import ModelConfig, Section, SourceConfig, provider_and_model
from elenchus.selection_config import SelectionConfig

__all__ = [  # of the sections in other files: whoever wants settings finds them all here
    "ClassifierConfig",
    "GenerationConfig",
    "IndicatorsConfig",
    "MessagesConfig",
    "ModelConfig",
    "PassagesConfig",
    "PretrainingConfig",
    "Section",
    "SelectionConfig",
    "SourceConfig",
    "TaskConfig",
]

NAME = r"^[a-z0-9][a-z0-9-]*$"  # of a domain
Role = Literal["expert", "examiner", "grader", "student", "author"]


class CorpusConfig(Section):
    sources: list[SourceConfig] = Field(
        [SourceConfig(path="documents")],
        min_length=1,
        description="files, folders, patterns, tables, hf: datasets, loaders; see docs/corpora.md",
    )
    passage_chars: int = Field(1200, ge=200, description="longest passage, in characters")
    file_mb: float = Field(50, gt=0, description="largest file that is read, in MB; tables stream")
    expanded_mb: float = Field(200, gt=0, description="most that an archive may unpack to, in MB")


class RetrievalConfig(Section):
    embedding: str = Field(
        "minilm", description='"minilm" (ships as a package) or a sentence-transformers id'
    )
    index: str = Field("indexes", description="folder of the indexes, from where you launch")
    chroma: str | None = Field(
        None, description="a Chroma server, http://host:port; else Chroma keeps to the index"
    )
    tenant: str = Field("default_tenant", description="of the Chroma server")
    database: str = Field("default_database", description="of the Chroma server")
    passages: int = Field(6, ge=1, description="passages given to the expert for a question")
    reranker: str | None = Field(
        None, description="a cross-encoder that judges the candidates again; its id or folder"
    )
    diversity: float = Field(
        0.0,
        ge=0,
        le=1,
        description="how far unlike each other the passages should be; 0: no matter",
    )
    references: int = Field(
        8, ge=0, description="passages added at most because references join them to those found"
    )
    look_ups: int = Field(
        2, ge=0, description="further searches that the expert may ask for, a question"
    )
    candidates: int = Field(24, ge=1, description="passages each ranking hands to the fusion")
    lexical_weight: float = Field(
        0.4, ge=0, le=1, description="share of the lexical scores in the fusion; the rest is dense"
    )
    neighbours: tuple[float, ...] = Field(
        (0.25, 0.1),
        description="share of a passage's score that those next to it get, next but one, and so on",
    )


class ExpertConfig(ModelConfig):
    # Two answers at 0 would be one answer twice, and agree whatever they say.
    temperature: float | None = Field(
        0.5, ge=0, description="sampling temperature; null for a model that takes none"
    )
    samples: int = Field(2, ge=1, description="answers asked for, a question; they must agree")


class StudentConfig(ModelConfig):
    model: str = Field("builtin:nano", description='"provider:model"')
    temperature: float | None = Field(
        0.7, ge=0, description="sampling temperature; 0 in exams; null for a model that takes none"
    )
    samples: int = Field(3, ge=1, description="answers asked for, a question")


class ExaminationConfig(Section):
    max_turns: int = Field(3, ge=1, description="questions at most in one examination")
    fresh_turns: int = Field(
        1, ge=1, description="the same in a point's first one: what is known there is known"
    )
    patience: int = Field(2, ge=1, description="turns without a wider gap before giving up")
    accept_below: float = Field(
        0.5, ge=0, le=1, description="accept when the student's mean score is below this"
    )
    accept_gap: float = Field(0.15, ge=0, le=1, description="least gap that is accepted")
    sighted: bool = Field(
        True, description="ask the student, and accept what it fails; else take the last question"
    )
    concurrency: int = Field(64, ge=1, description="examinations under way at once")


class AdaptationConfig(Section):
    examples: tuple[PositiveInt, ...] = Field(
        (200, 400), min_length=1, description="size that the dataset should have after each round"
    )

    @field_validator("examples")
    @classmethod
    def _rising(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if any(later <= earlier for earlier, later in itertools.pairwise(sizes)):
            raise ValueError("sizes must rise from round to round")
        return sizes

    points: Literal["failures", "coverage", "random"] = Field(
        "failures", description="which points are asked about: those likely failed and uncovered"
    )
    kinds: Literal["failures", "even", "random"] = Field(
        "failures", description="which kinds of question are asked: in proportion to failures"
    )
    depth: int = Field(2, ge=1, description="questions about a point in a row, of different kinds")
    memory: float = Field(
        0.3, ge=0, le=1, description="weight of what a round showed, for each round since"
    )
    stop_failure_share: float = Field(
        0.1, ge=0, le=1, description="stop when the student fails fewer of the fresh questions"
    )
    stop_patience: int = Field(
        2, ge=1, description="stop after so many rounds with no significant gain"
    )
    coverage_decay: float = Field(
        0.5, gt=0, le=1, description="worth of a point for each example that already covers it"
    )


class RewritingConfig(Section):
    form: Literal["raw", "paraphrase", "entigraph"] = Field(
        "paraphrase", description="passages as they stand, in other words, or retold for entities"
    )
    tokens: int = Field(
        100_000, ge=1, description="tokens of text to write; raw text is read again and again"
    )
    triples: float = Field(
        0.2, ge=0, le=1, description="entigraph: share of texts for three entities; others for two"
    )


class ExamConfig(Section):
    questions: int = Field(420, ge=1, description="size of the held-out exam, in questions")
    general: int = Field(300, ge=0, description="size of the general exam, in questions")
    hand: str | None = Field(
        None, description="JSONL of your own questions: question, answer, document, quote"
    )


class DatasetConfig(Section):
    selection: Literal["facility", "hardest", "random"] = Field(
        "facility", description="which candidates are kept: the fewest that cover the failures"
    )
    candidates: float = Field(
        1.08, ge=1, le=3, description="accepted questions to aim at, for each example to be kept"
    )
    near_duplicate: float = Field(
        0.985, ge=0, le=1, description="cosine from which two questions are the same"
    )
    near_exam: float = Field(
        0.985, ge=0, le=1, description="cosine to a held-out question from which one is removed"
    )
    coverage: float = Field(
        0.999, gt=0, le=1, description="share of what all candidates cover at which to stop"
    )


class TrainingConfig(Section):
    enabled: bool = Field(True, description="whether to train; if not, a run ends with its dataset")
    rank: int = Field(16, ge=1, description="rank of the LoRA")
    alpha: int = Field(32, ge=1, description="scale of the LoRA, before division by the rank")
    learning_rate: float = Field(4e-3, gt=0, description="peak, after warm-up; linear decay")
    warmup_steps: int = Field(10, ge=0, description="optimiser steps")
    batch_size: int = Field(16, ge=1, description="samples a step")
    epochs: float = Field(4.0, gt=0, description="passes a round over dataset and replay")
    least_steps: int = Field(60, ge=1, description="optimiser steps a round at least")
    max_tokens: int = Field(
        512, ge=16, description="longest example; longer ones are left out, messages cut"
    )
    replay: float = Field(
        1.5, ge=0, description="general samples mixed in for each example, against forgetting"
    )
    save_steps: int = Field(200, ge=1, description="steps between checkpoints that resume goes to")


class LimitsConfig(Section):
    """Of one model, shared by all roles that use it."""

    in_flight: int = Field(64, ge=1, description="calls under way at once")
    requests_per_minute: int | None = Field(None, ge=1, description="calls begun in a minute")
    tokens_per_minute: int | None = Field(None, ge=1, description="tokens in and out, a minute")
    retry_minutes: float = Field(
        10.0, ge=0, description="how long a call is tried again before the run stops"
    )
    usd_in: float | None = Field(None, ge=0, description="USD a million tokens read")
    usd_out: float | None = Field(None, ge=0, description="USD a million tokens written")


class CapsConfig(Section):
    usd: float | None = Field(None, gt=0, description="USD at most")
    tokens: int | None = Field(None, gt=0, description="tokens in and out at most")
    calls: int | None = Field(None, gt=0, description="model calls at most")


class BudgetConfig(CapsConfig):
    minutes: float | None = Field(
        None, gt=0, description="minutes at most, since the launch or the last resume"
    )
    roles: dict[Role, CapsConfig] = Field(
        default_factory=dict, description="caps of single roles: expert: {usd: 5}"
    )


class DomainConfig(Section):
    """A domain.yaml."""

    domain: str = Field(description="short name: lower-case letters, digits, dashes", pattern=NAME)
    title: str = Field(description="what the documents are, in a line; reaches the prompts")
    language: str = Field("English", description="language of questions and answers")
    seed: int = Field(0, description="seed of everything drawn at random")
    method: Literal["examination", "rewriting", "indicators", "passages"] = Field(
        "examination",
        description="learn what the student fails; to compare, texts; classify messages "
        "(indicators); continue pre-training (passages)",
    )
    corpus: CorpusConfig = CorpusConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    expert: ExpertConfig = ExpertConfig()
    examiner: ModelConfig = ModelConfig()
    grader: ModelConfig = ModelConfig()
    student: StudentConfig = StudentConfig()
    models: dict[str, LimitsConfig] = Field(
        default_factory=dict, description="limits and prices by model: openai:x: {in_flight: 8}"
    )
    budget: BudgetConfig = BudgetConfig()
    examination: ExaminationConfig = ExaminationConfig()
    adaptation: AdaptationConfig = AdaptationConfig()
    rewriting: RewritingConfig = RewritingConfig()
    exam: ExamConfig = ExamConfig()
    dataset: DatasetConfig = DatasetConfig()
    training: TrainingConfig = TrainingConfig()
    messages: MessagesConfig = MessagesConfig()
    indicators: IndicatorsConfig = IndicatorsConfig()
    generation: GenerationConfig = GenerationConfig()
    classifier: ClassifierConfig = ClassifierConfig()
    selection: SelectionConfig = SelectionConfig()
    tasks: dict[str, TaskConfig] = Field(
        default_factory=dict,
        description="passages: sets of problems by name; none: written from the documents",
    )
    passages: PassagesConfig = PassagesConfig()
    pretraining: PretrainingConfig = PretrainingConfig()
    profiles: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="named sets of changes to this tree, for --profile"
    )

    @field_validator("models")
    @classmethod
    def _providers(cls, models: dict[str, LimitsConfig]) -> dict[str, LimitsConfig]:
        for name in models:
            provider_and_model(name)
        return models

    @model_validator(mode="after")
    def _has_something_to_do(self) -> "DomainConfig":
        if self.method == "rewriting" and not self.training.enabled:
            raise ValueError("method: rewriting needs training.enabled")
        if self.method == "indicators" and not (self.messages.train and self.messages.test):
            raise ValueError("method: indicators needs messages.train and messages.test")
        if self.method == "passages":
            self._can_pretrain()
        return self

    def _can_pretrain(self) -> None:
        own, tasks = self.passages, self.tasks
        if not self.training.enabled:
            raise ValueError("method: passages needs training.enabled")
        if self.pretraining.domain_tokens == self.pretraining.passage_tokens == 0:
            raise ValueError("pretraining: domain_tokens and passage_tokens are both 0")
        if tasks and own.across and own.problems > len(tasks):
            raise ValueError(
                f"passages.problems is {own.problems}, each of another task, but tasks names "
                f"{len(tasks)}: lower it, or set passages.across=false"
            )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Size of the dataset after each round; without training there is one."""
        sizes = self.adaptation.examples
        return sizes if self.training.enabled else sizes[-1:]
