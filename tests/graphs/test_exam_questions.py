"""Writing an exam: questions on a point one after the other, and points for the exam alone."""

import asyncio
import json
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import ExamItem, Score
from elenchus.progress import unseen
from elenchus.questions import JOINING
from elenchus.records import Point, Seed
from elenchus.runs import RunFolder
from graphs.exams import even_seeds, held_out
from models.blocks import Request
from retrieval.embedding import Vectors
from tests.graphs.making import Bench, make_passage, make_point

PASSAGES = [make_passage(f"Rule {n} holds.", f"{n}.md") for n in range(8)]
POINTS = [make_point(passage, topic=f"topic {n}") for n, passage in enumerate(PASSAGES)]
RULES: dict[str, Any] = {"partners": 0, "unstated": 0}


class Alike:
    """Embeds all texts with one cosine to one another."""

    def __init__(self, cosine: float) -> None:
        self._cosine = cosine

    def encode(self, texts: Sequence[str]) -> Vectors:
        # One common direction, and one of its own for each.
        places = {text: n for n, text in enumerate(dict.fromkeys(texts))}
        rows = np.zeros((len(texts), len(places) + 1), dtype=np.float32)
        rows[:, 0] = self._cosine**0.5
        for row, text in zip(rows, texts, strict=True):
            row[places[text] + 1] = (1 - self._cosine) ** 0.5
        return rows


def bench(folder: Path, ledger: Ledger, cosine: float = 0.0, **questions: Any) -> Bench:
    """Return a bench whose examiner numbers its questions on a point, and whose expert answers."""
    made = Bench(folder, ledger, questions=RULES | questions, checks={"agree": False})
    made.services.embedder = Alike(cosine)  # type: ignore[assignment]
    made.found = PASSAGES
    ledger.write(*PASSAGES, *POINTS)

    def proposed(request: Request) -> dict[str, Any]:
        number = len(request.text("asked").splitlines())
        about = request.text("point").removesuffix(" holds.")
        case = f"{request.text('variation')}.{number}"
        return {"question": f"{about} in case {case}: what of it?", "kind": "apply"}

    made.say("examiner: propose", proposed)
    return made


def written(made: Bench, points: Sequence[Point], wanted: int, **more: Any) -> list[ExamItem]:
    return asyncio.run(held_out(made.services, points, unseen, wanted, **more))


def test_a_further_question_on_a_point_sees_the_earlier_ones(
    tmp_path: Path, ledger: Ledger
) -> None:
    made = bench(tmp_path, ledger)
    items = written(made, POINTS[:2], 5)
    texts: dict[str, list[str]] = defaultdict(list)
    for item in items:
        texts[item.point_id or ""].append(item.prompt[-1].content)
    assert sorted(map(len, texts.values())) == [2, 3]
    seen: dict[str, list[list[str]]] = defaultdict(list)
    for request in made.requests("examiner: propose"):
        assert request.text("purpose") == "exam"
        seen[request.text("point")].append(request.text("asked").splitlines())
    for point in POINTS[:2]:
        asked, in_order = texts[point.id], seen[point.statement]
        newest = in_order[-1]
        assert in_order == [newest[:n] for n in range(len(newest) + 1)]
        assert len(newest) > 0 and newest == asked[: len(newest)]
    told = {tuple(asked) for of_point in seen.values() for asked in of_point}
    assert {seed.asked for seed in ledger.all(Seed)} == told


def test_what_was_refused_is_not_among_the_questions_asked(tmp_path: Path, ledger: Ledger) -> None:
    made = bench(tmp_path, ledger)
    made.say("grader: support", {"supported": False, "missing": "it"}, {"supported": True,
                                                                       "missing": ""})  # fmt: skip
    items = written(made, POINTS[:1], 2)
    first, second = made.requests("examiner: propose")
    assert first.text("asked") == second.text("asked") == ""
    (item,) = items
    assert item.prompt[-1].content == "Rule 0 in case -2.0: what of it?"


def test_gold_is_what_the_expert_said(tmp_path: Path, ledger: Ledger) -> None:
    (item,) = written(bench(tmp_path, ledger), POINTS[3:4], 1)
    assert item.gold.text.endswith(f"\nAnswer: {item.gold.result}") and item.gold.form == "phrase"
    assert item.gold.quotes == ("Rule 3 holds.",) and item.passage_ids == (PASSAGES[3].id,)


