"""Writes `report.html`: what a finished run came to, in one file that needs no network.

It leads with the verdict, then shows what was asked, each exam before and after, by kind and topic,
the learning curve, what of the corpus is covered, the cost, the rejections, and ten examinations
that differ from one another as much as a run's do. Of methods without examinations it shows the
final screen, the curves and the cost.
"""

import functools
import io
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from elenchus import runs
from elenchus.errors import UserError
from elenchus.ledger import Spent
from elenchus.outcomes import Score
from elenchus.reasons import SENTENCES, sentence
from elenchus.records import Citation, Examination, Passage, Point, Question, Seed, Turn
from elenchus.results import Result
from elenchus.runs import RunFolder
from graphs import leaks
from graphs.screens import EXAM_NAMES
from graphs.test_files import all_kept
from graphs.test_screens import left_out
from inspection import figures, sittings
from inspection.index import Index
from inspection.pages import charts, formatting, texts
from inspection.reading import Run

NAME = "report.html"
TRANSCRIPTS = 10
SHOWN = 12  # topics and kinds in a table


class Moved(NamedTuple):
    """Exam questions of one topic or kind: how many, and the shares right before and after."""

    name: str
    questions: int
    before: float
    after: float | None


class Cell(NamedTuple):
    """A passage on the map: how many examples rest on it; None where it states no point."""

    heading: str
    examples: int | None


class Transcript(NamedTuple):
    """One examination, and why it is shown."""

    why: str
    examination: Examination
    seed: Seed
    point: Point
    turns: list[Turn]
    question: Question | None
    reason: str
    cited: list[tuple[Citation, Passage]]


def write(folder: RunFolder) -> Path:
    """Write the report of a finished run, in place of an earlier one, and return its path.

    Raises:
        UserError: the run is not finished, or its ledger or result is damaged.
    """
    with Run(folder.path) as run:
        result = run.result
        if result is None or run.ledger is None:
            raise UserError(
                f"run {folder.id} is not finished, so there is nothing to report yet: "
                f"`{folder.command('resume')}` first"
            )
        index = Index(folder.ledger, run.prices)
        try:
            index.refresh("calls", threading.TIMEOUT_MAX)
            text = _template().render(_content(run, result, index))
        finally:
            index.close()
    path = folder.path / NAME
    runs.write_atomic(path, text.encode("utf-8", "replace").decode("utf-8"))
    return path


@functools.cache
def _template() -> Template:
    folder = Path(__file__).parent / "templates"
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= formatting.FILTERS
    environment.globals |= formatting.GLOBALS | {
        "bar": charts.bar,
        "interval": charts.interval,
        "rounds": charts.rounds,
        "curve": charts.curve,
        "difference": texts.difference,
        "left_out": left_out,
        "style": (folder / "report.css").read_text(encoding="utf-8"),
    }
    return environment.get_template(NAME)


def _content(run: Run, result: Result, index: Index) -> dict[str, Any]:
    """Return all that the template shows."""
    ledger = run.ledger
    assert ledger is not None
    items, scores = run.exam_items, run.scores
    topics = {point.id: point.topic for point in run.points}
    held = sittings.sat(items, scores, "held-out")
    return {
        "run": run,
        "manifest": run.manifest,
        "result": result,
        "screen": "" if run.examinations else _screen(run, result),
        "exam_names": EXAM_NAMES,
        "contamination": leaks.kept(run.folder.path),
        "tests": result.tests | all_kept(run.folder.path),
        "kinds": _moved(held, lambda item: item.kind),
        "topics": sorted(
            _moved(held, lambda item: topics.get(item.point_id or "", "")), key=_weakest
        ),
        "most": SHOWN,
        "accuracies": getattr(result, "accuracy_by_round", []),
        "curves": formatting.curves(run.folder.path),
        "map": _map(run),
        "covered": figures.covered(index),
        "rounds_of": figures.by_round(index),
        "costs": _by_role(run),
        "rejections": getattr(result, "rejected", {}),
        "sentences": SENTENCES,
        "transcripts": _transcripts(run),
        "changes": _changed_items(held),
    }


def _screen(run: Run, result: Result) -> str:
    """Return what the terminal shows at the end of a run, with no path of this machine."""
    from rich.console import Console

    console = Console(file=io.StringIO(), record=True, width=80, highlight=False)
    run.method.report(result, RunFolder(Path("runs") / run.domain / run.id), console)
    return console.export_text()


def _moved(sat: Iterable[sittings.Sat], name: Any) -> list[Moved]:
    """Return the held-out exam by a name of its items, of which most questions are first."""
    groups: dict[str, list[sittings.Sat]] = defaultdict(list)
    for one in sat:
        if one.before is not None and (group := name(one.item)):
            groups[group].append(one)
    rows = []
    for group, of_group in groups.items():
        after = [one.after for one in of_group if one.after is not None]
        rows.append(
            Moved(
                group,
                len(of_group),
                _right(one.before for one in of_group if one.before),
                _right(after) if len(after) == len(of_group) else None,
            )
        )
    return sorted(rows, key=lambda row: (-row.questions, row.name))


