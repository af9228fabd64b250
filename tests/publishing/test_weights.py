"""Whole models out of a base and a LoRA: they answer as the two together do."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from elenchus.errors import UserError
from elenchus.front_matter import read_front_matter
from models.bases import Base
from models.pretrained import load_causal, load_tokenizer
from publishing.adapters import dress
from publishing.weights import Trained, export
from tests.publishing.making import FACTS, TEXT, greedy, tiny


@pytest.fixture
def trained(tmp_path: Path) -> Trained:
    """A LoRA with a card, on a small model; its update is random, and not small."""
    base, folder = tiny(tmp_path / "base", "llama"), tmp_path / "round-1"
    lora = LoraConfig(r=4, lora_alpha=16, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(load_causal(base), lora).save_pretrained(folder)
    dress(folder, FACTS)
    return Trained(base, folder, FACTS.base, "harbour")


def test_a_merged_model_answers_as_base_and_lora_do(trained: Trained, tmp_path: Path) -> None:
    files = export(trained, "merged", tmp_path / "out", None, force=False)
    assert {"README.md", "config.json", "model.safetensors"} < {file.name for file in files}
    tokenizer, base = load_tokenizer(trained.base), load_causal(trained.base)
    before = [greedy(base, tokenizer, text) for text in TEXT]
    both = PeftModel.from_pretrained(base, trained.folder)
    merged = load_causal(tmp_path / "out")
    answers = [greedy(both, tokenizer, text) for text in TEXT]
    assert answers == [greedy(merged, load_tokenizer(tmp_path / "out"), text) for text in TEXT]
    assert answers != before
    for file in files:
        assert str(tmp_path).encode() not in file.read_bytes(), file.name


def test_gguf_of_it_answers_so_too(trained: Trained, tmp_path: Path) -> None:
    files = export(trained, "gguf", tmp_path / "out", None, force=False)
    assert [file.name for file in files] == ["README.md", "harbour-f32.gguf"]
    source = {"gguf_file": "harbour-f32.gguf"}
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32, **source)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out", **source)
    both = PeftModel.from_pretrained(load_causal(trained.base), trained.folder)
    for text in TEXT:
        assert greedy(model, tokenizer, text) == greedy(both, tokenizer, text)


def test_its_card_tells_what_it_became(trained: Trained, tmp_path: Path) -> None:
    export(trained, "gguf", tmp_path / "out", "float16", force=False)
    matter, body = read_front_matter((tmp_path / "out" / "README.md").read_text("utf-8"))
    assert matter["library_name"] == "gguf" and matter["tags"] == ["elenchus", "gguf"]
    assert matter["base_model_relation"] == "finetune" and matter["license"] == "apache-2.0"
    assert (
        "llama-cli -m harbour-f16.gguf" in body and "peft" not in body.partition("## Training")[0]
    )
    assert "this is a whole model" in body and "    You answer questions." in body
    assert "**Verdict: better**" in body


def test_weights_are_kept_as_the_base_keeps_them_or_as_asked(
    trained: Trained, tmp_path: Path
) -> None:
    def dtypes(name: str) -> set[torch.dtype]:
        return {t.dtype for t in load_file(tmp_path / name / "model.safetensors").values()}

    load_causal(trained.base).to(torch.bfloat16).save_pretrained(trained.base)
    export(trained, "merged", tmp_path / "usual", None, force=False)
    export(trained, "merged", tmp_path / "asked", "float16", force=False)
    assert dtypes("usual") == {torch.bfloat16} and dtypes("asked") == {torch.float16}


def test_a_whole_model_is_taken_as_it_is(trained: Trained, tmp_path: Path) -> None:
    whole = tiny(tmp_path / "whole", "llama")
    dress(whole, replace(FACTS, kind="model", base=Base("base")))
    export(trained._replace(folder=whole), "merged", tmp_path / "out", None, force=False)
    one, two = (load_file(f / "model.safetensors") for f in (whole, tmp_path / "out"))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_nothing_is_overwritten_or_half_made(trained: Trained, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="not empty"):
        export(trained, "merged", out, None, force=False)
    with pytest.raises(UserError, match="float32, float16, bfloat16"):
        export(trained, "merged", out, "int4", force=True)
    config = trained.base / "config.json"
    tree = json.loads(config.read_bytes()) | {"model_type": "mistral"}
    config.write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(UserError, match="GGUF of mistral"):
        export(trained, "gguf", out, None, force=True)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["base", "out", "round-1"]


def test_no_part_of_an_earlier_model_stays_beside_a_new_one(
    trained: Trained, tmp_path: Path
) -> None:
    export(trained, "merged", out := tmp_path / "out", None, force=False)
    for name in ("model-00001-of-00002.safetensors", "model.safetensors.index.json", "mine.txt"):
        (out / name).write_text("earlier", encoding="utf-8")
    files = export(trained, "merged", out, None, force=True)
    assert {file.name for file in files if "model" in file.name} == {"model.safetensors"}
    assert (out / "mine.txt").exists()
    export(trained, "gguf", out, None, force=True)
    assert (out / "model.safetensors").exists()
