"""Models of transformers by folder, in batches; here with the weights of the nano."""

import asyncio
import json
import math
import shutil
import weakref
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerBase

from agents.prompting import Subject
from agents.student import prompted
from elenchus.errors import UserError
from elenchus.ledger import Call, Ledger
from elenchus.sections import ModelConfig
from models import local
from models.backend import make_model
from models.calls import Caller, CallFailed
from models.decoding import Wanted
from offline.nano.chat import WEIGHTS
from retrieval import embedding
from training import classifier

NAME = f"hf:{WEIGHTS}"


def ask(ledger: Ledger, questions: list[str], **settings: object) -> list[object]:
    config = ModelConfig(model=NAME, options={"max_new_tokens": 24}, **settings)
    caller = Caller(make_model(config), config, ledger)
    prompts = [prompted(Subject("t", "English"), q) for q in questions]

    async def all_() -> list[object]:
        return await asyncio.gather(*map(caller.text, prompts), return_exceptions=True)

    return asyncio.run(all_())


def test_a_batch_answers_as_one_by_one(ledger: Ledger, tmp_path: Path) -> None:
    questions = [
        f"What is the limit for the {thing}?" for thing in ("green lamp", "toy", "old boat")
    ]
    together = ask(ledger, questions)
    assert all(isinstance(call, Call) and call.response for call in together)
    assert all(call.input_tokens > 5 and 0 < call.output_tokens <= 24 for call in together)
    alone = Ledger(tmp_path / "alone.sqlite")
    assert [ask(alone, [q])[0].response for q in questions] == [c.response for c in together]
    alone.close()


def test_an_answer_that_was_cut_off_is_known_to_be(ledger: Ledger) -> None:
    chat = make_model(ModelConfig(model=NAME, options={"max_new_tokens": 3})).chat
    told = chat.invoke("What is the limit for the toy?")
    assert told.usage_metadata["output_tokens"] == 3
    assert told.response_metadata["finish_reason"] == "length"
    (whole,) = ask(ledger, ["What is the limit for the toy?"])
    assert (whole.output_tokens < 24) == (whole.finish_reason == "")


def test_other_weights_are_another_model(tmp_path: Path) -> None:
    same, other = (Path(shutil.copytree(WEIGHTS, tmp_path / name)) for name in ("same", "other"))
    tensors = load_file(other / "model.safetensors")
    save_file({k: v * 2 for k, v in tensors.items()}, other / "model.safetensors", {"format": "pt"})
    models = [make_model(ModelConfig(model=f"hf:{path}")) for path in (WEIGHTS, same, other)]
    hashes = [model.identity.rpartition("+")[2] for model in models]
    assert hashes[0] == hashes[1] != hashes[2]


def test_sampling_gives_other_answers(ledger: Ledger) -> None:
    answers = ask(ledger, [f"What is forbidden{' ' * n}?" for n in range(6)], temperature=5.0)
    assert len({call.response for call in answers}) > 1


def test_a_prompt_that_is_too_long_fails_alone(ledger: Ledger) -> None:
    long, short = ask(ledger, ["long " * 3000, "short?"])
    assert isinstance(long, CallFailed)
    assert "shorten" in str(long)
    assert isinstance(short, Call)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "hf:/no/such/folder"}, "no folder of a model with safetensors"),
        ({"options": {"max_tokens": 5}}, "no option 'max_tokens'"),
        ({"options": {"max_new_tokens": 0}}, "max_new_tokens"),
        ({"options": {"temperature": 1}}, "no option 'temperature'"),
        ({"base_url": "http://127.0.0.1:1/v1"}, "leave base_url out"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused(changes: dict, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        make_model(ModelConfig(**{"model": NAME, **changes}))


def test_code_that_comes_with_a_model_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stands on standard input."""
    folder = Path(shutil.copytree(WEIGHTS, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.MineConfig"}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    write_file = f"open({str(tmp_path / 'ran')!r}, 'w').close()\n"
    code = f"{write_file}from transformers import LlamaConfig\nclass MineConfig(LlamaConfig): ...\n"
    (folder / "mine.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    for look in (
        lambda: make_model(ModelConfig(model=f"hf:{folder}")),
        lambda: classifier.fits(folder, 1024),
        lambda: embedding.Embedder(str(folder)).encode(["x"]),
        lambda: embedding.check_reranker(str(folder)),
    ):
        with pytest.raises(UserError, match="code of its own"):
            look()
    assert not (tmp_path / "ran").exists()


def test_a_released_model_leaves_the_memory() -> None:
    loaded = weakref.ref(make_model(ModelConfig(model=NAME)).chat.load())
    assert loaded() is not None
    local.forget()
    assert loaded() is None


def test_no_tokenizer_fills_up_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would change settings that the thread of other prompts reads meanwhile."""
    seen = []
    usual = PreTrainedTokenizerBase.__call__

    def call(self: PreTrainedTokenizerBase, *arguments: Any, **settings: Any) -> Any:
        seen.append(settings)
        return usual(self, *arguments, **settings)

    monkeypatch.setattr(PreTrainedTokenizerBase, "__call__", call)
    model = make_model(ModelConfig(model=NAME, options={"max_new_tokens": 2})).chat
    assert len(model.batch(["What?", "What is the limit for a toy?"])) == 2
    assert len(seen) >= 2 and not any(settings.get("padding") for settings in seen)


def test_like_lengths_go_together_and_samples_of_a_prompt() -> None:
    several = [Wanted((n,) * n, 4) for n in (200, 20, 25, 210, 20)]
    assert local._groups(several, math.inf, 0) == [[1, 4, 2], [0, 3]]
    assert local._groups(several, 50, 0) == [[1, 4], [2], [0], [3]]


def test_many_go_together_that_take_little() -> None:
    alike = [Wanted((1,) * 10, 4)] * 80  # 14 tokens each
    for little, counts in ((0, [32, 32, 16]), (14 * 50, [50, 30]), (math.inf, [80])):
        assert [len(group) for group in local._groups(alike, math.inf, little)] == counts
    assert len(local._groups(alike, 14 * 10, math.inf)) == 8  # what a GPU has no room for
    assert [len(group) for group in local._groups(alike * 2, math.inf, math.inf)] == [128, 32]
