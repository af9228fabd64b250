"""The report of a run is one page that needs nothing else, and says what the run came to."""

import json
import re
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import ExamItem, Score
from elenchus.records import Examination
from elenchus.runs import RunFolder
from inspection import report
from tests.conftest import MOCKED, launched, write_pool

HOSTILE = "</style><script>alert(1)</script>"
BACKWARDS = "A swimming \u202ecap<img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run, of mocks, about a subject that is no markup."""
    home = write_pool(tmp_path_factory.mktemp("reported"), MOCKED)
    settings = home / "domain.yaml"
    text = settings.read_text("utf-8").replace("title: the", f"title: {HOSTILE} the")
    settings.write_text(text, encoding="utf-8")
    document = home / "documents" / "01-pool.md"
    byelaws = document.read_text("utf-8").replace("A swimming cap", BACKWARDS)
    document.write_text(byelaws, encoding="utf-8")
    return RunFolder(home.parent / "runs" / "pool" / launched(home)["run"])


def page(run: RunFolder) -> str:
    return (run.path / "report.html").read_text("utf-8")


def test_a_run_ends_with_its_report(run: RunFolder, elenchus: Callable[..., Any]) -> None:
    before = page(run)
    root = run.path.parent.parent
    ended = elenchus("report", run.id, "--runs", root)
    assert ended.code == 0 and ended.out.strip().endswith("report.html")
    assert page(run) == before
    result = json.loads(run.result.read_text("utf-8"))
    assert f"{result['calls']:,} calls" in before
    assert result["stopped"] in before
    for code in result["rejected"]:
        assert f"<code>{code}</code>" in before
    shown = re.findall(r"<code>(e-[0-9a-f]{16})</code>", before)
    assert len(shown) == len(set(shown)) == min(10, result["examinations"])
    with closing(Ledger(run.ledger, read_only=True)) as ledger:
        outcomes = {(e.rejection.code if e.rejection else "accepted") for e in
                    (ledger.get(Examination, i) for i in shown)}  # fmt: skip
    assert outcomes == {"accepted", *result["rejected"]}


def test_it_is_one_file_and_texts_are_texts(run: RunFolder) -> None:
    text = page(run)
    assert "default-src 'none'" in text and run.path.as_posix() not in text
    assert not re.search(r"<script|<link|<img|<iframe|<a |url\(|@import", text)
    assert "&lt;/style&gt;&lt;script&gt;alert(1)" in text
    assert "⟨U+202E⟩cap&lt;img src=x" in text and "\u202e" not in text


def test_exams_are_told_by_topic_and_kind(run: RunFolder) -> None:
    with closing(Ledger(run.ledger, read_only=True)) as ledger:
        items = ledger.all(ExamItem, exam="held-out")
        right = {s.item_id for s in ledger.all(Score, exam="held-out") if s.grade == "correct"}
    for kind in {item.kind for item in items}:
        of_kind = [item for item in items if item.kind == kind]
        share = sum(item.id in right for item in of_kind) / len(of_kind)
        row = re.search(rf'<th scope="row">{kind}</th>.*?</tr>', page(run), re.DOTALL)
        assert row and f"{share:.1%}" in row[0] and f">{len(of_kind)}<" in row[0]


def test_an_unfinished_or_damaged_run_has_none(run: RunFolder, tmp_path: Path) -> None:
    copied = RunFolder(tmp_path / "pool" / run.id)
    shutil.copytree(run.path, copied.path)
    copied.result.write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="damaged"):
        report.write(copied)
    copied.result.unlink()
    with pytest.raises(UserError, match="not finished"):
        report.write(copied)
