"""Makes spans with OpenTelemetry, and brings them to their destinations, beside the run.

A thread for each destination takes the spans in batches, so that a slow one holds nothing up. What
fails is said once; a run goes on without its spans, and never waits long for them at its end.
"""

import functools
import itertools
import json
import logging
import math
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from elenchus import __version__
from elenchus.redaction import redacted, redactor

Attributes = Mapping[str, Any]
Say = Callable[[str], None]
PATIENCE = 5.0  # seconds that the end of a run waits for a destination
FILE_DELAY = 1000  # milliseconds after which spans are in the file
FILE_QUEUE = 2**16  # spans that wait for the file at most
SHORT = 200  # characters of texts that are looked through for secrets once
_SPELT = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}  # JSON has no such numbers
_PATH = "/v1/traces"


class Carrier(NamedTuple):
    """What another process needs so that its spans are within one of this: see `Tracing`."""

    file: Path | None
    content: bool
    trace_id: int
    span_id: int
    flags: int
    inherited: dict[str, Any]


class Tracing:
    """Makes the spans of a run. Close it at the end.

    Args:
        file: where each span is a line; None for no file.
        sends: whether spans are sent to the endpoint that the environment names.
        content: whether what models are asked and say is wanted.
        say: is told in one line where spans cannot be sent or written.
        joins: whether another process writes into the file, too.
    """

    def __init__(
        self, file: Path | None, sends: bool, content: bool, say: Say, joins: bool = False
    ) -> None:
        # Each failure would be several lines on the screen, with what a server said.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self.content = content
        self._file = file
        self._redacted = redactor()
        self._clean = functools.lru_cache(4096)(self._redacted)
        self._ended = itertools.count()
        self._ways: list[tuple[BatchSpanProcessor, Watched]] = []
        provider = TracerProvider(resource=self._resource(), shutdown_on_exit=False)
        if file is not None:
            exporter = Watched(Lines(file, joins), file.name, say)
            batches = BatchSpanProcessor(
                exporter, max_queue_size=FILE_QUEUE, schedule_delay_millis=FILE_DELAY
            )
            self._ways.append((batches, exporter))
        if sends and (sender := _sender(say)):
            exporter = Watched(sender, redacted(_endpoint()), say)
            self._ways.append((BatchSpanProcessor(exporter), exporter))
        for processor, _ in self._ways:
            provider.add_span_processor(processor)
        self._tracer = provider.get_tracer("elenchus", __version__)

    def begin(self, name: str, parent: Any, attributes: Attributes, client: bool) -> Any:
        """Begin a span within another, or where that is None a tree: see `telemetry.span`."""
        return self._tracer.start_span(
            self._clean(name),
            context=Context() if parent is None else set_span_in_context(parent, Context()),
            kind=SpanKind.CLIENT if client else SpanKind.INTERNAL,
            attributes=self._cleaned(attributes),
        )

    def set(self, made: Any, attributes: Attributes) -> None:
        """Add attributes to a span."""
        made.set_attributes(self._cleaned(attributes))

    def fail(self, made: Any, kind: str, message: str) -> None:
        """Take note of an error."""
        made.set_attribute("error.type", self._clean(kind))
        made.set_status(Status(StatusCode.ERROR, self._redacted(message)))

    def end(self, made: Any) -> None:
        """End a span."""
        if made.is_recording():
            next(self._ended)
        made.end()

    def carrier(self, made: Any, inherited: Attributes) -> Carrier:
        """Return what another process needs for spans within this one."""
        there = made.get_span_context()
        place = there.trace_id, there.span_id, int(there.trace_flags)
        return Carrier(self._file, self.content, *place, dict(inherited))

    def remote(self, carrier: Carrier) -> Any:
        """Return the span of another process."""
        flags = TraceFlags(carrier.flags)
        there = SpanContext(carrier.trace_id, carrier.span_id, is_remote=True, trace_flags=flags)
        return NonRecordingSpan(there)

    def close(self) -> None:
        """Bring what is left to its destinations, as far as these take it in a few seconds."""
        count = next(self._ended)
        for processor, exporter in self._ways:
            if exporter.failed:
                exporter.shutdown()  # it tries nothing again
            # A destination that hangs would hold up the end of the run.
            last = threading.Thread(target=processor.shutdown, daemon=True)
            last.start()
            last.join(PATIENCE)
            exporter.shutdown()
            exporter.account(count)

    def _resource(self) -> Resource:
        """Return what all spans have: the program, or what the environment names it."""
        own = Resource.create({"service.name": "elenchus", "service.version": __version__})
        named = own.merge(OTELResourceDetector().detect())
        return Resource(self._cleaned(named.attributes))

    def _cleaned(self, attributes: Attributes) -> dict[str, Any]:
        """Return attributes without secrets, and without those that are None."""
        return {key: self._safe(value) for key, value in attributes.items() if value is not None}

    def _safe(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._clean(value) if len(value) <= SHORT else self._redacted(value)
        if isinstance(value, Iterable):
            return [self._safe(each) for each in value]
        return value


class Watched(SpanExporter):
    """An exporter whose failure is said in one line.

    Args:
        where: the destination's name for people.
    """

    def __init__(self, exporter: SpanExporter, where: str, say: Say) -> None:
        self._exporter, self._where, self._say = exporter, where, say
        self._done, self._closed = 0, False
        self.failed = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Bring spans to the destination."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._done += len(spans)
        else:
            self._fail(f"spans do not reach {self._where}; the run goes on without them")
        return result

    def shutdown(self) -> None:
        """End all tries."""
        if not self._closed:
            self._closed = True
            self._exporter.shutdown()

    def account(self, count: int) -> None:
        """Say how many of all spans were lost, where nothing was said before."""
        if self._done < count:
            self._fail(f"{count - self._done} of {count} spans did not reach {self._where}")

    def _fail(self, message: str) -> None:
        if not self.failed:
            self.failed = True
            self._say(message)


class Lines(SpanExporter):
    """Appends spans to a file, a line each, in the JSON of OTLP.

    What a kill left of a last line is cut off, so that all lines can be read.

    Args:
        begun: whether that was seen to before.
    """

    def __init__(self, path: Path, begun: bool) -> None:
        self._path, self._begun = path, begun

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write spans, all of them or, on a full disk, none."""
        data = "".join(f"{line(span)}\n" for span in spans).encode("utf-8", "replace")
        try:
            if not self._begun:
                _cut_to_lines(self._path)
                self._begun = True
            with self._path.open("ab", buffering=0) as file:
                written = file.write(data)
        except OSError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS if written == len(data) else SpanExportResult.FAILURE


def line(span: ReadableSpan) -> str:
    """Return a span as the JSON of a request of OTLP that holds it alone."""
    context, scope, parent = span.context, span.instrumentation_scope, span.parent
    assert context is not None and scope is not None
    told: dict[str, Any] = {
        "traceId": f"{context.trace_id:032x}",
        "spanId": f"{context.span_id:016x}",
        "flags": 0x100,  # it is known whether its parent is of another process
        "name": span.name,
        "kind": span.kind.value + 1,
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _key_values(span.attributes or {}),
        "status": _status(span.status),
    }
    if parent is not None:
        told["parentSpanId"] = f"{parent.span_id:016x}"
        told["flags"] |= 0x200 if parent.is_remote else 0
    spans = {"scope": {"name": scope.name, "version": scope.version}, "spans": [told]}
    resource = {"attributes": _key_values(span.resource.attributes)}
    whole = {"resourceSpans": [{"resource": resource, "scopeSpans": [spans]}]}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


def _status(status: Status) -> dict[str, Any]:
    code = {"code": status.status_code.value} if status.status_code is not StatusCode.UNSET else {}
    return {**code, **({"message": status.description} if status.description else {})}


def _key_values(attributes: Attributes) -> list[dict[str, Any]]:
    return [{"key": key, "value": _any_value(value)} for key, value in attributes.items()]


def _any_value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}  # JSON's numbers do not hold 64 bits
        case float():
            return {"doubleValue": value if math.isfinite(value) else _SPELT[str(value)]}
        case str():
            return {"stringValue": value}
    return {"arrayValue": {"values": [_any_value(each) for each in value]}}


def _cut_to_lines(path: Path) -> None:
    """Cut off what follows the last end of a line."""
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


def _endpoint() -> str:
    """Return the address that spans are sent to, for people."""
    if traces := os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        return traces
    base = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return base.rstrip("/") + _PATH if base else "the local OTLP endpoint"


def _sender(say: Say) -> SpanExporter | None:
    """Return what sends spans in the protocol that the environment names; None where it is none."""
    general = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or general
    try:
        if protocol == "http/protobuf":
            from opentelemetry.exporter.otlp.proto.http import trace_exporter as http

            return http.OTLPSpanExporter()
        if protocol == "grpc":
            from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc

            return grpc.OTLPSpanExporter()
    except ImportError:
        say(f"spans are not sent: {protocol} needs a package; pip install 'elenchus[otel]'")
    except (ValueError, OSError) as error:  # of an address, or the file of a certificate
        say(redacted(f"spans are not sent: {error}"))
    else:
        say(f"spans are not sent: OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}; give http/protobuf")
    return None
