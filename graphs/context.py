"""What a run holds while it runs and no checkpoint keeps: stores, models, progress."""

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agents.author import Author
from agents.budget import Budget
from agents.calls import Caller, Line
from agents.examiner import Examiner
from agents.expert import Expert
from agents.grader import Grader
from agents.indicators import IndicatorExpert
from agents.judge import Judge
from agents.messenger import Messenger
from agents.models import Model, make_model
from agents.pacing import Pace
from agents.prices import Prices
from agents.rater import Rater
from agents.student import Student
from elenchus.config import DomainConfig, LimitsConfig, ModelConfig
from elenchus.ledger import Ledger
from elenchus.records import Examination, Passage, Seed
from elenchus.runs import RunFolder
from retrieval.embedding import Embedder
from retrieval.index import Index
from retrieval.recorded import RecordedSearch
from retrieval.search import Search
from retrieval.store import Store

Advance = Callable[[int, int | None], None]
LOCAL = LimitsConfig(in_flight=1024)  # built-in models gather what waits into batches


class Progress(Protocol):
    """Where a run says what it is doing: a bar on a terminal, nothing elsewhere."""

    def stage(self, name: str) -> AbstractContextManager[Advance]:
        """A stage under way; its function is told the steps done and to do."""

    def say(self, text: str) -> None:
        """One line about what was found."""


@dataclass
class Context:
    """One run's parts, each made when first needed. Close it at the end."""

    folder: RunFolder
    config: DomainConfig
    domain_folder: Path
    ledger: Ledger
    progress: Progress

    def __post_init__(self) -> None:
        self.turnstile = asyncio.Semaphore(self.config.examination.concurrency)
        self.started = time.monotonic()
        self.resumed = False
        self._students: dict[str, Student] = {}
        self._models: list[Model] = []
        self._lines: dict[tuple[str, str | None], Line] = {}
        self._round = contextlib.ExitStack()
        self._examined: Advance | None = None
        self._done: set[str] = set()
        self._to_do = 0

    def is_examined(self, seed_id: str) -> bool:
        """Whether the examination of a seed is recorded already, as after a kill."""
        self._begin_round(seed_id)
        return seed_id in self._done

    def count_examination(self, seed_id: str) -> None:
        """Move the bar of a round's fan-out, which no single node of the graph spans."""
        advance = self._begin_round(seed_id)
        self._done.add(seed_id)
        advance(len(self._done), self._to_do)

    def _begin_round(self, seed_id: str) -> Advance:
        """The bar of the round that a seed is of; the first call shows it."""
        if self._examined is None:
            round_ = self.ledger.get(Seed, seed_id).round
            self._examined = self._round.enter_context(
                self.progress.stage(f"Examine round {round_}")
            )
            # Read once: to look through them all each time would take ever longer.
            self._done = {e.seed_id for e in self.ledger.all(Examination, round=round_)}
            self._to_do = self.ledger.count(Seed, round=round_)
        return self._examined

    def end_round(self) -> None:
        """All examinations of a round are in."""
        self._round.close()
        self._examined = None

    async def disconnect(self) -> None:
        """Close the connections to models, on the event loop that used them."""
        for model in self._models:
            await model.close()

    def close(self) -> None:
        """Release the store and the ledger."""
        self._round.close()
        for part in ("store", "index"):
            if part in self.__dict__:
                getattr(self, part).close()
        self.ledger.close()

    @functools.cached_property
    def embedder(self) -> Embedder:
        return Embedder(self.config.retrieval.embedding)

    @functools.cached_property
    def index(self) -> Index:
        """What the domain's sources hold, shared by all runs of the domain."""
        return Index(self.config, self.domain_folder)

    @functools.cached_property
    def store(self) -> Store:
        return self.index.store(self.embedder)

    @functools.cached_property
    def search(self) -> RecordedSearch:
        """Over the passages that this run indexed."""
        passages = self.ledger.all(Passage)
        self.store.hold(passages, lambda done, total: None)  # the index may be gone since
        search = Search(passages, self.store, self.config.retrieval)
        return RecordedSearch(search, self.ledger)

    @functools.cached_property
    def budget(self) -> Budget:
        prices = Prices(self.config.models)
        return Budget(self.config.budget, self.ledger.spent(), prices.usd)

    @functools.cached_property
    def expert(self) -> Expert:
        return Expert(self._caller(self.config.expert), self.search, self.config)

    @functools.cached_property
    def examiner(self) -> Examiner:
        return Examiner(self._caller(self.config.examiner), self.config)

    @functools.cached_property
    def author(self) -> Author:
        return Author(self._caller(self.config.expert), self.config)

    @functools.cached_property
    def grader(self) -> Grader:
        return Grader(self._caller(self.config.grader), self.config)

    @functools.cached_property
    def indicator_experts(self) -> list[IndicatorExpert]:
        """One for each of `indicators.models`; the first one merges what they list."""
        models = self.config.indicators.models or [self.config.expert]
        return [IndicatorExpert(self._caller(settings), self.config) for settings in models]

    @functools.cached_property
    def messenger(self) -> Messenger:
        return Messenger(self._caller(self.config.generation.author), self.config)

    @functools.cached_property
    def judge(self) -> Judge:
        return Judge(self._caller(self.config.grader), self.config)

    @functools.cached_property
    def rater(self) -> Rater:
        return Rater(self._caller(self.config.expert), self.config)

    def student(self, adapter: str) -> Student:
        """The student that is asked questions; `adapter` is below the run folder, "" for none."""
        return self._student(adapter, self.config.student)

    def examinee(self, adapter: str) -> Student:
        """The student that sits exams: one answer a question, without sampling."""
        student = self.config.student
        cold = None if student.temperature is None else 0.0
        settings = student.model_copy(update={"temperature": cold, "samples": 1})
        return self._student(adapter, settings)

    def _student(self, adapter: str, settings: ModelConfig) -> Student:
        key = f"{adapter}@{settings.temperature}@{settings.samples}"
        if key not in self._students:
            path = self.folder.path / adapter if adapter else None
            self._students[key] = Student(self._caller(settings, path), self.config)
        return self._students[key]

    def _caller(self, settings: ModelConfig, adapter: Path | None = None) -> Caller:
        model = make_model(settings, adapter)
        self._models.append(model)
        return Caller(model, settings, self.ledger, self._line(settings))

    def _line(self, settings: ModelConfig) -> Line:
        """The same for all roles that ask one model at one address."""
        key = (settings.model, settings.base_url)
        if key not in self._lines:
            usual = LOCAL if settings.model.startswith("builtin:") else LimitsConfig()
            limits = self.config.models.get(settings.model, usual)
            self._lines[key] = Line(Pace(limits), self.budget)
        return self._lines[key]
