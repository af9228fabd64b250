"""Answers of a vLLM server beside those of this process: a stand-in, and a real one if there is."""

import json
import os
import sys
from pathlib import Path

import pytest

from benchmarks import serving
from models.vllm_server import PYTHON
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="vLLM is for Linux")
REAL = os.environ.get(PYTHON, "")


def measured(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert serving.main(["--quick", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_stand_in_answers_as_this_process(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    words = f'cd "{ROOT}" && exec "{sys.executable}" -m tests.server.vllm "$@"'
    program.write_text(f"#!/bin/sh\n{words}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv(PYTHON, "")
    # The stand-in runs on any processor, which vLLM does not.
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "AVX512")
    figures = measured(capsys, "--vllm", str(program))
    assert (figures["equal"], figures["base_equal"]) == (1.0, 1.0)
    assert figures["items"] == serving.QUICK_ITEMS
    assert figures["seconds_to_ready"] > 0
    assert figures["unequal"] == []


def test_where_there_is_no_vllm_the_reason_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PYTHON, raising=False)
    monkeypatch.setenv("PATH", "")
    figures = measured(capsys)
    assert figures.keys() == {"skipped"}
    assert PYTHON in figures["skipped"]


def test_a_processor_that_lacks_what_it_needs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PYTHON, sys.executable)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert "AVX-512" in measured(capsys)["skipped"]


def test_an_answer_that_differs_is_shown_and_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert serving._share(["a", "b", "c", "d"], ["a", "b", "c", "e"]) == 0.75
    figures = {"equal": 0.75, "base_equal": 1.0}
    monkeypatch.setattr(serving, "_missing", lambda: "")
    monkeypatch.setattr(serving, "trained", lambda *_: Path("adapter"))
    monkeypatch.setattr(serving, "measure", lambda *_: figures)
    assert serving.main(["--quick"]) == 1
    assert "0.75" in capsys.readouterr().out


@pytest.mark.skipif(not REAL, reason=f"{PYTHON} names no python of an environment with vLLM")
def test_a_real_server_answers_as_this_process(capsys: pytest.CaptureFixture[str]) -> None:
    if why := serving._missing():
        pytest.skip(why)
    figures = measured(capsys, "--vllm", REAL)
    assert figures["equal"] >= serving.TARGET, figures["unequal"]
    assert figures["base_equal"] >= serving.TARGET
