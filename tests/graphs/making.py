"""Records for tests of graphs, and a bench: a run's services whose models say what a test says."""

import json
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from langchain_core.messages import BaseMessage

from elenchus.ledger import Ledger
from elenchus.outcomes import ExamItem
from elenchus.progress import Unseen
from elenchus.records import (
    Answer,
    Citation,
    Examination,
    Form,
    Gold,
    Grade,
    Message,
    Passage,
    Point,
    Question,
    Rejection,
    Seed,
    Turn,
    verdict,
)
from elenchus.runs import RunFolder
from graphs.config import DomainConfig
from graphs.services import Services
from models import mock
from models.blocks import Request, read_request

Reply = str | dict[str, Any] | Callable[[Request], Any]
GRADES = {"correct": "right", "partial": "partly", "incorrect": "wrong", "abstained": "none"}


def make_passage(text: str, source: str = "harbour.md") -> Passage:
    return Passage(document_id="d-1", source=source, start=0, end=len(text), heading=(), text=text)


def make_point(
    *places: Passage, topic: str = "stay", kinds: tuple[str, ...] = ("recall", "apply")
) -> Point:
    return Point(
        sort="rule",
        statement=" ".join(place.text for place in places),
        topic=topic,
        grounds=tuple(Citation(passage_id=place.id, quote=place.text) for place in places),
        kinds=kinds,
    )


def make_question(text: str, point_id: str = "o-1", round_: int = 1) -> Question:
    return Question(
        text=text, kind="apply", exam=False, point_id=point_id, passage_ids=(), round=round_,
        call_id="m-1",
    )  # fmt: skip


def make_answer(text: str, sample: int = 0, form: Form = "", **more: Any) -> Answer:
    return Answer(text=text, form=form, sample=sample, call_id="m-1", tokens=1, **more)


def make_turn(question: Question, grades: Sequence[Grade], said: Sequence[str] = ()) -> Turn:
    """Return a turn in which the student's answers, all alike where none are given, got grades."""
    texts = said or ["It may.\nAnswer: yes"] * len(grades)
    return Turn(
        question=question,
        expert=(make_answer("It may not.\nAnswer: no"),),
        student=tuple(make_answer(text, n) for n, text in enumerate(texts)),
        verdict=verdict(grades, missed="the limit"),
    )


def make_item(exam: Any, question: str, point_id: str) -> ExamItem:
    return ExamItem(
        exam=exam,
        kind="apply",
        prompt=(Message(role="user", content=question),),
        gold=Gold(text="It may not.\nAnswer: no", result="no"),
        point_id=point_id,
    )


def write_examination(
    ledger: Ledger,
    seed: Seed,
    *turns: Turn,
    refused: Rejection | None = None,
    accepted: bool = False,
) -> Examination:
    """Write down an examination with all that it refers to but the point."""
    examination = Examination(
        seed_id=seed.id,
        round=seed.round,
        turn_ids=tuple(turn.id for turn in turns),
        accepted_turn_id=turns[-1].id if accepted else None,
        rejection=refused,
    )
    ledger.write(seed, *(turn.question for turn in turns), *turns, examination)
    return examination


class Bench:
    """The services of a run whose models say what `replies` has for a task, else the least.

    Attributes:
        asked: all requests to models, in order.
        found: the passages that every search of the expert finds.
    """

    def __init__(self, folder: Path, ledger: Ledger, **sections: Any) -> None:
        self.ledger, self.asked = ledger, list[Request]()
        self.found: list[Passage] = []
        self.replies: dict[str, cycle[Reply]] = {}
        mock.register("bench", self._reply)
        roles = {role: {"model": "mock:bench"} for role in ("expert", "examiner", "grader")}
        roles["student"] = {"model": "mock:bench", "samples": 2}  # type: ignore[dict-item]
        tree: dict[str, Any] = {"domain": "d", "title": "a harbour"} | roles
        for name, value in sections.items():
            both = isinstance(value, dict) and name in tree
            tree[name] = tree[name] | value if both else value
        config = DomainConfig.model_validate(tree)
        self.services = Services(RunFolder(folder), config, folder, ledger, Unseen())
        self.services.search = self._search  # type: ignore[assignment]

    def tasks(self) -> list[str]:
        """Return the tasks that were asked for, in order."""
        return [request.task for request in self.asked]

    def requests(self, task: str) -> list[Request]:
        """Return the requests of a task, in order."""
        return [request for request in self.asked if request.task == task]

    def say(self, task: str, *replies: Reply) -> None:
        """Let the model of a task say these one after the other, and then from the first again.

        Each is a text, an object, or a function of the request that returns either.
        """
        self.replies[task] = cycle(replies)

    async def _search(self, query: str) -> list[Passage]:
        return self.found

    def _reply(self, messages: Sequence[BaseMessage]) -> str:
        request = read_request(messages)
        self.asked.append(request)
        if request.task not in self.replies:
            return mock.plain(messages)
        said = next(self.replies[request.task])
        made = said(request) if callable(said) else said
        return made if isinstance(made, str) else json.dumps(made)


def graded(*grades: Grade) -> dict[str, Any]:
    """Return a grader's reply in which the answers, in order, get these grades."""
    entries = [
        {"result": GRADES[grade], "reason": GRADES[grade].replace("partly", "right"),
         "checks": [], "critique": f"It is {grade}."}
        for grade in grades
    ]  # fmt: skip
    return {"answers": entries, "missed": "the limit"}
