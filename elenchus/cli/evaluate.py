"""`elenchus evaluate`: a labelled test of your own, for a finished run's student and others."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from elenchus.cli import options
from elenchus.errors import UserError

if TYPE_CHECKING:
    from elenchus.own_tests import TestConfig
    from elenchus.results import TestResult
    from elenchus.runs import RunFolder


Table = Annotated[str | None, typer.Option(help="a table: CSV, TSV, JSONL, Parquet, or hf:NAME")]
Template = Annotated[str | None, typer.Option(help="a question made of columns: 'Clause: {text}'")]
PromptFile = Annotated[
    str | None, typer.Option(help="in its place, a file with {{column}}s, as of LegalBench")
]
Answer = Annotated[str | None, typer.Option(help="the column of the right answer")]
Score = Annotated[str | None, typer.Option(help="choice, exact, contains, number, rubric or judge")]
Labels = Annotated[list[str] | None, typer.Option(help="an answer to choose from; repeatable")]
Tolerance = Annotated[float | None, typer.Option(help="number: the share that is near enough")]
Rubric = Annotated[
    str | None, typer.Option(help="what an answer must do; '{column}' is a row's own")
]
Count = Annotated[int | None, typer.Option(help="rows to ask at most")]
OwnPrompt = Annotated[
    bool, typer.Option("--own-prompt", help="ask with the domain's prompt of the student")
]
Name = Annotated[str | None, typer.Option(help="of the test; without --test, one that the run has")]
Models = Annotated[
    list[str] | None, typer.Option(help="another provider:model that takes it; repeatable")
]
BaseUrl = Annotated[str | None, typer.Option(help="where a server has these models")]
Caps = Annotated[list[str] | None, typer.Option(help="cap=value in place of the run's; repeatable")]

Strict = Annotated[
    bool, typer.Option("--strict", help="fail where a question was seen in training")
]


def evaluate(
    run: options.Run,
    test: Table = None,
    template: Template = None,
    prompt: PromptFile = None,
    answer: Answer = None,
    score: Score = None,
    label: Labels = None,
    tolerance: Tolerance = None,
    rubric: Rubric = None,
    count: Count = None,
    own_prompt: OwnPrompt = False,
    name: Name = None,
    model: Models = None,
    base_url: BaseUrl = None,
    budget: Caps = None,
    strict: Strict = False,
    root: options.Root = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Take a labelled test before and after a finished run, and by other models.

    Without --test, the tests that the run's domain.yaml has are taken, and nothing is asked twice.
    """
    from elenchus import runs
    from elenchus.loading import as_change, merged

    folder = runs.find(root, run)
    tree = {
        "template": template, "prompt": prompt and str(Path(prompt).resolve()), "answer": answer,
        "score": score, "labels": label, "tolerance": tolerance, "rubric": rubric, "count": count,
        "own_prompt": own_prompt or None,
    }  # fmt: skip
    tests = _tests(folder, test, name, _given(tree))
    from elenchus.cli.screen import Screen
    from elenchus.sections import ModelConfig
    from graphs.config import checked
    from graphs.evaluating import evaluate

    models = [
        checked(ModelConfig, {"model": one, "base_url": base_url}, "--model") for one in model or ()
    ]
    caps = merged(*map(as_change, budget or []))
    found = evaluate(folder, tests, models, Screen(quiet=as_json), caps)
    if as_json:
        print(json.dumps({name: result.model_dump(mode="json") for name, result in found.items()}))
    else:
        _show(folder, found)
    if strict and any(taken.leaked for taken in found.values()):
        names = ", ".join(name for name, taken in found.items() if taken.leaked)
        which = f"`{folder.command('contamination')}` shows which"
        typer.echo(f"elenchus: questions of {names} were seen in training: {which}", err=True)
        raise typer.Exit(1)


def _tests(
    run: "RunFolder", test: str | None, name: str | None, tree: dict[str, Any]
) -> "dict[str, TestConfig]":
    """Return the tests that are meant: the one of the options, or those of the run.

    Raises:
        UserError: the options make no test, or the run has none of that name.
    """
    from elenchus.loading import as_source
    from elenchus.own_tests import NAME, TestConfig
    from graphs.config import checked, of_run

    if test is None:
        return _of_run(of_run(run).tests, name, sorted(tree), run)
    source = as_source(test)
    if source.path is not None:
        source = source.model_copy(update={"path": str(Path(source.path).resolve())})
    name = name or Path(source.path or str(source.hf)).stem
    if not NAME.fullmatch(name):
        raise UserError(f"{name!r} cannot name a test: give letters, digits and dashes with --name")
    return {name: checked(TestConfig, {"rows": source, **tree}, f"tests.{name}")}


def _given(tree: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, be it as 0."""
    return {key: value for key, value in tree.items() if value is not None and value != []}


def _of_run(
    own: "dict[str, TestConfig]", name: str | None, given: list[str], run: "RunFolder"
) -> "dict[str, TestConfig]":
    """Return all tests of a run's domain.yaml, or the one of a name."""
    if given:
        raise UserError(f"--{given[0].replace('_', '-')} is of a table: name it with --test FILE")
    if name is not None and name not in own:
        raise UserError(
            f"run {run.id} has no test {name!r}; it has: {', '.join(own) or 'none'}. "
            "Name a table of your own with --test FILE"
        )
    if not own:
        raise UserError(f"run {run.id} has no tests of its own: name a table with --test FILE")
    return own if name is None else {name: own[name]}


def _show(folder: "RunFolder", found: "dict[str, TestResult]") -> None:
    """Print a table for each test, and where its figures lie."""
    from rich.console import Console

    from graphs.test_files import FOLDER
    from graphs.test_screens import show_test

    console = Console(highlight=False, width=80)
    for name, taken in found.items():
        show_test(console, name, taken)
    console.print(f"{folder.path.as_posix()}/{FOLDER}/", markup=False, soft_wrap=True)
