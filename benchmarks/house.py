"""Count the house: lines by package, how long functions and files are.

    python -m benchmarks.house            # this checkout
    python -m benchmarks.house --root DIR # another one, to compare

`lines` are those of each package's files; `code` leaves out blank lines, comments and docstrings.
Keys of the JSON: both by package, `product_lines` and `product_code` (all but `offline` and
`benchmarks`), `function_median`, `function_longest`, `file_longest`, `question_docstrings`
(functions whose docstring begins with What, Whether, How, Why or Which).
"""

import argparse
import ast
import json
import re
import sys
from pathlib import Path
from statistics import median
from typing import Any

PRODUCT = ("elenchus", "models", "agents", "graphs", "retrieval", "training")
APART = ("offline", "benchmarks")
OLD_OFFLINE = "builtin"  # where the built-in models lay before they were set apart
QUESTION = re.compile(r"(What|Whether|How|Why|Which)\b")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def files(root: Path, package: str) -> list[Path]:
    """Return the files of a package."""
    return [p for p in sorted((root / package).rglob("*.py")) if OLD_OFFLINE not in p.parts]


def code_lines(text: str, tree: ast.AST) -> int:
    """Count the lines that are neither blank nor comments nor docstrings."""
    prose: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | Function) and ast.get_docstring(node):
            docstring = node.body[0]
            prose |= set(range(docstring.lineno, (docstring.end_lineno or 0) + 1))
    lines = enumerate(text.split("\n"), 1)
    return sum(bool(line.strip("# \t")) and n not in prose and not line.lstrip().startswith("#")
               for n, line in lines)  # fmt: skip


def count(root: Path) -> dict[str, Any]:
    """Return all counts of a checkout."""
    lines: dict[str, int] = dict.fromkeys((*PRODUCT, *APART), 0)
    code, sizes, longest, questions = dict(lines), list[int](), 0, 0
    for package in lines:
        for path in files(root, package):
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text)
            lines[package] += text.count("\n")
            code[package] += code_lines(text, tree)
            if package not in PRODUCT:
                continue
            longest = max(longest, text.count("\n"))
            functions = [node for node in ast.walk(tree) if isinstance(node, Function)]
            sizes += [(node.end_lineno or 0) - node.lineno + 1 for node in functions]
            questions += sum(bool(QUESTION.match(ast.get_docstring(f) or "")) for f in functions)
    return {
        "lines": lines,
        "code": code,
        "product_lines": sum(lines[package] for package in PRODUCT),
        "product_code": sum(code[package] for package in PRODUCT),
        "function_median": median(sizes),
        "function_longest": max(sizes),
        "file_longest": longest,
        "question_docstrings": questions,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--quick", action="store_true", help="the same: it takes a second")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    counts = count(options.root)
    if options.json:
        print(json.dumps(counts))
        return 0
    for key, value in counts.items():
        shown = (
            ", ".join(f"{k} {v:,}" for k, v in value.items()) if key in ("lines", "code") else value
        )
        print(f"{key:<20} {shown}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
