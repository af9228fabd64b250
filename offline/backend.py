"""The backend of the models that come with the program: `builtin:reader` and `builtin:nano`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from elenchus.config import LimitsConfig
from elenchus.errors import UserError
from elenchus.records import Message
from elenchus.sections import ModelConfig
from models.backend import Backend, Defaults, Exchange, Model, checked_options
from models.weights import is_adapter, weights_hash
from offline.nano import codes

READER, NANO = "builtin:reader", "builtin:nano"
NANO_OPTIONS = ("model_path", "max_new_tokens", "seed")
MAX_NEW_TOKENS = 128  # of an answer


class PretrainingQuestions:
    """Questions of the kinds that the nano was pre-trained on: see `models.backend.General`."""

    grader = "grader"

    def exam(self, count: int, seed: int) -> Sequence[Exchange]:
        """Return questions in exam wording, half of them on passages that it never saw."""
        return [_exchange(*pair) for pair in codes.general_exam(count, seed)]

    def replay(self, count: int, seed: str) -> Sequence[Exchange]:
        """Return questions in training wording, a quarter of them on passages."""
        return [_exchange(*pair) for pair in codes.replay(count, seed)]

    def open(self) -> Sequence[tuple[Message, ...]]:
        """Return none: all answers can be graded."""
        return ()

    def unanswered(self) -> Sequence[tuple[Message, ...]]:
        """Return none: `replay` has the answers."""
        return ()


class Offline(Backend):
    """The reader, a program that reads rules, and the nano, a small student of such rules."""

    local = True
    free = True
    constant = True
    reads_system = False
    limits = LimitsConfig(in_flight=1024)  # they gather what waits into batches

    def chat(self, config: ModelConfig, trained: Path | None = None) -> Model:
        """See `Backend.chat`."""
        if config.model == READER:
            return _reader(config)
        if config.model == NANO:
            return _nano(config, trained)
        raise UserError(f"unknown model {config.model!r}; built in are {READER}, {NANO}")

    def weights(self, config: ModelConfig) -> Path:
        """See `Backend.weights`: only the nano has any."""
        if config.model != NANO:
            return super().weights(config)
        from offline.nano.chat import WEIGHTS

        return WEIGHTS

    def student_defaults(self, config: ModelConfig) -> Defaults:
        """See `Backend.student_defaults`: two million parameters want large steps."""
        if config.model != NANO:
            return Defaults()
        rate = {"learning_rate": 4e-3}
        return Defaults(
            "a model of two million parameters",
            {"training": rate | {"least_steps": 60}, "pretraining": rate},
        )

    def max_new_tokens(self, config: ModelConfig) -> int | None:
        """See `Backend.max_new_tokens`."""
        return int(config.options.get("max_new_tokens", MAX_NEW_TOKENS))

    def general(self, config: ModelConfig) -> PretrainingQuestions | None:
        """See `Backend.general`."""
        return PretrainingQuestions() if config.model == NANO else None

    def offline_models(self) -> Sequence[str]:
        """See `Backend.offline_models`."""
        return READER, NANO


def _reader(config: ModelConfig) -> Model:
    from offline.reader.chat import ReaderChatModel

    try:
        chat = ReaderChatModel(**checked_options(config, ("wrong", "unsupported")))
    except ValueError as error:
        raise UserError(f"{config.model}: {error}") from error
    return Model(chat, config.model, seeded=bool(config.options))


def _nano(config: ModelConfig, trained: Path | None) -> Model:
    options = checked_options(config, NANO_OPTIONS) | {"temperature": config.temperature or 0.0}
    try:
        from offline.nano.chat import WEIGHTS, NanoChatModel
        from offline.nano.checksums import LIST, verify_checksums

        model, identity = Path(options.pop("model_path", WEIGHTS)), config.model
        if trained is not None:
            identity += "+" + weights_hash(trained)[:16]
            if is_adapter(trained):
                options["adapter"] = trained
            else:
                model = trained
        if not (model / "config.json").is_file():
            raise UserError(f"{model}: no model weights there; give the folder of a saved model")
        if model == WEIGHTS or (model / LIST).is_file():
            verify_checksums(model)
        nano = NanoChatModel(model=str(model), **options)
        nano.load()
    except ModuleNotFoundError as error:
        raise UserError(f"{NANO} needs {error.name}: pip install -e '.[train]'") from error
    except ValidationError as error:
        raise UserError(f"{config.model}: {error}") from error
    return Model(nano, identity, seeded=True)


def _exchange(messages: Sequence[Mapping[str, Any]], answer: str) -> Exchange:
    return tuple(Message(role=m["role"], content=m["content"]) for m in messages), answer
