"""The seam of a backend: the models of one provider, which "provider:model" names.

A backend says how its models are asked, where their weights lie, what a student begins with, and
what kind of models they are. The rest of the program asks it, and knows no provider by name.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from elenchus.config import LimitsConfig
from elenchus.errors import UserError
from elenchus.plugins import Registry
from elenchus.records import Message
from elenchus.sections import ModelConfig
from models.pretrained import SINGLE, Precision

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable

    from models.messages import Messages

Exchange = tuple[tuple[Message, ...], str]  # a prompt, and the answer to it


@dataclass(frozen=True)
class Model:
    """A chat model, with the identity under which its calls are cached.

    A `seeded` model takes a `seed` with each call, and answers the same to the same seed. A `plain`
    one takes messages as mappings of role and content too, which costs less.
    """

    chat: "Runnable[Any, AIMessage]"
    identity: str
    seeded: bool
    aclose: Callable[[], Awaitable[None]] | None = None
    plain: bool = False

    def messages(self, prompt: "Iterable[Message]") -> "Messages":
        """Return the messages of a prompt as the chat model takes them."""
        from models.messages import as_langchain, plain

        return plain(prompt) if self.plain else as_langchain(prompt)

    async def close(self) -> None:
        """Close the connections to a server, if there are any."""
        if self.aclose is not None:
            await self.aclose()


class Defaults(NamedTuple):
    """What a student begins with where the configuration says nothing else.

    Attributes:
        why: what the values fit.
        sections: values by section of the configuration.
    """

    why: str = ""
    sections: Mapping[str, Mapping[str, Any]] = MappingProxyType({})


class General(Protocol):
    """What a student can do before it is adapted, which the general exam measures."""

    @property
    def grader(self) -> str:
        """Return which grader the answers in its exam have: see `agents.graders`."""

    def exam(self, count: int, seed: int) -> Sequence[Exchange]:
        """Return so many questions with their answers."""

    def replay(self, count: int, seed: str) -> Sequence[Exchange]:
        """Return so many samples to mix into a training; none of them is in the exam."""

    def open(self) -> Sequence[tuple[Message, ...]]:
        """Return prompts beside those of the exam whose answers cannot be matched."""

    def unanswered(self) -> Sequence[tuple[Message, ...]]:
        """Return prompts that the untouched student answers itself, which is then replayed."""


class Backend(ABC):
    """The models of one provider.

    Attributes:
        local: they run in this process, so there is no server to look at.
        free: their calls cost nothing.
        constant: they answer a call without options at once, and always alike. So two answers need
            no comparison, and nothing is lost with a run that asked no other model.
        takes_whole: they can be asked once all their weights were trained, and not a LoRA alone.
        reads_system: they read more than the last message of a prompt.
        limits: their rate limits where the configuration has none.
    """

    local = False
    free = False
    constant = False
    takes_whole = True
    reads_system = True
    limits = LimitsConfig()

    @abstractmethod
    def chat(self, config: ModelConfig, trained: Path | None = None) -> Model:
        """Make a chat model.

        Args:
            trained: the folder of a LoRA to load with it, or of a whole model to load instead.

        Raises:
            UserError: its package, key or weights are missing, or it has no such option.
        """

    def look(self, config: ModelConfig) -> int | None:
        """Look a model up on its server, which costs nothing; its context, if the server tells it.

        Raises:
            UserError: the address, the key or the name of the model is wrong, or nobody answers.
        """
        return None

    def check_adapters(self, config: ModelConfig, rank: int, place: Path) -> None:  # noqa: B027
        """Find out whether adapters of a rank that are trained below a folder can be asked.

        Raises:
            UserError: a server would not load them.
        """

    def weights(self, config: ModelConfig) -> Path:
        """Return the folder of the weights to train; UserError where the model has none here."""
        raise UserError(
            f"student.model is {config.model}, which has no local weights to train; use hf:FOLDER, "
            "or training.enabled=false for a dataset to train it on elsewhere"
        )

    def student_defaults(self, config: ModelConfig) -> Defaults:
        """Return what training on the model, and asking it, begin with."""
        return Defaults()

    def precision(self, config: ModelConfig) -> Precision:
        """Return in which precision the weights here are kept, in training and asking."""
        return SINGLE

    def device(self, config: ModelConfig) -> str:
        """Return where the model computes; "" where that is unknown."""
        return ""

    def tokens(self, config: ModelConfig, texts: Sequence[str]) -> list[int]:
        """Count the tokens of texts; none where the model's tokenizer is not here."""
        return []

    def max_new_tokens(self, config: ModelConfig) -> int | None:
        """Return the longest answer in tokens; None where the server decides."""
        return None

    def general(self, config: ModelConfig) -> General | None:
        """Return what the model can do already; None where that is unknown."""
        return None

    def placed(self, model: str) -> str:
        """Return the name of a model, with an absolute path where it names a folder."""
        return model

    def placed_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return options of a model, with an absolute path where one names a folder."""
        return options

    def release(self) -> None:  # noqa: B027  # most have nothing to release
        """Free the memory of loaded models; they are loaded again when they are asked."""

    def offline_models(self) -> Sequence[str]:
        """Return the names of models that come with the program; `doctor` loads each of them."""
        return ()


OTHERS = "langchain"  # the backend of providers that have none of their own
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
        "vllm": "models.vllm:VLLM",
        OTHERS: "models.remote:LangChain",
    },
)
# The models of roles for which the configuration names none: they run on any machine.
DEFAULTS = {"student": "builtin:nano"}
DEFAULT = "builtin:reader"


def backend(model: str) -> Backend:
    """Return the backend of "provider:model"; one that nobody registered is left to LangChain."""
    provider = model.partition(":")[0]
    return BACKENDS.get(provider if provider in BACKENDS.names() else OTHERS)()


def make_model(config: ModelConfig, trained: Path | None = None) -> Model:
    """Make the model that a configuration names: see `Backend.chat`."""
    provider = backend(config.model)
    if provider.local and config.base_url is not None:
        raise UserError(f"{config.model} runs in this process: leave base_url out")
    return provider.chat(config, trained)


def weights(config: ModelConfig) -> Path:
    """Return the folder of the weights to train: see `Backend.weights`."""
    return backend(config.model).weights(config)


def precision_of(config: ModelConfig) -> Precision:
    """Return in which precision a model's weights are kept: see `Backend.precision`."""
    return backend(config.model).precision(config)


def checked_options(config: ModelConfig, known: Sequence[str]) -> dict[str, Any]:
    """Return the options of a local model; UserError for one that it does not have."""
    for key in config.options:
        if key not in known:
            raise UserError(f"{config.model} has no option {key!r}; it has: {', '.join(known)}")
    return dict(config.options)
