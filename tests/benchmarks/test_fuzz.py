"""The fuzzing of parsers: it finds what is planted, and little of it finds nothing in ours."""

import json
import random
import time
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from benchmarks import fuzz
from benchmarks.fuzzing import files, samples, targets
from benchmarks.fuzzing.loop import Board, Fuzz, Kept
from benchmarks.fuzzing.mutations import LARGEST, Mutations
from benchmarks.fuzzing.targets import Parser
from elenchus.errors import UserError

SAMPLES = (b"key: 1", b"other: [2]")


def planted(data: bytes, folder: Path) -> None:
    """Refuse some inputs as a parser may, and some as none may."""
    if b"[" in data:
        raise UserError("no lists")
    if b"\0" in data:
        raise KeyError("nothing")
    if b"'" in data:
        raise UserError("two\nlines")


def fuzzing(tmp_path: Path, seed: str = "s") -> Fuzz:
    parser = Parser(planted, (UserError,), SAMPLES, (b": ", b"["))
    return Fuzz({"planted": parser}, seed, tmp_path)


def test_what_is_planted_is_found_and_nothing_else(tmp_path: Path) -> None:
    fuzzed, kinds = fuzzing(tmp_path), set()
    for _ in range(2000):
        name, data = fuzzed.next()
        kind, what = fuzzed.judge(name, data)
        assert bool(kind) == (b"[" not in data and (b"\0" in data or b"'" in data))
        kinds.add(kind.split(" at ")[0])
        assert not kind or "Traceback" in what
    assert kinds == {"", "KeyError", "no message in a line: UserError"}


def test_the_same_seed_makes_the_same_inputs(tmp_path: Path) -> None:
    one, same, other = (fuzzing(tmp_path, seed) for seed in ("1", "1", "2"))
    inputs = [[each.next() for _ in range(50)] for each in (one, same, other)]
    assert inputs[0] == inputs[1] != inputs[2]


def test_what_is_slow_or_of_a_library_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_library(data: bytes, folder: Path) -> None:
        zipfile.ZipFile(BytesIO(data))  # of the standard library, so ours to catch
        __import__("openpyxl").load_workbook(BytesIO(data))

    parsers = {
        suffix: Parser(of_library, (UserError,), SAMPLES, (), suffix=suffix)
        for suffix in ("", ".xlsx")
    }
    fuzzed = Fuzz(parsers, "s", tmp_path)
    assert fuzzed.judge(".xlsx", b"no zip")[0].startswith("BadZipFile at")
    assert fuzzed.judge(".xlsx", files.epub())[0] == ""
    assert fuzzed.judge("", files.epub())[0].startswith("KeyError at")
    clock = iter((0.0, 60.0) * 2)
    monkeypatch.setattr(time, "process_time", lambda: next(clock))
    assert fuzzing(tmp_path).judge("planted", b"[")[0] == "slow"
    assert fuzzed.judge(".xlsx", files.epub())[0] == "(apart) slow"


def test_an_input_that_ends_its_process_is_known(tmp_path: Path) -> None:
    board, name = tmp_path / "board", "a" * 10
    Board(board).show(7, 2, name, b"x" * (LARGEST + 5))
    assert Board(board).seen() == (7, 2, name, b"x" * LARGEST)
    kept = Kept(tmp_path / "kept")
    for n in range(9):
        kept.keep(name, bytes([n]), "what \ud800", "a kind \udcff")
    assert len(list((tmp_path / "kept").glob("*.bin"))) == 3
    assert "what ?" in next((tmp_path / "kept").glob("*.txt")).read_text()


def test_archives_are_changed_within(tmp_path: Path) -> None:
    rng, sample = random.Random(0), files.docx()
    mutations = Mutations([sample], files.XML_TOKENS, rng)
    whole = [zipfile.is_zipfile(BytesIO(mutations.archive(sample))) for _ in range(100)]
    assert 60 < sum(whole) < 100


@pytest.mark.parametrize("name", ["tables", "archives", "documents"])
def test_whatever_is_read_gives_text_or_a_reason(name: str, tmp_path: Path) -> None:
    """Those of replies and settings have properties of their own, beside them."""
    parsers = {
        key: parser
        for key, parser in targets.target(name).items()
        if not key.endswith(targets.SLOW) and key != "epub" and key != "pptx"
    }
    fuzzed = Fuzz(parsers, "test", tmp_path)
    for _ in range(150):
        key, data = fuzzed.next()
        kind, what = fuzzed.judge(key, data)
        assert not kind, what


@pytest.mark.parametrize("name", targets.TARGETS)
def test_every_sample_is_valid(name: str, tmp_path: Path) -> None:
    """What is refused as it stands would hide what is behind."""
    for key, parser in targets.target(name).items():
        outcomes = []
        for sample in parser.samples:
            try:
                parser.read(sample, tmp_path)
                outcomes.append("read")
            except parser.refuses as error:
                outcomes.append(str(error))
        assert "read" in outcomes, (key, outcomes)


def test_the_program_counts_and_keeps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--quick", "--json", "--out", str(tmp_path), "--only", "settings"]
    assert fuzz.main(arguments) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["uncaught"] == figures["settings"]["uncaught"] == 0
    assert figures["settings"]["inputs"] > 20 and figures["settings"]["minutes"] > 0
    assert json.loads((tmp_path / "fuzz.json").read_text()) == figures
    assert samples.settings() and not (tmp_path / "kept").exists()
