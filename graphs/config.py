"""The configuration: one pydantic tree, with the same names in YAML, `--set` and Python.

It holds the sections that every method has (`elenchus/config.py`) and those of each method's
folder. What is left open is filled here: the model of a role by the one that runs on any machine,
and settings of the training by the backend of the student.
"""

import difflib
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError, ValidationInfo, create_model, model_validator

from elenchus.errors import UserError
from elenchus.loading import LONGEST_SHOWN, LONGEST_TOLD, as_change, merged, read_tree, shown
from elenchus.printing import in_line
from elenchus.runs import RunFolder
from elenchus.sections import ModelConfig, Section
from graphs.adaptation.config import AdaptationTree
from graphs.classification.config import ClassificationTree
from graphs.methods import METHODS, method_of
from graphs.placing import placed
from graphs.pretraining.config import PretrainingTree
from graphs.rewriting.config import RewritingTree
from models.backend import DEFAULT, DEFAULTS, Defaults, backend
from models.pretrained import Precision

Checked = TypeVar("Checked", bound=BaseModel)
MOST_SHOWN = 10  # mistakes that a message names
WRITTEN = "written"  # of a tree in which a run leaves nothing open
ROLES = ("expert", "examiner", "grader", "student")


# pydantic lists the fields of the last base first.
class DomainConfig(PretrainingTree, ClassificationTree, RewritingTree, AdaptationTree):
    """A domain.yaml."""

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, tree: Any, info: ValidationInfo) -> Any:
        """Fill what is left open: models by role, and what training on the student begins with."""
        if not isinstance(tree, dict) or info.context == WRITTEN:
            return tree
        tree = dict(tree)
        for role in ROLES:
            tree[role] = _with_model(tree.get(role, {}), DEFAULTS.get(role, DEFAULT))
        generation = tree.get("generation", {})
        if isinstance(generation, dict):
            author = _with_model(generation.get("author", {"temperature": 0.8}), DEFAULT)
            tree["generation"] = {**generation, "author": author}
        for section, settings in _student_defaults(tree["student"]).sections.items():
            if isinstance(given := tree.get(section, {}), dict):
                tree[section] = merged(dict(settings), given)
        return tree

    @model_validator(mode="after")
    def _can_be_done(self) -> "DomainConfig":
        try:
            method = method_of(self.method)
            problem = method.problem(self)
        except UserError as error:
            raise ValueError(str(error)) from error
        if self.engine not in method.engines:
            able = " or ".join(method.engines)
            problem = f"method: {self.method} does not run with engine: {self.engine}; set {able}"
        if problem:
            raise ValueError(problem)
        return self


def _with_model(role: Any, model: str) -> Any:
    """Name a model in a role's section where it names none."""
    if isinstance(role, Mapping):
        return {"model": model, **role}
    unnamed = isinstance(role, ModelConfig) and not role.model
    return role.model_copy(update={"model": model}) if unnamed else role


def _student_defaults(student: Any) -> Defaults:
    """Return what a student begins with; nothing where its model is no name."""
    if isinstance(student, ModelConfig):
        student = {"model": student.model, "options": student.options}
    if not isinstance(student, Mapping):
        return Defaults()  # said when the section itself is validated
    try:
        settings = ModelConfig(model=student.get("model"), options=student.get("options") or {})
    except ValidationError:
        return Defaults()  # so is this
    return backend(settings.model).student_defaults(settings)


def taken(config: DomainConfig) -> str:
    """Say what was taken from the student's backend, and why; "" where it brings nothing."""
    student = config.student
    offered = backend(student.model)
    why, sections = offered.student_defaults(student)
    method = method_of(config.method)
    unsaid = (*method.unread, *Precision._fields)  # the precision is said at the end
    found = []
    for section in sections.keys() & method.config.model_fields:
        given = getattr(config, section).model_dump()
        for key in sections[section]:
            nested = (
                given[key] if isinstance(given[key], dict) else {f"{section}.{key}": given[key]}
            )
            found += [f"{n} {value}" for n, value in nested.items() if n not in unsaid]
    if not found:
        return ""
    place = f" on {device}" if (device := offered.device(student)) else ""
    values = ", ".join(sorted(found))
    return f"{student.model}, {why}: {values}, {offered.precision(student)}{place}"


