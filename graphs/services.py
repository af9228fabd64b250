"""What a run works with and no checkpoint keeps: its ledger, models, stores and progress.

LangGraph's context of a run is a `RunRef`, small and serialisable; the services are made from it
when a node first asks for them, in whatever process that is.
"""

import asyncio
import contextlib
import functools
import math
import time
from collections.abc import Iterator
from dataclasses import InitVar, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langgraph.runtime import Runtime

from agents.author import Author
from agents.examiner import Examiner
from agents.expert import Expert
from agents.graders import GRADERS, Grader
from agents.indicators import IndicatorExpert
from agents.judge import Judge
from agents.labeller import Labeller
from agents.messenger import Messenger
from agents.prompting import Subject
from agents.rater import Rater
from agents.student import Student
from elenchus.config import StudentConfig
from elenchus.ledger import Ledger
from elenchus.outcomes import ExamItem
from elenchus.progress import Progress, Unseen, unseen
from elenchus.records import Passage, Point
from elenchus.runs import RunFolder
from elenchus.sections import ModelConfig
from graphs.adaptation.fan_out import FanOut
from graphs.asking import Asking
from graphs.config import DomainConfig, of_run
from graphs.points import is_reserved, partners
from graphs.shared import Shared
from models.backend import Model, backend, make_model
from models.budget import Budget, Within
from models.calls import Caller
from models.prices import Prices
from retrieval.embedding import Embedder
from retrieval.index import Index
from retrieval.search import RecordedSearch, Search
from retrieval.store import Store

if TYPE_CHECKING:
    from graphs.cluster.pool import Pool

ROOM, STEP = 2, 64  # times the expert's longest answer; rounded up to so many tokens


@dataclass(frozen=True)
class RunRef:
    """Which run a graph works on: the path of its folder."""

    path: str = ""


_open: dict[str, "Services"] = {}


def services(runtime: Runtime[RunRef]) -> "Services":
    """Return the services of the run that a node works on; they are made when there are none."""
    path = runtime.context.path
    if path not in _open:
        folder = RunFolder(Path(path))
        _open[path] = Services(
            folder, of_run(folder), folder.domain_folder(), Ledger(folder.ledger), Unseen()
        )
    return _open[path]


