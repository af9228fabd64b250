"""Parts by name: our own, and those that installed packages add.

Each seam of the program is one `Registry`: methods (`graphs/methods.py`), backends of models
(`models/backend.py`), graders (`agents/graders.py`), stopping rules
(`graphs/adaptation/stopping.py`) and loaders of documents (`retrieval/corpora.py`).
docs/extending.md has an example of each.
"""

import difflib
import functools
import pkgutil
from collections.abc import Mapping
from importlib import metadata
from typing import Any, Generic, TypeVar, cast

from elenchus.errors import UserError

Part = TypeVar("Part")


class Registry(Generic[Part]):
    """Parts of one kind by name; each is loaded when it is first asked for.

    Args:
        what: the kind in words, for messages.
        group: the entry-point group by which installed packages add to it.
        built_in: our own parts, as "module:attribute"; a name among them is never an added part's.
    """

    def __init__(self, what: str, group: str, built_in: Mapping[str, str]) -> None:
        self.what, self.group, self._built_in = what, group, built_in

    def names(self) -> list[str]:
        """Return all names, our own first."""
        return [*self._built_in, *(name for name in self._added if name not in self._built_in)]

    def get(self, name: str) -> Part:
        """Load a part.

        Raises:
            UserError: there is none of this name, or its package cannot be loaded.
        """
        if name in self._built_in:
            return cast(Part, pkgutil.resolve_name(self._built_in[name]))
        if name not in self._added:
            near = difflib.get_close_matches(name, self.names(), n=1)
            known = f"known: {', '.join(self.names()) or 'none'}"
            hint = f"did you mean {near[0]!r}?" if near else known
            raise UserError(f"there is no {self.what} {name!r}; {hint}")
        point = self._added[name]
        try:
            return cast(Part, point.load())
        except (ImportError, AttributeError) as error:
            package = point.dist.name if point.dist else point.value
            raise UserError(
                f"the {self.what} {name!r} of {package} cannot be loaded: {error}"
            ) from error

    @functools.cached_property
    def _added(self) -> dict[str, Any]:
        return {point.name: point for point in metadata.entry_points(group=self.group)}
