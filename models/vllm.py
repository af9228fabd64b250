"""The backend of `vllm:NAME`: a student on a vLLM server, whose LoRAs are trained here.

The server is asked for the untouched student by its name, and for an adapter by one that holds run,
round and hash, once `models/hot_loading.py` has loaded it there. Training, and what measures
weights, work on a copy of the weights on this machine (`options.weights`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from elenchus.errors import UserError
from elenchus.sections import ModelConfig
from models import hot_loading
from models.backend import Defaults, Model
from models.general import GeneralPrompts
from models.huggingface import HuggingFace
from models.pretrained import Precision
from models.remote import OpenAI, check_options, key_in
from models.students import STUDENTS
from models.weights import is_adapter, weights_hash

HERE = ("weights", "dtype", "four_bit", "device")  # options for what is done on this machine
SETTINGS = ("max_new_tokens", "thinking")  # what a local model has, too, in words of the protocol

PLAIN = {"repetition_penalty": 1.0, "top_k": -1, "min_p": 0.0}  # as models are asked here


class VLLM(OpenAI):
    """Models of a vLLM server of one's own, at `base_url`."""

    free = True
    takes_whole = False  # a server loads adapters into the weights that it has
    key = "VLLM_API_KEY"  # as the server calls it

    def chat(self, config: ModelConfig, trained: Path | None = None) -> Model:
        """See `Backend.chat`; the adapter is loaded before the first call."""
        from models.compatible import OPTIONS
        from models.hot_loading import AdaptedModel

        if trained is not None and not is_adapter(trained):
            raise UserError(
                f"{config.model}: {trained} is a whole model, and a server loads adapters alone: "
                "serve it by a server of its own, or train a LoRA"
            )
        check_options(config, (*OPTIONS, *SETTINGS, *HERE))
        hashed = weights_hash(trained) if trained is not None else ""
        chat = AdaptedModel(
            model=config.model.partition(":")[2],
            base_url=_address(config),
            api_key=SecretStr(key_in(self.key)),
            temperature=config.temperature,
            timeout=config.timeout,
            options=_fields(config),
            adapter=trained.resolve() if trained is not None else None,
            sha256=hashed,
            weights=_named_weights(config),
        )
        identity = "+".join(filter(None, (config.model, hashed)))
        return Model(chat, identity, seeded=True, aclose=chat.aclose, plain=True)

    def look(self, config: ModelConfig) -> int | None:
        """See `Backend.look`."""
        _address(config)
        return super().look(config)

    def check_adapters(self, config: ModelConfig, rank: int, place: Path) -> None:
        """See `Backend.check_adapters`: an adapter that changes nothing is loaded and asked for."""
        hot_loading.try_out(config, self.weights(config), rank, place, key_in(self.key))

    def weights(self, config: ModelConfig) -> Path:
        """See `Backend.weights`: `options.weights`, else the name where it is a folder, too."""
        if (found := _named_weights(config)) is None:
            raise UserError(
                f"{config.model} is trained on this machine: set student.options.weights to the "
                "folder, or the id on the hub, of what the server serves"
            )
        return found

    def placed_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """See `Backend.placed_options`."""
        folder = Path(str(options.get("weights") or ""))
        if "weights" not in options or not folder.is_dir():
            return options
        return {**options, "weights": str(folder.resolve())}

    def student_defaults(self, config: ModelConfig) -> Defaults:
        """See `Backend.student_defaults`: those of the same weights on this machine."""
        return HuggingFace().student_defaults(_here(config))

    def precision(self, config: ModelConfig) -> Precision:
        """See `Backend.precision`: that of the training, the server has its own."""
        return HuggingFace().precision(_here(config))

    def tokens(self, config: ModelConfig, texts: Sequence[str]) -> list[int]:
        """See `Backend.tokens`."""
        return HuggingFace().tokens(_here(config), texts)

    def max_new_tokens(self, config: ModelConfig) -> int | None:
        """See `Backend.max_new_tokens`."""
        return HuggingFace().max_new_tokens(_here(config))

    def general(self, config: ModelConfig) -> GeneralPrompts:
        """See `Backend.general`."""
        return HuggingFace().general(_here(config))


def _address(config: ModelConfig) -> str:
    """Return the server's address; UserError where there is none."""
    if config.base_url is None:
        raise UserError(
            f"{config.model} is on a server: set base_url to its address, which ends in /v1, for "
            "instance http://127.0.0.1:8000/v1"
        )
    return config.base_url


def _named_weights(config: ModelConfig) -> Path | None:
    """Return the folder of the weights, where the configuration says where they are."""
    name = config.model.partition(":")[2]
    if config.options.get("weights") or name in STUDENTS or Path(name).is_dir():
        return HuggingFace().weights(_here(config))
    return None


def _here(config: ModelConfig) -> ModelConfig:
    """Return the configuration of the same model on this machine."""
    name = config.options.get("weights") or config.model.partition(":")[2]
    kept = ("max_new_tokens", "thinking", *HERE[1:])
    options = {key: value for key, value in config.options.items() if key in kept}
    return ModelConfig(model=f"hf:{name}", options=options, temperature=config.temperature)


def _fields(config: ModelConfig) -> dict[str, Any]:
    """Return the fields of each request that the options stand for.

    Answers are as long and drawn as those of the same model on this machine, whatever its
    generation_config.json says, and its chat template is given the same settings.
    """
    fields = {k: v for k, v in config.options.items() if k not in (*SETTINGS, *HERE)}
    if not fields.keys() & {"max_tokens", "max_completion_tokens"}:
        fields["max_tokens"] = HuggingFace().max_new_tokens(config)
    thinking = {"enable_thinking": bool(config.options.get("thinking"))}
    fields["top_p"] = fields.get("top_p", 1.0)
    own = {"chat_template_kwargs": thinking} | PLAIN
    fields["extra_body"] = own | (fields.get("extra_body") or {})
    return fields
