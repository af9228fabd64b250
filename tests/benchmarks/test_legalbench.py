"""The published setting: tasks are read, made a domain, adapted to, and compared."""

import json
from pathlib import Path

import pytest

from benchmarks import legalbench, strategies
from elenchus.errors import UserError
from elenchus.loading import merged
from graphs.config import validate
from graphs.hand_exam import read_hand_exam
from retrieval.index import contents

CLAUSES = [
    "The Buyer must pay each invoice within 30 days of receipt.",
    "The Supplier may not charge more than 5 percent for late payment.",
    "The notice of audit must be given at least 14 days before the audit.",
    "The Licensee must return all samples within 10 days of termination.",
]


def write_task(folder: Path, name: str, clauses: list[str]) -> None:
    (folder / name).mkdir(parents=True)
    prompt = (
        f"Does the clause limit {name}?\n\nClause: x\nLabel: Yes\n\nClause: {{{{text}}}}\nLabel:"
    )
    (folder / name / "base_prompt.txt").write_text(prompt, encoding="utf-8")
    lines = [f"{'Yes' if n % 2 else 'No'}\t{clause}" for n, clause in enumerate(clauses)]
    (folder / name / "test.tsv").write_text("\n".join(["label\ttext", *lines]), encoding="utf-8")


def test_tasks_become_questions_with_their_clauses_as_documents(tmp_path: Path) -> None:
    write_task(tmp_path, "late_fees", CLAUSES[:2])
    write_task(tmp_path, "audits", CLAUSES[2:])
    asked = legalbench.read_tasks(tmp_path)
    assert [q.task for q in asked] == ["audits", "audits", "late_fees", "late_fees"]
    assert asked[0].asked == "Does the clause limit audits?"
    path = legalbench.write_domain(tmp_path / "domain", asked, 3, None)
    rows = [json.loads(line) for line in (path.parent / "questions.jsonl").open(encoding="utf-8")]
    assert len(rows) == 3
    texts = "".join(p.read_text("utf-8") for p in path.parent.glob("documents/*.md"))
    assert all(row["quote"] in texts and row["quote"] in row["question"] for row in rows)
    assert "Yes" not in texts
    assert legalbench.write_domain(tmp_path / "domain", asked, 2, None) != path
    assert legalbench.write_domain(tmp_path / "domain", asked, 3, None) == path


def test_only_clauses_of_the_contracts_are_asked_about(tmp_path: Path) -> None:
    write_task(tmp_path / "tasks", "late_fees", CLAUSES)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "one.txt").write_text(f"1. {CLAUSES[0]}\n2. Other.", "utf-8")
    asked = legalbench.read_tasks(tmp_path / "tasks")
    path = legalbench.write_domain(tmp_path / "domain", asked, 9, tmp_path / "contracts")
    rows = [json.loads(line) for line in (path.parent / "questions.jsonl").open(encoding="utf-8")]
    assert [row["quote"] for row in rows] == [CLAUSES[0]]
    with pytest.raises(UserError, match="no clause of the tasks"):
        legalbench.write_domain(tmp_path / "none", asked[1:], 9, tmp_path / "contracts")


def test_a_clause_is_found_across_line_breaks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_task(tmp_path / "tasks", "late_fees", CLAUSES[:3])
    stands = [CLAUSES[0].replace("each ", "each\n   "), CLAUSES[1].replace("for ", "for\u2028")]
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "one.txt").write_text("1. " + "\n2. ".join(stands), "utf-8")
    asked = legalbench.read_tasks(tmp_path / "tasks")
    path = legalbench.write_domain(tmp_path / "domain", asked, 9, tmp_path / "contracts")
    tree = {"domain": "x", "title": "x", "corpus": {"sources": ["."]}}
    documents, _ = contents(validate(tree, "test"), tmp_path / "contracts")
    rows = read_hand_exam(path.parent / "questions.jsonl", documents)
    assert {row.quote for row in rows} == set(stands), "as they stand, so that they are found"
    assert all("\n" not in row.question for row in rows)
    assert "1 of 3 clauses" in capsys.readouterr().err


def test_what_is_no_task_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no task \* in"):
        legalbench.read_tasks(tmp_path)
    write_task(tmp_path, "late_fees", CLAUSES)
    (tmp_path / "late_fees" / "test.tsv").write_text("index\ttext\n1\tA clause.", "utf-8")
    with pytest.raises(UserError, match="row 1: the columns are answer"):
        legalbench.read_tasks(tmp_path)


def test_the_rate_of_texts_is_for_the_default_student_alone() -> None:
    domain = Path("domain.yaml")
    base = {"strategy": "adversarial", "n": 100, "data_tokens": 700, "steps": 9}
    (cell,) = strategies.cells("entity pairs x70", domain, 0, (100,), [base])
    rates = [
        json.loads(legalbench._with_models(cell, models).changes)["training"].get("learning_rate")
        for models in ({}, {"student": {"model": "hf:llama"}})
    ]
    assert rates == [5e-3, None]


def test_a_run_is_compared_with_what_was_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {"training": {"rank": 2, "epochs": 1, "learning_rate": 1e-3}}
    monkeypatch.setattr(strategies, "COMMON", merged(strategies.COMMON, small))
    monkeypatch.setattr(strategies, "BASE_SIZE", 4)
    monkeypatch.setattr(legalbench, "SIZES", (2, 4))
    write_task(tmp_path, "late_fees", CLAUSES)
    domain = legalbench.write_domain(tmp_path / "domain", legalbench.read_tasks(tmp_path), 4, None)
    rows = legalbench.group(("adversarial",), {}, tmp_path / "out", domain, 0)
    assert [r["n"] for r in rows] == [0, 2, 4]
    figures = legalbench.report(rows)
    assert figures["questions"] == 4
    assert figures["chance"] == 0.5
    hand = rows[2]["exams"]["hand"]
    gained = hand["after"] - hand["before"]
    assert figures["over_base"]["adversarial"]["mean"] == pytest.approx(gained)
    # A student that was never found failing was not trained.
    knew = [rows[0] | {"hand": rows[2]["hand"] | {"after": rows[2]["hand"]["before"]}}]
    assert legalbench.report(knew)["over_base"]["adversarial"]["mean"] == 0
    legalbench.show(figures)
    shown = capsys.readouterr().out
    assert "published: +18.99" in shown
    assert "not above always giving the" in shown, "one seed tells nothing"
