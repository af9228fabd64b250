"""A server that answers every request with the same bytes, and the program's own clients for it."""

import asyncio
import re
import threading
from pathlib import Path

from langchain_core.exceptions import ModelError
from langchain_core.messages import BaseMessage, HumanMessage
from pydantic import SecretStr

from elenchus.sections import ModelConfig
from models.backend import backend
from models.compatible import CompatibleModel

SECONDS = 3.0  # that an answer may take
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_ASK: list[BaseMessage] = [HumanMessage("May I?")]


class Asked:
    """Asks a local server, which is started with the first question, through the real clients."""

    errors: tuple[type[Exception], ...] = (ModelError,)

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._said = b""
        self._url = ""

    def answer(self, data: bytes, folder: Path) -> None:
        """Ask for an answer, which is these bytes, status and headers included."""
        self._say(data)
        asyncio.run_coroutine_threadsafe(self._answered(), self._loop).result()

    def look(self, data: bytes, folder: Path) -> None:
        """Look a model up at a server that says these bytes."""
        self._say(data)
        config = ModelConfig(model="openai:reader", base_url=self._url, timeout=SECONDS)
        backend(config.model).look(config)

    def _say(self, data: bytes) -> None:
        self._said = data
        if not self._url:
            threading.Thread(target=self._loop.run_forever, daemon=True).start()
            started = asyncio.run_coroutine_threadsafe(self._serve(), self._loop)
            self._url = f"http://127.0.0.1:{started.result()}/v1"

    async def _serve(self) -> int:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._server = server  # which would be closed with its last reference
        return int(server.sockets[0].getsockname()[1])

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close: what was promised, and not said, never comes."""
        try:
            headers = await reader.readuntil(b"\r\n\r\n")
            if length := _LENGTH.search(headers):
                await reader.readexactly(int(length[1]))
            writer.write(self._said)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _answered(self) -> None:
        model = CompatibleModel("reader", self._url, SecretStr("none"), None, SECONDS, {})
        try:
            reply = await model.ainvoke(_ASK)
            str(reply.text).encode(errors="surrogatepass")
        finally:
            await model.aclose()
