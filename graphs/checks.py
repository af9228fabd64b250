"""What is looked at in models before a run is made, so that nothing is paid for in vain."""

from agents.models import make_model
from agents.prices import Prices
from agents.remote import look
from elenchus.config import DomainConfig, ModelConfig
from elenchus.errors import UserError
from elenchus.records import CHARS_A_TOKEN

LOCAL = ("builtin", "hf")
PROMPT_TOKENS = 1500  # a template, a question, and the answers to it
STUDENT_TOKENS = 500


def check_models(config: DomainConfig) -> None:
    """Make every model and look at its server.

    Raises:
        UserError: a model cannot be made, is not served, has too small a context for the passages
            it will be given, or has no price where there is a cap in USD.
    """
    roles = {
        "expert": (config.expert, config.retrieval.passages + config.retrieval.references),
        "examiner": (config.examiner, 1),
        "grader": (config.grader, 0),
        "student": (config.student, 0),
    }
    for role, (settings, _) in roles.items():
        make_model(settings)
        if _has_usd_cap(config, role) or (role == "expert" and _has_usd_cap(config, "author")):
            Prices(config.models).demand(settings.model)
    for role, (settings, passages) in roles.items():
        if settings.model.partition(":")[0] in LOCAL:
            continue
        told = look(settings)
        _check_context(role, settings, settings.context or told, passages, config)


def _has_usd_cap(config: DomainConfig, role: str) -> bool:
    own = {name: caps.usd for name, caps in config.budget.roles.items()}
    return config.budget.usd is not None or own.get(role) is not None  # type: ignore[call-overload]


def _check_context(
    role: str, settings: ModelConfig, context: int | None, passages: int, config: DomainConfig
) -> None:
    needed = STUDENT_TOKENS if role == "student" else PROMPT_TOKENS
    needed += passages * config.corpus.passage_chars // CHARS_A_TOKEN
    if context is None or context >= needed:
        return
    why, remedy = "", "Take a model with a longer context"
    if passages:
        why = f", {passages} passages of up to {config.corpus.passage_chars} characters among them"
        remedy += ", or lower retrieval.passages, retrieval.references or corpus.passage_chars"
    raise UserError(
        f"{role}.model {settings.model} reads {context} tokens, but may be given {needed}{why}. "
        f"{remedy}"
    )
