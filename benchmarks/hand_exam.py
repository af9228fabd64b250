"""How many hand-written questions the reader, as expert with retrieval, answers rightly.

    python -m benchmarks.hand_exam

Keys of the JSON, a domain: `questions`, `right`, `share`, `passage_found`, `wrong` (ids).
"""

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from agents.expert import Expert, false_citation
from agents.graders import Grader
from elenchus.domains import SHIPPED
from elenchus.ledger import Ledger
from graphs.config import DomainConfig, load
from graphs.exams import HandQuestion, read_hand_exam
from models.backend import make_model
from models.calls import Caller
from retrieval.embedding import Embedder
from retrieval.index import Index
from retrieval.search import RecordedSearch
from retrieval.search import Search

DOMAINS = ("harbour", "market")
QUICK = 30  # questions


def measure(domain: str, quick: bool, folder: Path) -> dict[str, Any]:
    """Index a domain's documents and put its hand-written exam to the expert."""
    home = SHIPPED / domain
    config = load(home / "domain.yaml")
    place = config.retrieval.model_copy(update={"index": str(folder)})
    index = Index(config.model_copy(update={"retrieval": place}), home)
    store = index.store(Embedder("minilm"))
    ledger = Ledger(folder / f"{domain}.sqlite")
    index.read(lambda *_: None)
    index.embed(store, lambda *_: None)
    documents, passages = list(index.catalogue.documents()), list(index.catalogue.passages())
    ledger.write(*passages)
    search = RecordedSearch(Search(passages, store, config.retrieval), ledger)
    rows = read_hand_exam(home / str(config.exam.hand), documents)[: QUICK if quick else None]
    results = asyncio.run(_ask(rows, search, ledger, config))
    store.close()
    index.close()
    ledger.close()
    right = sum(r["right"] for r in results)
    return {
        "questions": len(rows),
        "right": right,
        "share": round(right / len(rows), 4),
        "passage_found": round(sum(r["found"] for r in results) / len(rows), 4),
        "wrong": {r["question"]: r["said"] for r in results if not r["right"]},
    }


async def _ask(
    rows: list[HandQuestion], search: RecordedSearch, ledger: Ledger, config: DomainConfig
) -> list[dict[str, Any]]:
    expert = Expert(Caller(make_model(config.expert), config.expert, ledger), search, config)
    grader = Grader(Caller(make_model(config.grader), config.grader, ledger), config)
    results = []
    for row in rows:
        answers, given = await expert.answer(row.question)
        answer = answers[0]
        grounded = not answer.abstained and false_citation(answer, given) is None
        gold = f"So: {row.answer}."
        verdict = await grader.grade(row.question, gold, [answer.text])
        results.append(
            {
                "question": row.question,
                "right": grounded and verdict.grades[0] == "correct",
                "found": any(row.quote in passage.text for passage in given),
                "said": answer.text,
            }
        )
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {name: measure(name, options.quick, Path(folder)) for name in DOMAINS}
    if options.json:
        print(json.dumps(found))
        return
    for name, row in found.items():
        print(f"{name}: {row['right']} of {row['questions']} right ({row['share']:.1%}); ", end="")
        print(f"deciding passage among those given: {row['passage_found']:.1%}")
        for key, said in row["wrong"].items():
            print(f"  {key}: {said}")


if __name__ == "__main__":
    main()
