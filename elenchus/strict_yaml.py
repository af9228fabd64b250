"""YAML as settings need it: of bounded size, and of nothing but text, numbers, lists and mappings.

A small file can stand for one that fills the memory, by aliases of aliases. So a file is measured
before anything is made of it.
"""

from collections.abc import Iterable
from typing import Any, NoReturn

import yaml

from elenchus.errors import UserError
from elenchus.printing import in_line

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # PyYAML was built without libyaml
    from yaml import SafeLoader  # type: ignore[assignment]

LARGEST = 1_000_000  # characters, with those that aliases stand for
VALUE = 10  # characters that a value counts for besides its own
DEEPEST = 50  # lists and mappings in one another
LONGEST_NUMBER = 100  # characters
BOUND = 2**63
SHOWN = 80  # characters of a name that a message shows
_CORE = "tag:yaml.org,2002:"
_TEXT, _MERGE, _TIME = (_CORE + name for name in ("str", "merge", "timestamp"))


def parse(text: str, where: str) -> Any:
    """Read a text as YAML; UserError, which begins with `where`, for what is none or too large."""
    if len(text) > LARGEST:
        raise UserError(f"{where} has more than {LARGEST:,} characters: is it the right file?")
    try:
        _measure(yaml.parse(text, Loader=SafeLoader))
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            _check_keys(root)
            return None if root is None else loader.construct_document(root)
        finally:
            loader.dispose()
    except UnicodeEncodeError as error:  # so it was on the command line
        raise UserError(f"{where} is not UTF-8") from error
    except _Refused as refused:
        raise UserError(f"{where} {refused}") from None
    except yaml.MarkedYAMLError as error:
        # Without the line itself, which may hold anything.
        problem = in_line(": ".join(filter(None, (error.context, error.problem))), 2 * SHOWN)
        line = _line(error.problem_mark or error.context_mark)
        raise UserError(f"{where} is not valid YAML: {problem}{line}") from error
    except yaml.YAMLError as error:  # a character that no YAML has
        raise UserError(f"{where} is not valid YAML: {' '.join(str(error).split())}") from error


def read_own(text: str) -> Any:
    """Read YAML that this program wrote itself, which need not be measured."""
    return yaml.load(text, SafeLoader)


class _Refused(Exception):
    """Valid YAML, of which nothing is made."""


class _Loader(SafeLoader):
    """Makes values of nodes; dates stay text, which they are in names of models and versions."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # so PyYAML declares it
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIME]
        for first, resolvers in SafeLoader.yaml_implicit_resolvers.items()
    }

    def number(self, node: yaml.ScalarNode) -> float:
        """Return a number of 64 bits."""
        make = self.construct_yaml_int if node.tag == _CORE + "int" else self.construct_yaml_float
        try:
            value: float = make(node) if len(node.value) <= LONGEST_NUMBER else BOUND
        except ValueError:  # "0x_" is taken for one
            value = BOUND
        if not abs(value) < BOUND:
            _refuse(node, "has a number that is not finite, or too large for 64 bits")
        return value


for _kind in ("int", "float"):
    _Loader.add_constructor(_CORE + _kind, _Loader.number)


def _measure(events: Iterable[yaml.Event]) -> None:
    """Refuse YAML that is too deep or, with its aliases written out, too large."""
    size, sizes = 0, dict[str, int]()
    opened: list[tuple[str | None, int]] = []
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                name = in_line(str(event.anchor), SHOWN)
                _refuse(event, f"has the alias *{name} of nothing, or within what it names")
            size += sizes[event.anchor]
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor is not None:
                sizes[anchor] = size - before
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            if event.tag is not None:
                name = in_line(event.tag, SHOWN)
                _refuse(event, f"has the tag {name}: leave it out, or put it in quotes")
            before, size = size, size + VALUE
            if isinstance(event, yaml.ScalarEvent):
                size += len(event.value)
                if event.anchor is not None:
                    sizes[event.anchor] = size - before
            else:
                opened.append((event.anchor, before))
        if size > LARGEST:
            _refuse(event, f"has aliases that stand for more than {LARGEST:,} characters")
        if len(opened) > DEEPEST:
            _refuse(event, f"has more than {DEEPEST} lists and mappings in one another")


def _check_keys(root: yaml.Node | None) -> None:
    """Refuse keys that are no text, and those that stand twice in a mapping."""
    nodes, seen = [root], set[int]()
    while nodes:
        node = nodes.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif isinstance(node, yaml.MappingNode):
            names = set[str]()
            for key, value in node.value:
                if key.tag not in (_TEXT, _MERGE):
                    scalar = isinstance(key, yaml.ScalarNode)
                    name = f" {in_line(key.value, SHOWN)}" if scalar else ""
                    _refuse(key, f"has a key{name} that is no text: put it in quotes")
                if key.value in names:
                    _refuse(key, f"has the key {in_line(repr(key.value), SHOWN)} twice: remove one")
                names.add(key.value)
                nodes.append(value)


def _refuse(place: yaml.Node | yaml.Event, reason: str) -> NoReturn:
    raise _Refused(reason + _line(place.start_mark))


def _line(mark: Any) -> str:
    return "" if mark is None else f" (line {mark.line + 1})"
