"""The forms of a configuration: domain.yaml, and `key=value` on the command line."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from elenchus.errors import UserError
from elenchus.sections import SourceConfig


def read_tree(path: Path) -> dict[str, Any]:
    """Read a domain.yaml as keys and values; UserError where it is none."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(tree, dict):
        raise UserError(f"{path} must hold keys and values; `elenchus new NAME` writes a template")
    return tree


def as_change(change: str) -> dict[str, Any]:
    """Read a `key=value` of the command line as a tree; UserError where it is none."""
    key, equals, text = change.partition("=")
    if not (key and equals):
        raise UserError(f"this takes key=value, for instance training.rank=8; got {change!r}")
    try:
        value: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{change!r}: the value is not valid YAML") from error
    for part in reversed(_parts(key, value)):
        value = {part: value}
    return dict(value)


def as_source(text: str) -> SourceConfig:
    """Read a source of the command line: a path, hf:NAME, or a mapping in braces."""
    try:
        value = yaml.safe_load(text) if text.startswith("{") else text
        return SourceConfig.model_validate(value)
    except (yaml.YAMLError, ValidationError) as error:
        raise UserError(
            f"{text!r} is no source; give a path, hf:NAME, or for instance "
            "'{path: rules.csv, text: body}'"
        ) from error


def merged(*trees: dict[str, Any]) -> dict[str, Any]:
    """Merge nested keys and values, later ones over earlier; an empty mapping clears its key."""
    result: dict[str, Any] = {}
    for tree in trees:
        for key, value in tree.items():
            if isinstance(value, dict) and value:
                old = result.get(key)
                value = merged(old if isinstance(old, dict) else {}, value)
            result[key] = value
    return result


def _parts(key: str, value: Any) -> list[str]:
    """Split a dotted key; the name of a model, below `models`, may hold dots itself."""
    section, _, rest = key.partition(".")
    if section != "models" or not rest:
        return key.split(".")
    name, _, setting = rest.rpartition(".")
    # A mapping is for the whole model, as in `models.openai:gpt-5.4={in_flight: 8}`.
    return [section, rest] if isinstance(value, dict) or not name else [section, name, setting]
