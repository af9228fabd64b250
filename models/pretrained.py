"""Models and tokenizers as transformers loads them, without code that comes with a model.

Where it is told nothing about such code, transformers asks on standard input whether to run it.
"""

from pathlib import Path
from typing import Any

from elenchus.errors import UserError


def load(kind: Any, name: str | Path, **settings: Any) -> Any:
    """What is at a folder or a hub's id, by one of transformers' Auto classes.

    Raises:
        UserError: there is nothing that can be loaded, or it needs code of its own.
    """
    try:
        return kind.from_pretrained(name, trust_remote_code=False, **settings)
    except (OSError, ValueError) as error:
        raise UserError(
            f"hf:{name}: no model can be loaded from there ({str(error).partition(chr(10))[0]}): "
            "give a folder with safetensors, or the id of a model that the hub has; one that needs "
            "code of its own cannot be used"
        ) from error