@functools.cache
def domain_config() -> type[DomainConfig]:
    """Return the tree with the sections of every method, those of installed packages included."""
    trees = [METHODS.get(name).config for name in METHODS.names()]
    more = tuple(tree for tree in trees if not issubclass(DomainConfig, tree))
    if not more:
        return DomainConfig
    bases: Any = (DomainConfig, *more)
    made: Any = create_model("DomainConfig", __base__=bases)
    return cast(type[DomainConfig], made)


def load(
    path: Path,
    profile: str | None = None,
    changes: list[str] | None = None,
    settings: dict[str, Any] | None = None,
) -> DomainConfig:
    """Read a domain.yaml, apply a profile, `key=value` changes and settings, and validate.

    Raises:
        UserError: the file cannot be read, a key is unknown, or a value has the wrong type.
    """
    tree = read_tree(path)
    chosen = [] if profile is None else [_profile(tree, profile, path)]
    changed = merged(tree, *chosen, *map(as_change, changes or []), settings or {})
    tree = placed(changed, path.parent, str(path))
    return validate(tree, f"{path} with your changes" if changes else str(path))


def of_run(run: RunFolder, caps: dict[str, Any] | None = None) -> DomainConfig:
    """Return the configuration of a run, with other caps of its budget where there are some.

    Raises:
        UserError: the caps make no valid configuration.
    """
    tree = run.placed(run.manifest()["config"])
    if not caps:
        return written(tree, str(run.path / "run.yaml"))
    return written(merged(tree, {"budget": caps}), "--budget")


def validate(tree: dict[str, Any], where: str) -> DomainConfig:
    """Validate a tree; UserError with what is wrong, the first mistakes of many."""
    return checked(domain_config(), tree, where)


def written(tree: dict[str, Any], where: str) -> DomainConfig:
    """Validate a tree that a run wrote, which holds whatever a student would begin with now."""
    return checked(domain_config(), tree, where, WRITTEN)


def checked(
    kind: type[Checked], tree: dict[str, Any], where: str, context: str | None = None
) -> Checked:
    """Validate a tree as a section: see `validate`."""
    try:
        return kind.model_validate(tree, context=context)
    except ValidationError as error:
        problems = error.errors()
        lines = [_explain(problem, kind) for problem in problems[:MOST_SHOWN]]
        if more := len(problems) - len(lines):
            lines.append(f"and {more} more")
        raise UserError(f"{where}: " + "; ".join(lines)) from error


def leaf_keys(model: type[BaseModel] | None = None, prefix: str = "") -> list[str]:
    """Return all dotted keys of the tree, leaves only."""
    keys = []
    for name, field in (model or domain_config()).model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            keys += leaf_keys(kind, f"{prefix}{name}.")
        else:
            keys.append(prefix + name)
    return keys


def _profile(tree: dict[str, Any], profile: str, path: Path) -> dict[str, Any]:
    profiles = tree.get("profiles") or {}
    if not isinstance(profiles, dict) or profile not in profiles:
        known = ", ".join(map(str, profiles)) if isinstance(profiles, dict) else ""
        raise UserError(f"{path} has no profile {profile!r}; it has: {known or 'none'}")
    changes = profiles[profile]
    if not isinstance(changes, dict):
        raise UserError(f"{path}: profiles.{profile} must hold keys and values of this tree")
    return changes


def _explain(problem: Mapping[str, Any], kind: type[BaseModel]) -> str:
    key = in_line(".".join(str(part) for part in problem["loc"]), LONGEST_SHOWN)
    if problem["type"] != "extra_forbidden":
        message = in_line(problem["msg"].removeprefix("Value error, "), LONGEST_TOLD)
        message = f"{key}: {message}" if key else message
        # What is wrong with a section or a list is not told by printing it all.
        whole = isinstance(problem["input"], dict | list | tuple)
        return message if whole else f"{message} (got {shown(problem['input'])})"
    known = leaf_keys(kind) + list(kind.model_fields)
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = (
        f"; did you mean {near[0]!r}?" if near else "; `elenchus new NAME --full` writes all keys"
    )
    return f"unknown key {key!r}{hint}"
