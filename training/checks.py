"""What would else end a training late: checked before anything is paid for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from elenchus.config import TrainingConfig
from elenchus.errors import UserError
from elenchus.records import Message
from elenchus.sections import ModelConfig
from models.backend import precision_of, weights
from models.pretrained import SINGLE, check_precision, load, load_tokenizer, usual_device
from models.templates import end_of_turn
from models.weights import check_files
from training.classifier import fits
from training.encoding import Sample, begun_alike, chat_ids, pad_token
from training.lora import with_lora
from training.memory import LORA, Manner, check_memory

ASKED = "Who are they?"
CHAT = (Message(role="system", content="Be brief."), Message(role="user", content=ASKED))
REMEDY = "take another model, or correct its chat_template.jinja"


def check_trackers(config: TrainingConfig) -> None:
    """Check that what a training reports to is here; UserError where it is not."""
    if not config.report_to:
        return
    from transformers.integrations import get_available_reporting_integrations

    here = get_available_reporting_integrations()
    if missing := [name for name in config.report_to if name not in here]:
        raise UserError(
            f"training.report_to: {', '.join(missing)} is not installed, or transformers does not "
            f"know it; here are: {', '.join(here) or 'none'}"
        )


def check_processes(config: TrainingConfig) -> None:
    """Check that there is a GPU for each process, where there are any; UserError where not."""
    import torch

    gpus = torch.cuda.device_count()
    if gpus and config.processes > gpus:
        raise UserError(
            f"training.processes is {config.processes}, and this machine has {gpus} GPUs: set "
            f"training.processes={gpus}"
        )


def check_training(
    student: ModelConfig,
    config: TrainingConfig,
    say: Callable[[str], None],
    manner: Manner = LORA,
) -> None:
    """Check that a student can be trained so, and that there is memory for it.

    Args:
        say: told what to mind.

    Raises:
        UserError: it is on another device than a training would be, its files are not whole, or
            see `check_student`, `check_classifier` and `check_memory`.
    """
    _check_device(student)
    folder = weights(student)
    check_files(folder)
    look = check_classifier if manner.learns == "classes" else check_student
    look(folder, config)
    precision = SINGLE
    if manner.learns == "lora":
        _check_lora(folder, config)
        precision = precision_of(student)
        check_precision(precision, student.model)
    if mind := check_memory(folder, config, precision, manner=manner):
        say(mind)


def _check_device(student: ModelConfig) -> None:
    wanted, here = str(student.options.get("device") or ""), usual_device()
    if wanted not in ("", here, f"{here}:0"):
        raise UserError(
            f"student.options.device is {wanted}, and a training would be on {here}: leave it out, "
            "and say by CUDA_VISIBLE_DEVICES which GPU both are on (CUDA_VISIBLE_DEVICES=1 for the "
            "second; none where it is empty)"
        )


def check_student(weights: Path, config: TrainingConfig) -> None:
    """Check that answers in chats can be trained on.

    Raises:
        UserError: tokenizer, chat template and model do not fit one another, or the settings.
    """
    from transformers import AutoConfig

    tokenizer = load_tokenizer(weights)
    if tokenizer.chat_template is None:
        raise UserError(f"student.model: {weights} has no chat template: take one tuned to chat")
    _check_template(tokenizer, weights)
    _check_sizes(tokenizer, load(AutoConfig, weights), weights, config)


def _check_lora(weights: Path, config: TrainingConfig) -> None:
    """Check that peft puts a LoRA on a model, which it refuses for layers of some kinds."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    model = load(AutoConfig, weights)
    try:
        with torch.device("meta"):  # shapes without numbers
            with_lora(AutoModelForCausalLM.from_config(model), config, "CAUSAL_LM")
    except ValueError as error:
        raise UserError(
            f"student.model: peft puts no LoRA on a {model.model_type} ({error}): take a model of "
            "another family (docs/students.md, Families)"
        ) from error


def check_classifier(weights: Path, config: TrainingConfig) -> None:
    """Check that a classifier can be trained on a model.

    Raises:
        UserError: it has no head for classes, its tokenizer or template does not fit it, or
            messages have no room.
    """
    from transformers import AutoConfig, AutoModelForSequenceClassification

    tokenizer, model = load_tokenizer(weights), load(AutoConfig, weights)
    if type(model) not in AutoModelForSequenceClassification._model_mapping:
        raise UserError(
            f"student.model: transformers has no head for classes on {model.model_type}, which "
            f"{weights} is: take a model of another family, such as Llama, Qwen or Gemma"
        )
    if tokenizer.chat_template is not None:
        _check_kept(tokenizer, weights)
    _check_sizes(tokenizer, model, weights, config)
    if not fits(weights, config.max_tokens):
        raise UserError(
            f"training.max_tokens is {config.max_tokens}: no room for a message in the chat form"
        )


def _check_sizes(tokenizer: Any, model: Any, weights: Path, config: TrainingConfig) -> None:
    """Check that a model has a row for each token, and a place for each that is trained on."""
    model = model.get_text_config()
    if tokenizer.eos_token is None:
        raise UserError(f"student.model: the tokenizer in {weights} has no end mark (eos_token)")
    if _known(tokenizer) > model.vocab_size:
        raise UserError(
            f"student.model: the tokenizer in {weights} has {len(tokenizer)} tokens, the model "
            f"{model.vocab_size}: they are not of one model; download both anew"
        )
    positions = getattr(model, "max_position_embeddings", None)
    if positions and config.max_tokens > positions:
        raise UserError(
            f"student.model: {weights} reads {positions} tokens, fewer than training.max_tokens "
            f"({config.max_tokens}): set training.max_tokens={positions}"
        )


def _known(tokenizer: Any) -> int:
    """Count the tokens that can come from a text, a template, or filling up.

    A model that reads text alone may have the tokenizer of its larger sisters, with a mark for
    pictures that it has no row for.
    """
    marks = {place for place, token in tokenizer.added_tokens_decoder.items() if token.special}
    used = {tokenizer.eos_token_id, pad_token(tokenizer)}
    if tokenizer.chat_template is not None:
        used |= set(chat_ids(tokenizer, Sample(CHAT, "I."))[0])
    every: set[int] = set(tokenizer.get_vocab().values())
    return 1 + max(every - (marks - used))


def _check_template(tokenizer: Any, weights: Path) -> None:
    ids, prompt = chat_ids(tokenizer, Sample(CHAT, "I."))
    if begun_alike(ids, prompt) < len(prompt):
        raise UserError(
            f"student.model: by the chat template of {weights}, a chat does not begin with its "
            f"prompt, so what is trained would not be what is asked: {REMEDY}"
        )
    _check_kept(tokenizer, weights)
    if end_of_turn(tokenizer) is None:
        raise UserError(
            f"student.model: the chat template of {weights} does not end an answer by a mark, so "
            f"the student would not learn to stop: {REMEDY}"
        )


def _check_kept(tokenizer: Any, weights: Path) -> None:
    """Check that a template keeps what a message says."""
    _, prompt = chat_ids(tokenizer, Sample(CHAT, "I."))
    # A tokenizer may join or lower letters, so the texts are compared as it writes them.
    asked = tokenizer.decode(tokenizer(ASKED, add_special_tokens=False).input_ids)
    if "".join(asked.split()) not in "".join(tokenizer.decode(prompt).split()):
        raise UserError(
            f"student.model: the chat template of {weights} leaves out what a message says (it may "
            f"want content in parts): {REMEDY}"
        )
