"""The last source of a domain can be taken out: it is then as new."""

from pathlib import Path

import pytest
import yaml


@pytest.fixture
def home(elenchus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new domain whose only source is a folder beside it; commands are typed there."""
    monkeypatch.chdir(tmp_path)
    elenchus("new", "port")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "ladders.md").write_text("# Ladders\n\nA ladder must be tied.", "utf-8")
    assert elenchus("corpus", "add", "port", "rules").code == 0
    return tmp_path / "domains" / "port"


def test_without_a_source_documents_is_read_again(elenchus, home: Path) -> None:
    (home / "documents" / "nets.md").write_text("# Nets\n\nA net must be dried.", "utf-8")
    end = elenchus("corpus", "remove", "port", "rules", "--json")
    assert (end.code, end.json["documents"], end.json["removed"]) == (0, 1, 1)
    assert "corpus" not in yaml.safe_load((home / "domain.yaml").read_text("utf-8"))
    assert [r["title"] for r in elenchus("corpus", "list", "port", "--json").json] == ["Nets"]
    end = elenchus("corpus", "remove", "port", "documents")
    assert (end.code, "names no source" in end.err) == (2, True)


@pytest.mark.parametrize("as_json", [False, True])
def test_a_domain_may_be_left_without_documents(elenchus, home: Path, as_json: bool) -> None:
    end = elenchus("corpus", "remove", "port", "rules", *(["--json"] if as_json else []))
    assert end.code == 0
    assert end.json["documents"] == 0 if as_json else "no documents are left" in end.out
    assert "corpus" not in yaml.safe_load((home / "domain.yaml").read_text("utf-8"))
    assert elenchus("corpus", "list", "port").code == 1
    again = elenchus("corpus", "add", "port", "rules", "--json")
    assert (again.code, again.json["documents"]) == (0, 1)


def test_other_settings_of_the_section_stay(elenchus, home: Path) -> None:
    path = home / "domain.yaml"
    path.write_text(path.read_text("utf-8") + "  passage_chars: 900  # short\n", "utf-8")
    assert elenchus("corpus", "remove", "port", "rules").code == 0
    assert yaml.safe_load(path.read_text("utf-8"))["corpus"] == {"passage_chars": 900}
    assert "# short" in path.read_text("utf-8")
