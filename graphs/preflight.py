"""What is looked at before a run is made, so that nothing is paid for in vain."""

from pathlib import Path

from elenchus.config import BudgetConfig
from elenchus.errors import UserError
from elenchus.records import CHARS_A_TOKEN
from graphs.config import DomainConfig
from graphs.method import Role
from graphs.methods import method_of
from models.backend import backend, make_model
from models.prices import Prices

PROMPT_TOKENS = 1500  # a template, a question, and the answers to it
STUDENT_TOKENS = 500


def check_models(config: DomainConfig) -> None:
    """Make every model and look at its server.

    Raises:
        UserError: a model cannot be made, is not served, has too small a context for the passages
            it will be given, or has no price where there is a cap in USD.
    """
    roles = method_of(config.method).roles(config)
    for role in roles:
        make_model(role.settings)
    check_prices(config, config.budget)
    for role in roles:
        own = backend(role.settings.model)
        if not own.local:
            told = own.look(role.settings)
            _check_context(role, role.settings.context or told, config)


def check_prices(config: DomainConfig, budget: BudgetConfig) -> None:
    """Raise a UserError where a budget has a cap in USD on a model that has no price."""
    for role in method_of(config.method).roles(config):
        if _has_usd_cap(budget, role.name) or (role.writes and _has_usd_cap(budget, "author")):
            Prices(config.models).demand(role.settings.model)


def check_adapters(config: DomainConfig, place: Path) -> None:
    """Find out whether the student's server can ask what is trained below a folder.

    Raises:
        UserError: it cannot.
    """
    method, own = method_of(config.method), backend(config.student.model)
    asked = any(role.name == "student" for role in method.roles(config))
    if not asked or not config.training.enabled:
        return
    if method.trains_whole(config) and not own.takes_whole:
        raise UserError(
            f"student.model {config.student.model} is on a server, which cannot take all weights "
            "anew: set pretraining.weights to lora, or use hf:FOLDER"
        )
    own.check_adapters(config.student, config.training.rank, place)


def _has_usd_cap(budget: BudgetConfig, role: str) -> bool:
    own = {name: caps.usd for name, caps in budget.roles.items()}
    return budget.usd is not None or own.get(role) is not None  # type: ignore[call-overload]


def _check_context(role: Role, context: int | None, config: DomainConfig) -> None:
    needed = STUDENT_TOKENS if role.name == "student" else PROMPT_TOKENS
    needed += role.passages * config.corpus.passage_chars // CHARS_A_TOKEN
    if context is None or context >= needed:
        return
    why, remedy = "", "Take a model with a longer context"
    if role.passages:
        length = config.corpus.passage_chars
        why = f", {role.passages} passages of up to {length} characters among them"
        remedy += ", or lower retrieval.passages, retrieval.references or corpus.passage_chars"
    raise UserError(
        f"{role.name}.model {role.settings.model} reads {context} tokens, but may be given "
        f"{needed}{why}. {remedy}"
    )
