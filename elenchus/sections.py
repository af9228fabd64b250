"""The base of all sections of the configuration, and sections that several others hold."""

from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_serializer,
    model_validator,
)


class Section(BaseModel):
    """Base of all sections."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# Models that are named without a provider, since the program fetches them.
FETCHED = {"smollm2": "hf:smollm2"}


def provider_and_model(name: str) -> str:
    """Return a name that has a provider and a model; ValueError for another one."""
    name = FETCHED.get(name, name)
    provider, _, model = name.partition(":")
    if not provider or not model:
        raise ValueError(f"{name!r} is not provider:model; write, for instance, openai:gpt-5.4")
    return name


class SourceConfig(Section):
    """One source of documents: a path, a dataset of a hub, or a loader of an installed package."""

    path: str | None = Field(
        None, description="a file, a folder, or a pattern such as docs/**/*.pdf"
    )
    hf: str | None = Field(None, description="a dataset of the Hugging Face hub, or its folder")
    loader: str | None = Field(None, description="a loader that an installed package offers")
    text: str | None = Field(None, description="tables: the column that holds the text")
    title: str | None = Field(None, description="tables: the column that holds the title")
    id: str | None = Field(None, description="tables: a column that names the row; else its number")
    encoding: str | None = Field(None, description="of text files; UTF-8 where none is given")
    separator: str | None = Field(
        None, min_length=1, max_length=1, description="CSV: between cells, where it is not found"
    )
    name: str | None = Field(None, description="hf: the configuration of the dataset")
    split: str = Field("train", description="hf: the split")
    rows: int | None = Field(None, ge=1, description="tables: rows to read at most, from the first")
    options: dict[str, Any] = Field(default_factory=dict, description="loader: what it is given")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """Read a text alone: a path, or after `hf:` a dataset."""
        if not isinstance(value, str):
            return value
        return {"hf": value.removeprefix("hf:")} if value.startswith("hf:") else {"path": value}

    @model_validator(mode="after")
    def _one_kind(self) -> "SourceConfig":
        if sum(kind is not None for kind in (self.path, self.hf, self.loader)) != 1:
            raise ValueError("a source has one of path, hf and loader")
        return self

    @model_serializer(mode="wrap")
    def _shortened(self, handler: Any) -> Any:
        """Return what stands in a domain.yaml: no defaults, and a path alone as a text."""
        tree = {key: value for key, value in handler(self).items() if value not in (None, {})}
        tree = {k: v for k, v in tree.items() if k != "split" or self.hf is not None}
        return self.path if tree.keys() == {"path"} else tree


class ModelConfig(Section):
    """How a model is asked."""

    # `graphs/config.py` fills in a role's default where this is "".
    model: str = Field("", description='"provider:model"')
    base_url: str | None = Field(
        None, description="where an OpenAI-compatible server (or Ollama) answers; default: official"
    )
    temperature: float | None = Field(
        0.0, ge=0, description="sampling temperature; null for a model that takes none"
    )
    samples: int = Field(1, ge=1, description="answers asked for, a question")
    structured: Literal["auto", "json_schema", "tool", "json", "prompt"] = Field(
        "auto", description="how JSON is asked for; auto: the strictest way that the server takes"
    )
    timeout: float = Field(120.0, gt=0, description="seconds to wait for an answer")
    context: int | None = Field(
        None, ge=512, description="tokens of the model's context; asked of servers that tell"
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="further keyword arguments of the chat model"
    )

    @field_validator("model")
    @classmethod
    def _of_a_provider(cls, model: str) -> str:
        return provider_and_model(model)

    @field_validator("base_url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        if url is not None and (not url.startswith(("http://", "https://")) or "@" in url):
            raise ValueError("an http:// or https:// address without user and password")
        return url
