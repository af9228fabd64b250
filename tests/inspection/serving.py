"""Serves pages to a real browser."""

import threading
from pathlib import Path

import uvicorn

from inspection.pages.app import make_app


class Server:
    """Pages of the runs below a folder, at an address of this machine."""

    def __init__(self, root: Path) -> None:
        config = uvicorn.Config(make_app(root), port=0, log_level="error")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            self._thread.join(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
