"""Runs of a domain with prompts of its own: refused early, recorded by hash, compared at resume."""

import hashlib
from contextlib import closing
from pathlib import Path

import pytest

from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.progress import Unseen
from elenchus.templates import program
from graphs import runner
from graphs.config import load
from graphs.services import Services

NAME = "expert/answer"


class Heard(Unseen):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def replace(home: Path, more: str) -> str:
    """Write the domain's own prompt, and return its hash."""
    path = home / "prompts" / f"{NAME}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{program()[NAME].text}\n{more}", encoding="utf-8")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_run_sends_and_records_the_domains_prompt(mock_pool: Path, tmp_path: Path) -> None:
    own = replace(mock_pool, "Speak of $title as a bather would.")
    config = load(mock_pool / "domain.yaml")
    result = runner.launch(config, mock_pool, tmp_path / "runs", None, Unseen())
    run = runner.RunFolder(tmp_path / "runs" / "pool" / result.run)
    recorded = run.manifest()["prompts"]
    assert recorded[f"{NAME}.md"] == own
    others = {f"{name}.md": t.sha256 for name, t in program().items() if name != NAME}
    assert recorded == others | {f"{NAME}.md": own}
    with closing(Ledger(run.ledger, read_only=True)) as ledger:
        rows = ledger._query("SELECT prompt_sha256, request FROM calls WHERE task = 'answer'")
        sent = {sha256: request for sha256, request in rows if "Expert" in request}
    assert set(sent) == {own}
    assert "Speak of the byelaws of a small swimming pool as a bather would" in sent[own]


def test_a_resume_names_the_prompts_that_changed(mock_pool: Path, tmp_path: Path) -> None:
    replace(mock_pool, "Be brief.")
    config, heard = load(mock_pool / "domain.yaml"), Heard()
    run = runner.create(config, mock_pool, tmp_path / "runs", None, heard)
    assert run.changed() == []
    assert runner.is_same(run, config, mock_pool)
    replace(mock_pool, "Be long.")
    assert run.changed() == [f"{NAME}.md"]
    assert not runner.is_same(run, config, mock_pool)
    runner.resume(run, heard)
    assert f"changed since the launch: {NAME}.md" in heard.said


def test_an_own_prompt_that_is_gone_has_changed(mock_pool: Path, tmp_path: Path) -> None:
    replace(mock_pool, "Be brief.")
    config = load(mock_pool / "domain.yaml")
    run = runner.create(config, mock_pool, tmp_path / "runs", None, Unseen())
    (mock_pool / "prompts" / f"{NAME}.md").unlink()
    assert run.changed() == [f"{NAME}.md"]


def test_prompts_that_cannot_be_used_keep_a_run_from_being_made(
    mock_pool: Path, tmp_path: Path
) -> None:
    replace(mock_pool, "$titel")
    config, root = load(mock_pool / "domain.yaml"), tmp_path / "runs"
    with pytest.raises(UserError, match=r"\$titel, which nothing fills"):
        runner.launch(config, mock_pool, root, None, Unseen())
    assert not root.exists()


def test_prompts_that_cannot_be_used_keep_a_run_from_going_on(
    mock_pool: Path, tmp_path: Path
) -> None:
    config = load(mock_pool / "domain.yaml")
    run = runner.create(config, mock_pool, tmp_path / "runs", None, Unseen())
    replace(mock_pool, "$titel")
    with pytest.raises(UserError, match=r"\$titel, which nothing fills"):
        runner.resume(run, Unseen())
    with closing(Ledger(run.ledger)) as ledger:
        assert ledger._query("SELECT COUNT(*) FROM calls") == [(0,)]


def test_services_of_a_run_speak_as_its_domain_does(mock_pool: Path, tmp_path: Path) -> None:
    replace(mock_pool, "Be brief.")
    config = load(mock_pool / "domain.yaml")
    run = runner.create(config, mock_pool, tmp_path / "runs", None, Unseen())
    services = Services(run, config, run.domain_folder(), Ledger(run.ledger), Unseen())
    try:
        assert services.subject.templates[NAME].text.endswith("Be brief.")
    finally:
        services.close()
