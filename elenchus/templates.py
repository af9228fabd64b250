"""Templates of prompts: the program's own, and those that a domain has in their place.

A template is the system message of a task. The program's lie in prompts/ROLE/TASK.md; a file of the
same name below the domain's own folder prompts/ replaces one for the runs of that domain. Both are
trusted files: nothing that documents or models say ever enters them.

Its first line names the task. The student is not told: its prompts are what it learns and is asked
with ever after, so there is nothing in them that is the program's own.
"""

import difflib
import functools
import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template as Text

from elenchus.errors import UserError

FOLDER = Path(__file__).resolve().parent.parent / "prompts"


@dataclass(frozen=True)
class Template:
    """A template as it was read; `sha256` is that of its file."""

    name: str
    path: Path
    text: str
    sha256: str

    @property
    def own(self) -> bool:
        """Whether it is a domain's and not the program's."""
        return self.path != _program(self.name)

    @property
    def placeholders(self) -> set[str]:
        """The names that settings are filled in for."""
        return set(Text(self.text).get_identifiers())

    def filled(self, settings: Mapping[str, str]) -> str:
        """Return the system message."""
        return Text(self._sent).substitute(settings)

    def shown(self, settings: Mapping[str, str]) -> str:
        """Return the system message, with the placeholders that a call fills as they stand."""
        return Text(self._sent).safe_substitute(settings)

    @property
    def _sent(self) -> str:
        if not self.name.startswith("student/"):
            return self.text
        return self.text.partition("\n")[2].strip()


def of_domain(folder: Path) -> Path:
    """Return where a domain has templates of its own; it need not exist."""
    return folder / "prompts"


def names() -> list[str]:
    """Return the names of all templates, as "role/task"."""
    return [f"{path.parent.name}/{path.stem}" for path in sorted(FOLDER.glob("*/*.md"))]


def known(name: str) -> str:
    """Return a name where there is such a template; UserError with the nearest one otherwise."""
    plain, every = name.removesuffix(".md"), names()
    if plain not in every:
        near = difflib.get_close_matches(plain, every, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(every)}."
        raise UserError(f"there is no prompt {name!r}; {hint} `elenchus prompts list` has them all")
    return plain


def hashes(own: Path | None) -> dict[str, str]:
    """Return the SHA-256 of every template that runs of a domain use, by its path.

    Args:
        own: the domain's folder of templates, which need not exist.
    """
    return {
        f"{name}.md": hashlib.sha256(_bytes(path)).hexdigest() for name, path in _files(own).items()
    }


def read(own: Path | None = None, settings: Collection[str] = ()) -> dict[str, Template]:
    """Read all templates that runs of a domain use, by name.

    Args:
        own: the domain's folder of templates, which need not exist.
        settings: the placeholders that the domain fills in every template. A template may also have
            those that the program's template of the same task has.

    Raises:
        UserError: the domain's folder holds a file that replaces nothing, or cannot be used; the
            message names all of them.
    """
    templates, mistakes = {}, list(_misplaced(own))
    for name, path in _files(own).items():
        raw = _bytes(path)
        try:
            text = raw.decode("utf-8-sig").replace("\r\n", "\n").strip()
        except UnicodeDecodeError:
            mistakes.append(f"{path} is not UTF-8: save it as UTF-8")
            continue
        templates[name] = template = Template(name, path, text, hashlib.sha256(raw).hexdigest())
        if template.own:
            mistakes += _mistakes(template, settings)
    if mistakes:
        raise UserError("; ".join(mistakes))
    return templates


@functools.cache
def program() -> dict[str, Template]:
    """Return the program's own templates, by name."""
    return read()


def place(own: Path, name: str) -> Path:
    """Return where a domain's own template of this name lies, below its folder of templates."""
    return own / f"{name}.md"


def _program(name: str) -> Path:
    return place(FOLDER, name)


def _files(own: Path | None) -> dict[str, Path]:
    """Return the file of every template, the domain's where it has one."""
    paths = {}
    for name in names():
        mine = None if own is None else place(own, name)
        paths[name] = mine if mine is not None and mine.is_file() else _program(name)
    return paths


def _misplaced(own: Path | None) -> Iterator[str]:
    """Say of each file in a domain's folder of templates that it replaces none."""
    if own is None or not own.exists():
        return
    try:
        beside = [path for path in sorted(own.iterdir()) if not _aside(path)]
        folders = [path for path in beside if path.is_dir()]
        within = [path for folder in folders for path in sorted(folder.iterdir())]
    except OSError as error:
        raise UserError(f"cannot read {own}, the domain's prompts: {error.strerror}") from error
    every = [f"{name}.md" for name in names()]
    files = [path for path in beside if path not in folders]
    for path in (*files, *(path for path in within if not _aside(path))):
        name = path.relative_to(own).as_posix()
        if name not in every or not path.is_file():
            near = difflib.get_close_matches(name, every, n=1)
            hint = f"did you mean {near[0]}?" if near else "move it elsewhere;"
            yield f"{path} replaces no prompt: {hint} `elenchus prompts list` has them all"


def _aside(path: Path) -> bool:
    """Tell whether a file is one that systems and editors leave behind."""
    return path.name.startswith(".") or path.name.endswith("~")


def _mistakes(template: Template, settings: Collection[str]) -> Iterator[str]:
    """Say why a domain's template cannot be used."""
    role, _, task = template.name.partition("/")
    first = f"# {role.capitalize()}: {task}"
    if template.text.partition("\n")[0].rstrip() != first:
        yield f"{template.path} must begin with the line {first!r}, which names the task"
    text = Text(template.text)
    if not text.is_valid():
        yield f"{template.path} has a $ that begins no placeholder: write $$ for the sign itself"
    there = {*settings, *program()[template.name].placeholders}
    if unknown := sorted(template.placeholders - there):
        wrong = ", ".join(f"${name}" for name in unknown)
        right = ", ".join(f"${name}" for name in sorted(there))
        yield (
            f"{template.path} has {wrong}, which nothing fills: there are {right}; "
            "write $$ for the sign itself"
        )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
