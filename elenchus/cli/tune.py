"""`elenchus corpus tune`: how a corpus is searched, chosen by questions with known passages."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from elenchus import domains
from elenchus.cli import options
from elenchus.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from elenchus.config import RetrievalConfig
    from elenchus.records import Passage
    from retrieval.tuning import Asked, Settings, Tuned

COLUMNS = ("", "recall@10", "MRR")


def tune(
    domain: options.Domain,
    run: Annotated[str | None, typer.Option(help="take the held-out exam of a run")] = None,
    changes: options.Changes = None,
    root: options.Root = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Choose weight, neighbours and depth of search, and write them into the domain.yaml.

    Questions are those of the exam written by hand (`exam.hand`), or of a run's held-out exam. Half
    of them choose; the figures are of the others, and settings that these do not bear out are left
    as they are.
    """
    from elenchus.cli import indexing
    from retrieval import tuning
    from retrieval.search import Search

    path = domains.find(domain)
    with (
        indexing.opened(path, changes, as_json) as corpus,
        indexing.embedded(corpus, as_json) as store,
    ):
        config = corpus.config.retrieval
        passages = list(corpus.index.catalogue.passages())
        hand = corpus.config.exam.hand
        if run is not None:
            asked = _of_run(root, run)
        elif hand is not None:
            asked = of_hand_exam(path.parent / hand, passages)
        else:
            raise UserError(f"{path} names no exam.hand: give --run RUN, whose exam is taken")
        deep = config.model_copy(update={"candidates": tuning.DEEPEST, "reranker": None})
        present = _present(config)
        tuned = tuning.tune(Search(passages, store, deep), asked, present)
    if tuned.taken != present:
        _write(path, tuned.taken)
    if as_json:
        print(json.dumps(tuned.as_json()))
    else:
        _show(tuned, present, path)


def _of_run(root: Path, run_id: str) -> "list[Asked]":
    from contextlib import closing

    from elenchus import runs
    from elenchus.ledger import Ledger
    from elenchus.outcomes import ExamItem
    from retrieval.tuning import Asked

    with closing(Ledger(runs.find(root, run_id).ledger, read_only=True)) as ledger:
        items = ledger.all(ExamItem, exam="held-out")
    return [Asked(item.prompt[-1].content, frozenset(item.passage_ids)) for item in items]


def of_hand_exam(file: Path, passages: "Sequence[Passage]") -> "list[Asked]":
    """Return the questions of an exam written by hand whose quotes stand in passages."""
    from agents.quotes import quoted
    from graphs.hand_exam import hand_questions
    from retrieval.tuning import Asked

    asked = []
    for _, row in hand_questions(file):
        named = (p for p in passages if p.source.endswith(row.document))
        right = frozenset(p.id for p in named if quoted(row.quote, p.text) is not None)
        if right:
            asked.append(Asked(row.question, right))
    return asked


def _present(config: "RetrievalConfig") -> "Settings":
    from retrieval.tuning import Settings

    return Settings(config.lexical_weight, config.neighbours, config.candidates)


def _write(path: Path, settings: "Settings") -> None:
    from elenchus.cli.editing import edited

    with edited(path) as tree:
        section = tree.setdefault("retrieval", {})
        for name, value in settings._asdict().items():
            section[name] = list(value) if isinstance(value, tuple) else value


def _show(tuned: "Tuned", present: "Settings", path: Path) -> None:
    from rich.console import Console

    from elenchus.cli.screen import table

    console = Console(highlight=False, markup=False)
    rows = ((name, f"{one.recall:.1%}", f"{one.mrr:.3f}") for name, one in tuned.quality.items())
    console.print(table(COLUMNS, rows, right=COLUMNS[1:]))
    console.print(f"of {tuned.questions} questions that chose nothing")
    said = ", ".join(f"{name} {value}" for name, value in tuned.taken._asdict().items())
    if tuned.taken == present:
        console.print(f"left as it is: {said}")
    else:
        console.print(f"written into {path}: {said}")
