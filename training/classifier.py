"""Classifiers of short messages: a LoRA with a head on a causal model, and that model untrained.

Both have `probabilities(texts)`. A message is put to a model as its chat template puts what a user
says, and the head reads the place where the answer would begin; a tokenizer without a template has
the text between its own marks of begin and end. Texts that would make more than `max_tokens` tokens
are cut at their end.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.special import softmax

from elenchus.config import TrainingConfig
from elenchus.errors import UserError
from elenchus.progress import Advance
from elenchus.runs import explained
from models.pretrained import LOADING, load_causal, load_tokenizer
from models.pretrained import load as load_pretrained
from models.templates import as_letters, rendered
from training import calibration, encoding, lora
from training.config import ClassifierConfig
from training.encoding import Ids, Row

ADAPTER = "adapter_model.safetensors"
CARD = "classifier.json"  # file beside the adapter
BATCH = 32
ROOM = 64  # tokens of a text, at least, that must fit beside what stands around it
LONGEST = 4096  # tokens of a prompt, at most
TEXT, ANSWER = "[[text]]", "[[answer]]"  # stand in a rendered template for what comes there
PROMPT = "Which of these is this message: {labels}?\n\n{text}"


class Labelled(Protocol):
    """A message with its class: a `RealMessage`, a `SyntheticMessage`."""

    @property
    def text(self) -> str: ...
    @property
    def label(self) -> str: ...


class Classifying(Protocol):
    """A classifier: it gives each text a probability for every class, in the order of `labels`."""

    @property
    def labels(self) -> tuple[str, ...]: ...

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return probabilities of shape (n, classes); each row sums to 1."""
        ...


@dataclass(frozen=True)
class Task:
    """The classes, messages to learn from and messages to calibrate on."""

    labels: tuple[str, ...]
    learn: Sequence[Labelled]
    validation: Sequence[Labelled]

    def truth(self, messages: Sequence[Labelled]) -> NDArray[np.int64]:
        """Return the (n,) places of their classes; ValueError for one that the task has not."""
        return np.array([self.labels.index(m.label) for m in messages], dtype=np.int64)


class Card(BaseModel):
    """The file beside an adapter that says how to use it.

    `temperature` divides the logits; `threshold` is the least probability of the first of two
    classes, None for more; `before` and `after` stand around a text, as they did in training:
    templates may tell the date.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: tuple[str, ...]
    max_tokens: int
    before: str
    after: str
    temperature: float = 1.0
    threshold: float | None = None


class Tuned:
    """A trained classifier, ready to use."""

    def __init__(self, model: Any, tokenizer: Any, card: Card) -> None:
        self._model, self._tokenizer = model.eval(), tokenizer
        self.card, self.labels = card, card.labels

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """See `Classifying.probabilities`; calibrated, texts cut at `card.max_tokens` tokens."""
        probabilities: NDArray[np.float64]
        probabilities = softmax(self.logits(texts) / self.card.temperature, axis=1)
        return probabilities

    def logits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return logits of shape (n, classes), as they come from the head."""
        rows = _rows(self._tokenizer, self.card, texts)
        return _in_batches(rows, len(self.labels), self._logits)

    def _logits(self, rows: Sequence[Ids]) -> Any:
        batch = encoding.with_mask(rows, self._model.config.pad_token_id)
        return self._model(**_moved(batch, self._model.device)).logits


class Untrained:
    """The model as it is: how likely each label is as its answer, by the mean over its tokens.

    It is asked without documents or examples. Probabilities are a softmax over the labels, and are
    not calibrated.
    """

    def __init__(self, model: Any, tokenizer: Any, labels: tuple[str, ...], longest: int) -> None:
        self._model, self._tokenizer, self.labels = model.eval(), tokenizer, labels
        before, after, gap = _asking(tokenizer, PROMPT.format(labels=", ".join(labels), text=TEXT))
        self._answers = [
            tokenizer(gap + label, add_special_tokens=False).input_ids for label in labels
        ]
        # An answer comes on top, so that all labels see as much of a text.
        most = longest - max(map(len, self._answers))
        self._card = Card(labels=labels, max_tokens=most, before=before, after=after)

    @property
    def room(self) -> int:
        """Tokens that a text may have beside the question."""
        frame = (self._card.before, self._card.after)
        ids = (self._tokenizer(part, add_special_tokens=False).input_ids for part in frame)
        return self._card.max_tokens - sum(map(len, ids))

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """See `Classifying.probabilities`; texts are cut to `room` tokens."""
        prompts = _rows(self._tokenizer, self._card, texts)
        scores = np.hstack([self._scores(prompts, answer) for answer in self._answers])
        probabilities: NDArray[np.float64] = softmax(scores, axis=1)
        return probabilities

    def _scores(self, prompts: Sequence[Ids], answer: Ids) -> NDArray[np.float64]:
        """Return the (n, 1) mean log-likelihoods, in nats, of the answer's tokens."""

        def run(rows: Sequence[Ids]) -> Any:
            batch = encoding.with_mask(rows, encoding.pad_token(self._tokenizer), "left")
            batch["position_ids"] = (batch["attention_mask"].cumsum(-1) - 1).clamp(min=0)
            batch = _moved(batch, self._model.device)
            # Logits of other places are not computed: a vocabulary may have 100,000 words.
            logits = self._model(**batch, logits_to_keep=len(answer) + 1).logits[:, :-1]
            tokens = batch["input_ids"][:, -len(answer) :, None]
            return logits.float().log_softmax(-1).gather(-1, tokens).mean(dim=1)

        return _in_batches([[*prompt, *answer] for prompt in prompts], 1, run)


