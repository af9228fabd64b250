"""A domain's own prompts: used in place of the program's, or refused with the remedy."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.prompting import Subject
from elenchus import templates
from elenchus.errors import UserError

OWN = "# Author: relate\n\nTell of $title in $language, for $$5.\n"
Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file below the domain's folder of templates."""

    def write(name: str, content: str | bytes) -> Path:
        path = templates.of_domain(tmp_path) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def subject(folder: Path) -> Subject:
    return Subject("the rules", "Esperanto", templates.of_domain(folder))


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as refused:
        subject(folder).check()
    return str(refused.value)


def test_a_domain_replaces_one_prompt_and_no_other(write: Write, tmp_path: Path) -> None:
    path = write("author/relate.md", OWN)
    own, others = subject(tmp_path), Subject("the rules", "Esperanto")
    prompt = own.render("author", "relate", "blocks")
    system, user = prompt.messages
    assert system.content == "# Author: relate\n\nTell of the rules in Esperanto, for $5."
    assert user.content == "blocks"
    assert prompt.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert others.render("author", "relate", "").sha256 != prompt.sha256
    assert own.render("author", "compare", "") == others.render("author", "compare", "")
    assert [t.name for t in own.templates.values() if t.own] == ["author/relate"]


def test_a_subject_reads_its_templates_once(write: Write, tmp_path: Path) -> None:
    write("author/relate.md", OWN)
    before, reading = subject(tmp_path), subject(tmp_path)
    before.check()
    write("author/relate.md", OWN + "And more.")
    assert "more" not in before.render("author", "relate", "").messages[0].content
    assert "more" in reading.render("author", "relate", "").messages[0].content


@pytest.mark.parametrize(
    "content", [OWN.replace("\n", "\r\n").encode(), b"\xef\xbb\xbf" + OWN.encode()]
)
def test_what_editors_do_to_a_file_reaches_no_model(
    write: Write, tmp_path: Path, content: bytes
) -> None:
    write("author/relate.md", content)
    write("author/relate.md~", "an older one")
    write("author/.relate.md.swp", "\x00")
    write(".DS_Store", "\x00")
    prompt = subject(tmp_path).render("author", "relate", "")
    assert (
        prompt.messages[0].content == "# Author: relate\n\nTell of the rules in Esperanto, for $5."
    )


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("author/relate.md", OWN + "$titel", "$titel, which nothing fills: there are $language"),
        ("author/relate.md", OWN + "${passage}", "$passage, which nothing fills"),
        ("author/relate.md", OWN + "$purpose", "$purpose, which nothing fills"),
        ("author/relate.md", OWN + "It costs $5.", "write $$ for the sign itself"),
        ("author/relate.md", "Tell.", "must begin with the line '# Author: relate'"),
        ("author/relate.md", "# Author: merge\n\nTell.", "begin with the line '# Author: relate'"),
        ("author/relate.md", b"# Author: relate\n\nErz\xe4hle.", "is not UTF-8: save it as UTF-8"),
        ("author/relates.md", OWN, "replaces no prompt: did you mean author/relate.md?"),
        ("writer/relate.md", OWN, "replaces no prompt: did you mean"),
        ("relate.md", OWN, "replaces no prompt"),
        ("author/old/relate.md", OWN, "replaces no prompt"),
        ("author/relate.txt", OWN, "replaces no prompt: did you mean author/relate.md?"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(
    write: Write, tmp_path: Path, name: str, content: str | bytes, says: str
) -> None:
    path = write(name, content)
    refused = refusal(tmp_path)
    assert says in refused
    assert str(path.parent if "old" in name else path) in refused


def test_a_folder_in_a_templates_place_is_refused(tmp_path: Path) -> None:
    (templates.of_domain(tmp_path) / "author" / "relate.md").mkdir(parents=True)
    assert "replaces no prompt" in refusal(tmp_path)


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    templates.of_domain(tmp_path).write_text("Tell.", encoding="utf-8")
    assert "cannot read" in refusal(tmp_path)


def test_all_mistakes_are_said_at_once(write: Write, tmp_path: Path) -> None:
    write("author/relate.md", "Tell of $titel.")
    write("author/compare.md", b"\xff")
    write("author/sing.md", "")
    refused = refusal(tmp_path)
    assert "\n" not in refused
    for said in ("# Author: relate", "$titel", "not UTF-8", "author/sing.md"):
        assert said in refused


def test_a_placeholder_of_one_prompt_can_be_used_there(write: Write, tmp_path: Path) -> None:
    write("author/messages.md", "# Author: messages\n\nWrite, $purpose.")
    prompt = subject(tmp_path).render("author", "messages", "", purpose="to warn")
    assert prompt.messages[0].content.endswith("Write, to warn.")


def test_the_programs_own_templates_keep_the_rules(tmp_path: Path) -> None:
    """A copy of each is taken as a domain's own."""
    for name, template in templates.program().items():
        path = templates.place(templates.of_domain(tmp_path), name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.text, encoding="utf-8")
    found = subject(tmp_path).templates
    assert set(found) == set(templates.names())
    assert all(template.own for template in found.values())
