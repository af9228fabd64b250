"""`elenchus prompts`: which prompts there are, what is sent, and how a domain gets its own."""

from pathlib import Path

import pytest

from elenchus import templates


def own(home: Path, name: str) -> Path:
    return home / "prompts" / f"{name}.md"


def test_a_prompt_is_copied_edited_shown_and_listed(elenchus, mock_pool: Path) -> None:
    assert elenchus("prompts", "copy", "author/relate", "--domain", mock_pool).code == 0
    path = own(mock_pool, "author/relate")
    before = {row["prompt"]: row for row in elenchus("prompts", "list", "--json").json}
    copied = elenchus("prompts", "show", "author/relate", "--domain", mock_pool, "--json").json
    assert copied["sha256"] == before["author/relate"]["sha256"]
    path.write_text("# Author: relate\n\nSing of $title in $language.", encoding="utf-8")
    end = elenchus("prompts", "show", "author/relate", "--domain", mock_pool)
    place, _, system = end.out.partition("\n\n")
    assert place.startswith(f"{path} (the domain's, sha256 ")
    assert system == (
        "# Author: relate\n\nSing of the byelaws of a small swimming pool in English.\n"
    )
    after = elenchus("prompts", "list", "--domain", mock_pool, "--json").json
    changed = [row for row in after if row != before[row["prompt"]]]
    assert [(row["prompt"], row["own"], row["file"]) for row in changed] == [
        ("author/relate", True, str(path))
    ]
    table = elenchus("prompts", "list", "--domain", mock_pool).out.splitlines()
    (line,) = [line for line in table if "the domain's" in line]
    assert line.split()[0] == "author/relate"
    assert line.split()[-1] == changed[0]["sha256"][:12]


def test_what_no_domain_fills_in_is_shown_as_it_stands(elenchus, mock_pool: Path) -> None:
    asked = ("prompts", "show", "author/messages")
    assert "of this kind: $title. They are wanted $purpose" in elenchus(*asked).out
    shown = elenchus(*asked, "--domain", mock_pool).out
    assert "byelaws of a small swimming pool. They are wanted $purpose" in shown
    assert str(templates.FOLDER / "author" / "messages.md") in shown


def test_a_copy_replaces_nothing(elenchus, mock_pool: Path) -> None:
    path = own(mock_pool, "author/relate")
    path.parent.mkdir(parents=True)
    path.write_text("mine", encoding="utf-8")
    end = elenchus("prompts", "copy", "author/relate", "--domain", mock_pool)
    assert (end.code, "exists already: edit it" in end.err) == (2, True)
    assert path.read_text("utf-8") == "mine"


@pytest.mark.parametrize("command", ["show", "copy"])
def test_unknown_names_are_answered_with_the_nearest(
    elenchus, mock_pool: Path, command: str
) -> None:
    end = elenchus("prompts", command, "author/relat", "--domain", mock_pool)
    assert (end.code, "did you mean 'author/relate'?" in end.err) == (2, True)
    end = elenchus("prompts", command, "author/relate", "--domain", "harbor")
    assert (end.code, "did you mean 'harbour'?" in end.err) == (2, True)
    assert not (mock_pool / "prompts").exists()


@pytest.mark.parametrize("command", [["list"], ["show", "author/relate"]])
def test_prompts_that_cannot_be_used_are_said(
    elenchus, mock_pool: Path, command: list[str]
) -> None:
    path = own(mock_pool, "author/relate")
    path.parent.mkdir(parents=True)
    path.write_text("# Author: relate\n\nSing of $titel.", encoding="utf-8")
    end = elenchus("prompts", *command, "--domain", mock_pool)
    assert (end.code, end.out, end.err.count("\n")) == (2, "", 1)
    assert "$titel, which nothing fills" in end.err


def test_a_template_does_not_command_the_terminal(elenchus, mock_pool: Path) -> None:
    path = own(mock_pool, "author/relate")
    path.parent.mkdir(parents=True)
    path.write_text("# Author: relate\n\n\x1b[2J[bold]Sing[/bold]", encoding="utf-8")
    shown = elenchus("prompts", "show", "author/relate", "--domain", mock_pool).out
    assert "\x1b" not in shown
    assert "[bold]Sing[/bold]" in shown
