"""Exams and tests for lm-evaluation-harness and inspect_ai: folders that run where they lie."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from elenchus.questions import AnswerForm
from publishing.formats import Files, Format, Row, Split, jsonl
from publishing.rows import Question

TOKENS = 512  # of an answer at most
_LOADER = '''"""Loads the rows that lie beside this file, wherever the folder is."""

from pathlib import Path

import datasets


def rows(file, **others):
    """Return the rows of a file, as the one split that there is."""
    path = Path(__file__).resolve().with_name(file)
    return datasets.load_dataset("json", data_files={"test": str(path)})
'''
_TASK = '''"""Tasks of inspect_ai: `inspect eval {file} --model PROVIDER/MODEL`."""

from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import json_dataset
from inspect_ai.scorer import {scorers}
from inspect_ai.solver import {solvers}

HERE = Path(__file__).resolve().parent
'''
_ONE_TASK = '''

@task
def {name}():
    """Return the {count} questions of {title}."""
    return Task(
        dataset=json_dataset(str(HERE / "{file}")),
        solver={solver},
        scorer={scorer},
    )
'''


def lm_eval(split: Split) -> Files:
    """Write a task for each exam: a choice by likelihood where there are labels, else an answer."""
    contents: dict[str, str | bytes] = {"rows.py": _LOADER}
    counts: dict[str, int] = {}
    for name, questions in zip(_identifiers(split), split.exams.values(), strict=True):
        file = f"{name}.jsonl"
        contents[file], counts[file] = jsonl(map(_harness_row, questions)), len(questions)
        contents[f"{name}.yaml"] = _harness_task(name, file, questions, split.form)
    note = f"lm_eval --tasks {','.join(_names(counts))} --include_path FOLDER"
    return Files(contents, counts, {}, f"`{note} --apply_chat_template --model …` runs them")


def inspect(split: Split) -> Files:
    """Write a dataset for each exam, and the file with the tasks."""
    contents: dict[str, str | bytes] = {}
    counts: dict[str, int] = {}
    tasks, scorers, solvers = "", set(), set()
    for (exam, questions), name in zip(split.exams.items(), _identifiers(split), strict=True):
        file = f"{name}.jsonl"
        contents[file], counts[file] = jsonl(map(_sample, questions)), len(questions)
        solver, scorer = _inspected(questions, split.form)
        scorers.add(scorer.partition("(")[0])
        solvers.add(solver.partition("(")[0])
        tasks += _ONE_TASK.format(
            name=name, count=len(questions), title=exam, file=file, solver=solver, scorer=scorer
        )
    head = _TASK.format(
        file="tasks.py", scorers=", ".join(sorted(scorers)), solvers=", ".join(sorted(solvers))
    )
    contents["tasks.py"] = head + tasks
    return Files(contents, counts, {}, "`inspect eval FOLDER/tasks.py --model …` runs them")


def _harness_row(question: Question) -> Row:
    row: Row = {
        "id": question.id,
        "system": question.system,
        "question": question.text,
        "answer": question.answer,
        "kind": question.kind,
    }
    if question.choices:
        row |= {
            "choices": list(question.choices),
            "label": question.choices.index(question.answer),
        }
    return row


def _harness_task(name: str, file: str, questions: Sequence[Question], form: AnswerForm) -> str:
    """Return the YAML of a task.

    Fields are named, not filled in, so that nothing in a row is taken for a template.
    """
    chosen = all(question.choices for question in questions)
    task: dict[str, Any] = {
        "task": name,
        "custom_dataset": "!function rows.rows",
        "dataset_kwargs": {"file": file},
        "test_split": "test",
        "description": "{{system}}",
        "doc_to_text": "question",
    }
    if chosen:
        task |= {
            "output_type": "multiple_choice",
            "doc_to_choice": "choices",
            "doc_to_target": "label",
            "metric_list": [_metric("acc"), _metric("acc_norm")],
        }
    else:
        exact = {"ignore_case": True, "ignore_punctuation": True}
        task |= {
            "output_type": "generate_until",
            "doc_to_target": "answer",
            "generation_kwargs": {"until": [], "max_gen_toks": TOKENS, "do_sample": False},
            "filter_list": [{"name": "result", "filter": _filters(questions, form)}],
            "metric_list": [_metric("exact_match") | exact],
        }
    task |= {"metadata": {"version": 1.0}}
    text = yaml.safe_dump(task, sort_keys=False, allow_unicode=True)
    return text.replace("'!function rows.rows'", "!function rows.rows")


def _metric(name: str) -> Row:
    return {"metric": name, "aggregation": "mean", "higher_is_better": True}


def _filters(questions: Sequence[Question], form: AnswerForm) -> list[Row]:
    pattern = _result_pattern(questions, form)
    found = [{"function": "regex", "regex_pattern": pattern, "group_select": -1}] if pattern else []
    return [*found, {"function": "take_first"}]


def _result_pattern(questions: Sequence[Question], form: AnswerForm) -> str:
    """Return the pattern of a result in the domain's form; "" where answers have none."""
    is_told = form.mark and all(form.mark in question.system for question in questions)
    end = form.text("", "\N{NULL}").partition("\N{NULL}")[2].strip()
    tail = f"(?:{re.escape(end)})?" if end else ""
    return rf"{re.escape(form.mark)}[ \t]*([^\n]+?){tail}[ \t]*(?:\n|$)" if is_told else ""


def _sample(question: Question) -> Row:
    row: Row = {
        "id": question.id,
        "input": question.prompt,
        "target": question.answer,
        "metadata": {"kind": question.kind},
    }
    if question.choices:
        row |= {
            "choices": list(question.choices),
            "target": chr(ord("A") + question.choices.index(question.answer)),
        }
    return row


def _inspected(questions: Sequence[Question], form: AnswerForm) -> tuple[str, str]:
    """Return the solver and the scorer of a task, as Python."""
    if all(question.choices for question in questions):
        return "multiple_choice()", "choice()"
    pattern = _result_pattern(questions, form)
    return "generate()", f"pattern({pattern!r})" if pattern else "includes()"


def _identifier(name: str) -> str:
    """Return a name as Python and the harness take one."""
    return re.sub(r"\W", "_", name, flags=re.ASCII).lower()


def _identifiers(split: Split) -> list[str]:
    """Return the name of each exam; two that differ in a dash alone are told apart by a number."""
    names: list[str] = []
    for exam in split.exams:
        name = own = _identifier(f"{split.name}_{exam}")
        number = 1
        while name in names:
            number += 1
            name = f"{own}_{number}"
        names.append(name)
    return names


def _names(counts: Mapping[str, int]) -> list[str]:
    return [file.removesuffix(".jsonl") for file in counts]


EXAM_FORMATS = {
    "lm-eval": Format("lm-evaluation-harness", ("exams",), lm_eval),
    "inspect": Format("inspect_ai", ("exams",), inspect),
}
