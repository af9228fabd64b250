"""A small domain of mocks, its run on one machine, and a cluster of two nodes on this machine."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scale_ray import two_nodes
from elenchus.progress import Advance, unseen
from elenchus.runs import RunFolder, listed
from graphs import runner
from graphs.config import load
from tests.conftest import MOCKED, write_pool

# More examinations than there are places for: a lost node has some of them.
SMALL = [
    "exam.questions=4",
    "exam.general=0",
    "adaptation.examples=[14]",
    "examination.concurrency=2",
]


class Watching:
    """Progress that tells when so many examinations are done, and keeps what is said."""

    def __init__(self, count: int = 0, then: Callable[[], object] | None = None) -> None:
        self.said: list[str] = []
        self._count, self._then = count, then

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[Advance]:
        yield self._advance if name.startswith("Examine") else unseen

    def say(self, text: str) -> None:
        self.said.append(text)

    def _advance(self, done: int, total: int | None) -> None:
        if self._then is not None and done >= self._count:
            then, self._then = self._then, None
            then()


def launch(home: Path, name: str, progress: Any, *changes: str) -> RunFolder:
    """Launch the small domain; return its run's folder."""
    config = load(home / "domain.yaml", None, [*SMALL, *changes])
    runner.launch(config, home, home.parent / name, None, progress)
    return only(home, name)


def only(home: Path, name: str) -> RunFolder:
    (run,) = listed(home.parent / name)
    return run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pool(tmp_path_factory.mktemp("cluster"), MOCKED)


@pytest.fixture(scope="module")
def alone(home: Path) -> RunFolder:
    """A finished run on this machine alone."""
    return launch(home, "alone", Watching())


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of two nodes with a CPU each; this process joins it."""
    pytest.importorskip("ray", reason="the package ray is not installed")
    with two_nodes() as made:
        yield made
