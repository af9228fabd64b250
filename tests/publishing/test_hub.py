"""Folders that are sent to a stand-in of the hub, and those that stay."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from elenchus.errors import UserError
from offline.nano.chat import WEIGHTS
from publishing import checking, dataset_card, hub
from publishing.hub import Parcel, parcel, send
from tests.publishing.hub_server import LARGE, TOKEN, Hub, Repo, serving
from tests.publishing.test_dataset_card import FACTS

CARD = "---\nlicense: apache-2.0\n---\n\n# A card\n"
NAME = "models/owner/harbour"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The stand-in, with a token that it knows."""
    with serving() as here:
        monkeypatch.setenv("HF_ENDPOINT", here.address)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        # Constants of a process that tests keep off the network otherwise.
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield here


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "round-1"
    (made / "data").mkdir(parents=True)
    (made / "README.md").write_text(CARD, encoding="utf-8")
    (made / "weights.safetensors").write_bytes(b"\0\1" * LARGE)
    (made / "data" / "more.bin").write_bytes(b"\0\2" * LARGE)
    (made / "adapter_config.json").write_text('{"r": 4}', encoding="utf-8")
    (made / "train.jsonl.partial").write_text("half", encoding="utf-8")
    (made / ".hidden").write_text("mine", encoding="utf-8")
    return made


def packed(folder: Path, **more: object) -> Parcel:
    return parcel(folder, "model", "owner/harbour", **more)  # type: ignore[arg-type]


def test_a_folder_is_sent_whole_and_private(served: Hub, folder: Path) -> None:
    sent = send(packed(folder), private=True, message="Weights")
    repo = served.repos[NAME]
    assert sorted(repo.files) == [
        "README.md", "adapter_config.json", "data/more.bin", "weights.safetensors",
    ]  # fmt: skip
    assert repo.files["data/more.bin"] == (folder / "data" / "more.bin").read_bytes()
    assert repo.private and sent.private and not sent.existed and repo.heads == 1
    assert sent.url.endswith("owner/harbour")


def test_a_dataset_is_sent_as_one_and_for_all_to_see_where_asked(served: Hub, folder: Path) -> None:
    sent = send(parcel(folder, "dataset", "owner/rules"), private=False, message="Dataset")
    assert not served.repos["datasets/owner/rules"].private and not sent.private


def test_sending_again_what_is_there_makes_no_commit(served: Hub, folder: Path) -> None:
    send(packed(folder), private=True, message="Weights")
    served.asked.clear()
    assert send(packed(folder), private=True, message="Weights").existed
    assert served.repos[NAME].heads == 1
    assert not [line for line in served.asked if line.startswith("PUT") or "/commit/" in line]
    (folder / "adapter_config.json").write_text('{"r": 8}', encoding="utf-8")
    send(packed(folder), private=True, message="Weights")
    assert served.repos[NAME].files["adapter_config.json"] == b'{"r": 8}'
    assert served.repos[NAME].heads == 2


def test_a_push_that_broke_off_goes_on_with_what_is_missing(served: Hub, folder: Path) -> None:
    served.broken = 1
    with pytest.raises(UserError, match=r"broke off.*give the command again"):
        send(packed(folder), private=True, message="Weights")
    assert served.repos[NAME].files == {}
    arrived = len(served.large)
    served.asked.clear()
    send(packed(folder), private=True, message="Weights")
    assert len(served.repos[NAME].files) == 4
    assert len([line for line in served.asked if line.startswith("PUT")]) == 2 - arrived


@pytest.mark.parametrize("private", [True, False])
def test_what_is_private_is_never_sent_to_a_public_repository(
    private: bool, served: Hub, folder: Path
) -> None:
    served.repos[NAME] = Repo(private=False)
    if private:
        with pytest.raises(UserError, match=r"owner/harbour is there and public.*--public"):
            send(packed(folder), private, "Weights")
        assert served.repos[NAME].files == {}
    else:
        assert send(packed(folder), private, "Weights").existed


def test_refusals_of_the_hub_name_what_helps(
    served: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"may not write there \(403\)"):
        send(parcel(folder, "model", "somebody-else/x"), True, "Weights")
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    with pytest.raises(UserError, match=r"does not know the token in HF_TOKEN \(401\)") as said:
        send(packed(folder), True, "Weights")
    assert "hf_another" not in str(said.value)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(UserError, match="HF_TOKEN is not set"):
        send(packed(folder), True, "Weights")
    assert served.repos == {}


