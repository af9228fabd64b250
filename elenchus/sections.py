"""The base of all sections of the configuration, and sections that several others hold."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from elenchus.errors import UserError
from elenchus.licences import Licence
from elenchus.redaction import secret_in

BOUND = 2**63  # of numbers: many libraries compute with 64 bits
# Control characters, but tabs and ends of lines, and halves of surrogate pairs, which are no UTF-8.
_UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


LONGEST_PATH, LONGEST_NAME = 4095, 255  # of Linux; other systems allow about as much


class Section(BaseModel):
    """Base of all sections."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*")
    @classmethod
    def _can_be_kept(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse what run folders must not or cannot hold: secrets, and values that no file has.

        Raises:
            UserError: a secret, which a ValidationError would show.
        """
        name = str(info.field_name)
        if (place := secret_in(value, options=name == "options")) is not None:
            raise UserError(
                f"{f'{name}.{place}'.strip('.')} holds a secret, which would be written into the "
                "run folder: use an address without user and password, no key in it and in no "
                "option; secrets are set in the environment"
            )
        if fault := _fault(value):
            raise ValueError(fault)
        return value


def _fault(value: Any) -> str:
    """Say what is wrong with a value, or with one of those in it; "" where nothing is."""
    if isinstance(value, str):
        return "text must not hold control characters" if _UNREADABLE.search(value) else ""
    if isinstance(value, int | float):
        return "" if abs(value) < BOUND else "a number must be finite, and fit into 64 bits"
    if isinstance(value, Mapping):
        value = [*value, *value.values()]
    return next(filter(None, map(_fault, value)), "") if isinstance(value, list | tuple) else ""


# Models that are named without a provider, since the program fetches them.
FETCHED = {"smollm2": "hf:smollm2"}


def provider_and_model(name: str) -> str:
    """Return a name that has a provider and a model; ValueError for another one."""
    name = FETCHED.get(name, name)
    provider, _, model = name.partition(":")
    if not provider or not model:
        raise ValueError(f"{name!r} is not provider:model; write, for instance, openai:gpt-5.4")
    return f"{provider}:{usable_path(model)}"  # it may be a folder


def usable_path(text: str) -> str:
    """Return the path of a file or folder; ValueError for one that no system can have."""
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:  # of ~somebody
        raise ValueError("a path must not begin with the home of an unknown user") from error
    if any(len(part.encode()) > LONGEST_NAME for part in path.parts) or len(text) > LONGEST_PATH:
        raise ValueError(
            f"a path has at most {LONGEST_PATH:,} characters, a name in it {LONGEST_NAME} bytes"
        )
    return text


def http_address(url: str) -> str:
    """Return the address of a server; ValueError for what is none."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of its port, or of an address in brackets
        valid = False
    if not valid or "@" in url or re.search(r"\s", url):
        raise ValueError("an http:// or https:// address without user and password")
    return url


FilePath = Annotated[str, AfterValidator(usable_path)]
HttpAddress = Annotated[str, AfterValidator(http_address)]


class SourceConfig(Section):
    """One source of documents: a path, a dataset of a hub, or a loader of an installed package."""

    path: FilePath | None = Field(
        None, description="a file, a folder, or a pattern such as docs/**/*.pdf"
    )
    hf: FilePath | None = Field(
        None, description="a dataset of the Hugging Face hub, or its folder"
    )
    loader: str | None = Field(None, description="a loader that an installed package offers")
    text: str | None = Field(None, description="tables: the column that holds the text")
    title: str | None = Field(None, description="tables: the column that holds the title")
    id: str | None = Field(None, description="tables: a column that names the row; else its number")
    columns: tuple[str, ...] = Field(
        (), description="CSV: names of the columns, where the first line is a row like any other"
    )
    encoding: str | None = Field(None, description="of text files; UTF-8 where none is given")
    separator: str | None = Field(
        None, min_length=1, max_length=1, description="CSV: between cells, where it is not found"
    )
    name: str | None = Field(None, description="hf: the configuration of the dataset")
    split: str = Field("train", description="hf: the split")
    rows: int | None = Field(None, ge=1, description="tables: rows to read at most, from the first")
    options: dict[str, Any] = Field(default_factory=dict, description="loader: what it is given")
    licence: Licence | None = Field(
        None, description="under which its texts may be used, as SPDX names it: CC-BY-4.0"
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """Read a text alone: a path, or after `hf:` a dataset."""
        if not isinstance(value, str):
            return value
        return {"hf": value.removeprefix("hf:")} if value.startswith("hf:") else {"path": value}

    @field_validator("path")
    @classmethod
    def _pattern(cls, path: str | None) -> str | None:
        if path is not None and any("**" in part and part != "**" for part in Path(path).parts):
            raise ValueError("** stands for folders, so it must stand alone: docs/**/*.pdf")
        return path

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str | None) -> str | None:
        try:
            "a".encode(encoding or "utf-8")
        except (LookupError, ValueError) as error:
            raise ValueError("no encoding of text; for instance utf-8, utf-16, cp1252") from error
        return encoding

    @model_validator(mode="after")
    def _one_kind(self) -> "SourceConfig":
        if sum(kind is not None for kind in (self.path, self.hf, self.loader)) != 1:
            raise ValueError("a source has one of path, hf and loader")
        return self

    @model_serializer(mode="wrap")
    def _shortened(self, handler: Any) -> Any:
        """Return what stands in a domain.yaml: no defaults, and a path alone as a text."""
        left_out: tuple[object, ...] = (None, {}, (), [])
        tree = {key: value for key, value in handler(self).items() if value not in left_out}
        tree = {k: v for k, v in tree.items() if k != "split" or self.hf is not None}
        return self.path if tree.keys() == {"path"} else tree


class ModelConfig(Section):
    """How a model is asked."""

    # `graphs/config.py` fills in a role's default where this is "".
    model: str = Field("", description='"provider:model"')
    base_url: HttpAddress | None = Field(
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