def train(
    weights: Path,
    task: Task,
    training: TrainingConfig,
    config: ClassifierConfig,
    seed: int,
    out: Path,
    advance: Advance,
) -> Card:
    """Train and calibrate a classifier on the weights in a folder; it appears, whole, at `out`.

    The folder holds the LoRA with the head (safetensors) and a `Card`: all that `load` needs. A
    training that was stopped goes on from its last checkpoint.

    Raises:
        ValueError: a class has no message to learn from, or `training.max_tokens` is too small for
            the model's chat template.
    """
    from transformers import set_seed

    truth = task.truth(task.learn)
    balance = calibration.class_weights(truth, len(task.labels))
    with LOADING:
        set_seed(seed)  # the head begins at random
        model, tokenizer = _with_head(weights, len(task.labels))
        model = lora.with_lora(model, training, "SEQ_CLS")
    before, after = _frame(tokenizer)
    uncalibrated = Card(
        labels=task.labels, max_tokens=training.max_tokens, before=before, after=after
    )
    rows = _rows(tokenizer, uncalibrated, [message.text for message in task.learn])
    samples = [{"input_ids": i, "labels": [int(k)]} for i, k in zip(rows, truth, strict=True)]
    plan = encoding.batches(samples, training, seed)
    loss = calibration.weighted_loss(balance if config.class_weights else np.ones(len(task.labels)))
    collate = functools.partial(_collate, encoding.pad_token(tokenizer))
    lora.fit(model, plan, collate, training, seed, out, advance, loss)
    calibrated = _calibrated(Tuned(model, tokenizer, uncalibrated), task, config)
    with explained(out.parent):
        text = calibrated.model_dump_json(indent=1)
        (lora.unfinished(out) / CARD).write_text(text, encoding="utf-8")
        lora.finish(out)
    return calibrated


def load(folder: Path, weights: Path) -> Tuned:
    """Load a trained classifier onto the weights that it was trained on.

    Raises:
        UserError: the folder holds no whole classifier, or one of other weights.
    """
    from peft import PeftModel
    from safetensors import SafetensorError

    saved = card(folder)
    try:
        (folder / ADAPTER).stat()  # peft would ask the hub for a file that is not there
        model, tokenizer = _with_head(weights, len(saved.labels))
        tuned = PeftModel.from_pretrained(model, folder)
    # torch raises a RuntimeError for tensors of another shape.
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(
            f"{folder} holds no whole classifier for {weights}: {error}; train it again"
        ) from error
    return Tuned(tuned.to(_device()), tokenizer, saved)


def card(folder: Path) -> Card:
    """Read the card in the folder of a classifier; UserError where it is missing or damaged."""
    try:
        return Card.model_validate_json((folder / CARD).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} holds no whole classifier: {error}; train it again") from error


def fits(weights: Path, max_tokens: int) -> bool:
    """Tell whether so many tokens hold what stands around a text, and a text of ROOM tokens.

    Raises:
        UserError: transformers cannot load the model without code of its own.
    """
    from transformers import AutoConfig

    load_pretrained(AutoConfig, weights)
    tokenizer = load_tokenizer(weights)
    frame = "".join(_frame(tokenizer))
    return len(tokenizer(frame, add_special_tokens=False).input_ids) + ROOM <= max_tokens


