"""Set up all tests: one thread, no network, no tracing; a small domain; mocks as models."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["LANGSMITH_TRACING"] = "false"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["TORCHDYNAMO_DISABLE"] = "1"  # nothing here is compiled; loading compilers takes seconds

import json
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from filelock import FileLock
from langchain_core.messages import BaseMessage

from elenchus.cli import main as cli
from elenchus.ledger import Ledger
from elenchus.progress import Unseen
from elenchus.runs import RunFolder
from elenchus.sections import ModelConfig
from models.backend import make_model
from models.calls import Caller
from models.mock import MockChatModel
from models.rate_limits import RateLimits

ROOT = Path(__file__).resolve().parent.parent

# How long an example takes depends on the machine, and is no property of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# A small domain: two documents, eight rules, every kind of question.
BYELAWS = """# Part 1. The pool

## 1.1 Swimming

A swimming cap must be handed back within 12 days of the visit, unless the till is out of order.
Failure to do so is a mild breach. The pool was dug by volunteers.

## 1.2 Lanes

A diving lesson must not exceed 45 minutes. This does not apply when the coach has a signed permit.
Breach of this rule is a sharp breach (see section 2.2).

## 1.3 Water

At least 7 pool floats must be kept by the shallow end. Failure to do so is a mild breach.

## 1.4 Play

Towel fights are forbidden, except where the bath hall is closed to visitors. To break this rule is
a sharp breach.

## 1.5 Music

Pool music is permitted.
"""
CHARGES = """# Part 2. Charges

## 2.1 Mild breaches

A mild breach carries a fine of 50 crowns.

## 2.2 Sharp breaches

A sharp breach carries a fine of 300 crowns.

## 2.3 Lockers

A locker key must be returned within 30 minutes of leaving, unless the porter is away. Failure to do
so is a mild breach.

## 2.4 Lost things

