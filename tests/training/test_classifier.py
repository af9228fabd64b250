"""Classifiers on a real tiny model: what they learn, what a folder holds, and calibration."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import accuracy_score, f1_score

from elenchus.config import TrainingConfig
from elenchus.errors import UserError
from elenchus.progress import unseen
from models.weights import file_hash
from offline.nano.chat import WEIGHTS
from tests.training.test_objectives import mean
from training import baseline, calibration, classifier, metrics
from training.config import ClassifierConfig

FAST = TrainingConfig(
    epochs=1,
    least_steps=30,
    batch_size=8,
    rank=4,
    learning_rate=8e-3,
    warmup_steps=2,
    max_tokens=48,
)
PLAIN = ClassifierConfig()
LABELS = ("fire", "flood")
ODD = ("", " ", "🔥🚒👩‍🚒", "النار في البيت", "\x00\u200b", "<|pad|><|end|>", "smoke " * 17_000)


@dataclass(frozen=True)
class Note:
    text: str
    label: str


class Stopped(Exception):
    """Ends a training in its middle, as a kill would."""


def messages(count: int, start: int = 0) -> list[Note]:
    kinds = (("fire", "smoke and flames"), ("flood", "water and mud"))
    return [
        Note(f"There is {words} in house {n}.", label)
        for n in range(start, start + count)
        for label, words in kinds
    ]


TASK = classifier.Task(LABELS, messages(8), messages(4, 50))


def train(weights: Path, out: Path, advance=unseen, task=TASK, training=FAST):
    return classifier.train(weights, task, training, PLAIN, 0, out, advance)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Llama whose tokenizer has no chat template and pads with its end."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<end>": 0} | {sign: place for place, sign in enumerate(alphabet, start=1)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>").save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=257,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        eos_token_id=0,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "nano"
    train(WEIGHTS, out)
    return out


@pytest.fixture(scope="module")
def nano(trained: Path) -> classifier.Tuned:
    return classifier.load(trained, WEIGHTS)


def right(model: classifier.Classifying, asked: list[Note]) -> float:
    decided = model.probabilities([m.text for m in asked]).argmax(axis=1)
    return float(np.mean([model.labels[k] == m.label for k, m in zip(decided, asked, strict=True)]))


def test_a_classifier_learns_to_tell_messages_apart(nano: classifier.Tuned) -> None:
    assert right(nano, messages(10, 90)) > 0.9


def test_a_folder_holds_all_of_a_classifier(trained: Path) -> None:
    assert {path.name for path in trained.iterdir()} >= {
        classifier.ADAPTER,
        "adapter_config.json",
        classifier.CARD,
    }
    assert not list(trained.glob("checkpoint-*")) and not list(trained.rglob("*.bin"))
    assert [path.name for path in trained.parent.iterdir()] == ["nano"]
    card = classifier.card(trained)
    assert card.labels == LABELS
    assert card.threshold is not None
    texts = [message.text for message in TASK.learn]
    one, two = (classifier.load(trained, WEIGHTS).probabilities(texts) for _ in range(2))
    assert np.array_equal(one, two)


def test_what_is_loaded_is_what_was_trained(plain: Path, tmp_path: Path) -> None:
    """The threshold was found with the model in memory; it is best for the one on disk too."""
    card = train(plain, tmp_path / "out")
    loaded = classifier.load(tmp_path / "out", plain)
    truth = TASK.truth(TASK.validation)
    texts = [message.text for message in TASK.validation]
    threshold = calibration.threshold(loaded.probabilities(texts), truth, PLAIN.threshold)
    assert loaded.card == card
    assert threshold == pytest.approx(card.threshold)
    temperature = calibration.temperature(loaded.logits(texts), truth)
    assert temperature == pytest.approx(card.temperature, rel=1e-3)


def test_a_training_that_was_stopped_goes_on_exactly(plain: Path, tmp_path: Path) -> None:
    config = FAST.model_copy(update={"least_steps": 6, "save_steps": 2})
    train(plain, tmp_path / "whole", training=config)

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise Stopped

    with pytest.raises(Stopped):
        train(plain, tmp_path / "cut", stop, training=config)
    assert not (tmp_path / "cut").exists()
    steps = []
    train(plain, tmp_path / "cut", lambda done, total: steps.append(done), training=config)
    assert steps == [5, 6]
    for file in (classifier.ADAPTER, classifier.CARD):
        one, two = (file_hash(tmp_path / name / file) for name in ("whole", "cut"))
        assert one == two


def test_three_classes_have_no_threshold(plain: Path, tmp_path: Path) -> None:
    third = [Note("All is well.", "calm"), Note("Nothing to see.", "calm")]
    task = classifier.Task((*LABELS, "calm"), [*messages(2), *third], ())
    card = train(
        plain, tmp_path / "out", task=task, training=FAST.model_copy(update={"least_steps": 2})
    )
    assert (card.temperature, card.threshold) == (1.0, None)
    assert classifier.load(tmp_path / "out", plain).probabilities(["Hm."]).shape == (1, 3)


def test_a_class_without_messages_is_refused(tmp_path: Path) -> None:
    task = classifier.Task((*LABELS, "calm"), messages(2), ())
    with pytest.raises(ValueError, match="no message"):
        train(WEIGHTS, tmp_path / "out", task=task)
    with pytest.raises(ValueError, match="no message"):
        baseline.baseline(task, PLAIN)


@pytest.mark.parametrize("damage", ["missing", "card", "no adapter", "adapter", "weights"])
def test_a_folder_that_is_no_classifier_is_refused(
    damage: str, trained: Path, plain: Path, tmp_path: Path
) -> None:
    for file in trained.iterdir() if damage != "missing" else ():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    if damage == "card":
        (tmp_path / classifier.CARD).write_text("{", encoding="utf-8")
    if damage == "no adapter":
        (tmp_path / classifier.ADAPTER).unlink()
    if damage == "adapter":
        (tmp_path / classifier.ADAPTER).write_bytes(b"short")
    with pytest.raises(UserError, match="no whole classifier"):
        classifier.load(tmp_path, plain if damage == "weights" else WEIGHTS)


@pytest.mark.parametrize("kind", ["tuned", "untrained", "no template", "baseline"])
def test_any_text_has_probabilities(kind: str, nano: classifier.Tuned, plain: Path) -> None:
    model = {
        "tuned": lambda: nano,
        "untrained": lambda: classifier.untrained(WEIGHTS, LABELS),
        "no template": lambda: classifier.untrained(plain, LABELS),
        "baseline": lambda: baseline.baseline(TASK, PLAIN),
    }[kind]()
    probabilities = model.probabilities(ODD)
    assert probabilities.shape == (len(ODD), 2)
    assert np.isfinite(probabilities).all()
    assert probabilities.sum(axis=1) == pytest.approx(1)
    # Whatever else is asked at the same time.
    alone = np.concatenate([model.probabilities([text]) for text in ODD])
    assert probabilities == pytest.approx(alone, abs=1e-4)
    assert model.probabilities([]).shape == (0, 2)


def test_an_empty_text_and_a_long_one_can_be_learnt_from(plain: Path, tmp_path: Path) -> None:
    odd = [Note(text, LABELS[n % 2]) for n, text in enumerate(ODD)]
    short = FAST.model_copy(update={"least_steps": 2})
    train(plain, tmp_path / "out", task=classifier.Task(LABELS, odd, odd), training=short)
    probabilities = classifier.load(tmp_path / "out", plain).probabilities(ODD)
    assert np.isfinite(probabilities).all()


def test_a_text_is_cut_and_its_frame_is_not(nano: classifier.Tuned) -> None:
    short, long = classifier._rows(nano._tokenizer, nano.card, ["smoke", "smoke " * 500])
    assert len(long) == nano.card.max_tokens
    tail = nano._tokenizer(nano.card.after)["input_ids"]
    assert long[-len(tail) :] == short[-len(tail) :] == tail
    with pytest.raises(ValueError, match="no room"):
        classifier._rows(nano._tokenizer, nano.card.model_copy(update={"max_tokens": 3}), ["smoke"])


def test_the_untrained_model_is_asked_as_in_its_own_chats() -> None:
    """The likelihood of a label is the one that a whole chat with that answer has."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    model = AutoModelForCausalLM.from_pretrained(WEIGHTS, dtype=torch.float32)
    prompt = classifier.PROMPT.format(labels=", ".join(LABELS), text="Help!")
    scores = []
    for label in LABELS:
        chat = [{"role": "user", "content": prompt}]
        asked = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
        answer = tokenizer(" " + label, add_special_tokens=False)["input_ids"]
        ids = torch.tensor([[*asked, *answer]])
        likely = model(ids).logits.log_softmax(-1)[0, len(asked) - 1 : -1]
        scores.append(likely[torch.arange(len(answer)), answer].mean().item())
    probabilities = classifier.untrained(WEIGHTS, LABELS).probabilities(["Help!", "Water, water!"])
    assert probabilities[0] == pytest.approx(softmax(scores), abs=1e-4)