def _weakest(moved: Moved) -> tuple[float, int, str]:
    right = moved.before if moved.after is None else moved.after
    return right, -moved.questions, moved.name


def _right(scores: Iterable[Score]) -> float:
    grades = [score.grade == "correct" for score in scores]
    return sum(grades) / len(grades)


def _map(run: Run) -> list[tuple[str, list[Cell]]]:
    """Return for each document a cell for each of its passages, in their order."""
    stated = {i for point in run.points for i in point.passage_ids}
    examples = Counter(i for example in run.dataset for i in example.passage_ids)
    documents: dict[str, list[Passage]] = defaultdict(list)
    for passage in run.passages:
        documents[passage.title or passage.source].append(passage)
    return [
        (
            title,
            [
                Cell(
                    " › ".join(passage.heading) or title,
                    examples[passage.id] if passage.id in stated or examples[passage.id] else None,
                )
                for passage in sorted(passages, key=lambda p: (p.source, p.start))
            ],
        )
        for title, passages in sorted(documents.items())
    ]


def _by_role(run: Run) -> list[tuple[str, int, int, float | None]]:
    """Return calls, tokens and USD of each role, as they were paid for in this run."""
    assert run.ledger is not None
    prices, roles = run.prices, defaultdict[str, list[Spent]](list)
    for one in run.ledger.spent():
        roles[one.role].append(one)
    rows = []
    for role, each in roles.items():
        known = all(prices.known(one.model) for one in each)
        costs = (prices.usd(one.model, one.input_tokens, one.output_tokens) for one in each)
        tokens = sum(one.input_tokens + one.output_tokens for one in each)
        rows.append((role, sum(one.calls for one in each), tokens, sum(costs) if known else None))
    return sorted(rows, key=lambda row: -row[2])


def _changed_items(held: Sequence[sittings.Sat]) -> dict[str, list[sittings.Sat]]:
    """Return some exam items that were learnt, and some that were lost."""
    return {
        change: [one for one in held if one.change == change][:3] for change in ("learnt", "lost")
    }


def _transcripts(run: Run) -> list[Transcript]:
    """Choose examinations for contrast, no two of a reason in a row, and each but once."""
    ledger = run.ledger
    assert ledger is not None
    turns = {turn.id: turn for turn in run.turns}
    accepted = [e for e in run.examinations if e.accepted_turn_id in turns]
    refused: dict[str, list[Examination]] = defaultdict(list)
    for one in run.examinations:
        if one.rejection:
            refused[one.rejection.code].append(one)

    def verdict(examination: Examination, part: str) -> float:
        found = turns[examination.accepted_turn_id or ""].verdict
        return float(getattr(found, part)) if found else 0.0

    ranked: list[list[tuple[str, Examination]]] = [
        [("the student failed it most clearly", e) for e in _by(accepted, verdict, "gap")],
        [("its question was revised most often", e)
         for e in sorted(accepted, key=lambda e: (-len(e.turn_ids), e.id))],
        *([(f"no example: {SENTENCES[code]}", e) for e in sorted(each, key=lambda e: e.id)]  # type: ignore[index]
          for code, each in sorted(refused.items(), key=lambda r: (-len(r[1]), r[0]))),
        [("the student was right by turns", e) for e in _by(accepted, verdict, "spread")],
    ]  # fmt: skip
    chosen: dict[str, tuple[str, Examination]] = {}
    for row in zip_longest(*ranked):
        for why, examination in filter(None, row):
            if len(chosen) < TRANSCRIPTS:
                chosen.setdefault(examination.id, (why, examination))
    return [_transcript(run, why, examination, turns) for why, examination in chosen.values()]


def _by(examinations: Iterable[Examination], verdict: Any, part: str) -> list[Examination]:
    return sorted(examinations, key=lambda e: (-verdict(e, part), e.id))


def _transcript(
    run: Run, why: str, examination: Examination, turns: Mapping[str, Turn]
) -> Transcript:
    ledger = run.ledger
    assert ledger is not None
    seed = ledger.get(Seed, examination.seed_id)
    shown = [turns[i] for i in examination.turn_ids]
    refused = examination.rejection
    asked = refused.question_id if refused else None
    new = asked and asked not in {turn.question.id for turn in shown}
    citations = {c for turn in shown for c in turn.expert[0].citations}
    cited = []
    for citation in sorted(citations, key=lambda c: (c.passage_id, c.quote)):
        try:
            cited.append((citation, ledger.get(Passage, citation.passage_id)))
        except KeyError:  # of documents that an update no longer has
            continue
    return Transcript(
        why=why,
        examination=examination,
        seed=seed,
        point=ledger.get(Point, seed.point_id),
        turns=shown,
        question=ledger.get(Question, asked) if new and asked else None,
        reason=sentence(refused) if refused else "",
        cited=cited,
    )
