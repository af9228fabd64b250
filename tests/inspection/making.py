"""Runs made by hand for tests of pages: finished ones, one under way, and what cannot be read."""

import json
import random
from pathlib import Path
from typing import Any

from elenchus import runs
from elenchus.ledger import Call, Ledger
from elenchus.outcomes import Dataset, ExamItem, Example, Score
from elenchus.records import (
    Answer,
    Citation,
    Document,
    Failure,
    Gold,
    Grade,
    Message,
    Passage,
    Point,
    Question,
    Rejection,
    Seed,
    Turn,
    digest,
    verdict,
)
from elenchus.results import Estimate, ExamResult, RunVerdict
from elenchus.runs import RunFolder
from graphs.adaptation.result import AdaptationResult
from graphs.config import DomainConfig
from tests.graphs.making import write_examination

MODELS = {role: {"model": "mock:plain"} for role in ("expert", "examiner", "grader", "student")}
HOSTILE = (
    "<script>document.title='taken'</script><img src=x onerror=alert(1)>\x1b[31mred\x1b[0m "
    "\u202etxt.exe\u202c {{ 7 * 7 }} ' onmouseover='alert(1) \x07 </textarea></mark> & done"
)
KINDS = ("recall", "apply", "exception")


def make_run(root: Path, domain: str = "harbour", **more: Any) -> RunFolder:
    """Make the folder of a run, with nothing in it."""
    tree = {"domain": domain, "title": "the byelaws of a harbour", **MODELS, **more}
    return runs.create(root, DomainConfig.model_validate(tree), root, None, "0")


def fill(run: RunFolder, rounds: int = 2, right: float = 0.7, seed: int = 0) -> Ledger:
    """Write documents, examinations and exams into a run's ledger, which stays open.

    Args:
        right: the share of exam questions that the student has right in the last round.
    """
    ledger, rng = Ledger(run.ledger), random.Random(seed)
    points = _documents(ledger)
    for round_ in range(1, rounds + 1):
        for n, point in enumerate(points):
            _examine(ledger, point, n, round_)
    _exams(ledger, points, rounds, right, rng)
    ledger.write(
        Failure(role="expert", task="answer", code="unparsable", detail="no JSON",
                raw="I think", call_id="m-0000000000000000000000ff")
    )  # fmt: skip
    return ledger


def finish(run: RunFolder, before: float = 0.2, after: float = 0.7) -> None:
    """Write the result of a run."""

    def around(value: float) -> Estimate:
        return Estimate(value=value, low=value - 0.1, high=value + 0.1)

    gain = around(after - before)
    exam = ExamResult(
        questions=24, ungraded=0, before=around(before), after=around(after), gain=gain,
        kinds={"recall": [before, after]},
    )  # fmt: skip
    word = "better" if after > before + 0.1 else "no difference"
    runs.write_result(
        run.result,
        AdaptationResult(
            method="examination", domain=run.path.parent.name, run=run.id, rounds=2,
            stopped="all 2 rounds are done", examples=6, exams={"held-out": exam}, calls=100,
            tokens=20_000, resumed=False, seconds=120.0, accuracy_by_round=[before, 0.5, after],
            verdict=RunVerdict(word=word, reasons=["A gain beyond chance."], gain=gain),
            failure_share_by_round=[0.8, 0.5], passages=8, readable_passages=8, points=8,
            examinations=16, accepted=8, rejected={"known": 8}, candidates=8, near_duplicates=0,
            near_exam=0, too_long=0, nearest_exam_similarity=0.5, points_covered=6, adapter="",
            update=None,
        ),
    )  # fmt: skip


def _documents(ledger: Ledger) -> list[Point]:
    """Write two documents, of which every passage states a point; the last is hostile."""
    points = []
    for name in ("berths", "dues"):
        texts = [
            f"A boat of class {n} may stay at the {name} for {n + 7} days. It pays {n} crowns."
            for n in range(4)
        ]
        if name == "dues":
            texts[-1] = f"Of strangers: {HOSTILE}"
        document = Document(source=f"{name}.md", title=f"The {name}", text="\n".join(texts))
        ledger.write(document)
        start = 0
        for n, text in enumerate(texts):
            passage = Passage(
                document_id=document.id, source=document.source, start=start,
                end=start + len(text), heading=(document.title, f"Section {n}"), text=text,
                title=document.title,
            )  # fmt: skip
            start += len(text) + 1
            quote = text.split(". ")[0]
            point = Point(
                sort="rule", statement=f"Of {name}, class {n}", topic=f"{name} {n}",
                grounds=(Citation(passage_id=passage.id, quote=quote),), kinds=KINDS,
            )  # fmt: skip
            ledger.write(passage, point)
            points.append(point)
    return points