def test_the_baseline_learns_and_keeps_the_order_of_the_labels() -> None:
    task = classifier.Task(("flood", "fire"), messages(8), ())
    assert right(baseline.baseline(task, PLAIN), messages(10, 90)) == 1


def test_a_rare_class_weighs_as_much_as_others() -> None:
    import torch

    weights = calibration.class_weights(np.array([0, 0, 0, 1]), 2)
    assert weights == pytest.approx([2 / 3, 2])
    logits, labels = torch.zeros(4, 2), torch.tensor([0, 0, 0, 1])
    loss = calibration.weighted_loss(weights)

    def model(logits: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": logits}

    batch = {"logits": logits, "labels": labels}
    assert mean(loss(model, dict(batch))) == pytest.approx(np.log(2))
    alone = loss(model, {name: value[3:] for name, value in batch.items()})
    assert mean(alone) == pytest.approx(2 * np.log(2))


@given(st.lists(st.integers(0, 3), max_size=40))
def test_class_weights_have_mean_one(drawn: list[int]) -> None:
    truth = np.array([0, 1, 2, 3, *drawn])
    assert calibration.class_weights(truth, 4)[truth].mean() == pytest.approx(1)


@st.composite
def logits_and_truth(draw: st.DrawFn, classes: int) -> tuple[np.ndarray, np.ndarray]:
    size = draw(st.integers(1, 12))
    number = st.floats(-30, 30, allow_subnormal=False)
    rows = st.lists(number, min_size=classes, max_size=classes)
    logits = draw(st.lists(rows, min_size=size, max_size=size))
    truth = draw(st.lists(st.integers(0, classes - 1), min_size=size, max_size=size))
    return np.array(logits), np.array(truth)


@settings(max_examples=40)
@given(logits_and_truth(3))
def test_calibration_never_harms(judged: tuple[np.ndarray, np.ndarray]) -> None:
    logits, truth = judged
    temperature = calibration.temperature(logits, truth)
    loss = calibration.log_loss
    assert calibration.TEMPERATURES[0] <= temperature <= calibration.TEMPERATURES[1]
    assert loss(logits, truth, temperature) <= loss(logits, truth, 1.0)
    for other in np.geomspace(*calibration.TEMPERATURES, 30):
        assert loss(logits, truth, temperature) <= loss(logits, truth, other) + 1e-4
    order = softmax(logits / temperature, axis=1)
    assert (logits[np.arange(len(truth)), order.argmax(axis=1)] >= logits.max(axis=1) - 1e-9).all()


def test_overconfidence_is_measured() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2000, 3))
    truth = np.array([rng.choice(3, p=p) for p in softmax(logits, axis=1)])
    assert calibration.temperature(5 * logits, truth) == pytest.approx(5, rel=0.15)
    assert calibration.temperature(np.zeros((0, 3)), np.zeros(0, dtype=int)) == 1


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 0.5, np.nextafter(0.5, 1), 0.9, 1.0]), st.booleans()),
        max_size=10,
    ),
    st.sampled_from(["accuracy", "f1"]),
)
def test_no_cut_is_better_than_the_threshold(drawn: list[tuple[float, bool]], measure: str) -> None:
    first = np.array([p for p, _ in drawn])
    truth = np.array([0 if is_first else 1 for _, is_first in drawn], dtype=int)
    probabilities = np.column_stack([first, 1 - first])

    def score(cut: float) -> float:
        decided = metrics.decide(probabilities, cut)
        if measure == "f1":
            return float(f1_score(truth, decided, pos_label=0, zero_division=0.0))
        return float(accuracy_score(truth, decided))

    threshold = calibration.threshold(probabilities, truth, measure)
    if not drawn:
        assert threshold == calibration.EVEN
        return
    assert score(threshold) == pytest.approx(max(map(score, [*first, 0.0, 0.5, 1.1])))


def test_without_a_threshold_the_likeliest_class_is_taken() -> None:
    probabilities = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
    assert metrics.decide(probabilities, None).tolist() == [1, 0]


def test_a_model_that_cannot_read_so_many_labels_is_not_asked() -> None:
    many = tuple(f"a_class_with_a_long_name_{n}" for n in range(200))
    assert classifier.untrained(WEIGHTS, many) is None
    assert classifier.fits(WEIGHTS, 512) and not classifier.fits(WEIGHTS, 64)
