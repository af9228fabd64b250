"""The sections of the configuration that every method has, with the same names in YAML and Python.

Descriptions state units. Secrets are never part of it: they come from the environment. The whole
tree is put together in `graphs/config.py`; `elenchus/loading.py` reads the file.
"""

from typing import Any, Literal

from pydantic import Field, field_validator

from elenchus.licences import Licence
from elenchus.own_tests import TestConfig, check_names
from elenchus.questions import (
    FORMATS,
    PERSONAS,
    UNSTATED,
    AnswerForm,
    kinds_of,
    label_in,
    unstated_in,
)
from elenchus.sections import (
    FilePath,
    HttpAddress,
    ModelConfig,
    Section,
    SourceConfig,
    provider_and_model,
)

NAME = r"^[a-z0-9][a-z0-9-]*$"  # of a domain
Role = Literal["expert", "examiner", "grader", "student", "author"]


class CorpusConfig(Section):
    sources: list[SourceConfig] = Field(
        [SourceConfig(path="documents")],
        min_length=1,
        description="files, folders, patterns, tables, hf: datasets, loaders; see docs/corpora.md",
    )
    files: int = Field(
        50_000, ge=1, description="most files of a source: more are a folder named by mistake"
    )
    passage_chars: int = Field(1200, ge=200, description="longest passage, in characters")
    file_mb: float = Field(50, gt=0, description="largest file that is read, in MB; tables stream")
    expanded_mb: float = Field(200, gt=0, description="most that an archive may unpack to, in MB")
    read_seconds: float = Field(60, gt=0, description="longest that reading one file may take")
    read_gb: float = Field(4, gt=0, description="most memory that reading files may take, in GB")