def test_none_at_all_is_an_error_only_where_some_are_needed(tmp_path: Path, ledger: Ledger) -> None:
    made = bench(tmp_path, ledger)
    made.say("grader: support", {"supported": False, "missing": "it"})
    assert written(made, POINTS, 3, exam="untaught", needed=False) == []
    with pytest.raises(UserError, match="3 × what the answer cites does not"):
        written(made, POINTS, 3)


def test_an_exam_of_one_answer_is_evened_out(tmp_path: Path, ledger: Ledger) -> None:
    """Whoever always says yes should not look as if they knew something."""
    made = bench(tmp_path, ledger)
    answers = [("yes", 7), ("no", 3)]

    def said(request: Request) -> dict[str, Any]:
        number = int(request.text("question").split()[1])
        place = next(p for p in request.passages() if p.text == f"Rule {number} holds.")
        result = "yes" if number < answers[0][1] else "no"
        return {"explanation": "So it is.", "result": result, "form": "yes-no",
                "citations": [{"passage_id": place.id, "quote": place.text}], "abstained": False,
                "look_up": "", "rubric": []}  # fmt: skip

    made.say("expert: answer", said)
    results = Counter(item.gold.result for item in written(made, POINTS, 8))
    assert results["no"] == 1 and results["yes"] == 3  # of four or fewer, one is always too common


def test_each_kind_is_asked_alike_and_two_points_are_joined_only_where_there_are_two(
    tmp_path: Path, ledger: Ledger
) -> None:
    kinds = ("recall", "apply", "combine")
    points = [make_point(passage, kinds=kinds) for passage in PASSAGES]
    ledger.write(*points)
    made = bench(tmp_path, ledger, cosine=0.6, partners=1)
    alone = made.services.asking._replace(partners={points[0].id: (points[1].id,)})
    seeds = even_seeds(points, 30, random.Random(0), True, alone)
    assert Counter(seed.kind for seed in seeds) == dict.fromkeys(kinds, 10)
    assert {s.point_id for s in seeds if s.kind in JOINING} == {points[0].id}
    assert {s.partner_ids for s in seeds if s.kind in JOINING} == {(points[1].id,)}


def test_what_is_taught_is_joined_to_nothing_that_is_not(tmp_path: Path, ledger: Ledger) -> None:
    made = bench(tmp_path, ledger, cosine=0.6, partners=3, untaught=0.4)
    reserved = {point.id for point in POINTS if made.services.is_untaught(point)}
    assert 1 < len(reserved) < 7
    partners = made.services.asking.partners
    assert all(len(partners[point.id]) == 3 for point in POINTS)
    for point in POINTS:
        if point.id not in reserved:
            assert reserved.isdisjoint(partners[point.id])


def test_points_of_the_exam_alone_are_never_taught(
    mock_pool: Path, tmp_path: Path, elenchus
) -> None:
    sets = ("--set", "questions.untaught=0.4", "--set", "adaptation.examples=[11]")
    root = tmp_path / "runs"
    ended = elenchus("launch", mock_pool, *sets, "--runs", root)
    assert ended.code == 0, ended.err
    assert any(line.split()[:3] == ["points", "not", "taught"] for line in ended.out.splitlines())
    (path,) = root.glob("pool/*/result.json")
    run = RunFolder(path.parent)
    result = json.loads(run.result.read_text("utf-8"))
    ledger = Ledger(run.ledger, read_only=True)
    items = {exam: ledger.all(ExamItem, exam=exam) for exam in ("held-out", "untaught")}
    examined = {exam: {i.point_id for i in of} for exam, of in items.items()}
    taught = {i for s in ledger.all(Seed) if s.round > 0 for i in (s.point_id, *s.partner_ids)}
    scores = ledger.count(Score, exam="untaught", round=0)
    ledger.close()
    assert taught and examined["untaught"] and examined["held-out"]
    assert examined["untaught"].isdisjoint(taught | examined["held-out"])
    assert len(items["untaught"]) <= 8 == -(-20 * 4 // 10)  # that share of the exam's size, more
    assert result["exams"]["untaught"]["questions"] == len(items["untaught"]) == scores
    lines = (run.dataset / "train.jsonl").read_text("utf-8").splitlines()
    trained = {json.loads(line)["provenance"]["point_id"] for line in lines}
    assert trained <= taught
