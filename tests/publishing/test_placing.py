"""Exports reach their folder whole, or not at all."""

from pathlib import Path

import pytest

from elenchus.errors import UserError
from publishing.placing import beside, put


def test_a_new_folder_is_there_at_once_and_nothing_beside_it(tmp_path: Path) -> None:
    to = tmp_path / "deep" / "out"
    with beside(to) as place:
        (place / "made" / "data").mkdir(parents=True)
        (place / "made" / "data" / "rows").write_text("a", encoding="utf-8")
        assert not to.exists()
        put(place / "made", to)
    assert [path.name for path in to.parent.iterdir()] == ["out"]
    assert (to / "data" / "rows").read_text("utf-8") == "a"
    assert to.stat().st_mode == to.parent.stat().st_mode  # not that of a temporary folder


def test_what_breaks_off_leaves_all_as_it_was(tmp_path: Path) -> None:
    to = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt), beside(to) as place:
        (place / "half").write_text("a", encoding="utf-8")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="--to"), beside(tmp_path / "file" / "out"):
        pass


def test_files_of_others_stay_and_what_is_stale_goes(tmp_path: Path) -> None:
    to, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    to.mkdir()
    elsewhere.write_text("theirs", encoding="utf-8")
    for name in ("mine", "old", "kept"):
        (to / name).write_text("before", encoding="utf-8")
    (to / "new").symlink_to(elsewhere)
    with beside(to) as place:
        (place / "made").mkdir()
        for name in ("new", "kept"):
            (place / "made" / name).write_text("made", encoding="utf-8")
        put(place / "made", to, stale=("old", "kept", "never"))
    held = {path.name: path.read_text("utf-8") for path in to.iterdir()}
    assert held == {"mine": "before", "kept": "made", "new": "made"}
    assert elsewhere.read_text("utf-8") == "theirs"  # a link is replaced, and not followed