class RetrievalConfig(Section):
    embedding: FilePath = Field(
        "minilm", description='"minilm" (ships as a package) or a sentence-transformers id'
    )
    index: FilePath = Field("indexes", description="folder of the indexes, from where you launch")
    chroma: HttpAddress | None = Field(
        None, description="a Chroma server, http://host:port; else Chroma keeps to the index"
    )
    tenant: str = Field("default_tenant", description="of the Chroma server")
    database: str = Field("default_database", description="of the Chroma server")
    passages: int = Field(6, ge=1, description="passages given to the expert for a question")
    reranker: FilePath | None = Field(
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
    # At 0 two answers would be the same, and their agreement would mean nothing.
    temperature: float | None = Field(
        0.5, ge=0, description="sampling temperature; null for a model that takes none"
    )
    samples: int = Field(2, ge=1, description="answers asked for, a question; they must agree")


class StudentConfig(ModelConfig):
    temperature: float | None = Field(
        0.7, ge=0, description="sampling temperature; 0 in exams; null for a model that takes none"
    )
    samples: int = Field(3, ge=1, description="answers asked for, a question")


class QuestionsConfig(Section):
    kinds: dict[str, str | None] = Field(
        default_factory=dict,
        description="kinds of question of your own, each with its meaning; null takes one out",
    )
    unstated: float = Field(
        0.08, ge=0, lt=1, description="share that asks for what the documents do not say"
    )
    surveyed: int | None = Field(
        None, ge=1, description="passages that are read for points, drawn at random; all if null"
    )
    partners: int = Field(
        2, ge=0, description="further points at most that a question may join to its own"
    )
    untaught: float = Field(
        0.1, ge=0, lt=1, description="share of points that the exam alone asks about"
    )
    personas: tuple[str, ...] = Field(PERSONAS, description="who may ask; drawn at random")
    formats: tuple[str, ...] = Field(FORMATS, description="in what form; drawn at random")

    @field_validator("kinds")
    @classmethod
    def _some_left(cls, kinds: dict[str, str | None]) -> dict[str, str | None]:
        if not set(kinds_of(kinds)) - {UNSTATED}:
            raise ValueError("no kind is left that asks about the documents")
        return kinds


class AnswersConfig(Section):
    template: str = Field(
        AnswerForm.template, description="text that is learnt: {explanation}, {label}, {result}"
    )
    label: str | None = Field(None, description="before the result; by the language if null")
    unstated: str | None = Field(
        None, description="result where the documents do not say; by the language if null"
    )

    @field_validator("template")
    @classmethod
    def _has_both(cls, template: str) -> str:
        for part in ("{explanation}", "{result}"):
            if template.count(part) != 1:
                raise ValueError(f"it must have {part} once")
        if template.index("{result}") < template.index("{explanation}"):
            raise ValueError("the explanation must come first: a result is learnt from its reason")
        return template


class ChecksConfig(Section):
    agree: bool = Field(True, description="a second answer of the expert must agree, asked twice")
    support: bool = Field(True, description="the grader must find the answer in what it cites")
    guess: bool = Field(True, description="the grader must not tell the answer from the wording")
    consistent: bool = Field(True, description="answers about one point must not contradict")
    language: bool = Field(True, description="questions and answers must be in the language")
    novelty: float = Field(
        0.5, gt=0, le=1, description="share of word trigrams that one of another exam may repeat"
    )


class ExamConfig(Section):
    questions: int = Field(420, ge=1, description="size of the held-out exam, in questions")
    general: int = Field(300, ge=0, description="size of the general exam, in questions")
    general_prompts: FilePath | None = Field(
        None,
        description="JSONL of your own general prompts: prompt, and answer where it can be matched",
    )
    hand: FilePath | None = Field(
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
        0.9, ge=0, le=1, description="cosine from which two questions are the same"
    )
    near_exam: float = Field(
        0.85, ge=0, le=1, description="cosine to an exam question from which one is removed"
    )
    per_point: int = Field(10, ge=1, description="examples about one point at most")
    one_result: float = Field(
        0.6, gt=0, le=1, description="share at most of one result among those of yes or no"
    )
    coverage: float = Field(
        0.999, gt=0, le=1, description="share of what all candidates cover at which to stop"
    )
    licence: Licence | None = Field(
        None,
        description="what others may do with the dataset, as SPDX names it: CC-BY-4.0; ask whoever "
        "owns the documents (a source has a licence, too: {path: documents, licence: CC-BY-4.0})",
    )


class TrainingConfig(Section):
    enabled: bool = Field(True, description="whether to train; if not, a run ends with its dataset")
    objective: Literal["sft", "distil", "dpo"] = Field(
        "sft",
        description="examples alone; also the student with passages as teacher; also pairs with "
        "its wrong answers",
    )
    rank: int = Field(16, ge=1, description="rank of the LoRA")
    alpha: int = Field(32, ge=1, description="scale of the LoRA, before division by the rank")
    learning_rate: float = Field(2e-4, gt=0, description="peak, after warm-up; linear decay")
    warmup_steps: int = Field(10, ge=0, description="optimiser steps")
    batch_size: int = Field(16, ge=1, description="samples a step")
    epochs: float = Field(4.0, gt=0, description="passes a round over dataset and replay")
    held_out: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of examples kept apart; their loss ends a training once it rises",
    )
    least_steps: int = Field(
        20, ge=1, description="optimiser steps a round at least: the warm-up and as many more"
    )
    max_tokens: int = Field(
        512, ge=16, description="longest example; longer ones are left out, messages cut"
    )
    replay: float = Field(
        1.5, ge=0, description="general samples mixed in for each example, against forgetting"
    )
    save_steps: int = Field(200, ge=1, description="steps between checkpoints that resume goes to")
    gradient_checkpointing: bool = Field(
        False,
        description="compute activations twice, to keep fewer: less memory, more time",
    )
    processes: int = Field(
        1, ge=1, description="processes that share each batch, on as many GPUs where there are any"
    )
    report_to: tuple[str, ...] = Field(
        (), description="trackers that transformers knows: tensorboard, wandb, mlflow, …"
    )


class VerdictConfig(Section):
    least_passages: float = Field(
        0.2, ge=0, le=1, description="share of passages that must have given a point"
    )
    most_of_point: float = Field(
        0.1, gt=0, le=1, description="share of dataset or exam that one point may make at most"
    )
    most_rejected: float = Field(
        0.9, gt=0, le=1, description="share of what was made that checks may refuse at most"
    )
    least_questions: int = Field(
        20, ge=1, description="graded questions below which an exam decides nothing"
    )
    most_ungraded: float = Field(
        0.1, ge=0, le=1, description="share of the held-out exam without a grade at most"
    )
    most_forgotten: float = Field(
        0.05, ge=0, le=1, description="loss on the general exam up to which it counts for nothing"
    )


