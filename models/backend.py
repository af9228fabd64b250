"""Where models come from: "provider:model" names a backend, and what it calls the model.

A backend says how its models are asked, where their weights lie, what training on them begins with,
and what they are. Everything else in the program asks it, and knows no provider by name.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from elenchus.config import LimitsConfig
from elenchus.errors import UserError
from elenchus.plugins import Registry
from elenchus.records import Message
from elenchus.sections import ModelConfig

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable

Exchange = tuple[tuple[Message, ...], str]  # what a model is asked, and the answer


@dataclass(frozen=True)
class Model:
    """A chat model with the identity that its calls are cached under.

    `seeded` models take a `seed` with each call and answer the same to the same seed.
    """

    chat: "Runnable[Any, AIMessage]"
    identity: str
    seeded: bool
    aclose: Callable[[], Awaitable[None]] | None = None

    async def close(self) -> None:
        """Close the connections to a server, where there are some."""
        if self.aclose is not None:
            await self.aclose()


class General(Protocol):
    """What a student can do before it is adapted: measured as the general exam, and replayed."""

    def exam(self, count: int, seed: int) -> Sequence[Exchange]:
        """Return so many questions with their answers."""

    def replay(self, count: int, seed: str) -> Sequence[Exchange]:
        """Return so many samples to mix into a training, none of them in the exam."""


class Backend(ABC):
    """The models of one provider.

    Attributes:
        local: they run in this process, so there is no server to look at.
        free: their calls cost nothing.
        constant: a call without options is answered alike each time, and at once: there is nothing
            to compare in two answers, and nothing is lost with a run that asked no other model.
        reads_system: whether they read more than the last message of a prompt.
        limits: how fast they may be asked, where the configuration does not say.
    """

    local = False
    free = False
    constant = False
    reads_system = True
    limits = LimitsConfig()

    @abstractmethod
    def chat(self, config: ModelConfig, trained: Path | None = None) -> Model:
        """Make the chat model, as trained where `trained` is given.

        That is the folder of a LoRA, which is put on, or of a whole model, which is taken instead.

        Raises:
            UserError: its package, key or weights are missing, or it has no such option.
        """

    def look(self, config: ModelConfig) -> int | None:
        """Ask a server, without paying, whether it serves the model; its context, if it tells.

        Raises:
            UserError: no answer, a wrong address or key, or another model.
        """
        return None

    def weights(self, config: ModelConfig) -> Path:
        """Return the folder of the weights to train.

        Raises:
            UserError: the model has none here.
        """
        raise UserError(
            f"student.model is {config.model}, which has no local weights to train; use hf:FOLDER, "
            "or training.enabled=false for a dataset to train it on elsewhere"
        )

    def training_defaults(self, config: ModelConfig) -> Mapping[str, Mapping[str, Any]]:
        """Return settings, by section, that training on the model begins with."""
        return {}

    def max_new_tokens(self, config: ModelConfig) -> int | None:
        """Return the longest answer in tokens; None where that is the server's affair."""
        return None

    def general(self, config: ModelConfig) -> General | None:
        """Return what the model can do already, where that is known."""
        return None

    def placed(self, model: str) -> str:
        """Return the name of a model, with the whole path where it is a folder's."""
        return model

    def release(self) -> None:  # noqa: B027  # most have nothing to let go of
        """Let go of loaded models; they are loaded again when they are asked."""

    def offline_models(self) -> Sequence[str]:
        """Return the names of models that come with the program; `doctor` loads each."""
        return ()


OTHERS = "langchain"  # what has no backend of its own
BACKENDS: Registry[type[Backend]] = Registry(
    "provider of models",
    "elenchus.models",
    {
        "builtin": "offline.backend:Offline",
        "hf": "models.huggingface:HuggingFace",
        "mock": "models.mock:Mock",
        "openai": "models.remote:OpenAI",
        "anthropic": "models.remote:Anthropic",
        "ollama": "models.remote:Ollama",
        OTHERS: "models.remote:LangChain",
    },
)
# The model of each role where the configuration leaves it open: what runs on any machine.
DEFAULTS = {"student": "builtin:nano"}
DEFAULT = "builtin:reader"


def backend(model: str) -> Backend:
    """Return the backend of "provider:model"; one that nobody registered is left to LangChain."""
    provider = model.partition(":")[0]
    return BACKENDS.get(provider if provider in BACKENDS.names() else OTHERS)()


def make_model(config: ModelConfig, trained: Path | None = None) -> Model:
    """Make the model that a configuration names: see `Backend.chat`."""
    own = backend(config.model)
    if own.local and config.base_url is not None:
        raise UserError(f"{config.model} runs in this process: leave base_url out")
    return own.chat(config, trained)


def weights(config: ModelConfig) -> Path:
    """Return the folder of the weights to train: see `Backend.weights`."""
    return backend(config.model).weights(config)


def checked_options(config: ModelConfig, known: Sequence[str]) -> dict[str, Any]:
    """Return the options of a model in this process; UserError for one that it does not have."""
    for key in config.options:
        if key not in known:
            raise UserError(f"{config.model} has no option {key!r}; it has: {', '.join(known)}")
    return dict(config.options)
