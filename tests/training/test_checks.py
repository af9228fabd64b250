"""What would else end a training late is known before: templates, tokenizers, settings."""

import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoConfig, AutoTokenizer

from elenchus.errors import UserError
from elenchus.sections import ModelConfig
from models.local import ends_of
from models.pretrained import load_causal, load_tokenizer
from models.weights import INDEX
from offline.nano.chat import WEIGHTS
from tests.training.test_families import made
from tests.training.test_lora import CONFIG, SAMPLES
from training import encoding
from training.checks import check_classifier, check_student, check_trackers, check_training
from training.encoding import Sample
from training.memory import Manner


def test_a_template_that_training_cannot_use_is_known_before(tmp_path: Path) -> None:
    """One whose prompt ends otherwise than a chat goes on, and none at all."""
    check_student(WEIGHTS, CONFIG)
    folder = Path(shutil.copytree(WEIGHTS, tmp_path / "other"))
    template = folder / "chat_template.jinja"
    usual = template.read_text("utf-8")
    opened = usual.replace("add_generation_prompt -%}{{ '<|assistant|>", "add_generation_prompt -%}"
                           "{{ '<|assistant|> Well,")  # fmt: skip
    assert opened != usual
    template.write_text(opened, encoding="utf-8")
    with pytest.raises(UserError, match=r"other, a chat does not begin.*correct its chat_template"):
        check_student(folder, CONFIG)
    (row,) = encoding.encoded(folder, SAMPLES[:1])  # whatever it is, no answer stops a run
    assert row["labels"][0] == encoding.IGNORED and row["labels"][-1] == row["input_ids"][-1]
    template.unlink()
    with pytest.raises(UserError, match="no chat template"):
        check_student(folder, CONFIG)


@pytest.mark.parametrize(
    ("instead", "reason"),
    [
        ("m.content[0].text", "leaves out what a message says"),
        ("m.content[:0]", "leaves out what a message says"),
    ],
)
def test_a_template_that_loses_a_message_is_refused(
    tmp_path: Path, instead: str, reason: str
) -> None:
    """As one does that wants the content of a message in parts."""
    folder = Path(shutil.copytree(WEIGHTS, tmp_path / "other"))
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}<|user|>{{ " + instead + " }}<|end|>{% endfor %}", encoding="utf-8"
    )
    with pytest.raises(UserError, match=reason):
        check_student(folder, CONFIG)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"max_position_embeddings": 128}, "set training.max_tokens=128"),
     ({"vocab_size": 40}, "not of one model")],
)  # fmt: skip
def test_a_model_that_does_not_fit_is_refused(
    tmp_path: Path, changes: dict[str, int], reason: str
) -> None:
    folder = Path(shutil.copytree(WEIGHTS, tmp_path / "other"))
    tree = json.loads((folder / "config.json").read_text("utf-8")) | changes
    (folder / "config.json").write_text(json.dumps(tree), encoding="utf-8")
    for check in (check_student, check_classifier):
        with pytest.raises(UserError, match=reason):
            check(folder, CONFIG)


def test_a_mark_that_no_text_can_hold_needs_no_row(tmp_path: Path) -> None:
    """Small Gemmas read text alone, and have the mark for pictures of their larger sisters."""
    folder = Path(shutil.copytree(WEIGHTS, tmp_path / "other"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<picture>"]})
    tokenizer.save_pretrained(folder)
    held = tokenizer.convert_tokens_to_ids("<picture>")
    assert held == AutoConfig.from_pretrained(folder).vocab_size
    for check in (check_student, check_classifier):
        check(folder, CONFIG)
    (row,) = encoding.encoded(folder, [Sample(SAMPLES[0].prompt, "A <picture> of it.")])
    assert held not in row["input_ids"]
    template = folder / "chat_template.jinja"
    template.write_text("<picture>" + template.read_text("utf-8"), encoding="utf-8")
    with pytest.raises(UserError, match="not of one model"):
        check_student(folder, CONFIG)


def test_an_answer_ends_by_a_mark_of_the_template(tmp_path: Path) -> None:
    """Base models come with templates whose turns end otherwise than their texts."""
    folder = Path(shutil.copytree(WEIGHTS, tmp_path / "other"))
    template = folder / "chat_template.jinja"
    usual = template.read_text("utf-8")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.eos_token = "<|pad|>"
    tokenizer.save_pretrained(folder)
    check_student(folder, CONFIG)
    model = load_causal(folder)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    end = tokenizer.convert_tokens_to_ids("<|end|>")
    assert ends_of(model, load_tokenizer(folder)) == {tokenizer.eos_token_id, end}
    template.write_text(usual.replace("<|end|>", ""), encoding="utf-8")
    with pytest.raises(UserError, match="does not end an answer by a mark"):
        check_student(folder, CONFIG)


def test_a_classifier_wants_a_head_and_room_for_messages(tmp_path: Path) -> None:
    check_classifier(WEIGHTS, CONFIG)
    with pytest.raises(UserError, match="no room for a message"):
        check_classifier(WEIGHTS, CONFIG.model_copy(update={"max_tokens": 48}))
    made("Granite", tmp_path / "headless")
    with pytest.raises(UserError, match=r"no head for classes on granite.*another family"):
        check_classifier(tmp_path / "headless", CONFIG)


def test_a_device_that_no_training_would_be_on_is_refused() -> None:
    def check(**options: str) -> None:
        check_training(ModelConfig(model=f"hf:{WEIGHTS}", options=options), CONFIG, print)

    check(), check(device="cpu")
    with pytest.raises(UserError, match="CUDA_VISIBLE_DEVICES"):
        check(device="cuda:1")


def test_weights_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(WEIGHTS, tmp_path / "other"))
    student = ModelConfig(model=f"hf:{folder}")
    check_training(student, CONFIG, print)
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    for read in (lambda: check_training(student, CONFIG, print), lambda: load_causal(folder)):
        with pytest.raises(UserError, match="safetensors"):
            read()
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")
    file.rename(folder / "model-1.safetensors")
    with pytest.raises(UserError, match=r"has no whole model-2\.safetensors"):
        check_training(student, CONFIG, print)
    (folder / INDEX).write_text(json.dumps(index)[:-1], encoding="utf-8")
    with pytest.raises(UserError, match=f"has no whole {INDEX}"):
        check_training(student, CONFIG, print)


def test_a_family_that_takes_no_lora_is_refused(tmp_path: Path) -> None:
    made("FalconH1", tmp_path)
    student = ModelConfig(model=f"hf:{tmp_path}")
    config = CONFIG.model_copy(update={"max_tokens": 256})
    with pytest.raises(UserError, match="no LoRA on a falcon_h1"):
        check_training(student, config, print)
    check_training(student, config, print, Manner("all"))


def test_a_tracker_that_is_not_here_is_refused() -> None:
    check_trackers(CONFIG)
    with pytest.raises(UserError, match="no-such-tracker is not installed"):
        check_trackers(CONFIG.model_copy(update={"report_to": ("no-such-tracker",)}))
