"""A finished run's dataset, exam and own tests, handed to `publishing.exports`."""

from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from elenchus.errors import UserError
from elenchus.front_matter import CARD
from elenchus.ledger import Ledger
from elenchus.outcomes import Example
from elenchus.runs import RunFolder
from evaluation.records import TestItem
from graphs.adaptation import citing
from graphs.config import of_run
from publishing import exports, rows
from publishing.exports import EVERY, Exported
from publishing.placing import place_of
from publishing.rows import Question
from publishing.weights import FORMATS

MOST = 0.5  # share of the rows that a test may have
# What is right or wrong without a grader, so that other programs score it alike.
ALIKE = ("choice", "exact")


def export(run: RunFolder, name: str, to: Path | None, share: float, force: bool) -> Exported:
    """Export the dataset of a run.

    Args:
        name: of the format, in `publishing.exports.EVERY`.
        to: the folder to write; None for one in the run folder.
        share: of the rows that are split off as a test, in [0, 0.5].

    Raises:
        UserError: there is no such format, no dataset, or the folder would be overwritten.
    """
    if name not in EVERY:
        known = ", ".join((*EVERY, *FORMATS))
        raise UserError(f"there is no format {name!r}; there are: {known}")
    if not 0 <= share <= MOST:
        raise UserError(f"--test-share is {share:g}: give a share from 0 to {MOST:g}")
    material = rows.read(run.dataset)
    if any("partner_ids" not in chat.row["provenance"] for chat in material.chats):
        material = rows.read(run.dataset, _joined(run, {chat.id for chat in material.chats}))
    if not any((material.chats, material.texts, material.messages)):
        raise UserError(
            f"run {run.id} has no dataset to export: `{run.command('resume')}` goes on with it, "
            "where it is not finished"
        )
    config, card = of_run(run), run.dataset / CARD
    tests, left_out = _own_tests(run)
    # A test may have the name of the exam.
    exams = {"held-out": material.exam} | {
        f"own-{name}" if name == "held-out" else name: items for name, items in tests.items()
    }
    split = exports.split_of(
        material, exams, share, config.seed, config.answer_form, config.domain.replace("-", "_")
    )
    done = exports.write(
        split,
        name,
        place_of(run, name, to),
        card.read_text(encoding="utf-8") if card.exists() else "",
        force,
    )
    if left_out and "exams" in EVERY[name].needs:
        more = f"left out, since a grader judges them or they compare numbers: {left_out}"
        done = done._replace(note=f"{done.note}; {more}")
    return done


def _joined(run: RunFolder, ids: Collection[str]) -> dict[str, list[str]]:
    """Return the points that examples of an earlier version's run join to their own."""
    if not run.ledger.exists():
        return {}
    with closing(Ledger(run.ledger, read_only=True)) as ledger:
        examples = [example for example in ledger.all(Example) if example.id in ids]
        points = citing.joined(ledger, examples, citing.citations(ledger, examples))
    return {example.id: some for example, some in zip(examples, points, strict=True)}


def _own_tests(run: RunFolder) -> tuple[dict[str, list[Question]], str]:
    """Return the user's own tests by name, and the names of those that others would score apart."""
    if not run.ledger.exists():
        return {}, ""
    with closing(Ledger(run.ledger, read_only=True)) as ledger:
        items = ledger.all(TestItem)
    tests: dict[str, list[Question]] = {}
    for item in items:
        if item.score in ALIKE:
            tests.setdefault(item.test, []).append(question_of(item))
    return tests, ", ".join(sorted({item.test for item in items} - tests.keys()))


def question_of(item: TestItem) -> Question:
    """Return a row of a test as exports take it; its labels are offered where they are weighed."""
    return Question(
        item.id,
        [message.model_dump() for message in item.prompt],
        item.answer,
        item.labels if item.score == "choice" else (),
        item.test,
    )