def test_a_hub_that_nobody_answers_at_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as gone:
        address = gone.address
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        send(packed(folder), True, "Weights")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(UserError, match="broke off"):
        send(packed(folder), True, "Weights")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (
            '{"note": "fine"}\n{"key": "sk-proj-abcdefghijklmnop1234567890abcd"}',
            "looks like a secret",
        ),
        ('{"a": 1}\n{"path": "/home/somebody/laws"}', "path of this machine"),
        # Where a line of a text ends, JSON has a letter.
        ('{"a": 1}\n{"text": "see\\n/home/somebody/laws"}', "path of this machine"),
        ('{"a": 1}\n{"text": "x\\tsk-proj-abcdefghijklmnop1234567890abcd"}', "like a secret"),
        ('{"a": 1}\n{"text": "\\u002fhome\\/somebody\\/laws"}', "path of this machine"),
        # Markdown, where backslashes keep words what they are.
        ("# A\n- hf\\_abcdefghijklmnop1234567890abcd", "like a secret"),
        ("# A\n- see \\/home\\/somebody", "path of this machine"),
        ('{"a": 1}\n{"text": "\\n-----BEGIN RSA PRIVATE KEY-----\\nMIIE"}', "like a secret"),
        ('{"a": 1}\n{"path": "C:\\\\Users\\\\somebody\\\\laws"}', "path of this machine"),
    ],
)
def test_a_file_that_tells_too_much_is_named_with_its_line_and_not_quoted(
    content: str, what: str, folder: Path
) -> None:
    (folder / "data" / "rows.jsonl").write_text(content, encoding="utf-8")
    with pytest.raises(
        UserError, match=rf"nothing is sent: data/rows.jsonl line 2.*{what}"
    ) as said:
        packed(folder)
    assert "somebody" not in str(said.value) and "sk-proj" not in str(said.value)
    assert "data/rows.jsonl" in packed(folder, checked=["data/rows.jsonl"]).files
    assert "data/rows.jsonl" not in packed(folder, leave_out=["data/rows.jsonl"]).files


def test_a_path_of_this_machine_is_found_in_binary_files_too(folder: Path, tmp_path: Path) -> None:
    place = str(tmp_path).encode()
    (folder / "weights.safetensors").write_bytes(b"\0" * 9 + b'{"from": "' + place + b'/x"}')
    with pytest.raises(UserError, match=r"weights.safetensors holds a path"):
        packed(folder, places=[tmp_path])
    other = tmp_path.with_name(tmp_path.name + "-other")
    assert packed(folder, places=[other]).files


