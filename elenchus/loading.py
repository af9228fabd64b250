"""The forms of a configuration: domain.yaml, and `key=value` on the command line."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from elenchus import strict_yaml
from elenchus.errors import UserError
from elenchus.printing import in_line
from elenchus.redaction import redacted
from elenchus.sections import SourceConfig

LONGEST_SHOWN = 80  # characters of a value that a message shows
LONGEST_TOLD = 500  # characters of what is wrong with a value, which may hold all of it


def read_tree(path: Path) -> dict[str, Any]:
    """Read a domain.yaml as keys and values; UserError where it is none."""
    tree = strict_yaml.parse(read_text(path), str(path))
    if not isinstance(tree, dict):
        raise UserError(f"{path} must hold keys and values; `elenchus new NAME` writes a template")
    return tree


def read_text(path: Path) -> str:
    """Read a file of UTF-8, with or without a mark that says so; UserError where it is none."""
    try:
        if path.exists() and not path.is_file():  # a device never ends
            raise UserError(f"cannot read {path}: it is no file")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def as_change(change: str) -> dict[str, Any]:
    """Read a `key=value` of the command line as a tree; UserError where it is none."""
    key, equals, text = change.partition("=")
    if not (key.isprintable() and key and equals):
        raise UserError(f"this takes key=value, for instance training.rank=8; got {shown(change)}")
    value = strict_yaml.parse(text, f"the value of {in_line(key, LONGEST_SHOWN)}")
    for part in reversed(_parts(key, value)):
        value = {part: value}
    return dict(value)


def as_source(text: str) -> SourceConfig:
    """Read a source of the command line: a path, hf:NAME, or a mapping in braces."""
    value = strict_yaml.parse(text, "the source") if text.startswith("{") else text
    try:
        return SourceConfig.model_validate(value)
    except ValidationError as error:
        reason = in_line(error.errors()[0]["msg"].removeprefix("Value error, "), LONGEST_TOLD)
        raise UserError(
            f"this is no source ({reason}); give a path, hf:NAME, or for instance "
            "'{path: rules.csv, text: body}'"
        ) from error


def shown(value: Any) -> str:
    """Return a value as it was given, the beginning of a long one, without secrets."""
    # Redacted first: the beginning of a secret looks like none.
    return in_line(redacted(repr(value)), LONGEST_SHOWN)


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
