"""What ends a command: something given cannot be used, Ctrl-C, or a run that must stop for now."""


class UserError(Exception):
    """Bad input or a bad state of the machine, said in one message that names the remedy.

    The command line prints the message and exits with code 2.
    """


class NothingLoaded(UserError):
    """The sources of a corpus gave no document at all.

    The command line prints the message and exits with code 1.
    """


class Interrupted(Exception):
    """Ctrl-C while a run was under way; the message is the command that goes on."""


class RunStopped(UserError):
    """A run cannot go on for now (its budget is used up, a server is gone); all of it is kept.

    The command line prints the message and exits with code 3.

    Args:
        cap: the cap of the budget that was used up, as `--budget` names it; "" for another reason.
    """

    def __init__(self, message: str, cap: str = "") -> None:
        super().__init__(message)
        self.cap = cap
