"""What runs at work in one process share: limits, calls, a budget, and this machine.

Models of this machine are in memory once a process in any case (`models/local.py`), and connections
to a server there once (`models/connections.py`). A run that is alone has a `Shared` of its own.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence

from elenchus.config import BudgetConfig, LimitsConfig
from elenchus.errors import UserError
from elenchus.ledger import Ledger, Spent
from elenchus.runs import RunFolder
from elenchus.sections import ModelConfig
from graphs.config import DomainConfig, checked, of_run
from models.backend import backend
from models.budget import Budget
from models.prices import Prices
from models.rate_limits import RateLimits
from models.shared_calls import SharedCalls
from models.turns import Turns
from retrieval.embedding import Embedder

PRICES = ("usd_in", "usd_out")


class Shared:
    """The parts that several runs have in common, each made when it is first needed.

    Args:
        limits: rate limits and prices by model.
        budgets: by the id of a run, the budget that it shares with others.
        several: whether more than one run works with it.
    """

    def __init__(
        self,
        limits: Mapping[str, LimitsConfig],
        budgets: Mapping[str, Budget] | None = None,
        several: bool = False,
    ) -> None:
        self.budgets, self.calls, self.turns = budgets or {}, SharedCalls(several), Turns()
        self._limits, self.several = limits, several
        self._rates: dict[tuple[str, str | None], RateLimits] = {}
        self._embedders: dict[str, Embedder] = {}
        self._ledgers: list[Ledger] = []

    @classmethod
    def of(cls, runs: Sequence[RunFolder], say: Callable[[str], None]) -> "Shared":
        """Return what these runs share, with the budgets that they have in common with any others.

        Raises:
            UserError: their prices for a model differ, or a run that shares a budget is at work.
        """
        limits = limits_of([of_run(run) for run in runs])
        return cls(limits, _budgets(runs, say), len(runs) > 1)

    def join(self, ledger: Ledger) -> None:
        """Take in the calls of a run that begins; its ledger is closed with all others."""
        self._ledgers.append(ledger)
        if self.several:
            self.calls.join(ledger)

    def rates(self, settings: ModelConfig) -> RateLimits:
        """Return the limits that all share who ask one model at one address."""
        key = (settings.model, settings.base_url)
        if key not in self._rates:
            own = backend(settings.model)
            limits = self._limits.get(settings.model) or own.limits
            self._rates[key] = RateLimits(limits, self.turns if own.local else None)
        return self._rates[key]

    def embedder(self, name: str) -> Embedder:
        """Return an embedder; a process has its model in memory once."""
        if name not in self._embedders:
            self._embedders[name] = Embedder(name)
        return self._embedders[name]

    def close(self) -> None:
        """Close the ledgers."""
        for ledger in self._ledgers:
            ledger.close()


def limits_of(configs: Sequence[DomainConfig]) -> dict[str, LimitsConfig]:
    """Return the limits of each model that hold for all: of two, the stricter.

    Raises:
        UserError: two of them have different prices for a model.
    """
    found: dict[str, LimitsConfig] = {}
    for config in configs:
        for name, own in config.models.items():
            found[name] = _stricter(name, found.get(name, own), own)
    return found


def _stricter(model: str, one: LimitsConfig, other: LimitsConfig) -> LimitsConfig:
    both = {}
    for name in LimitsConfig.model_fields:
        given = {getattr(one, name), getattr(other, name)} - {None}
        if name in PRICES and len(given) > 1:
            shown = " and ".join(f"{price:g}" for price in sorted(given))
            raise UserError(
                f"models.{model}.{name} is {shown} in these domains, which are paid for together: "
                "give one price in all of them"
            )
        both[name] = min(given, default=None)
    return LimitsConfig(**both)


def shared_caps(run: RunFolder) -> BudgetConfig:
    """Return the caps on a run together with those that it was launched with."""
    return checked(BudgetConfig, run.shared_budget(), f"{run.path / 'run.yaml'}: together.budget")


def _budgets(runs: Sequence[RunFolder], say: Callable[[str], None]) -> dict[str, Budget]:
    """Return the budgets that runs share with others, with what all of these have spent."""
    budgets: dict[str, Budget] = {}
    for run in runs:
        caps = shared_caps(run)
        if run.id in budgets or caps == BudgetConfig():
            continue
        members = members_of(run, runs, say)
        answered, lost = _spent(members)
        prices = Prices(limits_of([of_run(member) for member in members]))
        budget = Budget(caps, answered, lost, prices.usd, shared=True)
        budgets |= {member.id: budget for member in members}
    return budgets


def members_of(
    run: RunFolder, at_work: Sequence[RunFolder], say: Callable[[str], None]
) -> list[RunFolder]:
    """Return the runs that share a run's budget, as far as they are there.

    Raises:
        UserError: one is at work in another process, which nobody here knows the calls of.
    """
    members, ids = [], {one.id for one in at_work}
    for member in run.together():
        if not member.path.is_dir():
            say(f"run {member.id}, which shares this budget, is gone: what it spent is not counted")
            continue
        if member.id not in ids and member.state() == "running":
            raise UserError(
                f"run {member.id}, which shares the budget of {run.id}, is in use by another "
                "process: wait for it"
            )
        members.append(member)
    return members


def _spent(runs: Sequence[RunFolder]) -> tuple[list[Spent], list[Spent]]:
    """Return what runs were answered, and about what they sent without an answer."""
    answered: list[Spent] = []
    lost: list[Spent] = []
    for run in runs:
        if run.ledger.exists():
            with contextlib.closing(Ledger(run.ledger)) as ledger:
                answered += ledger.answered()
                lost += ledger.unanswered()
    return answered, lost
