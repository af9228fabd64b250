"""The backend of `hf:FOLDER` and `hf:ID`: chat models of transformers, in this process."""

import functools
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from elenchus.errors import UserError
from elenchus.sections import ModelConfig
from models import students
from models.backend import Backend, Defaults, Model, checked_options
from models.general import GeneralPrompts
from models.pretrained import (
    HALF,
    SINGLE,
    Precision,
    check_precision,
    load,
    load_tokenizer,
    usual_device,
    usual_dtype,
)
from models.weights import is_adapter

OPTIONS = ("max_new_tokens", "device", "thinking", "dtype", "four_bit")
MAX_NEW_TOKENS = 512  # of an answer
ANSWER = 256  # of a student's: four sentences and a result, in any language
RATE, WIDTH, POWER = 5e-4, 2000, 0.781  # of a LoRA: the rate at a width, and how it falls with it
LEAST_RATE, MOST_RATE = 1e-4, 2e-3


class HuggingFace(Backend):
    """Models of the hub, or in a folder; `models/local.py` runs them."""

    local = True
    free = True

    def chat(self, config: ModelConfig, trained: Path | None = None) -> Model:
        """See `Backend.chat`."""
        from models.local import LocalChatModel

        adapter = trained if trained is not None and is_adapter(trained) else None
        model = str(trained) if trained is not None and adapter is None else str(_folder(config))
        options = {"max_new_tokens": MAX_NEW_TOKENS} | checked_options(config, OPTIONS)
        options = {n: v for n, v in options.items() if n not in Precision._fields}
        options["precision"] = self.precision(config)
        check_precision(options["precision"], config.model)
        temperature = config.temperature or 0.0
        try:
            local = LocalChatModel(model=model, adapter=adapter, temperature=temperature, **options)
        except ValueError as error:
            raise UserError(f"{config.model}: {error}") from error
        identity = "+".join(filter(None, (config.model, local.load().weights)))
        return Model(local, identity, seeded=True)

    def weights(self, config: ModelConfig) -> Path:
        """See `Backend.weights`; those of the hub are fetched."""
        return _folder(config)

    def student_defaults(self, config: ModelConfig) -> Defaults:
        """See `Backend.student_defaults`.

        The narrower a model is, the larger are the steps that a LoRA of it wants: the learning rate
        is the one fitted to Llamas in "LoRA Without Regret" (Schulman et al. 2025), within bounds.
        The precision is this machine's usual one; with the others it is written into the run, so
        that no other machine goes on in another.
        """
        width = _width(config)
        rate = RATE * (WIDTH / (width or WIDTH)) ** POWER
        training = {
            "learning_rate": float(f"{min(max(rate, LEAST_RATE), MOST_RATE):.1e}"),
            "batch_size": 8,
            "max_tokens": 1024,
            "replay": 0.5,  # its own answers are long
            "objective": "distil",  # more learnt and less lost than by examples alone
        }
        dtype = {"dtype": self._dtype(config)} if _can_load() else {}
        answers = {"options": {"max_new_tokens": ANSWER} | dtype}
        wide = f" {width} wide" if width else ""
        return Defaults(f"a LoRA on a model{wide}", {"training": training, "student": answers})

    def general(self, config: ModelConfig) -> GeneralPrompts:
        """See `Backend.general`: the prompts that come with the program."""
        return GeneralPrompts()

    def precision(self, config: ModelConfig) -> Precision:
        """See `Backend.precision`; UserError for one that no model is kept in."""
        dtype = self._dtype(config)
        if dtype not in (SINGLE.dtype, HALF.dtype):
            raise UserError(f"{config.model}: dtype is {SINGLE} or {HALF}, not {dtype!r}")
        return Precision(dtype, bool(config.options.get("four_bit")))

    def _dtype(self, config: ModelConfig) -> str:
        """Return the precision that is set, or that is usual here."""
        return str(config.options.get("dtype") or usual_dtype(self.device(config)))

    def device(self, config: ModelConfig) -> str:
        """See `Backend.device`."""
        return str(config.options.get("device") or usual_device())

    def tokens(self, config: ModelConfig, texts: Sequence[str]) -> list[int]:
        """See `Backend.tokens`."""
        tokenizer = load_tokenizer(_folder(config))
        return [len(tokenizer(text).input_ids) for text in texts]

    def placed(self, model: str) -> str:
        """See `Backend.placed`."""
        name = Path(model.partition(":")[2])
        return f"hf:{name.resolve()}" if name.is_dir() else model

    def release(self) -> None:
        """See `Backend.release`."""
        from models import local

        local.forget()

    def max_new_tokens(self, config: ModelConfig) -> int | None:
        """See `Backend.max_new_tokens`."""
        return int(config.options.get("max_new_tokens", MAX_NEW_TOKENS))


def _can_load() -> bool:
    """Tell whether the packages that load models are here; a student on a server needs none."""
    return all(map(find_spec, ("torch", "transformers")))


def _width(config: ModelConfig) -> int | None:
    """Return the width of a model; None where its configuration is neither here nor on the hub."""
    name = config.model.partition(":")[2]
    place = students.fetched(name) if name in students.STUDENTS else name
    if place is None or not _can_load():
        return None
    try:
        settings = _settings(place, here=True)
    except UserError:
        settings = _settings_of_hub(name)
    return getattr(settings, "hidden_size", None)


def _settings(place: str | Path, here: bool) -> Any:
    """Load the configuration of what a model does with text, from this machine where it is here."""
    from transformers import AutoConfig

    return load(AutoConfig, place, local_files_only=here).get_text_config()


@functools.cache  # a hub that is not reached is asked once
def _settings_of_hub(name: str) -> Any:
    """Fetch the configuration of a model; None where there is none, which loading it says."""
    try:
        return _settings(name, here=False)
    except UserError:
        return None


def _folder(config: ModelConfig) -> Path:
    """Return the folder of a model: one of the user's, one fetched by name, or one of the hub."""
    name = config.model.partition(":")[2]
    if Path(name).is_dir():
        if not list(Path(name).glob("*.safetensors")):
            raise UserError(
                f"{config.model}: the folder has no safetensors, which alone are loaded"
            )
        return Path(name)
    return students.folder_of(name) if name in students.STUDENTS else students.of_hub(name)
