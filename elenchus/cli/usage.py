"""What is said of arguments that a command does not take, without the secrets among them."""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from elenchus.redaction import OPTIONS, REDACTED, redacted

LEAST = 4  # characters of a secret: shorter ones are parts of many words
# Click's, which Typer brings along and does not name.
_UsageError: Any = typer.BadParameter.__base__


class Group(TyperGroup):
    """The commands, whose messages about arguments hold no secrets."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the options that stand before a command."""
        with _without_secrets():
            return super().make_context(*args, **kwargs)

    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the rest, and run the command."""
        with _without_secrets():
            return super().invoke(*args, **kwargs)


class Parser(argparse.ArgumentParser):
    """A parser of arguments, whose messages hold no secrets."""

    def error(self, message: str) -> NoReturn:
        """Print a message, and exit."""
        super().error(without_secrets(message))


def without_secrets(message: str) -> str:
    """Return a message about arguments without what looks like a secret, or is named as one."""
    for before, argument in pairwise(sys.argv):
        name = before.rstrip(":= ")
        is_named = before.startswith("-") or name != before
        if is_named and name.lower().endswith(OPTIONS) and len(argument) >= LEAST:
            message = message.replace(argument, REDACTED)
    return redacted(message)


@contextlib.contextmanager
def _without_secrets() -> Iterator[None]:
    try:
        yield
    except _UsageError as error:
        error.message = without_secrets(error.message)
        raise
