"""Holds the structure: imports point one way, and no function or file grows without bound."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# The floors of the house, and what each may import of the others. The command line stands on top;
# `offline` is reached through the registry of backends only.
BELOW = {
    "elenchus": set(),
    "models": {"elenchus"},
    "retrieval": {"elenchus", "models"},
    "training": {"elenchus", "models"},
    "agents": {"elenchus", "models"},
    "evaluation": {"elenchus", "models", "retrieval", "training", "agents"},
    "publishing": {"elenchus", "models", "retrieval", "training", "agents"},
    "graphs": {
        "elenchus", "models", "retrieval", "training", "agents", "evaluation", "publishing",
    },
    "offline": {"elenchus", "models"},
    "inspection": {
        "elenchus", "models", "retrieval", "training", "evaluation", "publishing", "graphs",
    },
    "benchmarks": {
        "elenchus", "models", "retrieval", "training", "agents", "evaluation", "publishing",
        "graphs", "offline", "inspection",
    },
}  # fmt: skip
PACKAGES = tuple(BELOW)
PRODUCT = tuple(name for name in PACKAGES if name != "benchmarks")
METHODS = ("adaptation", "rewriting", "classification", "pretraining")
# A question word says what a thing is; a docstring says what it does.
_QUESTION = re.compile(r"(What|Whether|How|Why|Which)\b")


def sources(*packages: str) -> list[Path]:
    return sorted(p for package in packages for p in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> set[str]:
    """All that a file imports of ours, within functions too, but for what types alone need."""
    names = set()
    tree = ast.parse(path.read_text("utf-8"))
    typing = [n for n in tree.body if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)]
    untyped = [n for n in tree.body if n not in typing]
    for node in ast.walk(ast.Module(untyped, [])):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] in PACKAGES}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=name_of)
def test_imports_point_one_way(path: Path) -> None:
    name = name_of(path)
    package = name.split("/")[0]
    if name.startswith("elenchus/cli/") or name == "elenchus/__main__.py":
        allowed = {*BELOW["graphs"], "graphs", "inspection", "benchmarks"}
    else:
        allowed = {package, *BELOW[package]}
    wrong = {i for i in imported(path) if i.split(".")[0] not in allowed}
    above = {i for i in imported(path) if i.startswith("elenchus.cli")}
    if package not in ("elenchus", "benchmarks"):
        wrong |= above
    assert not wrong, f"{name} must not import {sorted(wrong)}"


def test_the_ground_floor_knows_no_command() -> None:
    for path in (ROOT / "elenchus").glob("*.py"):
        if path.name != "__main__.py":
            assert not {i for i in imported(path) if i.startswith("elenchus.cli")}, path


def test_no_import_is_a_circle() -> None:
    edges: dict[str, set[str]] = {}
    modules = {name_of(p).removesuffix(".py").replace("/", ".") for p in sources(*PRODUCT)}
    for path in sources(*PRODUCT):
        module = name_of(path).removesuffix(".py").replace("/", ".")
        edges[module] = {m for m in (_module(i, modules) for i in imported(path)) if m}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module not in done:
            for other in sorted(edges[module]):
                visit(other, (*path, module))
            done.add(module)

    for module in sorted(edges):
        visit(module, ())


def _module(name: str, modules: set[str]) -> str:
    """Return the module that an import names; "" for a package's own names."""
    return (
        name
        if name in modules
        else next((m for m in (name.rpartition(".")[0],) if m in modules), "")
    )


@pytest.mark.parametrize("path", sources(*PRODUCT), ids=name_of)
def test_nobody_names_a_built_in_model_or_compares_a_method(path: Path) -> None:
    if name_of(path).split("/")[0] in ("offline", "models"):
        return
    text = path.read_text("utf-8")
    assert "builtin:" not in text
    assert not re.search(r"\bmethod\s*[=!]=", text)


@pytest.mark.parametrize("path", sources("graphs"), ids=name_of)
def test_a_method_knows_others_only_by_what_they_share(path: Path) -> None:
    """Texts and passages are measured as examinations are; nothing else crosses."""
    folder = name_of(path).split("/")[1]
    if folder not in METHODS:
        return
    others = {i.split(".")[1] for i in imported(path) if i.startswith("graphs.")} & set(METHODS)
    assert others <= {folder, "adaptation"}


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=name_of)
def test_files_and_functions_stay_small(path: Path) -> None:
    assert path.read_text("utf-8").count("\n") <= 400
    for node in functions(path):
        assert node.end_lineno is not None
        assert node.end_lineno - node.lineno < 60, node.name


@pytest.mark.parametrize("path", sources(*PRODUCT), ids=name_of)
def test_docstrings_begin_with_what_a_thing_does(path: Path) -> None:
    for node in functions(path):
        names = {getattr(d, "id", getattr(d, "attr", "")) for d in node.decorator_list}
        if not names & {"property", "cached_property"}:
            first = (ast.get_docstring(node) or "").partition("\n")[0]
            assert not _QUESTION.match(first), f"{node.name}: {first}"


def test_the_command_line_starts_without_heavy_libraries() -> None:
    code = "import sys, elenchus.cli.main; print(sorted(sys.modules))"
    seen = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    heavy = (
        "torch", "transformers", "peft", "langgraph", "chromadb", "scipy", "numpy", "pydantic",
        "yaml", "rich", "langchain_core", "filelock",
    )  # fmt: skip
    assert not [name for name in heavy if f"'{name}'" in seen.stdout]
