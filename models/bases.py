"""Names the model that weights in a folder are, as others know it: on the hub, or by itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elenchus.front_matter import CARD, read_front_matter
from elenchus.printing import in_line, printable
from models import students

NOTES = (CARD, "MODEL_CARD.md")
LONGEST = 1_000_000  # characters of a card that are looked at
_SNAPSHOT = re.compile(r"models--(?P<id>[\w.-]+)/snapshots/(?P<revision>[0-9a-f]{7,64})$")


@dataclass(frozen=True)
class Base:
    """The model that a training begins with.

    Attributes:
        name: its id on the hub, else what the configuration or its folder calls it; no path.
        on_hub: whether the name is an id on the hub.
        revision: the commit on the hub; "" where it is not known.
        licence: as its card names it; "" where none does.
        remark: what tells its weights from those of that name, as a sentence; "" where nothing.
    """

    name: str
    on_hub: bool = False
    revision: str = ""
    licence: str = ""
    remark: str = ""


def base_of(model: str, folder: Path) -> Base:
    """Return what others know a model by.

    Args:
        model: "provider:model", as a configuration names it.
        folder: of its weights.
    """
    name = model.partition(":")[2]
    licence = _licence(front_matter(folder))
    if name in students.STUDENTS:
        student, source = students.known(name), students.source_of(folder)
        remark = "" if source.get("from") == "hub" else _of_package(student, bool(source))
        revision = source.get("revision", "")
        return Base(student.hub, True, revision, licence or student.licence, remark)
    if found := _SNAPSHOT.search(folder.absolute().as_posix()):
        return Base(found["id"].replace("--", "/"), True, found["revision"], licence)
    own = Path(name).name or folder.absolute().name
    return Base(in_line(printable(own).replace("`", "'"), 100), licence=licence)


def public_name(model: str) -> str:
    """Return "provider:model" as others may read it."""
    provider, colon, name = model.partition(":")
    return f"{provider}{colon}{public_place(name)}"


def public_place(place: str) -> str:
    """Return the name of something as others may read it: of a folder here no path, but its own."""
    return Path(place).name if place.startswith("~") or Path(place).is_absolute() else place


def _licence(matter: Mapping[str, Any]) -> str:
    """Return the licence in a front matter; by its own name where it is none of the hub's."""
    named = matter.get("license")
    if named == "other":
        named = matter.get("license_name") or named
    return named if isinstance(named, str) and named != "unknown" else ""


def _of_package(student: students.Student, sure: bool) -> str:
    """Say that weights are, or may be, those that a package carries."""
    file = Path(student.file).name
    carried = f"the package {student.package}, which carries them quantised ({file})"
    if sure:
        return f"Its weights came from {carried}: those on the hub differ from them in rounding."
    return f"Its weights came from the hub or from {carried}: which of them was not noted."


def front_matter(folder: Path) -> dict[str, Any]:
    """Return the front matter of the card in a folder; empty where it has none that can be read."""
    for file in (folder / name for name in NOTES):
        try:
            with file.open(encoding="utf-8", errors="replace") as opened:
                read, _ = read_front_matter(opened.read(LONGEST))
        except (OSError, ValueError):
            continue
        if read:
            return read
    return {}