@dataclass
class Services:
    """One run's parts, each made when it is first needed. Close them at the end.

    Attributes:
        shared: what other runs at work in this process have a part in.

    Args:
        within: what is shared, which whoever made it closes; else it is made here, for one run.
    """

    folder: RunFolder
    config: DomainConfig
    domain_folder: Path
    ledger: Ledger
    progress: Progress
    within: InitVar[Shared | None] = None

    def __post_init__(self, within: Shared | None) -> None:
        self.shared, self._alone = within or Shared(self.config.models), within is None
        self.shared.join(self.ledger)
        self.turnstile = asyncio.Semaphore(self.config.examination.concurrency)
        self.started = time.monotonic()
        self.resumed = False
        self._needed = 0  # tokens of an answer
        self.pool: Pool | None = None  # the workers of a cluster
        self._students: dict[str, Student] = {}
        self._models: list[Model] = []

    @contextlib.contextmanager
    def registered(self) -> Iterator[RunRef]:
        """Be the services that nodes find by the run's reference, until this context is left."""
        ref = RunRef(str(self.folder.path))
        _open[ref.path] = self
        try:
            yield ref
        finally:
            del _open[ref.path]

    def summary(self, stopped: str, rounds: int) -> dict[str, Any]:
        """Return the fields that the result of every method has, but for its examples and exams."""
        calls, tokens = self.ledger.usage()
        return {
            "method": self.config.method,
            "domain": self.config.domain,
            "run": self.folder.id,
            "stopped": stopped,
            "rounds": rounds,
            "calls": calls,
            "tokens": tokens,
            "resumed": self.resumed,
            "seconds": round(time.monotonic() - self.started, 1),
        }

    async def dismiss(self) -> None:
        """End the workers of a cluster, if there are any; others begin when they are needed."""
        if self.pool is not None:
            pool, self.pool = self.pool, None
            await pool.close()

    async def disconnect(self) -> None:
        """Close the connections to models and workers, on the event loop that used them."""
        await self.dismiss()
        for model in self._models:
            await model.close()

    def close(self) -> None:
        """Release the store and the ledger."""
        self.fan_out.end()
        for part in ("store", "index"):
            if part in self.__dict__:
                getattr(self, part).close()
        if self._alone:
            self.shared.close()

    @functools.cached_property
    def fan_out(self) -> FanOut:
        """The examinations of a round."""
        return FanOut(self.ledger, self.progress, self.config.examination.concurrency)

    @functools.cached_property
    def embedder(self) -> Embedder:
        return self.shared.embedder(self.config.retrieval.embedding)

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
        self.store.hold(passages, unseen)  # the index may be gone since
        search = Search(passages, self.store, self.config.retrieval)
        return RecordedSearch(search, self.ledger)

    @functools.cached_property
    def asking(self) -> Asking:
        """How points are asked about; first used once all of them are there."""
        points, most = self.ledger.all(Point), self.config.questions.partners
        if not most:
            return Asking(self.config.questions, {}, self.config.seed)
        passages = {passage.id: passage for passage in self.ledger.all(Passage)}
        vectors = self.embedder.encode([p.statement for p in points])
        # What is taught is joined to nothing that is not.
        rows = [n for n, point in enumerate(points) if not self.is_untaught(point)]
        taught = partners([points[n] for n in rows], vectors[rows], passages, most)
        joined = partners(points, vectors, passages, most) | taught
        return Asking(self.config.questions, joined, self.config.seed)

    def is_untaught(self, point: Point) -> bool:
        """Tell whether a point is asked about in the exam alone."""
        return is_reserved(point.id, self.config.seed, self.config.questions.untaught)

    @functools.cached_property
    def _examined(self) -> dict[str, tuple[str, ...]]:
        by_point: dict[str, tuple[str, ...]] = {}
        for exam in ("held-out", "untaught"):
            for item in self.ledger.all(ExamItem, exam=exam):
                point = item.point_id or ""
                by_point[point] = (*by_point.get(point, ()), item.prompt[-1].content)
        return by_point

    def examined(self, point_id: str) -> tuple[str, ...]:
        """Return the exam questions on a point; the exam is written before anything is taught."""
        return self._examined.get(point_id, ())

    @functools.cached_property
    def own_budget(self) -> Budget:
        """The run's caps, whatever it shares with others."""
        prices = Prices(self.config.models)
        ledger = self.ledger
        return Budget(self.config.budget, ledger.answered(), ledger.unanswered(), prices.usd)

    @property
    def budget(self) -> Budget | Within:
        common = self.shared.budgets.get(self.folder.id)
        return Within(self.own_budget, common) if common else self.own_budget

    @functools.cached_property
    def subject(self) -> Subject:
        return Subject.of(self.config, self.domain_folder)

    @functools.cached_property
    def expert(self) -> Expert:
        look_ups = self.config.retrieval.look_ups
        return Expert(self._caller(self.config.expert), self.search, self.subject, look_ups)

    @functools.cached_property
    def examiner(self) -> Examiner:
        steps = 3 if self.config.examination.revision == "three calls" else 1
        return Examiner(self._caller(self.config.examiner), self.subject, steps)

    @functools.cached_property
    def author(self) -> Author:
        return Author(self._caller(self.config.expert), self.subject)

    @functools.cached_property
    def grader(self) -> Judge:
        """The grader of free answers, which also checks the expert's."""
        return Judge(self._grader_caller, self.subject)

    def grader_of(self, name: str) -> Grader:
        """Return the grader that a configuration names; UserError where there is none."""
        return GRADERS.get(name)(self._grader_caller, self.subject)

    @functools.cached_property
    def _grader_caller(self) -> Caller:
        return self._caller(self.config.grader)

    @functools.cached_property
    def indicator_experts(self) -> list[IndicatorExpert]:
        """One for each of `indicators.models`; the first one merges what they list."""
        own = self.config.indicators
        return [
            IndicatorExpert(
                self._caller(settings),
                self.subject,
                self.config.messages.classes,
                own.events,
                own.stakeholders,
            )
            for settings in own.models or [self.config.expert]
        ]

    @functools.cached_property
    def messenger(self) -> Messenger:
        generation = self.config.generation
        caller = self._caller(generation.author)
        return Messenger(caller, self.subject, self.config.messages.classes, generation.purpose)

    @functools.cached_property
    def labeller(self) -> Labeller:
        return Labeller(self._grader_caller, self.subject, self.config.messages.classes)

    @functools.cached_property
    def rater(self) -> Rater:
        return Rater(self._caller(self.config.expert), self.subject)

    def student(self, adapter: str) -> Student:
        """Return the student that is questioned; `adapter` is below the run folder, "" for none."""
        return self._student(adapter, self._brief(self.config.student))

    def examinee(self, adapter: str, brief: bool = True) -> Student:
        """Return the student that takes exams: one answer a question, without sampling.

        Args:
            brief: whether its answers may be no longer than the domain's want: see `_brief`.
        """
        return self._student(adapter, self.exam_settings(brief))

    def exam_settings(self, brief: bool = True) -> ModelConfig:
        """Return the settings of the student in exams: see `examinee`."""
        student = self._brief(self.config.student) if brief else self.config.student
        cold = None if student.temperature is None else 0.0
        return student.model_copy(update={"temperature": cold, "samples": 1})

    def guest(self, settings: ModelConfig) -> Student:
        """Return another model that takes the student's place in a test: one answer a question."""
        cold = None if settings.temperature is None else 0.0
        return self._student("", settings.model_copy(update={"temperature": cold, "samples": 1}))

    def _brief(self, student: StudentConfig) -> StudentConfig:
        """Cap the answers of a student in this process by what the expert's in the exam needed.

        An untouched one may ramble on to its limit, which costs much and tells nothing.
        """
        provider = backend(student.model)
        most, thinks = provider.max_new_tokens(student), student.options.get("thinking")
        if not provider.local or most is None or thinks or not self._longest:
            return student
        cap = {"max_new_tokens": min(most, self._longest)}
        return student.model_copy(update={"options": dict(student.options) | cap})

    @property
    def _longest(self) -> int:
        """Tokens that an answer may have, once there is an exam; 0 before."""
        if not self._needed:
            gold = [item.gold.text for item in self.ledger.all(ExamItem, exam="held-out")]
            tokens = backend(self.config.student.model).tokens(self.config.student, gold)
            self._needed = STEP * math.ceil(ROOM * max(tokens) / STEP) if tokens else 0
        return self._needed

    def _student(self, adapter: str, settings: ModelConfig) -> Student:
        key = f"{adapter}@{settings.model_dump_json()}"
        if key not in self._students:
            path = self.folder.path / adapter if adapter else None
            self._students[key] = Student(self._caller(settings, path), self.subject)
        return self._students[key]

    def _caller(self, settings: ModelConfig, adapter: Path | None = None) -> Caller:
        model, rates = make_model(settings, adapter), self.shared.rates(settings)
        self._models.append(model)
        return Caller(model, settings, self.ledger, rates, self.budget, self.shared.calls)
