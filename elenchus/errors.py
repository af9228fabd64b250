"""Exceptions that end a command: bad input, Ctrl-C, or a run that must stop for now.

The command line prints their message and exits with their `exit_code`.
"""

from elenchus.redaction import redacted


class UserError(Exception):
    """Bad input or a bad state of the machine, in one message that names the remedy.

    What a server or a file said may be part of it, so secrets are taken out here.
    """

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(redacted(message))


class NothingLoaded(UserError):
    """The sources of a corpus gave no document at all."""

    exit_code = 1


class Interrupted(Exception):
    """Ctrl-C while a run was under way; the message is the command that goes on."""

    exit_code = 130


class RunStopped(UserError):
    """A run cannot go on for now (its budget is used up, a server is gone); nothing is lost.

    Args:
        cap: the cap of the budget that is used up, as `--budget` names it; "" for another reason.
        shared: whether it is a cap on all runs that were launched together.
    """

    exit_code = 3

    def __init__(self, message: str, cap: str = "", shared: bool = False) -> None:
        super().__init__(message)
        self.cap, self.shared = cap, shared


class DatabaseGone(RunStopped):
    """A run's database stays away, or another process has the run: nothing can be written."""
