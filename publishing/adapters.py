"""Dresses a folder that a run trained, so that it can leave this machine: its card, its base."""

import json
from pathlib import Path

from elenchus import runs
from elenchus.front_matter import CARD
from models.bases import Base
from models.weights import is_adapter
from publishing.model_card import Facts, card

SETTINGS = "adapter_config.json"


def dress(folder: Path, facts: Facts) -> None:
    """Write the card of a trained folder, and name its base as others know it.

    peft leaves a template in place of a card, and in both files the path of the base on this
    machine. The weights stay as they are; a run loads them by its configuration, and not by name.
    """
    with runs.explained(folder):
        if is_adapter(folder):
            name_base(folder, facts.base)
        runs.write_atomic(folder / CARD, card(facts))


def name_base(folder: Path, base: Base) -> None:
    """Name the base in the settings of a LoRA, with its revision where that is known."""
    settings = json.loads((folder / SETTINGS).read_bytes())
    named = settings | {"base_model_name_or_path": base.name, "revision": base.revision or None}
    if named != settings:
        runs.write_json(folder / SETTINGS, named)
