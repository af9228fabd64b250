"""The command line on bad input: one message, exit code 2, nothing half-made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from elenchus import __version__, runs
from elenchus.cli import doctor
from elenchus.errors import Interrupted
from elenchus.results import Estimate, ExamResult, Result, RunVerdict
from graphs.config import load
from offline.nano import chat as nano

ROOT = Path(__file__).resolve().parents[3]


def run_folders(root: Path) -> list[Path]:
    """Return the run folders below a place."""
    return list(root.glob("*/*/*"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["launch", "harbor"], "did you mean 'harbour'"),
        (["launch", "POOL", "--set", "training.rnak=3"], "did you mean 'training.rank'"),
        (["launch", "POOL", "--set", "training.rank=lots"], "training.rank"),
        (["launch", "POOL", "--set", "corpus.sources=[elsewhere]"], "does not exist"),
        (["launch", "POOL", "--set", "expert.model=builtin:sage"], "builtin:sage"),
        (["launch", "POOL", "--set", "student.model=builtin:reader"], "no local weights"),
        (["launch", "POOL", "--set", "exam.hand=none.jsonl"], "cannot read"),
        (["launch", "POOL", "--set", "exam.general_prompts=none.jsonl"], "cannot read"),
        (["launch", "POOL", "--set", "training.report_to=[nowhere]"], "nowhere is not installed"),
        (["launch", "POOL", "--profile", "slow"], "no profile"),
        (["resume", "no-such-run"], "no run 'no-such-run'"),
        (["trace", "no-such-run"], "no run 'no-such-run'"),
    ],
)
def test_mistakes(elenchus, pool: Path, tmp_path: Path, arguments: list[str], says: str) -> None:
    root = tmp_path / "runs"
    real = [str(pool) if a == "POOL" else a for a in arguments]
    end = elenchus(*real, "--runs", root)
    assert end.code == 2
    assert says in end.err
    assert end.err.count("\n") == 1
    assert "Traceback" not in end.err
    assert run_folders(root) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"5", "line 1: the line"),
        (b'{"question": "Q?"}', "line 1: answer"),
        ('\n{"question": "\u2028?", "answer": "a", "quote": "no such words"}'.encode(), "line 2"),
        (b'{"question": 3, "answer": "a", "quote": "q"}', "line 1: question"),
        (
            b'{"question": "Q?", "answer": "a", "quote": "no such words"}',
            "the quote does not stand",
        ),
    ],
)
def test_a_hand_exam_that_cannot_be_used(
    elenchus, pool: Path, tmp_path: Path, text: bytes, says: str
) -> None:
    (pool / "exam.jsonl").write_bytes(text)
    end = elenchus("launch", pool, "--runs", tmp_path / "runs", "--set", "exam.hand=exam.jsonl")
    assert end.code == 2
    assert says in end.err
    assert end.err.count("\n") == 1
    assert run_folders(tmp_path / "runs") == []


def test_an_index_that_cannot_be_written_is_named(elenchus, pool: Path, tmp_path: Path) -> None:
    (tmp_path / "index").write_text("in the way", encoding="utf-8")
    place = f"retrieval.index={tmp_path / 'index'}"
    end = elenchus("launch", pool, "--runs", tmp_path / "runs", "--set", place)
    assert end.code == 2
    assert "another place with --set retrieval.index" in end.err
    assert run_folders(tmp_path / "runs") == []


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("", 1, "the file is empty"),
        ("# Poems\n\nThe sea is wide and grey.", 2, "--set examiner.model="),
    ],
)
def test_corpora_without_anything_to_ask(
    elenchus, pool: Path, tmp_path: Path, text: str, code: int, says: str
) -> None:
    for path in (pool / "documents").iterdir():
        path.write_text(text, encoding="utf-8")
    end = elenchus("launch", pool, "--runs", tmp_path / "runs")
    assert end.code == code
    assert says in end.err
    assert run_folders(tmp_path / "runs") == []


def test_a_run_folder_that_cannot_be_written(elenchus, pool: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way", encoding="utf-8")
    end = elenchus("launch", pool, "--runs", tmp_path / "runs")
    assert end.code == 2
    assert "cannot write to" in end.err


def test_a_nearly_full_disk(elenchus, pool: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(runs, "FREE_BYTES", 10**18)
    end = elenchus("launch", pool, "--runs", tmp_path / "runs")
    assert end.code == 2
    assert "are free" in end.err
    assert run_folders(tmp_path / "runs") == []


def test_damaged_weights(elenchus, pool: Path, tmp_path: Path, monkeypatch) -> None:
    broken = tmp_path / "weights"
    broken.mkdir()
    for file in nano.WEIGHTS.iterdir():
        data = bytearray(file.read_bytes())
        if file.suffix == ".safetensors":
            data[len(data) // 2] ^= 1
        (broken / file.name).write_bytes(bytes(data))
    monkeypatch.setattr(nano, "WEIGHTS", broken)
    end = elenchus("launch", pool, "--runs", tmp_path / "runs")
    assert end.code == 2
    assert "damaged" in end.err
    assert run_folders(tmp_path / "runs") == []


def test_two_processes_on_one_run(elenchus, pool: Path, tmp_path: Path) -> None:
    run = runs.create(tmp_path / "runs", load(pool / "domain.yaml"), pool, None, "c")
    with run.locked():
        end = elenchus("resume", run.id, "--runs", tmp_path / "runs")
    assert end.code == 2
    assert "in use by another process" in end.err


def test_new_domain_launches_as_soon_as_it_has_documents(
    elenchus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert elenchus("new", "mine").code == 0
    assert (tmp_path / "domains" / "mine" / "domain.yaml").exists()
    end = elenchus("launch", "mine")
    assert end.code == 1
    assert "nothing could be loaded" in end.err
    assert elenchus("new", "mine").code == 2
    assert elenchus("new", "Not a name").code == 2


def test_runs_of_an_empty_folder(elenchus, tmp_path: Path) -> None:
    assert elenchus("runs", "--runs", tmp_path, "--json").json == []
    assert "no runs" in elenchus("runs", "--runs", tmp_path).out


def write_result(root: Path, pool: Path) -> runs.RunFolder:
    """Write a finished run that trained nothing."""
    run = runs.create(root, load(pool / "domain.yaml"), pool, None, "c")
    before = Estimate(value=0.5, low=0.4, high=0.6)
    exam = ExamResult(questions=9, ungraded=0, before=before, after=None, gain=None, kinds={})
    result = Result(
        method="examination", domain="pool", run=run.id, stopped="nothing is left", rounds=1,
        examples=4, exams={"held-out": exam}, calls=7, tokens=70, resumed=False, seconds=1,
        verdict=RunVerdict(word="not to be trusted", reasons=["Too few passages."]),
    )  # fmt: skip
    runs.write_result(run.result, result)
    return run


def test_a_run_without_training_has_no_gain(elenchus, pool: Path, tmp_path: Path) -> None:
    write_result(tmp_path / "runs", pool)
    (row,) = elenchus("runs", "--runs", tmp_path / "runs", "--json").json
    assert (row["version"], row["verdict"]) == (1, "not to be trusted")
    assert (row["before"], row["after"], row["interval"]) == (0.5, None, None)
    shown = elenchus("runs", "--runs", tmp_path / "runs").out.splitlines()[-1]
    assert shown.split()[-6:] == ["50.0%", "–", "–", "4", "7", "$0.00"]
    assert "finished  not to be trusted" in shown


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 99}', '{"examples": 4}'])
def test_a_damaged_result_does_not_hide_the_others(
    elenchus, pool: Path, tmp_path: Path, text: str
) -> None:
    write_result(tmp_path / "runs", pool).result.write_text(text, encoding="utf-8")
    write_result(tmp_path / "runs", pool)
    rows = elenchus("runs", "--runs", tmp_path / "runs", "--json").json
    assert [row["state"] for row in rows] == ["finished", "finished"]
    assert sorted((row["examples"] for row in rows), key=str) == [4, None]


def test_the_version_is_printed(elenchus) -> None:
    end = elenchus("--version")
    assert (end.code, end.out) == (0, f"elenchus {__version__}\n")


def test_other_packages_of_our_names_are_named(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("raise RuntimeError", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "elenchus", "runs"], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "the package 'models' is not Elenchus's own" in done.stderr


def test_doctor_finds_everything_in_place(elenchus, tmp_path: Path) -> None:
    findings = elenchus("doctor", "--runs", tmp_path, "--json").json
    found = {f["what"]: f["found"] for f in findings}
    assert found.keys() >= {"torch", "embedding model", "builtin:nano", "disk"}
    assert "float" in found["students run on"]
    assert [f for f in findings if f["remedy"]] == []
    assert "ok  " in elenchus("doctor", "--runs", tmp_path).out


def test_doctor_names_what_only_some_domains_want(
    elenchus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = doctor.util.find_spec
    monkeypatch.setattr(doctor.util, "find_spec", lambda n: None if n == "markitdown" else there(n))
    end = elenchus("doctor", "--runs", tmp_path)
    assert end.code == 0 and "--  extra documents  not installed; PDF" in end.out


def test_bench_says_what_it_takes(elenchus) -> None:
    shown = elenchus("bench", "--help")
    assert shown.code == 0 and "efficiency" in shown.out


def test_ctrl_c_does_not_wait_for_a_batch_under_way() -> None:
    """A thread that answers one is still at work when everything else has ended."""
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from threading import Event\n"
        "from elenchus.cli import main\n"
        "from elenchus.errors import Interrupted\n"
        "pool = ThreadPoolExecutor()\n"
        "pool.submit(Event().wait)\n"
        "def app():\n"
        "    print('kept')\n"
        "    raise Interrupted('elenchus resume r')\n"
        "main.app = app\n"
        "main.program()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == Interrupted.exit_code
    assert done.stdout == "kept\n"
    assert done.stderr == "elenchus: stopped; `elenchus resume r` goes on\n"
