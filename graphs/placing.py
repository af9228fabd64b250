"""What a domain.yaml says in short is written out before it is validated: its data, and its tasks.

A domain that ships without its documents has paths that begin with `{data}/`; the setting `data`
says which folder that is. An entry of `tests` with `folder` stands for all tasks of LegalBench's
layout in that folder: each becomes a test of its own, with the entry's other keys.
"""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from elenchus.errors import UserError
from elenchus.loading import LONGEST_SHOWN, merged
from elenchus.printing import in_line
from retrieval import tasks

DATA = "{data}/"
FOLDER, MATCH = "folder", "match"  # of an entry of tests that stands for many
# How LegalBench scores tasks whose answers are no labels, as near as scores here come to it.
SCORES: dict[str, dict[str, Any]] = {
    "sara_numeric": {"score": "number", "tolerance": 0.1},
    "definition_extraction": {"score": "contains"},
    "citation_prediction_open": {"score": "contains"},
    "rule_qa": {"score": "judge"},
    "ssla_*": {"score": "judge"},
    "successor_liability": {"score": "judge"},
}


def placed(tree: dict[str, Any], folder: Path, where: str) -> dict[str, Any]:
    """Return a tree with its data in their place, and a test for each of its tasks.

    Args:
        folder: what paths are below.
        where: the file that the tree is of, for messages.

    Raises:
        UserError: it is not said where the data are, they are not there, or there is no such task.
    """
    tree = _with_data(tree, where)
    tests = tree.get("tests")
    if not isinstance(tests, dict) or not any(map(_is_short, tests.values())):
        return tree
    every: dict[str, Any] = {}
    for name, entry in tests.items():
        more = _of_tasks(name, entry, folder) if _is_short(entry) else {name: entry}
        if twice := sorted(every.keys() & more.keys()):
            raise UserError(f"tests.{name}: there is a test {twice[0]} already: rename it")
        every |= more
    return tree | {"tests": every}


def _with_data(tree: dict[str, Any], where: str) -> dict[str, Any]:
    """Return a tree whose paths do not begin with `{data}/` any more."""
    wanted = sorted(set(_below_data(tree)))
    if not wanted:
        return tree
    said = tree.get("data")
    needed = ", ".join(filter(None, (path.removeprefix(DATA) for path in wanted)))
    if not isinstance(said, str):
        raise UserError(
            f"{where}: this domain comes without its data: say with --set data=FOLDER in which "
            f"folder {needed or 'they'} can be found. The file itself says where to get them"
        )
    data = Path(said).expanduser().resolve()
    for path in wanted:
        inside = path.removeprefix(DATA)
        if not (any(data.glob(inside)) if inside else data.is_dir()):
            raise UserError(
                f"data: {in_line(str(data / inside), LONGEST_SHOWN)} does not exist, and {where} "
                "needs it: the file says where to get it"
            )
    changed: dict[str, Any] = _replaced(tree, f"{data}/")
    return changed


def _below_data(value: Any) -> list[str]:
    """Return the paths in a tree that are below its data."""
    if isinstance(value, str):
        return [value] if value.startswith(DATA) else []
    inside = value.values() if isinstance(value, dict) else value
    return [path for one in inside for path in _below_data(one)] if _holds(value) else []


def _replaced(value: Any, data: str) -> Any:
    if isinstance(value, str):
        return data + value.removeprefix(DATA) if value.startswith(DATA) else value
    if isinstance(value, dict):
        return {key: _replaced(one, data) for key, one in value.items()}
    return [_replaced(one, data) for one in value] if _holds(value) else value


def _holds(value: Any) -> bool:
    return isinstance(value, dict | list | tuple)


def _is_short(entry: Any) -> bool:
    """Tell whether an entry of tests stands for the tasks of a folder."""
    return isinstance(entry, dict) and FOLDER in entry


def _of_tasks(name: str, entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the tests that the tasks of a folder are, by the names of their folders."""
    key = f"tests.{name}.{FOLDER}"
    own = {k: value for k, value in entry.items() if k not in (FOLDER, MATCH)}
    found = tasks.tasks(folder / str(entry[FOLDER]), str(entry.get(MATCH, "*")), key)
    return {task.name: merged(_as_test(task, key), own) for task in found}


def _as_test(task: Path, key: str) -> dict[str, Any]:
    """Return a task as a test; UserError where its table names no answer."""
    table = tasks.question_table(task, key)
    names = {name for row in tasks.rows(table, 1) for name in row}
    answer = next((name for name in ("answer", "label") if name in names), None)
    if answer is None:
        raise UserError(f"{key}: {table} has neither a column answer nor label, or no row")
    score = next((s for name, s in SCORES.items() if fnmatchcase(task.name, name)), None)
    rows, prompt = {"path": str(table.resolve())}, str((task / tasks.PROMPT).resolve())
    return {"rows": rows, "prompt": prompt, "answer": answer, **(score or {"score": "choice"})}
