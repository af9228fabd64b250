"""The ready domains of published tests, with small files in the layout of the real ones."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from agents.prompting import Subject
from elenchus import domains
from elenchus.errors import UserError
from evaluation.reading import read
from graphs.config import load
from retrieval import tasks

PROMPT = "Is it about {0}?\n\nClause: x\nLabel: Yes\n\nClause: {{{{text}}}}\nLabel:"
STATUTES = """Section 1. Tax imposed
There is hereby imposed on the taxable income of every individual a tax of 15 percent.

Section 2. Definitions
For purposes of section 1, the term surviving spouse means a taxpayer whose spouse died.
"""
CASES = (
    ("Alice's taxable income is $1000.", "Alice has to pay $150.", "Entailment"),
    ("Alice's taxable income is $1000.", "Alice has to pay $20.", "Contradiction"),
    ("Bob's taxable income is $2000.", "How much tax does Bob have to pay?", "$300"),
)
CLAUSES = (
    "The Buyer must pay each invoice within 30 days of receipt.",
    "A notice of audit is given at least 14 days before the audit takes place.",
    "All samples are returned to the Licensor when this contract ends.",
    "Neither party hires those who work for the other, nor asks them to leave.",
)
SMALL = (
    *(f"{role}.model=mock:plain" for role in ("expert", "examiner", "grader")),
    "student.model=builtin:nano",
    "student.options.max_new_tokens=4",
    "training.enabled=false",
    "exam.questions=2",
    "exam.general=0",
    "adaptation.examples=[2]",
)


def write_task(folder: Path, name: str, label: str = "label") -> Path:
    task = folder / name
    task.mkdir(parents=True)
    (task / "base_prompt.txt").write_text(PROMPT.format(name), encoding="utf-8")
    rows = [f"{'Yes' if n % 2 else 'No'}\t{clause}" for n, clause in enumerate(CLAUSES)]
    for table, lines in (("train", rows[:2]), ("test", rows[2:])):
        text = "\n".join([f"{label}\ttext", *lines])
        (task / f"{table}.tsv").write_text(text, encoding="utf-8")
    return task


def write_legalbench(folder: Path) -> None:
    for name in ("cuad_audit_rights", "cuad_insurance", "hearsay"):
        write_task(folder, name)


def write_sara(folder: Path) -> None:
    (folder / "statutes.txt").write_text(STATUTES, encoding="utf-8")
    lines = ["\t".join(case) for case in CASES]
    (folder / "train.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_policyqa(folder: Path) -> None:
    asked = {"id": "q", "question": "What is kept?", "answers": [{"text": "an address"}]}
    context = "The website keeps an address of everybody who writes to it."
    document = {"title": "a.org", "paragraphs": [{"context": context, "qas": [asked, asked]}]}
    (folder / "dev.json").write_text(json.dumps({"data": [document]}), encoding="utf-8")


READY = {"legalbench": write_legalbench, "sara": write_sara, "policyqa": write_policyqa}
TESTS = {
    "legalbench": {"cuad_audit_rights", "cuad_insurance", "hearsay"},
    "sara": {"entailment", "tax"},
    "policyqa": {"passage", "memory"},
}


def load_ready(name: str, *changes: str) -> Any:
    return load(domains.find(name), None, list(changes))


@pytest.mark.parametrize("name", READY)
def test_a_ready_domain_says_what_it_needs(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"comes without its data: say with --set data=FOLDER"):
        load_ready(name)
    with pytest.raises(UserError, match=r"data: .* does not exist, and .*domain.yaml needs it"):
        load_ready(name, f"data={tmp_path}/nowhere")


@pytest.mark.parametrize("name", READY)
def test_a_ready_domain_runs_on_its_data(name: str, tmp_path: Path, elenchus) -> None:
    (data := tmp_path / "data").mkdir()
    READY[name](data)
    sets = [f"data={data}", f"retrieval.index={tmp_path / 'indexes'}", *SMALL]
    given = [part for one in sets for part in ("--set", one)]
    result = elenchus("launch", name, *given, "--runs", tmp_path / "runs", "--json").json
    assert set(result["tests"]) == TESTS[name]
    for test in result["tests"].values():
        assert test["questions"] and not test["ungraded"], test


def test_tests_of_a_folder_ask_what_its_prompts_say(tmp_path: Path) -> None:
    write_legalbench(tmp_path)
    config = load_ready("legalbench", f"data={tmp_path}", "tests.tasks.match=cuad_*")
    assert list(config.tests) == ["cuad_audit_rights", "cuad_insurance"]
    test = config.tests["cuad_insurance"]
    assert (test.score, test.answer, test.count) == ("choice", "label", 100)
    found = read("t", test, tmp_path, Subject.of(config, tmp_path), 0)
    said = found.items[0].prompt[0].content
    assert said.startswith("Is it about cuad_insurance?")
    assert said.endswith(f"Clause: {CLAUSES[2]}\nLabel:")
    changed = load_ready("legalbench", f"data={tmp_path}", "tests.tasks.score=exact")
    assert {test.score for test in changed.tests.values()} == {"exact"}


def test_sums_are_right_within_a_tenth(tmp_path: Path) -> None:
    write_sara(tmp_path)
    config = load_ready("sara", f"data={tmp_path}")
    subject = Subject.of(config, tmp_path)
    (item,) = read("tax", config.tests["tax"], tmp_path, subject, 0).items
    assert (item.answer, item.relative) == ("$300", 0.1)
    found = read("entailment", config.tests["entailment"], tmp_path, subject, 0)
    assert [item.answer for item in found.items] == ["Entailment", "Contradiction"]
    assert not found.unusable, "sums are another test's"


def test_tasks_are_scored_as_they_are(tmp_path: Path) -> None:
    for name in ("sara_numeric", "ssla_plaintiff", "hearsay"):
        write_task(tmp_path, name, "answer")
    tests = load_ready("legalbench", f"data={tmp_path}").tests
    assert {name: test.score for name, test in tests.items()} == {
        "sara_numeric": "number",
        "ssla_plaintiff": "judge",
        "hearsay": "choice",
    }
    assert tests["sara_numeric"].tolerance.relative == 0.1


def test_a_folder_without_tasks_and_tests_of_one_name_are_told(tmp_path: Path) -> None:
    write_legalbench(tmp_path)
    with pytest.raises(UserError, match=r"tests.tasks.folder: no task maud_\* in"):
        load_ready("legalbench", f"data={tmp_path}", "tests.tasks.match=maud_*")
    with pytest.raises(UserError, match=r"there is a test cuad_audit_rights already"):
        load_ready("legalbench", f"data={tmp_path}", f"tests.again={{folder: {tmp_path}}}")
    write_task(tmp_path, "odd", "verdict")
    with pytest.raises(UserError, match=r"neither a column answer nor label"):
        load_ready("legalbench", f"data={tmp_path}")


def test_what_the_hub_converted_is_read(tmp_path: Path) -> None:
    columns = {"answer": ["Yes", "No"], "index": ["0", "1"], "text": ["A clause.", "Another."]}
    path = tmp_path / "0000.parquet"
    parquet.write_table(pa.table(columns), path)
    assert [row["text"] for row in tasks.rows(path)] == columns["text"]
    assert len(tasks.rows(path, 1)) == 1


def test_a_run_keeps_what_was_written_out(tmp_path: Path) -> None:
    write_sara(tmp_path)
    config = load_ready("sara", f"data={tmp_path}")
    assert config.corpus.sources[0].path == str(tmp_path.resolve() / "statutes.txt")
    assert "{data}" not in config.model_dump_json()
