"""Figures of a run out of its index: how far it is, by round, what it covers, what it costs."""

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from elenchus.config import BudgetConfig
from elenchus.ledger import Ledger, Spent
from elenchus.outcomes import Adapter, ExamItem, Score
from inspection.index import Index
from models.prices import Prices


class Stage(NamedTuple):
    """A stage of a run: what was done of what is to be done, None where that is not known."""

    name: str
    done: int
    wanted: int | None


class Round(NamedTuple):
    """The examinations of a round; `gap` is the mean of the widest ones, None without any."""

    round: int
    examinations: int
    accepted: int
    turns: float
    gap: float | None

    @property
    def acceptance(self) -> float:
        """The share that was accepted."""
        return self.accepted / self.examinations


class Topic(NamedTuple):
    """A topic of the documents: its points, those that were examined and that gave an example."""

    topic: str
    points: int
    examined: int
    covered: int
    examinations: int
    accepted: int

    @property
    def open(self) -> bool:
        """Tell whether a point of it gave no example."""
        return self.covered < self.points


class Covered(NamedTuple):
    """Passages: all, those that state a point, whose point was examined, or gave an example."""

    passages: int
    stating: int
    examined: int
    accepted: int


class Usage(NamedTuple):
    """Calls of one role for one task by one model; `usd` is None without a price."""

    role: str
    task: str
    model: str
    calls: int
    read: int
    written: int
    seconds: float
    usd: float | None


class Cap(NamedTuple):
    """A cap of the budget, and what was used of it; None where that is not known."""

    name: str
    used: float | None
    most: float


def stages(ledger: Ledger, index: Index, settings: Any) -> list[Stage]:
    """Return the stages of a run that examines or measures, in the order in which they come.

    A stage of which nothing is there yet is left out, but for the next one.

    Args:
        settings: the configuration; None where it cannot be read.
    """
    kinds = ledger.kinds()
    items = Counter(exam for (exam,) in ledger.fields(ExamItem, "$.exam").values())
    ((surveyed,),) = index.query("SELECT COUNT(DISTINCT id) FROM calls WHERE task = 'survey'")
    found = [
        Stage("Read the documents", kinds.get("Document", 0), None),
        Stage("Cut passages", kinds.get("Passage", 0), None),
        Stage("Survey passages for points", surveyed, kinds.get("Passage", 0)),
        Stage(
            "Write the held-out exam",
            items["held-out"],
            settings.exam.questions if settings else None,
        ),
    ]
    found += _rounds(ledger, index, items)
    return [stage for stage in found if stage.done]


def _rounds(ledger: Ledger, index: Index, items: Counter[str]) -> Iterator[Stage]:
    """Yield what each round does, and then the other exams."""
    sat = Counter(ledger.fields(Score, "$.exam", "$.round").values())
    seeds = Counter(dict(index.query("SELECT round, COUNT(*) FROM seeds GROUP BY round")))
    made = Counter({one.round: one.examinations for one in by_round(index)})
    trained = {round_ for (round_,) in ledger.fields(Adapter, "$.round").values()}
    held_out = items["held-out"]
    yield Stage("Exam of the untouched student", sat["held-out", 0], held_out)
    for round_ in sorted({*made, *trained} - {0}):
        yield Stage(f"Round {round_}: examine", made[round_], seeds[round_])
        yield Stage(f"Round {round_}: train", int(round_ in trained), 1)
        yield Stage(f"Round {round_}: exam", sat["held-out", round_], held_out)
    for exam in ("untaught", "general", "hand"):
        rounds = sorted(round_ for name, round_ in sat if name == exam)
        if rounds:
            done = sum(sat[exam, round_] for round_ in rounds)
            yield Stage(f"The {exam} exam, before and after", done, 2 * items[exam])


