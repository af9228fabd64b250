"""A server of S3, as much of it as reading needs, on this machine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

CHANGED = "2026-01-01T00:00:00.000Z", "Thu, 01 Jan 2026 00:00:00 GMT"
KEYS = {"AWS_ACCESS_KEY_ID": "reader", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}


class Bucket(dict[str, bytes]):
    """Objects by key; `gone` are those that are listed but cannot be had for a time."""

    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.port = 0

    def address(self, key: str) -> str:
        """Return the address of a file or folder."""
        return f"s3://bucket/{key}?scheme=http&endpoint_override=127.0.0.1:{self.port}"


@contextmanager
def served() -> Iterator[Bucket]:
    """Serve a bucket of the name `bucket`."""
    bucket = Bucket()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            name, _, key = unquote(address.path).lstrip("/").partition("/")
            if "Credential=reader/" not in self.headers.get("Authorization", ""):
                self._answer(403)
            elif name != "bucket":
                self._answer(404)
            elif not key:
                self._answer(200, self._listing(parse_qs(address.query)))
            elif key in bucket.gone:
                self._answer(400)
            elif key not in bucket:
                self._answer(404)
            elif (asked := self.headers.get("Range")) is not None:
                first, _, last = asked.removeprefix("bytes=").partition("-")
                self._answer(206, bucket[key][int(first) : int(last) + 1])
            else:
                self._answer(200, bucket[key])

        def _listing(self, query: dict[str, list[str]]) -> bytes:
            prefix = query.get("prefix", [""])[0]
            rows = "".join(
                f"<Contents><Key>{escape(key)}</Key><Size>{len(content)}</Size>"
                f"<LastModified>{CHANGED[0]}</LastModified></Contents>"
                for key, content in sorted(bucket.items())
                if key.startswith(prefix)
            )
            count = rows.count("<Key>")
            return (
                f"<ListBucketResult><KeyCount>{count}</KeyCount><IsTruncated>false</IsTruncated>"
                f"{rows}</ListBucketResult>"
            ).encode()

        def _answer(self, status: int, content: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Last-Modified", CHANGED[1])
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    bucket.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield bucket
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