def test_a_binary_file_is_looked_through_to_its_end(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Across the parts that it is read in, too; a text that is no UTF-8 is read as a text."""
    secret = "Zq7secretZq7secret"
    monkeypatch.setenv("SOME_API_KEY", secret)
    for told, what in ((secret, "what looks like a secret"), (f"{tmp_path}/ä", "a path")):
        data = b"\0" * (checking.PART - 4) + b"|" + told.encode() + b"|" + b"\0" * 9
        (folder / "weights.safetensors").write_bytes(data)
        with pytest.raises(UserError, match=rf"weights.safetensors holds {what}"):
            packed(folder, places=[tmp_path / "ä"])
    (folder / "weights.safetensors").write_bytes(b"\0" * (checking.PART + 9))
    (folder / "notes.txt").write_text(f"a\n{secret}", encoding="utf-16")
    with pytest.raises(UserError, match=r"notes.txt line 2 holds what looks like a secret"):
        packed(folder)


@pytest.mark.parametrize("name", ["adapter_config.json", "weights.safetensors"])
def test_what_changed_since_it_was_looked_at_is_not_sent(
    name: str, served: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "SMALL", 100)
    looked_at = packed(folder)
    (folder / name).write_bytes(b"\0 sk-proj-abcdefghijklmnop1234567890abcd" * LARGE)
    with pytest.raises(UserError, match=rf"nothing is sent: {name} has changed"):
        send(looked_at, True, "Weights")
    (folder / name).unlink()
    with pytest.raises(UserError, match=r"broke off"):
        send(looked_at, True, "Weights")
    assert served.repos == {}


def test_words_that_only_look_like_paths_pass(folder: Path) -> None:
    text = "See https://example.org/home/people and either/or; the folder /homework."
    (folder / "notes.txt").write_text(text, encoding="utf-8")
    assert "notes.txt" in packed(folder, places=[Path("/home")]).files


@pytest.mark.parametrize("target", ["elsewhere.txt", "elsewhere", "nothing"])
def test_a_link_is_neither_followed_nor_passed_over(
    target: str, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere.txt").write_text("private", encoding="utf-8")
    (tmp_path / "elsewhere").mkdir()
    (folder / "data" / "link").symlink_to(tmp_path / target)
    with pytest.raises(UserError, match=r"nothing is sent: data/link is a link.*--leave-out"):
        packed(folder)
    with pytest.raises(UserError, match="is a link"):
        packed(folder, checked=["data/link"])
    assert "data/link" not in packed(folder, leave_out=["data/link"]).files


def test_a_model_with_its_tokenizer_is_sent(folder: Path) -> None:
    settings = folder / "tokenizer_config.json"
    settings.write_text((WEIGHTS / settings.name).read_text("utf-8"), encoding="utf-8")
    assert '"eos_token"' in settings.read_text("utf-8") and settings.name in packed(folder).files
    settings.write_text('{"eos_token": "sk-proj-abcdefghijklmnop1234567890abcd"}', encoding="utf-8")
    with pytest.raises(UserError, match="looks like a secret"):
        packed(folder)


def test_a_licence_must_be_known_and_can_be_named_once(folder: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: unknown\n---\n\n# A card\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"names no licence.*--licence CC-BY-4.0"):
        packed(folder)
    named = packed(folder, licence="CC-BY-4.0")
    assert named.licence == "cc-by-4.0" and "license: cc-by-4.0" in named.card
    assert named.card.endswith("# A card\n")
    with pytest.raises(UserError, match="it must be the name of a licence"):
        packed(folder, licence="what I like")
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    with pytest.raises(UserError, match=r"the card says apache-2.0"):
        packed(folder, licence="MIT")
    own = "---\nlicense: other\nlicense_name: licenseref-one\n---\n# A card\n"
    (folder / "README.md").write_text(own, encoding="utf-8")
    assert packed(folder, licence="LicenseRef-One").licence == "licenseref-one"
    with pytest.raises(UserError, match=r"the card says licenseref-one"):
        packed(folder, licence="LicenseRef-Another")
    for damaged in (b"---\nlicense: [\n---\n", b"---\nlicense: \xff\n---\n"):
        (folder / "README.md").write_bytes(damaged)
        with pytest.raises(UserError, match=r"nothing is sent: .*mend it there"):
            packed(folder, licence="MIT")
    with pytest.raises(UserError, match=r"has no README.md to send"):
        packed(folder, leave_out=["README.md"])
    (folder / "README.md").unlink()
    with pytest.raises(UserError, match=r"has no README.md to send"):
        packed(folder)


@pytest.mark.parametrize(
    "name", ["harbour", "owner/a/b", "owner/a--b", "owner/a..b", "owner/a.git", "", "owner/ä"]
)
def test_a_name_that_no_repository_has_is_refused(name: str, folder: Path) -> None:
    with pytest.raises(UserError, match="--to"):
        parcel(folder, "model", name)


def test_a_card_does_not_say_that_nobody_named_its_licence(folder: Path) -> None:
    (folder / "README.md").write_text(dataset_card.card(FACTS), encoding="utf-8")
    named = packed(folder, licence="CC-BY-4.0")
    assert "Of this dataset: CC-BY-4.0." in named.card
    assert "Of this dataset: not stated" not in named.card


def test_the_card_is_sent_with_the_licence_that_was_named(served: Hub, folder: Path) -> None:
    (folder / "README.md").write_text("# A card\n", encoding="utf-8")
    send(packed(folder, licence="MIT"), True, "Weights")
    assert served.repos[NAME].files["README.md"] == b"---\nlicense: mit\n---\n# A card\n"
    assert hub.CARD in served.repos[NAME].files
