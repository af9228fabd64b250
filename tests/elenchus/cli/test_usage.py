"""Mistyped arguments are told, and secrets among them are not."""

import subprocess
import sys

import pytest

KEY = "sk-abcdefgh12345678abcdefgh"
WORD = "hunter2hunter"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["launch", "x", "--set", f"expert.options.api_key={WORD}", "--bogus"], "--bogus"),
        (["launch", "x", f"--sett=expert.options.api_key={WORD}"], "--sett"),
        (["launch", "market", f"expert.options.api_key={WORD}"], "is given with --set"),
        (["launch", "market", KEY], "unknown domain"),
        (["launch", "market", "options:", "{api_key:", f"{WORD}}}"], "unknown domain"),
        (["corpus", "add", "x", "y", f"password={WORD}"], "extra argument"),
        ([KEY], "No such command"),
        (["launch", "x", "--max-price", WORD, f"--api-key={WORD}"], "--max-price"),
        (["bench", "passages", f"--api-key={WORD}"], "unrecognized arguments"),
        (["bench", "passages", "--api-key", WORD], "unrecognized arguments"),
        (["bench", "passages", "--seeds", KEY], "--seeds"),
        (["bench", "fuzz", "--token", WORD], "unrecognized arguments"),
    ],
)
def test_no_secret_is_shown(elenchus, arguments: list[str], says: str) -> None:
    end = elenchus(*arguments)
    assert end.code == 2 and says in end.err
    assert KEY not in end.err and WORD not in end.err and not end.out


def test_what_is_no_secret_is_shown(elenchus, monkeypatch: pytest.MonkeyPatch) -> None:
    end = elenchus("launch", "x", "moorings", "--token", "", "--api-key")
    assert "--token" in end.err
    assert "moorings" in elenchus("launch", "market", "moorings").err
    assert "'harbours'" in elenchus("harbours").err
    monkeypatch.setenv("MY_API_KEY", "moorings")
    assert "moorings" not in elenchus("launch", "market", "moorings").err


def test_it_is_so_in_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "elenchus", "launch", "market", f"api_key={WORD}"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 2 and "api_key=" in ended.stderr and WORD not in ended.stderr
