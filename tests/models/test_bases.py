"""The name, revision and licence of the model that weights in a folder are."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import students
from models.bases import Base, base_of, front_matter, public_name
from offline.nano.chat import WEIGHTS


def test_a_snapshot_of_the_hub_has_an_id_and_a_revision(tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "models--owner--a-model" / "snapshots" / "0123456789abcdef"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# A model\n", encoding="utf-8")
    found = base_of("hf:owner/a-model", folder)
    assert found == Base("owner/a-model", True, "0123456789abcdef", "mit")


def test_a_folder_has_its_name_and_no_path() -> None:
    found = base_of(f"hf:{WEIGHTS}", WEIGHTS)
    assert found == Base("weights", licence="apache-2.0")
    assert base_of("builtin:nano", WEIGHTS).name == "nano"


@pytest.mark.parametrize(
    ("note", "revision", "remark"),
    [
        ({"from": "hub", "revision": "ab12"}, "ab12", ""),
        ({"from": "package", "revision": ""}, "", "differ from them in rounding"),
        (None, "", "was not noted"),
    ],
)
def test_a_fetched_model_says_whether_its_weights_are_those_of_the_hub(
    note: dict[str, str] | None, revision: str, remark: str, tmp_path: Path
) -> None:
    if note is not None:
        (tmp_path / students.SOURCE).write_text(json.dumps(note), encoding="utf-8")
    found = base_of("hf:smollm2", tmp_path)
    assert (found.name, found.on_hub) == ("HuggingFaceTB/SmolLM2-135M-Instruct", True)
    assert (found.revision, found.licence) == (revision, "Apache-2.0")
    assert remark in found.remark and bool(found.remark) == bool(remark)


@pytest.mark.parametrize(
    "card", ["", "# none", "---\n: [\n---\n", "---\n- a list\n---\n", "---\na"]
)
def test_a_card_without_usable_front_matter_says_nothing(card: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(card, encoding="utf-8")
    assert front_matter(tmp_path) == {}
    assert base_of("hf:x", tmp_path).licence == ""


@pytest.mark.parametrize(
    ("matter", "licence"),
    [
        ("license: other\nlicense_name: qwen-research", "qwen-research"),
        ("license: other", "other"),
        ("license: unknown", ""),
        ("license: [mit, apache-2.0]", ""),
        ("license: mit\ndate: 2024-02-31", ""),
    ],
)
def test_a_licence_of_its_own_has_its_own_name(matter: str, licence: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"---\n{matter}\n---\n# A\n", encoding="utf-8")
    assert base_of("hf:x", tmp_path).licence == licence


def test_models_in_folders_are_told_by_their_names() -> None:
    assert public_name("hf:/data/models/mine") == "hf:mine"
    assert public_name("hf:~/secret/mine") == "hf:mine"
    assert public_name("openai:gpt-5.4") == "openai:gpt-5.4"
    assert public_name("hf:owner/model") == "hf:owner/model"


@given(st.text(st.characters(exclude_characters="/\x00"), min_size=1, max_size=200))
def test_the_name_of_a_folder_fits_into_code_in_a_line(name: str) -> None:
    found = base_of(f"hf:/somewhere/{name}", Path("/nowhere") / "x").name
    assert "\n" not in found and "`" not in found and "/" not in found and len(found) <= 101
