"""The sections of `method: indicators`: messages, indicators and synthetic messages."""

from pydantic import Field

from elenchus.config import CommonConfig
from elenchus.sections import ModelConfig, Section, SourceConfig
from training.config import ClassifierConfig


class MessagesConfig(Section):
    """Short messages with a class each, as rows of tables."""

    train: SourceConfig | None = Field(
        None, description="table of messages to learn from: {path: train.csv, text: COLUMN}"
    )
    test: SourceConfig | None = Field(None, description="table of messages to be judged on")
    label: str = Field("label", description="the column that holds the class")
    date: str | None = Field(
        None, description="a column with ISO dates: validation is then what came last"
    )
    classes: dict[str, str] = Field(
        default_factory=dict,
        description="classes to tell apart, with a line on what each is; all, where none is named",
    )
    per_class: int | None = Field(
        None, ge=2, description="real messages of each class to use; all, where none is given"
    )
    validation: float = Field(0.2, gt=0, lt=1, description="share of them kept for calibration")
    longest: int = Field(2000, ge=1, description="longest message, in characters")
    near_duplicate: float = Field(
        0.9, ge=0, le=1, description="cosine from which two messages of a class are the same"
    )


class IndicatorsConfig(Section):
    """Ideas that tell the messages of a class, listed by models (arXiv 2503.15055, section 3)."""

    enabled: bool = Field(True, description="whether the author is given indicators")
    models: list[ModelConfig] = Field(
        default_factory=list,
        description="models that list them, best of several families; none: the expert alone",
    )
    stakeholders: str = Field("", description="who wants to know; reaches the prompts")
    events: list[str] = Field(
        default_factory=list, description="past events that such messages told of"
    )
    examples: int = Field(20, ge=1, description="real messages of each class that are shown")
    approve: bool = Field(
        False, description="stop for a person to read and edit them; `elenchus resume` goes on"
    )


class GenerationConfig(Section):
    """How synthetic messages are written (arXiv 2503.15055, section 3)."""

    author: ModelConfig = ModelConfig(temperature=0.8)
    group: int = Field(10, ge=1, description="real messages shown in a request, disjoint groups")
    per_request: int = Field(50, ge=1, description="messages asked for in a request")
    per_class: int = Field(400, ge=1, description="synthetic messages wanted of each class")
    rounds: int = Field(4, ge=1, description="times that more are asked for where a class is short")
    near_duplicate: float = Field(
        0.9, ge=0, le=1, description="cosine from which two synthetic messages are the same"
    )
    near_real: float = Field(
        0.97, ge=0, le=1, description="cosine to a real message from which one is left out"
    )
    judge: bool = Field(True, description="leave out what the grader puts into another class")
    names: list[str] = Field(
        default_factory=list, description="names that may stand in them; others are left out"
    )
    purpose: str = Field(
        "to train a classifier that recognises such messages",
        description="why they are wanted, for models that would else refuse",
    )


class ClassificationTree(CommonConfig):
    """The part of the tree that this method adds."""

    messages: MessagesConfig = MessagesConfig()
    indicators: IndicatorsConfig = IndicatorsConfig()
    generation: GenerationConfig = GenerationConfig()
    classifier: ClassifierConfig = ClassifierConfig()
