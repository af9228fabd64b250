"""Selecting text: what is hidden is found, whatever is bad is told, and a kill costs no shard."""

import contextlib
import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from elenchus.errors import NothingLoaded, UserError
from elenchus.progress import Unseen
from graphs.config import DomainConfig, validate
from retrieval.selection import precision as precisions
from retrieval.selection import select as selection
from retrieval.selection import shards, workers
from retrieval.selection.report import SelectionReport

ROOT = Path(__file__).resolve().parents[3]
words = re.compile(r"\w+").findall
OWN = words("""vessel master quay berth mooring harbour wharf cargo hull anchor pilot tide deck
crane dock ballast buoy channel tug lighter""")
OTHER = words("""flour oven butter bake sugar recipe whisk bowl tray dough cream pastry kitchen
syrup cinnamon garlic onion stew simmer plate""")
LINKS = words("the of must be before a in and by with not when may from at to is this that for")


class Quiet:
    """Progress that tells a function; kept for what was said."""

    def __init__(self, told: Callable[[], None] = lambda: None) -> None:
        self.said: list[str] = []
        self._told = told

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[Any]:
        yield lambda done, total: self._told()

    def say(self, text: str) -> None:
        self.said.append(text)


def text(rng: random.Random, about: list[str]) -> str:
    """Forty words, of which some tell what the text is about, and some the other thing."""
    kinds = rng.choices((about, LINKS, OTHER if about is OWN else OWN), (4, 6, 0.2), k=40)
    return " ".join(rng.choice(kind) for kind in kinds)


def write_domain(folder: Path, documents: int = 40) -> None:
    rng = random.Random("domain")
    (folder / "documents").mkdir(parents=True)
    for n in range(documents):
        (folder / "documents" / f"{n:02}.md").write_text(text(rng, OWN), encoding="utf-8")


def general(count: int = 600, seed: str = "general") -> tuple[list[str], set[str]]:
    """Texts, and those of them that are like the domain's: one of ten."""
    rng = random.Random(seed)
    texts = [text(rng, OTHER if n % 10 else OWN) for n in range(count)]
    return texts, set(texts[::10])


def write_lines(path: Path, texts: list[str]) -> None:
    path.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts), encoding="utf-8")