def untrained(weights: Path, labels: tuple[str, ...]) -> Untrained | None:
    """Load the model in a folder as it is; None where its context cannot hold so many labels.

    Texts that do not fit into its context are cut.
    """
    tokenizer, model = load_tokenizer(weights), load_causal(weights)
    context = getattr(model.config, "max_position_embeddings", LONGEST)
    classifier = Untrained(model.to(_device()), tokenizer, labels, min(context, LONGEST))
    return classifier if classifier.room >= ROOM else None


def _with_head(weights: Path, classes: int) -> tuple[Any, Any]:
    """Load a model with a new head, and its tokenizer. The head finds a text's end by padding."""
    from transformers import AutoModelForSequenceClassification

    tokenizer = load_tokenizer(weights)
    with _without_warnings():  # that the head is new
        model = load_pretrained(
            AutoModelForSequenceClassification,
            weights,
            num_labels=classes,
            dtype="float32",
            use_safetensors=True,
        )
    model.config.pad_token_id = encoding.pad_token(tokenizer)
    return model, tokenizer


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    from transformers.utils import logging

    usual = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(usual)


def _device() -> Any:
    import torch

    here = torch.accelerator.is_available() and torch.accelerator.current_accelerator()
    return here or torch.device("cpu")


def _frame(tokenizer: Any) -> tuple[str, str]:
    """Return what stands before a text that is to be classified, and after it."""
    if tokenizer.chat_template is None:
        return tokenizer.bos_token or "", tokenizer.eos_token or ""
    chat = [{"role": "user", "content": TEXT}]
    prompt = rendered(tokenizer, chat, tokenize=False, add_generation_prompt=True)
    before, _, after = prompt.partition(TEXT)
    return before, after


def _asking(tokenizer: Any, prompt: str) -> tuple[str, str, str]:
    """Return what stands before the text of a prompt, after it, and last before the answer.

    The last is the space, if any, that makes one token with the answer's first word.
    """
    if tokenizer.chat_template is None:
        prompt = as_letters(tokenizer, prompt)
        whole = f"{tokenizer.bos_token or ''}{prompt}\n\nAnswer: {ANSWER}"
    else:
        chat = [{"role": "user", "content": prompt}, {"role": "assistant", "content": ANSWER}]
        whole = rendered(tokenizer, chat, tokenize=False)
    before, _, rest = whole.partition(TEXT)
    after = rest.partition(ANSWER)[0]
    stripped = after.rstrip(" ")
    return before, stripped, after[len(stripped) :]


def _rows(tokenizer: Any, card: Card, texts: Sequence[str]) -> list[Ids]:
    """Return the ids of each text in its frame; what is over `card.max_tokens` of a text is cut."""
    if not texts:
        return []
    tail: Ids = tokenizer(card.after, add_special_tokens=False).input_ids
    head = len(tokenizer(card.before, add_special_tokens=False).input_ids)
    room = card.max_tokens - len(tail)
    if room <= head:
        raise ValueError(f"training.max_tokens is {card.max_tokens}: no room for a text")
    framed = [card.before + as_letters(tokenizer, text) for text in texts]
    cut = tokenizer(framed, add_special_tokens=False, truncation=True, max_length=room)
    return [[*ids, *tail] for ids in cut.input_ids]


def _moved(batch: dict[str, Any], device: Any) -> dict[str, Any]:
    """Return a batch on a device."""
    return {name: tensor.to(device) for name, tensor in batch.items()}


def _collate(pad: int, items: Sequence[list[Row]]) -> dict[str, Any]:
    """Make a classifier's arguments of the loader's one item, which is the whole batch."""
    import torch

    (rows,) = items
    labels = torch.tensor([row["labels"][0] for row in rows])
    return {**encoding.with_mask([row["input_ids"] for row in rows], pad), "labels": labels}


def _calibrated(tuned: Tuned, task: Task, config: ClassifierConfig) -> Card:
    """Return the card with the temperature and the threshold that suit validation messages."""
    truth = task.truth(task.validation)
    logits = tuned.logits([message.text for message in task.validation])
    temperature = calibration.temperature(logits, truth)
    threshold = None
    if len(task.labels) == 2:
        probabilities = softmax(logits / temperature, axis=1)
        threshold = calibration.threshold(probabilities, truth, config.threshold)
    return tuned.card.model_copy(update={"temperature": temperature, "threshold": threshold})


def _in_batches(
    rows: Sequence[Ids], width: int, run: Callable[[Sequence[Ids]], Any]
) -> NDArray[np.float64]:
    """Return (n, width) of what `run` gives; rows of like length go together: little is padding."""
    import torch

    outputs = np.zeros((len(rows), width))
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
    with torch.inference_mode():
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            outputs[places] = run([rows[place] for place in places]).float().cpu().numpy()
    return outputs
