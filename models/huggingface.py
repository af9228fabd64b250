"""The backend of `hf:FOLDER` and `hf:ID`: chat models of transformers, in this process."""

from pathlib import Path

from elenchus.errors import UserError
from elenchus.sections import ModelConfig
from models import students
from models.backend import Backend, Model, checked_options
from models.weights import is_adapter

OPTIONS = ("max_new_tokens", "device", "thinking")
MAX_NEW_TOKENS = 512  # of an answer


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
        temperature = config.temperature or 0.0
        try:
            local = LocalChatModel(model=model, adapter=adapter, temperature=temperature, **options)
        except ValueError as error:
            raise UserError(f"{config.model}: {error}") from error
        identity = "+".join(filter(None, (config.model, local.load().weights)))
        return Model(local, identity, seeded=False)

    def weights(self, config: ModelConfig) -> Path:
        """See `Backend.weights`; those of the hub are fetched."""
        return _folder(config)

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