def config(folder: Path, **settings: Any) -> DomainConfig:
    tree = {
        "domain": "d", "title": "a test", "retrieval": {"index": str(folder / "index")},
        "selection": {"general": ["general"], "workers": 1} | settings,
    }  # fmt: skip
    return validate(tree, "test")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A domain, and a general corpus of one file."""
    write_domain(tmp_path)
    (tmp_path / "general").mkdir()
    write_lines(tmp_path / "general" / "a.jsonl", general()[0])
    return tmp_path


def select(home: Path, out: str = "out", progress: Any = None, **settings: Any) -> SelectionReport:
    return selection.select(config(home, **settings), home, home / out, progress or Quiet())


def test_what_is_hidden_is_found(home: Path) -> None:
    texts, hidden = general()
    (home / "general" / "a.jsonl").unlink()
    write_lines(home / "general" / "a.jsonl", texts[:200])
    (home / "general" / "b.jsonl.gz").write_bytes(
        gzip.compress("".join(json.dumps({"text": t}) + "\n" for t in texts[200:400]).encode())
    )
    pq.write_table(pa.table({"text": texts[400:]}), home / "general" / "c.parquet")
    report = select(home, precision=0.8)
    found = list(selection.read(home / "out"))
    assert len(hidden & {s.text for s in found}) >= 0.9 * len(hidden)
    assert sum(s.text in hidden for s in found) >= 0.8 * len(found)
    assert report.share == pytest.approx(0.1, abs=0.05)
    scores = [s.score for s in found]
    assert scores == sorted(scores, reverse=True)
    assert report.selected == len(found)
    assert report.tokens == sum(s.tokens for s in found)
    assert [row.texts for row in report.sources] == [200, 200, 200]
    for s in found:  # a source names the row
        name, row = s.source.split("#")
        start = {"a.jsonl": 0, "b.jsonl.gz": 200, "c.parquet": 400}[Path(name).name]
        assert texts[start + int(row) - 1] == s.text
    assert len(report.above) == len(report.below) == 10
    assert sum(row.texts for row in report.histogram) == 600
    written = (home / "out" / "report.md").read_text("utf-8")
    assert "general/c.parquet" in written


def test_rows_are_numbered_through_all_shards_of_a_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "PIECE", 10_000)
    texts, _ = general()
    select(home, precision=0.5)
    assert len(list((home / "out" / "scores").iterdir())) > 5
    for s in selection.read(home / "out"):
        assert texts[int(s.source.split("#")[1]) - 1] == s.text


def test_the_budget_is_filled_in_order_of_score(home: Path) -> None:
    whole = select(home, "whole", precision=0.5)
    texts = [s.text for s in selection.read(home / "whole")]
    report = select(home, "some", precision=0.5, tokens=whole.tokens // 2)
    some = [s.text for s in selection.read(home / "some")]
    assert some == texts[: len(some)]
    assert report.tokens <= whole.tokens // 2
    assert "budget" in report.cut.why
    assert report.below[0].text == texts[len(some)][:300]


def test_a_budget_alone_decides_alone(home: Path) -> None:
    precise = select(home, "precise", precision=1.0, tokens=2000)
    report = select(home, "budget", tokens=2000)
    assert precise.tokens < report.tokens <= 2000
    assert report.cut.why.startswith("where the budget")


def test_the_report_is_versioned_json(home: Path) -> None:
    report = select(home, precision=0.5)
    written = json.loads((home / "out" / "report.json").read_text("utf-8"))
    assert SelectionReport.model_validate(written) == report
    assert list(written) == list(SelectionReport.model_fields)
    assert written["version"] == 1
    assert written["histogram"][0].keys() == {"from", "to", "texts", "selected"}
    assert written["sources"][0].keys() == {"source", "texts", "selected", "tokens"}
    earlier = {key: value for key, value in written.items() if key != "version"}
    assert SelectionReport.model_validate(earlier) == report


def test_dsir_is_another_method(home: Path) -> None:
    _, hidden = general()
    select(home, method="dsir", precision=0.5)
    found = [s.text for s in selection.read(home / "out")]
    assert len(hidden & set(found)) > 0.5 * len(hidden)


def test_a_finished_selection_gives_its_report_and_other_settings_are_refused(home: Path) -> None:
    report = select(home)
    written = {p: p.stat().st_mtime_ns for p in (home / "out").rglob("*") if p.is_file()}
    assert select(home, workers=2) == report
    assert {p: p.stat().st_mtime_ns for p in written} == written
    with pytest.raises(UserError, match=r"another selection.precision: give another --out"):
        select(home, precision=0.5)
    write_lines(home / "general" / "b.jsonl", ["new text of another kind"])
    with pytest.raises(UserError, match="another general"):
        select(home)
    (home / "else").mkdir()
    (home / "else" / "thesis.tex").write_text("x", encoding="utf-8")
    with pytest.raises(UserError, match="something else"):
        select(home, "else")
    with pytest.raises(UserError, match="no finished selection"):
        list(selection.read(home / "else"))


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {paths!r}
from test_selection import Quiet, config
from retrieval.selection import select as selection
from retrieval.selection import shards, workers
shards.PIECE, workers.SMALL = 10_000, 0
home = Path({home!r})
def told():
    if len(list((home / "killed" / "scores").glob("*.parquet"))) >= 2:
        os.kill(os.getpid(), signal.SIGKILL)
if __name__ == "__main__":
    selection.select(config(home, workers={workers}), home, home / "killed", Quiet(told))
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_kill_costs_no_finished_shard(
    home: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(shards, "PIECE", 10_000)
    script = home / "killed.py"
    paths = [str(ROOT), str(Path(__file__).parent)]
    script.write_text(KILLED.format(paths=paths, home=str(home), workers=workers), encoding="utf-8")
    end = subprocess.run([sys.executable, script], check=False, capture_output=True, timeout=100)
    assert end.returncode == -signal.SIGKILL
    assert not (home / "killed" / "report.json").exists()
    finished = {
        p: (p.stat().st_mtime_ns, p.read_bytes())
        for p in (home / "killed" / "scores").glob("*.parquet")
    }
    assert 2 <= len(finished) < 15
    progress = Quiet()
    select(home, "killed", progress)
    assert any("were scored before" in line for line in progress.said)
    assert all((p.stat().st_mtime_ns, p.read_bytes()) == was for p, was in finished.items())
    select(home, "whole")
    first, second = (home / name / "selected.parquet" for name in ("killed", "whole"))
    assert first.read_bytes() == second.read_bytes()


def test_a_cluster_that_does_not_answer_is_told_before_anything_is_written(home: Path) -> None:
    pytest.importorskip("ray", reason="the package ray is not installed")
    settings = config(home)
    ray = settings.ray.model_copy(update={"address": "127.0.0.1:9"})
    settings = settings.model_copy(update={"engine": "ray", "ray": ray})
    with pytest.raises(UserError, match=r"ray\.address 127.0.0.1:9: no cluster of Ray answers"):
        selection.select(settings, home, home / "out", Quiet())
    assert not (home / "out").exists()


def test_several_processes_find_the_same(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "PIECE", 20_000)
    monkeypatch.setattr(workers, "SMALL", 0)
    select(home, "one")
    select(home, "two", workers=2)
    first, second = (home / name / "selected.parquet" for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()


def test_a_process_that_is_killed_is_told(home: Path) -> None:
    settings = config(home, workers=2)
    job = workers.Job(0, shards.Shard("a", settings.selection.general[0], size=workers.SMALL), 1000)
    with pytest.raises(UserError, match="the same command goes on"):
        list(workers.run(_dies, None, [job] * 2, settings, Unseen(), "Read"))


def _dies(shared: None, job: workers.Job, tell: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_tests_are_left_out_and_told(home: Path) -> None:
    _, hidden = general()
    tested = sorted(hidden)[:3]
    questions = [" ".join(tested[0].split()[5:25]), tested[1], "the quay", "Harbour, pilot!"]
    write_lines(home / "tests.jsonl", [tested[2]])
    report = selection.select(
        config(home, precision=0.5, tests=["tests.jsonl"]), home, home / "out", Quiet(), questions
    )
    texts = {s.text for s in selection.read(home / "out")}
    assert not texts & set(tested)
    assert texts & hidden  # what shares two words with a test is none
    (row,) = [row for row in report.left_out if row.why == "contains a test's text"]
    assert row.count == 3
    assert len(row.examples) == 3


def test_near_duplicates_go_and_the_next_best_come(home: Path) -> None:
    texts, hidden = general()
    copies = [f"{t} again" for t in texts if t in hidden]
    write_lines(home / "general" / "b.jsonl", copies)
    report = select(home, precision=0.5, near_duplicate=0.7)
    found = [s.text for s in selection.read(home / "out")]
    for t in hidden:
        assert not {t, f"{t} again"} <= set(found)
    (row,) = [row for row in report.left_out if row.why == "near-duplicate"]
    assert row.count > 0.7 * len(copies)
    budget = report.tokens * 2 // 3
    full = select(home, "full", precision=0.5, near_duplicate=0.7, tokens=budget)
    assert full.tokens > budget - 100


def test_what_teaches_little_goes(home: Path) -> None:
    texts, hidden = general()
    rng, asked = random.Random(0), list[str]()
    why = " because therefore hence" * 4
    write_lines(
        home / "general" / "a.jsonl",
        [t + why * rng.randint(0, 1) if t in hidden else t for t in texts],
    )

    def rate(texts: Any) -> list[float | None]:
        asked.extend(texts)
        return [None if n == 0 else 5.0 * (why in t) for n, t in enumerate(texts)]

    settings = config(home, precision=0.3, ratings=60)
    report = selection.select(settings, home, home / "out", Quiet(), (), rate)
    found = list(selection.read(home / "out"))
    assert len(asked) == 60
    assert report.ratings.used == 59
    assert report.ratings.correlation > 0.8
    rated = [s for s in found if s.text in asked[1:]]
    assert rated and all(why in s.text and s.value == 5 for s in rated)
    assert all(s.value is not None and s.value >= 3 for s in found)
    with pytest.raises(UserError, match=r"0 of .* ratings can be used"):
        selection.select(
            settings, home, home / "none", Quiet(), (), lambda texts: [None] * len(texts)
        )


def test_bad_rows_are_told_and_bad_corpora_refused(home: Path) -> None:
    with (home / "general" / "a.jsonl").open("ab") as file:
        file.write(b'{"text": "half\n{"body": "x"}\n{"text": "\xff"}\n')
    (home / "general" / "b.parquet").write_bytes(b"PAR1 is all there is")
    report = select(home)
    counts = {row.why: row.count for row in report.left_out}
    assert counts | {"broken JSON": 1, "wrong columns": 1, "wrong encoding": 1} == counts
    assert [row.source for row in report.unreadable] == ["general/b.parquet"]
    (home / "broken").mkdir()
    (home / "broken" / "a.jsonl").write_text("no json\n" * 30, encoding="utf-8")
    for name, says in (("broken", "30 broken JSON"), ("general/b.parquet", "nothing can be read")):
        with pytest.raises(UserError, match=says):
            select(home, "bad", general=[name])
        assert not (home / "bad").exists()
    with pytest.raises(UserError, match="name the general corpus"):
        select(home, "bad", general=[])
    with pytest.raises(UserError, match=r"selection.tests: broken/a.jsonl gives no text"):
        select(home, "bad", tests=["broken/a.jsonl"])


def test_a_domain_without_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    write_lines(tmp_path / "general.jsonl", general()[0])
    with pytest.raises(NothingLoaded):
        select(tmp_path, general=["general.jsonl"])
    (tmp_path / "documents" / "a.md").write_text("One rule.", encoding="utf-8")
    with pytest.raises(UserError, match="the domain has 1 passages"):
        select(tmp_path, general=["general.jsonl"])
    assert not (tmp_path / "out").exists()


def test_a_corpus_without_such_text_gives_nothing_and_says_so(home: Path) -> None:
    rng = random.Random(1)
    write_lines(home / "general" / "a.jsonl", [text(rng, OTHER) for _ in range(500)])
    report = select(home, precision=0.95)
    assert report.selected == 0
    assert "selection.precision lower" in report.cut.why
    assert len(report.below) == 10
    assert list(selection.read(home / "out")) == []


@pytest.mark.parametrize("share", [0.02, 0.2, 0.6])
def test_precision_on_margins_of_known_origin(share: float) -> None:
    rng = np.random.default_rng(0)
    count = 50_000
    mine = rng.random(count) < share
    margins = np.where(mine, rng.normal(4, 1, count), rng.normal(0, 1, count))
    counts = np.bincount(precisions.bins(margins), minlength=precisions.BINS)
    found = precisions.estimate(rng.normal(4, 1, 300), counts, counts)
    assert found.share == pytest.approx(share, rel=0.25)
    for precision in (0.7, 0.9):
        above = precisions.bins(margins) >= found.cut(precision, None)
        assert mine[above].mean() == pytest.approx(precision, abs=0.08) or share > precision - 0.2
    assert (np.diff(found.scores) >= 0).all()
    some = found.cut(0, 1000)
    assert counts[some:].sum() >= 1000 > counts[some + 1 :].sum()
