"""What of a run's tests was seen in its training examples or in its corpus: contamination.json.

Tests are the user's own, the held-out exams and the one written by hand; the general exam asks for
what the student could do before.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from elenchus import runs
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import ExamItem, Example, Text
from elenchus.records import Document, Passage
from elenchus.runs import RunFolder
from evaluation import contamination
from evaluation.leaks import Contamination, LeakedPair, Seen, TestLeaks, fingerprint, report
from evaluation.records import TestItem
from graphs.adaptation.reviewing import newest
from graphs.pretraining.records import Problem, TaskPassage
from graphs.screens import EXAM_NAMES
from graphs.services import Services
from retrieval.embedding import Embedder

NAME = "contamination.json"
EXAMS = ("held-out", "untaught", "hand")


def look(
    run: RunFolder, ledger: Ledger, embedder: Embedder, only: Collection[str] | None = None
) -> Contamination:
    """Compare a run's tests with what it saw, and write the report.

    What an earlier report says of a test stays, as long as both have the same texts.

    Args:
        only: the tests of the user's own to look for; None for all tests and exams.

    Raises:
        UserError: the run has no test or exam yet.
    """
    tests, seen = tests_of(ledger), seen_by(ledger)
    if not tests:
        raise UserError(f"run {run.id} has no test and no exam that could have been seen")
    earlier = kept(run.path)
    known: dict[str, TestLeaks] = {}
    if earlier and earlier.compared == fingerprint(*seen, embedding=embedder.name):
        hashes = {name: fingerprint(items) for name, items in tests.items()}
        known = {n: t for n, t in earlier.tests.items() if t.compared == hashes.get(n)}
    wanted = [name for name in tests if name not in known and (only is None or name in only)]
    if earlier and not wanted and known == earlier.tests:
        return earlier
    new = {name: tests[name] for name in wanted}
    found = report(new, seen, embedder.encode, embedder.name)
    for name, test in found.tests.items():
        known[name] = test.model_copy(update={"pairs": _placed(test.pairs, ledger)})
    found = found.model_copy(update={"tests": {n: known[n] for n in tests if n in known}})
    with runs.explained(run.path):
        runs.write_atomic(run.path / NAME, found.model_dump_json(indent=2) + "\n")
    return found


def left_out(run: Services, tests: Collection[str]) -> dict[str, frozenset[str]]:
    """Return for each of these tests the items that count in no figure, since the run saw them."""
    if not tests:
        return {}
    found = look(run.folder, run.ledger, run.embedder, tests)
    corpus = run.config.contamination.corpus == "leave-out"
    return {name: found.left_out(name, corpus) for name in tests}


def kept(run: Path) -> Contamination | None:
    """Return the report of a run folder; None where there is none that can be read."""
    try:
        return Contamination.model_validate_json((run / NAME).read_bytes())
    except (OSError, ValidationError):
        return None


def tests_of(ledger: Ledger) -> dict[str, list[contamination.Text]]:
    """Return the items of all tests by the test's name: what is their own of each question."""
    tests: dict[str, list[contamination.Text]] = {}
    for item in ledger.all(TestItem):
        tests.setdefault(item.test, []).append(contamination.Text(item.id, item.asked))
    for problem in ledger.all(Problem, test=True):
        text = contamination.Text(problem.id, problem.bare)
        tests.setdefault(f"task {problem.task}", []).append(text)
    for exam in EXAMS:
        items = ledger.all(ExamItem, exam=exam)
        if exam == "held-out" and any(name.startswith("task ") for name in tests):
            continue  # its questions are the tasks'
        texts = [contamination.Text(item.id, item.prompt[-1].content) for item in items]
        if texts:
            tests[EXAM_NAMES[exam]] = texts
    return tests


def seen_by(ledger: Ledger) -> Seen:
    """Return what the student was trained on, and the documents that it is to know."""
    documents = [contamination.Text(one.id, one.text) for one in ledger.all(Document)]
    return Seen([contamination.Text(*one) for one in _learnt(ledger)], documents)


def _learnt(ledger: Ledger) -> Iterator[tuple[str, str]]:
    """Yield the texts of whatever a run trains on, each with the id of its record."""
    chosen = newest(ledger)
    for id_ in chosen.example_ids if chosen else ():
        example = ledger.get(Example, id_)
        yield example.id, example.prompt[-1].content
        yield example.id, example.completion
    yield from ((text.id, text.text) for text in ledger.all(Text))
    yield from ((passage.id, passage.text) for passage in ledger.all(TaskPassage))


def _placed(pairs: Sequence[LeakedPair], ledger: Ledger) -> list[LeakedPair]:
    """Return pairs of documents as pairs of the passages that the matches begin in."""
    if not any(pair.part == "corpus" for pair in pairs):
        return list(pairs)
    passages: dict[str, list[Passage]] = {}
    for passage in ledger.all(Passage):
        passages.setdefault(passage.document_id, []).append(passage)
    return [_in_passage(pair, passages) if pair.part == "corpus" else pair for pair in pairs]


def _in_passage(pair: LeakedPair, passages: Mapping[str, Sequence[Passage]]) -> LeakedPair:
    """Return a pair with the passage in place of its document, as far as the match goes."""
    holding = [p for p in passages.get(pair.seen, ()) if p.start <= pair.start < p.end]
    if not holding:  # between two passages; what matches is enough to show
        text = pair.seen_text[pair.start : pair.end]
        return pair.model_copy(update={"seen_text": text, "start": 0, "end": len(text)})
    passage = max(holding, key=lambda p: p.end)
    start = pair.start - passage.start
    end = min(pair.end, passage.end) - passage.start
    where = " › ".join((passage.source, *passage.heading))
    update = {"seen": passage.id, "where": where, "seen_text": passage.text}
    return pair.model_copy(update={**update, "start": start, "end": end})