def _examine(ledger: Ledger, point: Point, n: int, round_: int) -> None:
    """Write an examination of a point: two turns and accepted, or one and known to the student."""
    kind = KINDS[n % 3]
    seed = Seed(point_id=point.id, kind=kind, round=round_, variation=n, persona="a skipper")
    text = f"How long may a boat of class {n} stay, asked in round {round_}?"
    if n == 7:
        text = f"Is this read in round {round_}? {HOSTILE}"
    first = Question(
        text=text, kind=kind, exam=False, point_id=point.id, passage_ids=point.passage_ids,
        round=round_, call_id=_call(ledger, "examiner", "propose", text),
    )  # fmt: skip
    known = n % 2 == 0
    grades: tuple[Grade, ...] = ("correct", "correct") if known else ("correct", "incorrect")
    turns = [_turn(ledger, first, point, grades)]
    if known:
        refused = Rejection(
            code="known", detail="widest gap 0.00", raw=text, question_id=first.id,
            passage_ids=point.passage_ids,
        )  # fmt: skip
        write_examination(ledger, seed, *turns, refused=refused)
        return
    second = first.model_copy(
        update={
            "text": text.replace("How long", "For how many days, and why,") + " Why?",
            "parent_id": first.id,
            "difference": "The student guessed the days.",
            "guidance": "Ask for the reason.",
            "call_id": _call(ledger, "examiner", "revise", text + " again"),
        }
    )
    turns.append(_turn(ledger, second, point, ("incorrect", "incorrect")))
    examination = write_examination(ledger, seed, *turns, accepted=True)
    example = Example(
        prompt=(Message(role="user", content=second.text),), completion=turns[-1].expert[0].text,
        question_id=second.id, turn_id=turns[-1].id, examination_id=examination.id,
        point_id=point.id, passage_ids=point.passage_ids, kind=kind, round=round_, weight=1.0,
    )  # fmt: skip
    chosen = [e.id for e in ledger.all(Example)] + [example.id]
    ledger.write(
        example,
        Dataset(
            round=round_, example_ids=tuple(chosen), candidates=len(chosen), near_duplicates=0,
            near_exam=0, too_long=0, nearest_exam_similarity=0.5,
        ),
    )  # fmt: skip


def _turn(ledger: Ledger, question: Question, point: Point, grades: tuple[Grade, ...]) -> Turn:
    ground = point.grounds[0]
    expert = Answer(
        text=f"{ground.quote}. So: as it says.", explanation=ground.quote, result="as it says",
        form="phrase", rubric=("names the days",), citations=(ground,),
        call_id=_call(ledger, "expert", "answer", question.text), tokens=12,
    )  # fmt: skip
    students = tuple(
        Answer(
            text=f"Perhaps {n} days. {HOSTILE if n else ''}", sample=n, tokens=8, likelihood=-0.5,
            call_id=_call(ledger, "student", "answer", f"{question.text}#{n}"),
        )
        for n in range(len(grades))
    )  # fmt: skip
    call_id = _call(ledger, "grader", "grade", question.text)
    _call(ledger, "grader", "support", question.text)
    return Turn(
        question=question,
        expert=(expert,),
        student=students,
        verdict=verdict(grades, "the days", call_id, critiques=[f"It takes {g}." for g in grades]),
    )


def _call(ledger: Ledger, role: str, task: str, text: str) -> str:
    """Write two attempts of a call, and return its id."""
    call = Call(
        id=f"m-{digest(role + task + text)}", role=role, task=task, model="openai:gpt-5",
        prompt_sha256="", request=_request(text), response="not yet", input_tokens=100,
        output_tokens=10, seconds=0.5,
    )  # fmt: skip
    ledger.write_call(call)
    ledger.write_call(
        call.model_copy(update={"attempt": 1, "response": f'{{"text": "{HOSTILE}"}}'})
    )
    return call.id


def _request(text: str) -> str:
    block = f"<question>\n{text}\n</question>"
    messages = [
        {"role": "system", "content": "You examine."},
        {"role": "user", "content": block},
    ]
    return json.dumps(messages, ensure_ascii=False)


def _exams(
    ledger: Ledger, points: list[Point], rounds: int, right: float, rng: random.Random
) -> None:
    """Write exams, sat by the untouched student and after each round."""
    for exam, count in (("held-out", 24), ("general", 6)):
        for n in range(count):
            point = points[n % len(points)]
            question = f"Question {n} of the {exam} exam about {point.topic}?"
            item = ExamItem(
                exam=exam, kind=KINDS[n % 3], gold=Gold(text="It is so. So: yes.", result="yes"),
                prompt=(Message(role="user", content=question),), point_id=point.id,
                passage_ids=point.passage_ids,
            )  # type: ignore[arg-type]  # fmt: skip
            ledger.write(item)
            for round_ in (0, *range(1, rounds + 1)):
                share = 0.2 if round_ == 0 else right
                grade: Grade = "correct" if rng.random() < share else "incorrect"
                ledger.write(
                    Score(
                        item_id=item.id, exam=exam, round=round_, grade=grade,
                        answer=f"{grade} in round {round_}", result=grade == "correct",
                        call_id="m-1",
                    )
                )  # fmt: skip
