"""Other distributions with a package of the same name: Python imports one, or a mixture of both."""

import base64
import hashlib
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from elenchus.errors import UserError

# What Python imports by name; prompts/ and domains/ are read as files, wherever others lie.
PACKAGES = (
    "models", "agents", "evaluation", "graphs", "retrieval", "training", "publishing", "inspection",
    "offline", "benchmarks",
)  # fmt: skip
HOME = Path(__file__).resolve().parents[1]


def check_neighbours() -> None:
    """Refuse to run where a package is another distribution's, or shared with one.

    Raises:
        UserError: names the package, and whose it is.
    """
    recorded = _recorded()
    for name in PACKAGES:
        spec = find_spec(name)  # looks for it without importing it
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin is None:
            raise UserError(f"the package {name!r} of Elenchus is not complete: reinstall Elenchus")
        if origin.parent.parent != HOME:
            raise UserError(
                f"the package {name!r} is not Elenchus's own but {origin}{_owners(name)}: install "
                "Elenchus into an environment of its own"
            )
        if name in recorded and _is_shared(HOME / name, recorded[name]):
            raise UserError(
                f"the package {name!r} in {HOME} is not Elenchus's alone{_owners(name)}: install "
                "Elenchus into an environment of its own; one or the other is broken here"
            )


def _recorded() -> dict[str, dict[str, metadata.PackagePath]]:
    """Return the files that were installed, by package and by name; none of a source tree."""
    files: dict[str, dict[str, metadata.PackagePath]] = {}
    for found in metadata.Distribution.discover(name="elenchus", path=[str(HOME)]):
        # Without a record it is a source tree, where files come and go.
        for file in (found.files if found.read_text("RECORD") else None) or ():
            if file.parts[0] in PACKAGES:
                files.setdefault(file.parts[0], {})["/".join(file.parts[1:])] = file
    return files


def _is_shared(folder: Path, ours: dict[str, metadata.PackagePath]) -> bool:
    """Tell whether a folder holds files or folders that we did not install, or one was replaced."""
    names = {name.split("/")[0] for name in ours} | {"__pycache__"}
    if any(path.name not in names for path in folder.iterdir()):
        return True
    kept = ours["__init__.py"].hash
    digest = hashlib.sha256((folder / "__init__.py").read_bytes()).digest()
    return kept is not None and kept.value != base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _owners(name: str) -> str:
    """Return which other distributions have a package of this name, in brackets."""
    others = sorted({*metadata.packages_distributions().get(name, ())} - {"elenchus"})
    return f" ({', '.join(others)} has one of this name)" if others else ""
