"""`elenchus inspect`: all runs in a browser."""

import contextlib
import ipaddress
import secrets
import socket
from importlib import util
from typing import Annotated

import typer

from elenchus.cli import options
from elenchus.errors import UserError

NEEDED = ("jinja2", "starlette", "uvicorn")
PORT = 8500


def inspect(
    root: options.Root = options.RUNS,
    host: Annotated[
        str, typer.Option(help="where to listen; others than this machine need the token")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: one that is free")] = PORT,
    token: Annotated[
        str | None, typer.Option(help="what the address must hold; else made at random")
    ] = None,
) -> None:
    """Show all runs in a browser until Ctrl-C, to look at what was asked and learnt, and to review.

    Whoever opens it from another machine needs the token in the address that is printed.
    """
    for package in NEEDED:
        if util.find_spec(package) is None:
            raise UserError(f"this needs {package}: pip install -e '.[ui]'")
    import uvicorn

    from inspection.pages.app import LOCAL, make_app

    listener = _listener(host, port)
    port = listener.getsockname()[1]
    secret = token or ("" if _is_this_machine(host) else secrets.token_urlsafe(24))
    names = LOCAL | {host.lower(), socket.gethostname().lower()}
    app = make_app(root, names, secret)
    shown = _reached(host)
    query = f"?token={secret}" if secret else ""
    print(f"Runs below {root}: http://{shown}:{port}/runs{query}", flush=True)
    config = uvicorn.Config(app, log_level="warning", server_header=False, access_log=False)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([listener])


def _listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens; UserError where it cannot."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UserError(
            f"cannot listen at {host}:{port} ({error.strerror or error}): choose another --port "
            "(0: one that is free), or another --host"
        ) from error


def _is_this_machine(host: str) -> bool:
    """Tell whether only programs on this machine reach an address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reached(host: str) -> str:
    """Return the name that an address of all networks is reached by."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return socket.gethostname()
    return f"[{host}]" if address.version == 6 else host
