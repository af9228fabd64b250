"""A receiver of OpenTelemetry's spans over HTTP, for tests."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Received:
    """What a receiver was sent.

    Attributes:
        bodies: as they came.
        headers: of each request, their names in lower case.
        status: that it answers with.
    """

    url: str = ""
    status: int = 200
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def spans(self) -> list["Told"]:
        """All spans, in the order of their ends."""
        return [
            Told.of(span, told["resource"])
            for body in self.bodies
            for told in MessageToDict(ExportTraceServiceRequest.FromString(body))["resourceSpans"]
            for scope in told["scopeSpans"]
            for span in scope["spans"]
        ]

    def named(self, name: str) -> list["Told"]:
        """Return the spans whose names begin so."""
        return [span for span in self.spans if span.name.startswith(name)]


@dataclass(frozen=True)
class Told:
    """A span, with its attributes as a mapping; "" is the parent of the first."""

    name: str
    kind: str
    id: str
    parent: str
    trace: str
    error: str
    attributes: dict[str, Any]
    resource: dict[str, Any]

    @classmethod
    def of(cls, span: dict[str, Any], resource: dict[str, Any]) -> "Told":
        error = span["status"].get("message", "-") if "code" in span["status"] else ""
        return cls(
            span["name"], span["kind"].removeprefix("SPAN_KIND_").lower(), span["spanId"],
            span.get("parentSpanId", ""), span["traceId"], error,
            mapped(span["attributes"]), mapped(resource["attributes"]),
        )  # fmt: skip


def mapped(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the attributes of OTLP's JSON as a mapping."""
    return {pair["key"]: _value(pair["value"]) for pair in pairs}


def _value(value: dict[str, Any]) -> Any:
    ((kind, held),) = value.items()
    if kind == "arrayValue":
        return [_value(each) for each in held.get("values", ())]
    return int(held) if kind == "intValue" else held


def path_to(span: Told, spans: list[Told]) -> list[Told]:
    """Return a span with all that it is within, the outermost first."""
    by_id = {each.id: each for each in spans}
    path = [span]
    while path[0].parent:
        path.insert(0, by_id[path[0].parent])
    return path


@contextlib.contextmanager
def receiving() -> Iterator[Received]:
    """Receive spans on a port of this machine."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            received.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(received.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield received
        finally:
            server.shutdown()
            thread.join()
