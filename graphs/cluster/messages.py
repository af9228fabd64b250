"""What goes between the driver and its workers."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from elenchus.errors import RunStopped, UserError
from elenchus.ledger import Call
from elenchus.records import Record

Files = Mapping[str, bytes]  # by their paths below a folder


class Given(NamedTuple):
    """What a worker needs to know of a run.

    Attributes:
        path: the run's folder, which a worker on another machine need not see.
        config: the tree of the configuration.
        prompts: the domain's own templates.
        collection: the name of the store's, of which an index that is shared may have many.
        records: those that every examination may read.
    """

    path: str
    config: Mapping[str, Any]
    prompts: Files
    collection: str
    records: Sequence[Record]


class Ask(NamedTuple):
    """Asks for the answer to a call, or else to be let in.

    Attributes:
        number: by which it is answered, and what follows on it is told.
        model, base_url: whose limits hold.
        tokens: about how many are sent.
        anyway: whether it is made even where it has an answer.
    """

    number: int
    call: Call
    model: str
    base_url: str | None
    tokens: int
    anyway: bool = False


class Again(NamedTuple):
    """Asks to be let in again, as what was asked under this number has failed."""

    number: int
    tokens: int


class Ended(NamedTuple):
    """Tells that the server has answered; without an answer, whether it was busy."""

    number: int
    answer: Call | None
    busy: bool = False


class Released(NamedTuple):
    """Tells that nothing more is asked under this number."""

    number: int


class Last(NamedTuple):
    """Asks for the last attempt of a call."""

    number: int
    key: str


class Stop(NamedTuple):
    """Asks to stop the run once all calls under way have ended."""

    number: int
    reason: str


Request = Ask | Again | Ended | Released | Last | Stop
Answers = list[tuple[int, Any]]  # by the numbers of what was asked


class Batch(NamedTuple):
    """What a worker asks and tells at a time; without a `serial` number it is empty."""

    serial: int | None = None
    requests: Sequence[Request] = ()


class Stopped(NamedTuple):
    """Tells why a run cannot go on."""

    message: str
    cap: str = ""
    shared: bool = False
    resumable: bool = True

    @classmethod
    def by(cls, error: UserError) -> "Stopped":
        """Return what tells of an error."""
        if isinstance(error, RunStopped):
            return cls(str(error), error.cap, error.shared)
        return cls(str(error), resumable=False)

    def error(self) -> UserError:
        """Return the error that it tells of."""
        if self.resumable:
            return RunStopped(self.message, self.cap, self.shared)
        return UserError(self.message)


class Examined(NamedTuple):
    """What came of an examination: its records, and where the run has to stop, why.

    Attributes:
        asked: the numbers of what it asked for, whose answers may be told later.
    """

    records: Sequence[Record] = ()
    asked: Sequence[int] = ()
    stopped: Stopped | None = None
