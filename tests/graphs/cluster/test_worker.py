"""A worker that sees nothing of the driver's disk, in this process, without Ray."""

import asyncio
import pickle
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from elenchus.ledger import Ledger
from elenchus.progress import Unseen
from elenchus.records import Examination, Question, Seed, Turn
from elenchus.runs import RunFolder
from graphs.adaptation.predictor import Predictor
from graphs.adaptation.state import SeedState
from graphs.cluster.counter import Counter
from graphs.cluster.messages import Examined, Given
from graphs.cluster.nodes import own_prompts, write_files
from graphs.cluster.pool import _given
from graphs.cluster.wire import Wire
from graphs.cluster.worker import Worker
from graphs.config import of_run
from graphs.services import Services

OWN = "# Expert: answer\nAnswer as a lifeguard would."


@pytest.fixture
def services(alone: RunFolder) -> Iterator[Services]:
    ledger = Ledger(alone.ledger)
    run = Services(alone, of_run(alone), alone.domain_folder(), ledger, Unseen())
    with closing(run):
        yield run


@pytest.fixture
def far(services: Services, tmp_path: Path) -> Given:
    """What a worker is given, with paths that lead nowhere there."""
    given = _given(services)
    index = given.config["retrieval"] | {"index": str(tmp_path / "indexes")}
    config = given.config | {"retrieval": index}
    return given._replace(path=str(tmp_path / "runs" / services.folder.id), config=config)


async def examined(run: Services, given: Given, state: SeedState, *weights: Any) -> Examined:
    """Examine a seed on a worker that the run serves."""
    worker = Worker()
    assert await worker.begin(given) == ""
    seed = run.ledger.get(Seed, state["seed_id"])
    needed = [run.ledger.get(Predictor, seed.predictor_id)] if seed.predictor_id else []
    counter = Counter(run, lambda answers: wire.send(answers), pytest.fail)
    wire = Wire(worker.exchange, counter.take, pytest.fail)
    wire.send([])
    try:
        made = await worker.examine([seed, *needed], state, list(weights))
        if state["adapter"]:
            folder = worker._run.folder.path / state["adapter"]
            assert {p.name: p.read_bytes() for p in folder.iterdir()} == FILES
        return made
    finally:
        await wire.close()
        await counter.close()
        await worker.end()
        assert not Path(worker._scratch.name).exists()


def test_an_examination_is_that_of_the_driver_and_pays_no_call_again(
    services: Services, far: Given
) -> None:
    ledger, before = services.ledger, services.ledger.usage()
    known = ledger.all(Examination)[0]
    made = asyncio.run(examined(services, far, SeedState(seed_id=known.seed_id, adapter="")))
    assert known in made.records
    kinds = {type(record) for record in made.records}
    assert kinds <= {Examination, Question, Turn}
    assert ledger.usage() == before


FILES = {"adapter_config.json": b"{}", "adapter_model.safetensors": b"weights"}


def test_an_adapter_comes_with_the_examination(services: Services, far: Given) -> None:
    """The student of mocks has none: its files lie where the student's would."""
    known = services.ledger.all(Examination)[0]
    state = SeedState(seed_id=known.seed_id, adapter="adapters/round-1")

    async def files() -> dict[str, bytes]:
        return FILES

    async def run() -> Examined:
        return await examined(services, far, state, files())

    assert known in asyncio.run(run()).records


def test_prompts_of_the_domain_travel_and_keys_do_not(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody-12345678901234567890")
    (tmp_path / "prompts" / "expert").mkdir(parents=True)
    (tmp_path / "prompts" / "expert" / "answer.md").write_text(OWN, "utf-8")
    services.domain_folder = tmp_path
    given = _given(services)
    assert given.prompts == {"expert/answer.md": OWN.encode()}
    assert b"sk-of-nobody" not in pickle.dumps(given)
    write_files(tmp_path / "there", given.prompts)
    assert own_prompts(tmp_path) == given.prompts
    assert (tmp_path / "there" / "expert" / "answer.md").read_text("utf-8") == OWN


def test_a_worker_that_cannot_begin_says_why(far: Given) -> None:
    wrong = far._replace(config=far.config | {"examination": {"max_turns": 0}})
    assert "examination.max_turns" in asyncio.run(Worker().begin(wrong))
