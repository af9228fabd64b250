"""Keeps strangers out of the pages: who may ask, from where, and what a page may load.

Other sites that a person has open can send requests to this server, too. So the name that a browser
asked for must be one of ours (a foreign name may be bound to our address), whoever is let in from
elsewhere than this machine must know a token, and a request that writes must come from our own
pages, with a second token that they hold.
"""

import hmac
import ipaddress
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "elenchus"
FIELD = "form_token"  # of a form that writes
LARGEST = 1_000_000  # bytes of a form
SAFE = ("GET", "HEAD")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with none at all, forms would tell no origin
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Lets a request through to the pages, or answers it with the reason why not.

    Args:
        names: by which a browser may ask for this server, in lower case and without a port;
            addresses in figures always may be asked for.
        token: what everybody must know; "" where everybody on this machine may look.
    """

    def __init__(self, app: ASGIApp, names: frozenset[str], token: str = "") -> None:
        self.app, self._names, self._token = app, names, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._refusal(scope) or self._entry(scope)
        await (answer or self.app)(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the answer to a request that does not come from where it should."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_ours(host):
            return PlainTextResponse("This server is not known by that name.\n", 421)
        if scope["method"] in SAFE:
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        own = origin is not None and urlsplit(origin).netloc == host
        if not own or site not in (None, "same-origin"):
            return PlainTextResponse("Only these pages themselves may change something.\n", 403)
        return None

    def _entry(self, scope: Scope) -> Response | None:
        """Return the answer to whoever does not show the token, or shows it for the first time."""
        if not self._token:
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = dict(query).get("token", "")
        if given and hmac.compare_digest(given.encode(), self._token.encode()):
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            # A second slash would be the name of another server.
            path = "/" + scope["path"].lstrip("/")
            entered = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
            entered.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
            return entered
        if hmac.compare_digest(_cookie(scope).encode(), self._token.encode()):
            return None
        return PlainTextResponse(
            "Open the address that `elenchus inspect` printed: it holds the token.\n", 403
        )

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._names or _is_address(name)


def form_token() -> str:
    """Return a new token for the forms of one process."""
    return secrets.token_urlsafe(24)


async def posted(request: Request) -> dict[str, str] | None:
    """Return the fields of a form that our own pages sent; None where its token is not theirs.

    Every route that writes begins with it.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            return None
    fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    expected = str(request.app.state.form_token)
    if not hmac.compare_digest(fields.pop(FIELD, "").encode(), expected.encode()):
        return None
    return fields


def _cookie(scope: Scope) -> str:
    try:
        cookies = SimpleCookie(Headers(scope=scope).get("cookie", ""))
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
