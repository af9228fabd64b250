"""Measures how many hand-written questions the reader, as expert with retrieval, answers rightly.

    python -m benchmarks.hand_exam

Keys of the JSON, a domain: `questions`, `right`, `share`, `passage_found`, `wrong` (answers
by question).
"""

import argparse
import asyncio
import json
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from agents.expert import Expert, false_citation
from agents.judge import Judge
from agents.prompting import Subject
from elenchus.domains import SHIPPED
from elenchus.ledger import Ledger
from elenchus.progress import unseen
from elenchus.records import Gold
from graphs.config import DomainConfig, load
from graphs.hand_exam import HandQuestion, read_hand_exam
from models.backend import make_model
from models.calls import Caller
from retrieval.embedding import Embedder
from retrieval.index import Index
from retrieval.search import RecordedSearch, Search

DOMAINS = ("harbour", "market")
QUICK = 30  # questions


def measure(domain: str, quick: bool, folder: Path) -> dict[str, Any]:
    """Index a domain's documents and put its hand-written exam to the expert."""
    home = SHIPPED / domain
    config = load(home / "domain.yaml", changes=[f"retrieval.index={folder}"])
    with (
        closing(Ledger(folder / f"{domain}.sqlite")) as ledger,
        closing(Index(config, home)) as index,
        closing(index.store(Embedder("minilm"))) as store,
    ):
        documents, passages, _ = index.take(unseen)
        index.embed(store, unseen)
        ledger.write(*passages)
        search = RecordedSearch(Search(passages, store, config.retrieval), ledger)
        rows = read_hand_exam(home / str(config.exam.hand), documents)[: QUICK if quick else None]
        results = asyncio.run(_ask(rows, search, ledger, config, Subject.of(config, home)))
    right = sum(r["right"] for r in results)
    return {
        "questions": len(rows),
        "right": right,
        "share": round(right / len(rows), 4),
        "passage_found": round(sum(r["passage_found"] for r in results) / len(rows), 4),
        "wrong": {r["question"]: r["answer"] for r in results if not r["right"]},
    }


async def _ask(
    rows: list[HandQuestion],
    search: RecordedSearch,
    ledger: Ledger,
    config: DomainConfig,
    subject: Subject,
) -> list[dict[str, Any]]:
    """Put each question to the expert, and grade its first answer."""
    caller = Caller(make_model(config.expert), config.expert, ledger)
    expert = Expert(caller, search, subject, config.retrieval.look_ups)
    judge = Judge(Caller(make_model(config.grader), config.grader, ledger), subject)
    results = []
    for row in rows:
        answers, passages = await expert.answer(row.question)
        answer = answers[0]
        grounded = not answer.abstained and false_citation(answer, passages) is None
        gold = Gold(text=subject.form.text("", row.answer), result=row.answer)
        verdict = await judge.grade(row.question, gold, [answer.text])
        results.append(
            {
                "question": row.question,
                "right": grounded and verdict.grades[0] == "correct",
                "passage_found": any(row.quote in passage.text for passage in passages),
                "answer": answer.text,
            }
        )
    return results


def main() -> None:
    """Measure both domains, and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = {name: measure(name, options.quick, Path(folder)) for name in DOMAINS}
    if options.json:
        print(json.dumps(figures))
        return
    for name, row in figures.items():
        print(f"{name}: {row['right']} of {row['questions']} right ({row['share']:.1%}); ", end="")
        print(f"deciding passage among those given: {row['passage_found']:.1%}")
        for question, answer in row["wrong"].items():
            print(f"  {question}: {answer}")


if __name__ == "__main__":
    main()
