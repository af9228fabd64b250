"""Sources that are named by mistake: a whole disk, or a folder of everything."""

import os
from pathlib import Path

import pytest

from elenchus.config import CorpusConfig
from elenchus.errors import UserError
from elenchus.sections import SourceConfig
from retrieval import corpora


def found(folder: Path, *sources: str, **settings: int) -> list[str]:
    corpus = CorpusConfig(sources=[SourceConfig(path=path) for path in sources], **settings)
    return [item.source for item in corpora.items(corpus, folder)]


@pytest.mark.parametrize(
    "path", ["/", "//", "/./", "/**/*.md", "/*", "DEEP", "LINK", "LINK/**/*.md"]
)
def test_the_whole_disk_is_refused_before_it_is_walked(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to("/")
    path = path.replace("DEEP", "../" * 40).replace("LINK", "link")

    def walked(*_: object, **__: object) -> None:
        raise AssertionError("it was walked")

    monkeypatch.setattr(os, "walk", walked)
    monkeypatch.setattr(Path, "glob", walked)
    with pytest.raises(UserError, match=r"the whole disk: name the folder of the documents$"):
        found(tmp_path, path)


def test_a_folder_of_too_many_files_is_refused_before_any_is_read(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number % 3}").mkdir(exist_ok=True)
        (tmp_path / f"{number % 3}" / f"{number}.md").write_text("A tug.")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "a.md").write_text("Passed over.")
    assert len(found(tmp_path, ".", files=12)) == len(found(tmp_path, "**/*.md", files=12)) == 12
    assert len(found(tmp_path, "0", "1", "2", files=4)) == 12, "each source has its own"
    for path in (".", "**/*.md", str(tmp_path)):
        corpus = CorpusConfig(sources=[SourceConfig(path=path)], files=11)
        with pytest.raises(UserError, match=r"holds more than 11 files: .* with corpus.files$"):
            next(corpora.items(corpus, tmp_path))


def test_a_file_beside_the_root_is_no_disk(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("A tug.")
    assert found(Path("/"), str(tmp_path / "a.md")) == [f"{tmp_path}/a.md".lstrip("/")]
    with pytest.raises(UserError, match="does not exist"):
        found(tmp_path, "/no-such-file.md")
