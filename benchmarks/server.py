"""The tests' server of models, in a process of its own: programs that use it need a clone."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib import request

from elenchus.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
MODEL = "openai:reader"
Counts = dict[str, Any]


@contextmanager
def serving(*options: str) -> Iterator[str]:
    """Start the server, and yield its base_url.

    Args:
        options: of its command line.

    Raises:
        UserError: the server is not here.
    """
    if not (ROOT / "tests" / "server" / "__main__.py").is_file():
        raise UserError("this needs the server of the tests: run it in a clone of the repository")
    command = [sys.executable, "-m", "tests.server", "--port", "0", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split(" at ")[1].partition(";")[0]
        finally:
            process.kill()


def begin(
    url: str, latency: float, shares: dict[str, float] | None = None, **settings: Any
) -> None:
    """Set the server's counts to 0, and how it answers from now on.

    Args:
        latency: seconds until an answer begins.
        shares: of all requests, by fault.
        settings: its habits, and the tokens of reasoning that it hides; as before, where not given.
    """
    body = json.dumps({"latency": latency, "shares": shares or {}, **settings}).encode()
    request.urlopen(request.Request(_address(url, "counts"), body)).close()


def counts(url: str) -> Counts:
    """Return what the server has done since it began."""
    return _get(url, "counts")


def prompts(url: str) -> dict[str, int]:
    """Return how often each prompt was answered; a prompt is its messages as JSON."""
    return _get(url, "prompts")


def _get(url: str, name: str) -> dict[str, Any]:
    with request.urlopen(_address(url, name)) as answer:
        told: dict[str, Any] = json.load(answer)
    return told


def _address(url: str, name: str) -> str:
    return f"{url.removesuffix('/v1')}/{name}"
