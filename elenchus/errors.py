"""The one error that reaches a person: something they gave cannot be used."""


class UserError(Exception):
    """Bad input or a bad state of the machine, said in one message that names the remedy.

    The command line prints the message and exits with code 2.
    """


class Interrupted(Exception):
    """Ctrl-C while a run was under way; the message is the run's id."""
