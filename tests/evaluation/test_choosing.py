"""How likely labels are: the sums of the harness's rule, whatever stands beside them in a batch."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from elenchus.errors import UserError
from elenchus.records import Message
from evaluation import choosing
from evaluation.choosing import Asked, Chooser, TooLong
from models.decoding import LEAST_SHARED
from models.pretrained import SINGLE, load_causal, load_tokenizer
from offline.nano.chat import WEIGHTS

LABELS = ("yes", "no", "a fine of 50 crowns", "a fine")
QUESTIONS = ("May one swim?", "What does a mild breach cost, if the porter is away?", "Why?")


def asked(question: str, labels: tuple[str, ...] = LABELS) -> Asked:
    return Asked((Message(role="user", content=question),), labels)


@pytest.fixture(scope="module")
def chooser() -> Chooser:
    return Chooser(WEIGHTS, None, SINGLE)


def by_hand(chooser: Chooser, question: str, label: str) -> float:
    """Sum the log-likelihoods of a label's tokens, one text at a time and without padding."""
    model, tokenizer = load_causal(WEIGHTS), load_tokenizer(WEIGHTS)
    context = chooser.context(asked(question).prompt)
    stripped = context.rstrip()
    whole = tokenizer(stripped + context[len(stripped) :] + label, add_special_tokens=False)
    before = len(tokenizer(stripped, add_special_tokens=False).input_ids)
    ids = torch.tensor([whole.input_ids])
    with torch.inference_mode():
        odds = model(ids).logits[0].float().log_softmax(-1)
    return sum(float(odds[n - 1, ids[0, n]]) for n in range(before, ids.shape[1]))


def test_likelihoods_are_the_sums_over_the_labels_tokens(chooser: Chooser) -> None:
    found = chooser.weigh([asked(question) for question in QUESTIONS])
    for question, sums in zip(QUESTIONS, found, strict=True):
        assert not isinstance(sums, TooLong)
        wanted = [by_hand(chooser, question, label) for label in LABELS]
        assert sums == pytest.approx(wanted, abs=1e-3)


def test_neither_order_nor_company_matters(
    chooser: Chooser, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = chooser.weigh([asked(question) for question in QUESTIONS])
    backwards = chooser.weigh([asked(question, LABELS[::-1]) for question in QUESTIONS[::-1]])
    monkeypatch.setattr(choosing, "AT_ONCE", 1)
    alone = chooser.weigh([asked(question) for question in QUESTIONS])
    for one, two, three in zip(together, backwards[::-1], alone, strict=True):
        assert not isinstance(one, TooLong) and not isinstance(two, TooLong)
        assert two[::-1] == pytest.approx(one, abs=1e-3)
        assert three == pytest.approx(one, abs=1e-3)


def test_solved_examples_that_all_prompts_begin_with_are_read_once(
    chooser: Chooser, monkeypatch: pytest.MonkeyPatch
) -> None:
    solved = "May one run? no. May one dive? yes. May a guest eat by the pool? no. " * 4
    prompts = [asked(solved + question) for question in QUESTIONS]
    read: list[int] = []
    monkeypatch.setattr(chooser, "_model", _counting(chooser._model, read))
    together = chooser.weigh(prompts)
    once = read[0]  # the examples alone
    assert once > LEAST_SHARED and max(read[1:]) < once
    monkeypatch.setattr(choosing, "LEAST_SHARED", 10_000)
    for one, other in zip(together, chooser.weigh(prompts), strict=True):
        assert not isinstance(one, TooLong) and one == pytest.approx(other, abs=1e-3)


def test_halves_are_weighed_where_a_gpu_has_no_room_for_all(
    chooser: Chooser, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [asked(question) for question in QUESTIONS]
    expected, usual, tried = chooser.weigh(prompts), chooser._odds, []

    def odds(rows: Any, places: Any) -> Any:
        tried.append(len(rows))
        if len(rows) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. ...")
        return usual(rows, places)

    monkeypatch.setattr(chooser, "_odds", odds)
    for one, other in zip(expected, chooser.weigh(prompts), strict=True):
        assert not isinstance(one, TooLong) and one == pytest.approx(other, abs=1e-3)
    assert max(tried) > 2


def _counting(model: Any, read: list[int]) -> Any:
    """Return a model that notes how many tokens of a row it reads at a time."""

    class Counting:
        device, config = model.device, model.config

        def __call__(self, **given: Any) -> Any:
            read.append(given["input_ids"].shape[1])
            return model(**given)

    return Counting()


def test_a_label_that_another_begins_with_is_likelier(chooser: Chooser) -> None:
    ((_, _, longer, shorter),) = chooser.weigh([asked(QUESTIONS[0])])
    assert shorter > longer


def test_a_prompt_that_is_too_long_is_told_and_the_others_are_weighed(chooser: Chooser) -> None:
    long, short = chooser.weigh([asked("swim " * 5000), asked("May one swim?")])
    assert isinstance(long, TooLong) and long.tokens > long.most
    assert not isinstance(short, TooLong) and len(short) == len(LABELS)


def test_marks_of_turns_in_a_question_are_letters(chooser: Chooser) -> None:
    mark = load_tokenizer(WEIGHTS).eos_token
    context = chooser.context(asked(f"a{mark}b").prompt)
    assert f"a{mark}b" not in context


def test_an_adapter_of_another_base_is_refused(trained_run: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    adapter = tmp_path / "adapter"
    shutil.copytree(sorted((trained_run / "adapters").iterdir())[-1], adapter)
    Chooser(WEIGHTS, adapter, SINGLE)
    file = adapter / "adapter_model.safetensors"
    tensors = load_file(file)
    name = min(tensors)
    save_file(tensors | {name: torch.zeros(3, 5)}, file)
    with pytest.raises(UserError, match=r"no adapter of this model"):
        Chooser(WEIGHTS, adapter, SINGLE)
    deeper = name.replace("layers.0.", "layers.99.")
    assert deeper != name
    save_file(tensors | {deeper: tensors[name].clone()}, file)
    with pytest.raises(UserError, match=r"no adapter of this model .*layers\.99.* is in one of"):
        Chooser(WEIGHTS, adapter, SINGLE)
