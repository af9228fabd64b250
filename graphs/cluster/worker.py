"""A worker: a process that Ray keeps, which examines seeds as one machine does.

It reads a ledger of its own, with what examinations read; what they write goes back as it is, and
calls pass the driver's desk. A student that runs in this process is loaded once.
"""

import asyncio
import contextlib
import functools
import tempfile
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.progress import Unseen
from elenchus.records import Record
from elenchus.runs import RunFolder
from elenchus.sections import ModelConfig
from elenchus.templates import of_domain
from graphs.adaptation import examination
from graphs.adaptation.state import SeedState
from graphs.cluster.messages import Answers, Batch, Examined, Files, Given, Stopped
from graphs.cluster.nodes import write_files
from graphs.cluster.remote_desk import Line, RemoteDesk, claimed
from graphs.config import DomainConfig, written
from graphs.services import RunRef, Services
from models.backend import backend, make_model
from models.calls import Caller
from retrieval.store import Store

_written: ContextVar[list[Record]] = ContextVar("written")  # by an examination


class _Ledger(Ledger):
    """Also hands what an examination writes to whoever sends it back."""

    def write(self, *records: Record) -> None:
        super().write(*records)
        if (written := _written.get(None)) is not None:
            written.extend(records)


class _Services(Services):
    """The services of a run on a worker, whose calls pass the driver's desk."""

    line: Line
    collection: str

    @functools.cached_property
    def store(self) -> Store:
        """The driver's own, where it is on a server or can be seen; else another one."""
        place = Path(self.config.retrieval.index) / self.config.domain
        return Store(self.collection, place, self.config.retrieval, self.embedder)

    def _caller(self, settings: ModelConfig, adapter: Path | None = None) -> Caller:
        model = make_model(settings, adapter)
        limits = self.config.models.get(settings.model) or backend(settings.model).limits
        desk = RemoteDesk(self.line, settings, limits)
        return Caller(model, settings, self.ledger, desk=desk)


class Worker:
    """Examines seeds of one run; the class of Ray's actors."""

    def __init__(self) -> None:
        self._line = Line()
        self._graph = examination.build_graph().compile()
        self._scratch = tempfile.TemporaryDirectory(prefix="elenchus-", ignore_cleanup_errors=True)
        self._open = contextlib.ExitStack()
        self._installing = asyncio.Lock()

    async def begin(self, given: Given) -> str:
        """Get ready; return what keeps it from that, "" where nothing does."""
        try:
            self._run = await asyncio.to_thread(self._made, given)
        except UserError as error:
            return str(error)
        return ""

    async def exchange(self, answers: Answers) -> Batch:
        """Take the driver's answers, and return what is asked next: see `Line.exchange`."""
        return await self._line.exchange(answers)

    async def examine(self, needed: Sequence[Record], state: SeedState, weights: Any) -> Examined:
        """Examine a seed.

        Args:
            needed: records of this examination alone, its seed among them.
            weights: within a list, where Ray keeps the files of the adapter.
        """
        run, written, asked = self._run, list[Record](), list[int]()
        run.ledger.write(*needed)
        try:
            await self._install(state["adapter"], weights)
            _written.set(written)  # each call of an actor has a context of its own
            claimed.set(asked)
            await self._graph.ainvoke(state, context=RunRef(str(run.folder.path)))
        except UserError as error:
            return Examined(written, asked, Stopped.by(error))
        return Examined(written, asked)

    async def end(self) -> None:
        """Leave nothing on the disk: Ray kills a worker, which then clears up nothing."""
        await asyncio.to_thread(self._scratch.cleanup)

    def _made(self, given: Given) -> _Services:
        """Make the services, what searches need included."""
        scratch, path = Path(self._scratch.name), Path(given.path)
        domain = scratch / "domain"
        write_files(of_domain(domain), given.prompts)
        ledger = _Ledger(scratch / "ledger.sqlite")
        ledger.write(*given.records)
        config = _placed(written(dict(given.config), "the configuration"), scratch)
        # The folder of adapters, where they can be seen: a server may load them from there.
        folder = RunFolder(path if path.is_dir() else scratch / path.name)
        run = _Services(folder, config, domain, ledger, Unseen())
        run.line, run.collection = self._line, given.collection
        self._open.enter_context(run.registered())
        _ = run.expert, run.examiner, run.grader  # what searches need is read, and embedded
        return run

    async def _install(self, adapter: str, weights: Any) -> None:
        """Write the files of an adapter where its folder is not to be seen."""
        folder = self._run.folder.path / adapter
        async with self._installing:
            if adapter and not folder.is_dir():
                files: Files = await weights[0]
                await asyncio.to_thread(write_files, folder, files)


def _placed(config: DomainConfig, scratch: Path) -> DomainConfig:
    """Return the configuration with an index of the worker's own, where that is not to be seen."""
    if not Path(config.retrieval.index).is_dir():
        index = {"index": str(scratch / "index")}
        return config.model_copy(update={"retrieval": config.retrieval.model_copy(update=index)})
    return config
