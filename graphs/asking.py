"""Who is asked what: the kinds that a point can carry, the voice of a question, its grounds."""

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from agents.examiner import Task
from elenchus.config import QuestionsConfig
from elenchus.questions import JOINING, UNSTATED, kinds_of
from elenchus.records import Passage, Point, Seed

if TYPE_CHECKING:
    from graphs.services import Services


class Asking(NamedTuple):
    """How a run asks: its settings, and which points belong to one another, by their ids."""

    questions: QuestionsConfig
    partners: Mapping[str, tuple[str, ...]]
    seed: int

    def kinds(self, point: Point) -> tuple[str, ...]:
        """Return the kinds that a point can be asked by: to join two, it needs a partner."""
        alone = self.questions.partners and not self.partners.get(point.id)
        return tuple(k for k in point.kinds if not (alone and k in JOINING))


def voiced(seed: Seed, asking: Asking, rng: random.Random) -> Seed:
    """Give a seed what is drawn at random: who asks, in what form, and which answer is wanted.

    A share of the seeds asks for what the documents do not say, whatever kind was drawn.
    """
    config, partners = asking.questions, asking.partners
    unstated = UNSTATED in kinds_of(config.kinds) and rng.random() < config.unstated
    kind = UNSTATED if unstated else seed.kind
    side: Literal["yes", "no"] = rng.choice(("yes", "no"))
    return seed.model_copy(
        update={
            "kind": kind,
            "partner_ids": partners.get(seed.point_id, ()) if kind in JOINING else (),
            "persona": rng.choice(config.personas) if config.personas else "",
            "format": rng.choice(config.formats) if config.formats else "",
            "wanted": "" if unstated else side,
        }
    )


def points_of(seed: Seed, run: "Services") -> list[Point]:
    """Return the points that a seed's question is written from, its own first."""
    return [run.ledger.get(Point, i) for i in (seed.point_id, *seed.partner_ids)]


def task_of(seed: Seed, run: "Services", exam: bool) -> Task:
    """Return what a question on a seed is written from: its points, and their passages."""
    points = points_of(seed, run)
    ids = dict.fromkeys(i for point in points for i in point.passage_ids)
    return Task(seed, points, [run.ledger.get(Passage, i) for i in ids], exam)
