"""Spans of a run, for OpenTelemetry: its nodes, model calls, searches and steps of training.

They go where the standard environment variables of OpenTelemetry say, and into `spans.jsonl` in the
run's folder where `telemetry.spans` is set. Where neither is wanted, nothing of OpenTelemetry is
imported, and `span` is one look at a variable. Secrets are taken out of all that a span holds.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar, Token
from importlib import util
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from elenchus.config import TelemetryConfig
from elenchus.errors import UserError

if TYPE_CHECKING:
    from elenchus.exporting import Carrier, Tracing

Attributes = Mapping[str, Any]
Say = Callable[[str], None]
FILE = "spans.jsonl"
# Values of the variable of the conventions with which the content of messages is on spans.
_WITH_CONTENT = ("true", "span_only", "span_and_event")
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Nothing:
    """Stands for a span where none are made; it is false."""

    content = False

    def __bool__(self) -> Literal[False]:
        return False

    def __enter__(self) -> "Nothing":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def set(self, attributes: Attributes) -> None:
        """See `Span.set`."""

    def fail(self, kind: str, message: str) -> None:
        """See `Span.fail`."""

    def end(self) -> None:
        """See `Span.end`."""


class Span:
    """A span under way. As a context it is the parent of those that are begun within it.

    Args:
        made: the span of OpenTelemetry.
        inherited: attributes that those begun within it have, too.
        parent: the span that it is within, where that is of this process.
    """

    def __init__(
        self, tracing: "Tracing", made: Any, inherited: Attributes, parent: "Span | None" = None
    ) -> None:
        self.tracing, self.made, self.inherited = tracing, made, inherited
        self._parent = parent
        self._token: Token[Span | None] | None = None

    @property
    def content(self) -> bool:
        """Whether what models are asked and say is wanted."""
        return self.tracing.content

    @property
    def outer(self) -> "Span | Nothing":
        """The span that it is within."""
        return self._parent or _NOTHING

    def __enter__(self) -> "Span":
        self._token = _current.set(self)
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._token is not None
        _current.reset(self._token)
        if error is not None:
            cause = error.__cause__ or error
            self.fail(type(cause).__name__, str(error))
        self.end()

    def set(self, attributes: Attributes) -> None:
        """Add attributes; those that are None are left out."""
        self.tracing.set(self.made, attributes)

    def fail(self, kind: str, message: str) -> None:
        """Take note that what the span is of has failed; `kind` is one of few."""
        self.tracing.fail(self.made, kind, message)

    def end(self) -> None:
        """End the span, which is then on its way."""
        self.tracing.end(self.made)


_NOTHING = Nothing()
_current: ContextVar[Span | None] = ContextVar("span", default=None)


def span(
    name: str,
    attributes: Attributes | None = None,
    inherited: Attributes | None = None,
    client: bool = False,
) -> Span | Nothing:
    """Begin a span within the present one; nothing where there is none.

    Args:
        inherited: attributes of it and of all that are begun within it.
        client: it is of a call to another process.
    """
    parent = _current.get()
    if parent is None:
        return _NOTHING
    return _begun(parent.tracing, name, parent, attributes or {}, inherited or {}, client)


def current() -> Span | Nothing:
    """Return the span that the code is within."""
    return _current.get() or _NOTHING


def check(config: TelemetryConfig) -> None:
    """Check that spans can be written where they are wanted; UserError where they cannot."""
    if config.spans and not _installed():
        raise UserError("telemetry.spans needs OpenTelemetry: pip install 'elenchus[otel]'")


@contextlib.contextmanager
def traced(
    config: TelemetryConfig, folder: Path, say: Say, name: str, attributes: Attributes
) -> Iterator[None]:
    """Make spans of all that is done in this context, within one that has the name.

    Args:
        folder: of the run, for the file of spans.
        say: is told in one line where spans cannot be sent.
        attributes: of this span; those that begin with "elenchus." are inherited.
    """
    file = folder / FILE if config.spans else None
    if _disabled() or (file is None and not sent()):
        yield
        return
    if not _installed():
        say("no spans are made without OpenTelemetry: pip install 'elenchus[otel]'")
        yield
        return
    from elenchus.exporting import Tracing

    tracing = Tracing(file, sent(), config.content or _content_by_environment(), say)
    own = {key: value for key, value in attributes.items() if key.startswith("elenchus.")}
    try:
        with _begun(tracing, name, None, attributes, own, False):
            yield
    finally:
        tracing.close()


def carried() -> "Carrier | None":
    """Return what another process needs so that its spans are within the present one."""
    parent = _current.get()
    return None if parent is None else parent.tracing.carrier(parent.made, parent.inherited)


@contextlib.contextmanager
def joined(carrier: "Carrier | None") -> Iterator[None]:
    """Make spans in this process within one of another, which `carried` tells of."""
    if carrier is None:
        yield
        return
    from elenchus.exporting import Tracing

    tracing = Tracing(carrier.file, sent(), carrier.content, _unheard, joins=True)
    token = _current.set(Span(tracing, tracing.remote(carrier), carrier.inherited))
    try:
        yield
    finally:
        _current.reset(token)
        tracing.close()


def sent() -> bool:
    """Tell whether the environment says that spans are to be sent."""
    if exporters := os.environ.get("OTEL_TRACES_EXPORTER"):
        return "otlp" in exporters.replace(" ", "").split(",")
    return any(os.environ.get(name) for name in _ENDPOINTS)


def _begun(
    tracing: "Tracing",
    name: str,
    parent: Span | None,
    attributes: Attributes,
    inherited: Attributes,
    client: bool,
) -> Span:
    handed_on = {**parent.inherited, **inherited} if parent else inherited
    within = parent.made if parent else None
    made = tracing.begin(name, within, {**handed_on, **attributes}, client)
    return Span(tracing, made, handed_on, parent)


def _unheard(_: str) -> None:
    """Say nothing: the process that began the tracing says it."""


def _installed() -> bool:
    # Of a name with a dot, the package is looked for first.
    return all(util.find_spec(name) is not None for name in ("opentelemetry", "opentelemetry.sdk"))


def _disabled() -> bool:
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def _content_by_environment() -> bool:
    wanted = os.environ.get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "")
    return wanted.strip().lower() in _WITH_CONTENT