class ContaminationConfig(Section):
    corpus: Literal["count", "leave-out"] = Field(
        "count",
        description="items of your tests that stand in the corpus: count them, or leave them out "
        "of the figures as those that stand in training examples",
    )


class LimitsConfig(Section):
    """Limits and prices of one model, shared by all roles that use it."""

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


class TelemetryConfig(Section):
    spans: bool = Field(
        False, description="write OpenTelemetry spans into the run folder: see docs/telemetry.md"
    )
    content: bool = Field(False, description="spans also hold what models are asked and say")


class RayConfig(Section):
    """Where the work of `engine: ray` is done: see docs/scaling.md."""

    address: str | None = Field(
        None,
        description="of a cluster to join: auto, or host:port; else one is begun on this machine",
    )
    workers: int | None = Field(
        None, ge=1, description="worker processes; as many as the cluster has CPUs free if null"
    )
    gpus: float = Field(
        0.0, ge=0, description="GPUs that each worker takes, where the student runs in it"
    )

    @field_validator("address")
    @classmethod
    def _joinable(cls, address: str | None) -> str | None:
        if address in (None, "auto"):
            return address
        host, _, port = address.rpartition(":")
        if not host or "/" in host or not (port.isdigit() and 0 < int(port) < 65536):
            raise ValueError("auto, or the host:port that `ray start --head` has printed")
        return address


class CommonConfig(Section):
    """The keys of every domain.yaml; those of a method are in its folder.

    `graphs.config.DomainConfig` is the whole tree.
    """

    domain: str = Field(description="short name: lower-case letters, digits, dashes", pattern=NAME)
    title: str = Field(description="what the documents are, in a line; reaches the prompts")
    language: str = Field("English", description="language of questions and answers")
    seed: int = Field(0, description="seed of everything drawn at random")
    method: str = Field(
        "examination",
        description="learn what the student fails; to compare, texts (rewriting); classify "
        "messages (indicators); continue pre-training (passages)",
    )
    data: FilePath | None = Field(
        None, description="folder of a domain that ships without its data: paths with {data}/"
    )
    corpus: CorpusConfig = CorpusConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    questions: QuestionsConfig = QuestionsConfig()
    answers: AnswersConfig = AnswersConfig()
    checks: ChecksConfig = ChecksConfig()
    expert: ExpertConfig = ExpertConfig()
    examiner: ModelConfig = ModelConfig()
    grader: ModelConfig = ModelConfig()
    student: StudentConfig = StudentConfig()
    models: dict[str, LimitsConfig] = Field(
        default_factory=dict, description="limits and prices by model: openai:x: {in_flight: 8}"
    )
    budget: BudgetConfig = BudgetConfig()
    exam: ExamConfig = ExamConfig()
    tests: dict[str, TestConfig] = Field(
        default_factory=dict,
        description="tests of your own by name, taken before and after; see docs/evaluating.md",
    )
    dataset: DatasetConfig = DatasetConfig()
    training: TrainingConfig = TrainingConfig()
    verdict: VerdictConfig = VerdictConfig()
    contamination: ContaminationConfig = ContaminationConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
    engine: Literal["local", "ray"] = Field(
        "local",
        description="what examinations and selections run on: this machine, or Ray",
    )
    ray: RayConfig = RayConfig()
    profiles: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="named sets of changes to this tree, for --profile"
    )

    @field_validator("tests")
    @classmethod
    def _named(cls, tests: dict[str, TestConfig]) -> dict[str, TestConfig]:
        return check_names(tests)

    @field_validator("models")
    @classmethod
    def _providers(cls, models: dict[str, LimitsConfig]) -> dict[str, LimitsConfig]:
        for name in models:
            provider_and_model(name)
        return models

    @property
    def answer_form(self) -> AnswerForm:
        """How answers are written in this domain."""
        own = self.answers
        return AnswerForm(
            own.template,
            label_in(self.language) if own.label is None else own.label,
            unstated_in(self.language) if own.unstated is None else own.unstated,
        )