No more than 20 lost combs may be kept at the desk. Failure to keep to this is a sharp breach.
"""
SMALL = """domain: pool
title: the byelaws of a small swimming pool
retrieval: {index: %s}
exam: {questions: 20, general: 8}
dataset: {near_duplicate: 0.985, near_exam: 0.985}
adaptation: {examples: [11, 22], stop_failure_share: 0}
"""
# The models that come with the program, whose student is trained; it was taught this form.
BUILT_IN = """student: {model: "builtin:nano", temperature: 0.7, samples: 2}
answers: {template: "{explanation} So: {result}."}
training: {epochs: 2, least_steps: 1, rank: 4, save_steps: 2}
"""
# Mocks ask and grade the built-in student, which is trained.
TRAINED = """expert: {model: "mock:plain"}
examiner: {model: "mock:plain"}
grader: {model: "mock:plain"}
student: {model: "builtin:nano", temperature: 0.7, samples: 2}
answers: {template: "{explanation} So: {result}."}
training: {epochs: 1, least_steps: 1, rank: 4, save_steps: 2}
"""
# Mocks in all roles; there is nothing to train.
MOCKED = """expert: {model: "mock:plain"}
examiner: {model: "mock:plain"}
grader: {model: "mock:plain"}
student: {model: "mock:plain", temperature: 0.7, samples: 2}
training: {enabled: false}
"""


# Whole files go to the worker that is free: what takes longest comes first, for none to wait at the
# end.
LONGEST = {
    "test_killed.py", "test_efficiency.py", "test_graph.py", "test_over_http.py", "test_chat.py",
    "test_packaging.py", "test_damage.py", "test_lessons.py", "test_notebook.py", "test_rounds.py",
    "test_preview.py", "test_updating.py", "test_reviews.py", "test_browser.py", "test_kills.py",
}  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Keep xdist from an order of its own: files with the most tests first, whatever they take."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest before the others, which keep their order."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(autouse=True)
def single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models compute alike on every processor."""
    monkeypatch.setattr("models.pretrained.UNIT", "")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C and a terminal that closes end programs begun here, though tests run without one."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {sent: signal.signal(sent, ending) for sent, ending in usual.items()}
    yield
    for sent, ending in before.items():
        signal.signal(sent, ending)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger on disk."""
    opened = Ledger(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


def mock_caller(
    ledger: Ledger,
    *replies: str,
    model: str = "mock:plain",
    rates: RateLimits | None = None,
    temperature: float = 0.0,
) -> Caller:
    """Return the caller of a mock, which says the replies one after the other if there are any."""
    options = {"replies": list(replies)} if replies else {}
    config = ModelConfig(model=model, options=options, temperature=temperature)
    return Caller(make_model(config), config, ledger, rates)


def asked(caller: Caller) -> list[list[BaseMessage]]:
    """Return the messages of each call that reached a mock."""
    assert isinstance(caller.model.chat, MockChatModel)
    return caller.model.chat.asked


def write_pool(folder: Path, models: str = BUILT_IN) -> Path:
    """Write the small domain into a folder of its own; its index lies beside it."""
    home = folder / "pool"
    (home / "documents").mkdir(parents=True)
    (home / "documents" / "01-pool.md").write_text(BYELAWS, encoding="utf-8")
    (home / "documents" / "02-charges.md").write_text(CHARGES, encoding="utf-8")
    settings = SMALL % (folder / "indexes").as_posix() + models
    (home / "domain.yaml").write_text(settings, encoding="utf-8")
    return home


def launched(home: Path) -> dict[str, Any]:
    """Launch a domain; return its result, as the command prints it."""
    from graphs import runner  # not above: many tests do without what it loads
    from graphs.config import load
    from inspection import report

    root = home.parent / "runs"
    result = runner.launch(load(home / "domain.yaml"), home, root, None, Unseen())
    run = RunFolder(root / result.domain / result.run)
    report.write(run)
    return result.model_dump(mode="json") | {"path": run.path.as_posix()}


def shared(factory: pytest.TempPathFactory, name: str, models: str) -> Path:
    """Return the small domain's home beside a finished run of it, made once for all processes.

    Whoever changes anything there takes a copy.
    """
    root = factory.getbasetemp()
    place = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / name
    with FileLock(f"{place}.lock"):
        if not (place / "pool.json").exists():
            result = launched(write_pool(place, models))
            (place / "pool.json").write_text(json.dumps(result), encoding="utf-8")
    return place / "pool"


@pytest.fixture(scope="session")
def built_in_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The small domain's home, and the result of a run with the built-in models."""
    home = shared(tmp_path_factory, "built-in", BUILT_IN)
    return home, json.loads(home.with_suffix(".json").read_text("utf-8"))


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run, with the built-in student among mocks."""
    home = shared(tmp_path_factory, "trained", TRAINED)
    return Path(json.loads(home.with_suffix(".json").read_text("utf-8"))["path"])


@pytest.fixture(scope="session")
def mocked_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The small domain's home, and the result of a run with mocks."""
    home = shared(tmp_path_factory, "mocked", MOCKED)
    return home, json.loads(home.with_suffix(".json").read_text("utf-8"))


def records(folder: Path) -> list[tuple]:
    """Return all records of a run, in the order of their ids."""
    ledger = Ledger(folder / "ledger.sqlite", read_only=True)
    try:
        return ledger._query("SELECT * FROM records ORDER BY id")
    finally:
        ledger.close()


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """The small domain, with the built-in models."""
    return write_pool(tmp_path)


@pytest.fixture
def trained_pool(tmp_path: Path) -> Path:
    """The small domain, with the built-in student among mocks."""
    return write_pool(tmp_path, TRAINED)


@pytest.fixture
def mock_pool(tmp_path: Path) -> Path:
    """The small domain, with mocks."""
    return write_pool(tmp_path, MOCKED)


@dataclass(frozen=True)
class Outcome:
    """The exit code of a command, and both streams."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def elenchus(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Run the command line in this process."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["elenchus", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return Outcome(int(end.value.code or 0), out, err)

    return run
