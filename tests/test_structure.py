"""Holds the structure: imports point one way, and no function or file grows without bound."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("elenchus", "agents", "graphs", "retrieval", "training")
# What each package may import of the others. The command line stands above all of them.
VOCABULARY = {
    "elenchus.records", "elenchus.config", "elenchus.loading", "elenchus.errors", "elenchus.ledger",
    "graphs.classification.records", "graphs.classification.config", "graphs.pretraining.records",
    "graphs.pretraining.config", "retrieval.selection.config", "elenchus.sections",
    "agents.matching", "elenchus.printing",
}  # fmt: skip
ALLOWED = {
    "elenchus": set(),
    "agents": set(),
    "retrieval": {"models.batching", "models.weights"},
    "training": {"agents"},
    "graphs": {"agents", "retrieval", "training"},
}
ABOVE = {
    "elenchus/cli/main.py": {"graphs"},
    "elenchus/cli/corpus.py": {"retrieval"},
    "elenchus/cli/select.py": {"graphs"},
    "elenchus/cli/doctor.py": {"agents", "retrieval"},
}


def sources() -> list[Path]:
    return sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] in PACKAGES}


def within(name: str, prefixes: set[str]) -> bool:
    return any(name == p or name.startswith(p + ".") for p in prefixes)


@pytest.mark.parametrize("path", sources(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_point_one_way(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    package = name.split("/")[0]
    allowed = ALLOWED[package] | VOCABULARY | {package, "elenchus.runs"} | ABOVE.get(name, set())
    wrong = {i for i in imported(ast.parse(path.read_text("utf-8"))) if not within(i, allowed)}
    assert not wrong, f"{name} must not import {sorted(wrong)}"


def test_vocabulary_knows_nobody() -> None:
    names = (
        "records", "message_records", "passage_records", "config", "message_config",
        "passage_config", "selection_config", "sections", "errors",
    )  # fmt: skip
    known = {f"elenchus.{name}" for name in names}
    for name in names:
        tree = ast.parse((ROOT / "elenchus" / f"{name}.py").read_text("utf-8"))
        assert all(within(i, known) for i in imported(tree))


@pytest.mark.parametrize("path", sources(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 60, node.name


def test_the_command_line_starts_without_heavy_libraries() -> None:
    code = "import sys, elenchus.cli; print(sorted(sys.modules))"
    seen = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    heavy = ("torch", "transformers", "peft", "langgraph", "chromadb", "scipy")
    assert not [name for name in heavy if f"'{name}'" in seen.stdout]
