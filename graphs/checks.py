"""What is looked at in models before a run is made, so that nothing is paid for in vain."""

import functools
from importlib import util

from agents.builtin.nano import NanoChatModel
from agents.local import LocalChatModel
from agents.models import make_model, weights
from agents.prices import Prices
from agents.remote import look
from agents.student import prompted
from elenchus.config import DomainConfig, ModelConfig
from elenchus.errors import UserError
from elenchus.records import CHARS_A_TOKEN
from graphs import problems
from retrieval.problems import Collected

LOCAL = ("builtin", "hf")
PROMPT_TOKENS = 1500  # a template, a question, and the answers to it
STUDENT_TOKENS = 500


def check_models(config: DomainConfig) -> None:
    """Make every model and look at its server.

    Raises:
        UserError: a model cannot be made, is not served, has too small a context for the passages
            it will be given, or has no price where there is a cap in USD.
    """
    roles = _roles(config)
    for role, settings, _ in roles:
        make_model(settings)
        # Texts are written by the expert's model; messages have an author of their own.
        writes = role == "expert" and config.method != "indicators"
        if _has_usd_cap(config, role) or (writes and _has_usd_cap(config, "author")):
            Prices(config.models).demand(settings.model)
    for role, settings, passages in roles:
        if settings.model.partition(":")[0] in LOCAL:
            continue
        told = look(settings)
        _check_context(role, settings, settings.context or told, passages, config)


def check_classifiers(config: DomainConfig) -> None:
    """Find what a classifier needs: packages, and weights to train; UserError without them."""
    for package in ("sklearn", "matplotlib"):
        if util.find_spec(package) is None:
            raise UserError(f"method: indicators needs {package}: pip install -e '.[train]'")
    if not config.training.enabled:
        return
    from training import classifier

    most = config.training.max_tokens
    if not classifier.fits(weights(config.student), most):
        raise UserError(f"training.max_tokens is {most}: no room for a message in the chat form")


def check_pretraining(config: DomainConfig, collected: Collected) -> None:
    """Find what would end continued pre-training late.

    Args:
        collected: the problems of the domain's tasks.

    Raises:
        UserError: the student cannot be trained so, or cannot read the exam's prompts.
    """
    from training import pretraining

    base = weights(config.student)
    _, shots = problems.split_shots(collected, config.pretraining.shots)

    asked = problems.exam(collected.test, shots, functools.partial(prompted, config))
    sizes = [sum(len(message.content) for message in item.prompt) for item in asked]
    longest = asked[sizes.index(max(sizes))].prompt if asked else ()
    chat = NanoChatModel if config.student.model == "builtin:nano" else LocalChatModel
    usual = chat.model_fields["max_new_tokens"].default
    room = config.student.options.get("max_new_tokens", usual)
    pretraining.check(base, config.pretraining, longest, room)


def _roles(config: DomainConfig) -> list[tuple[str, ModelConfig, int]]:
    """Every model that a run asks, with its role and the passages that it is given."""
    if config.method == "indicators":
        listing = config.indicators.models or [config.expert]
        experts = listing if config.indicators.enabled else []
        judges = [config.grader] if config.generation.judge else []
        return [
            *(("expert", settings, 0) for settings in experts),
            ("author", config.generation.author, 0),
            *(("grader", settings, 0) for settings in judges),
        ]
    return [
        ("expert", config.expert, config.retrieval.passages + config.retrieval.references),
        ("examiner", config.examiner, 1),
        ("grader", config.grader, 0),
        ("student", config.student, 0),
    ]


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
