"""Reads a domain.yaml: applies a profile and changes, and says what is wrong in it.

Unknown keys are errors that name the nearest right key.
"""

import difflib
import typing
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from elenchus.config import DomainConfig, Section, SourceConfig
from elenchus.errors import UserError

DOMAIN_FILE = "domain.yaml"


def load(path: Path, profile: str | None = None, changes: list[str] | None = None) -> DomainConfig:
    """Read a domain.yaml, apply a profile, then `key=value` changes, and validate.

    Raises:
        UserError: the file cannot be read, a key is unknown, or a value has the wrong type.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(tree, dict):
        raise UserError(f"{path} must hold keys and values; `elenchus new NAME` writes a template")
    chosen = [] if profile is None else [_profile(tree, profile, path)]
    return validate(merged(tree, *chosen, *map(as_change, changes or [])), str(path))


def validate(tree: dict[str, Any], where: str) -> DomainConfig:
    """The tree as a `DomainConfig`; UserError with one line for each mistake."""
    try:
        return DomainConfig.model_validate(tree)
    except ValidationError as error:
        lines = [_explain(problem) for problem in error.errors()]
        raise UserError(f"{where}: " + "; ".join(lines)) from error


def as_change(change: str) -> dict[str, Any]:
    """A `key=value` of the command line as a tree; UserError where it is none."""
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise UserError(f"this takes key=value, for instance training.rank=8; got {change!r}")
    try:
        value: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{change!r}: the value is not valid YAML") from error
    for part in reversed(_parts(key, value)):
        value = {part: value}
    return dict(value)


def as_source(text: str) -> SourceConfig:
    """A source of the command line: a path, hf:NAME, or a mapping in braces."""
    try:
        value = yaml.safe_load(text) if text.startswith("{") else text
        return SourceConfig.model_validate(value)
    except (yaml.YAMLError, ValidationError) as error:
        raise UserError(
            f"{text!r} is no source; give a path, hf:NAME, or for instance "
            "'{path: rules.csv, text: body}'"
        ) from error


def leaf_keys(model: type[BaseModel] = DomainConfig, prefix: str = "") -> list[str]:
    """All dotted keys of the tree, leaves only."""
    found = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            found += leaf_keys(kind, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


def merged(*trees: dict[str, Any]) -> dict[str, Any]:
    """Nested keys and values, later ones over earlier ones; an empty mapping clears its key."""
    found: dict[str, Any] = {}
    for tree in trees:
        for key, value in tree.items():
            old = found.get(key)
            nested = isinstance(value, dict) and bool(value)
            found[key] = merged(old if isinstance(old, dict) else {}, value) if nested else value
    return found


def _parts(key: str, value: Any) -> list[str]:
    """The parts of a dotted key. Below `models` stands a model's name, which may hold dots."""
    section, _, rest = key.partition(".")
    if section != "models" or not rest:
        return key.split(".")
    name, _, setting = rest.rpartition(".")
    # Only a single setting is no mapping; `models.openai:gpt-5.4={in_flight: 8}` names the model.
    return [section, rest] if isinstance(value, dict) or not name else [section, name, setting]


def _profile(tree: dict[str, Any], profile: str, path: Path) -> dict[str, Any]:
    profiles = tree.get("profiles") or {}
    if not isinstance(profiles, dict) or profile not in profiles:
        known = ", ".join(map(str, profiles)) if isinstance(profiles, dict) else ""
        raise UserError(f"{path} has no profile {profile!r}; it has: {known or 'none'}")
    changes = profiles[profile]
    if not isinstance(changes, dict):
        raise UserError(f"{path}: profiles.{profile} must hold keys and values of this tree")
    return changes


def _explain(problem: typing.Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        message = problem["msg"].removeprefix("Value error, ")
        message = f"{key}: {message}" if key else message
        # What is wrong with a whole section, or missing in it, is not told by printing it all.
        whole = problem["type"] in ("value_error", "missing") and isinstance(problem["input"], dict)
        return message if whole else f"{message} (got {problem['input']!r})"
    known = leaf_keys() + list(DomainConfig.model_fields)
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else "; `elenchus new NAME` lists all keys"
    return f"unknown key {key!r}{hint}"
