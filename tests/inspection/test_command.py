"""`elenchus inspect`: where it listens, and what it says."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import ROOT

from benchmarks import inspection_pages
from elenchus.ledger import Ledger
from elenchus.records import Examination, Turn
from inspection.index import Index
from inspection.rows import Selection, select
from models.prices import Prices
from tests.inspection.making import fill, finish, make_run


@contextmanager
def served(root: Path, *more: str) -> Iterator[str]:
    """Run the command, and yield the address that it prints."""
    command = [sys.executable, "-m", "elenchus", "inspect", "--port", "0", "--runs", str(root)]
    with subprocess.Popen(
        [*command, *more], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            assert process.stdout is not None
            yield "http://" + process.stdout.readline().strip().split("http://")[1]
        finally:
            process.terminate()


def test_the_printed_address_opens_the_runs(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with served(tmp_path) as address:
        assert address.startswith("http://127.0.0.1:") and "token" not in address
        assert run.id in httpx.get(address).text
        port = address.split(":")[2].split("/")[0]
        taken = subprocess.run(
            [sys.executable, "-m", "elenchus", "inspect", "--port", port], cwd=ROOT,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert taken.returncode == 2 and taken.stdout == ""
        assert f"cannot listen at 127.0.0.1:{port}" in taken.stderr and "--port" in taken.stderr
        assert taken.stderr.count("\n") == 1


def test_other_machines_need_the_token(tmp_path: Path) -> None:
    make_run(tmp_path)
    with served(tmp_path, "--host", "0.0.0.0") as address:
        assert f"http://{socket.gethostname()}:" in address
        port, token = address.split(":")[2].split("/")[0], address.split("token=")[1]
        assert len(token) > 20
        here = f"http://127.0.0.1:{port}/runs"
        assert httpx.get(here).status_code == 403
        with httpx.Client(follow_redirects=True) as client:
            assert client.get(here, params={"token": token}).status_code == 200
            assert client.get(here).status_code == 200


def test_what_is_missing_is_said(elenchus: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elenchus.cli.inspect.NEEDED", ("no_such_package",))
    ended = elenchus("inspect")
    assert ended.code == 2 and "pip install -e '.[ui]'" in ended.err


def test_a_run_is_multiplied_for_a_measurement(tmp_path: Path) -> None:
    small = make_run(tmp_path)
    fill(small).close()
    finish(small)
    large = tmp_path / "harbour" / "large"
    assert inspection_pages.multiplied(small.path, large, 50) == 50
    ledger = Ledger(large / "ledger.sqlite", read_only=True)
    examinations, turns = ledger.all(Examination), {turn.id: turn for turn in ledger.all(Turn)}
    assert len(examinations) == len({e.id for e in examinations}) == 50
    assert len({turn.question.text for turn in turns.values()}) == len(turns)
    assert {i for e in examinations for i in e.turn_ids} == turns.keys()
    ledger.close()
    index = Index(large / "ledger.sqlite", Prices({}))
    assert index.refresh("calls", 60)
    rows = select(index, Selection(outcome="accepted"), 100).rows
    assert len({(row.turns, row.calls, row.tokens) for row in rows}) == 1  # as the first ones
    index.close()
    measured = inspection_pages._visit(tmp_path, large)
    assert measured["by_page"].keys() == {"runs", *inspection_pages.PAGES}
    assert 20 < measured["memory_mb"] < 2000