def by_round(index: Index) -> list[Round]:
    """Return the figures of each round."""
    rows = index.query(
        "SELECT round, COUNT(*), SUM(outcome = 'accepted'), AVG(turns), AVG(gap) "
        "FROM examinations WHERE round IS NOT NULL GROUP BY round ORDER BY round"
    )
    return [Round(*row) for row in rows]


def topics(index: Index) -> list[Topic]:
    """Return what of each topic is covered, the least covered ones first."""
    rows = index.query(
        """
        SELECT p.topic, COUNT(*), SUM(e.made > 0), SUM(e.accepted > 0), COALESCE(SUM(e.made), 0),
            COALESCE(SUM(e.accepted), 0)
        FROM points p LEFT JOIN (
            SELECT point_id, COUNT(*) AS made, SUM(outcome = 'accepted') AS accepted
            FROM examinations GROUP BY point_id
        ) e ON e.point_id = p.id
        GROUP BY p.topic
        ORDER BY 1.0 * COALESCE(SUM(e.accepted > 0), 0) / COUNT(*), COUNT(*) DESC, p.topic
        """
    )
    return [Topic(topic or "", *(count or 0 for count in counts)) for topic, *counts in rows]


def covered(index: Index) -> Covered:
    """Return how many passages are covered."""
    ((passages, stating, examined, accepted),) = index.query(
        """
        SELECT (SELECT COUNT(*) FROM passages),
            COUNT(DISTINCT g.passage_id),
            COUNT(DISTINCT CASE WHEN e.id IS NOT NULL THEN g.passage_id END),
            COUNT(DISTINCT CASE WHEN e.outcome = 'accepted' THEN g.passage_id END)
        FROM grounds g LEFT JOIN examinations e ON e.point_id = g.point_id
        """
    )
    return Covered(passages, stating, examined, accepted)


def usage(index: Index) -> list[Usage]:
    """Return what each role's calls for each task used; those taken over are free."""
    rows = index.query(
        """
        SELECT c.role, c.task, c.model, COUNT(*), SUM(c.read), SUM(c.written), SUM(c.seconds),
            CASE WHEN p.read IS NOT NULL
                THEN SUM((1 - c.adopted) * (c.read * p.read + c.written * p.written) / 1e6) END
        FROM calls c LEFT JOIN prices p ON p.model = c.model
        GROUP BY c.role, c.task, c.model ORDER BY c.role, c.task, c.model
        """
    )
    return [Usage(*row) for row in rows]


def caps(
    budget: BudgetConfig, spent: Sequence[Spent], prices: Prices, seconds: float | None
) -> list[Cap]:
    """Return the caps of a run's budget, with what was used of each.

    Args:
        spent: what was paid for, so without calls that were taken over.
        seconds: since the launch or the last resume; None where that is not known.
    """
    minutes = None if seconds is None else seconds / 60
    found = [Cap("minutes", minutes, budget.minutes)] if budget.minutes else []
    for role, of_role in [("", budget), *budget.roles.items()]:
        rows = [row for row in spent if role in ("", row.role)]
        usd = sum(prices.usd(row.model, row.input_tokens, row.output_tokens) for row in rows)
        used = {
            "USD": (usd if all(prices.known(row.model) for row in rows) else None, of_role.usd),
            "tokens": (sum(row.input_tokens + row.output_tokens for row in rows), of_role.tokens),
            "calls": (sum(row.calls for row in rows), of_role.calls),
        }
        found += [
            Cap(f"{role} {name}".strip(), amount, most)
            for name, (amount, most) in used.items()
            if most
        ]
    return found


def accuracies(ledger: Ledger) -> list[float | None]:
    """Return the share of right answers on the held-out exam by round, as far as it is graded."""
    right: dict[int, list[bool]] = {}
    for exam, round_, grade in ledger.fields(Score, "$.exam", "$.round", "$.grade").values():
        if exam == "held-out":
            right.setdefault(round_, []).append(grade == "correct")
    rounds = range(max(right, default=-1) + 1)
    return [fmean(right[n]) if n in right else None for n in rounds]
