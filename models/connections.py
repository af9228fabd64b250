"""Connections to servers of one's own: all models at one address, on one event loop, share them."""

import asyncio
from dataclasses import dataclass

import aiohttp

_Place = tuple[asyncio.AbstractEventLoop, str, str]


@dataclass
class _Shared:
    session: aiohttp.ClientSession
    users: int = 0


_open: dict[_Place, _Shared] = {}


class Connections:
    """One model's part in the connections to a server; they close with the last part.

    Args:
        address: the `base_url` of the server.
        key: is sent along with each request.
    """

    def __init__(self, address: str, key: str) -> None:
        self._address, self._key = address, key
        self._place: _Place | None = None  # once they are used

    def session(self) -> aiohttp.ClientSession:
        """Return the session to send requests by, on the running event loop."""
        if self._place is None:
            self._place = (asyncio.get_running_loop(), self._address, self._key)
            if self._place not in _open:
                _open[self._place] = _Shared(_session(self._key))
            _open[self._place].users += 1
        return _open[self._place].session

    async def close(self) -> None:
        """Give this part back."""
        if self._place is None:
            return
        place, self._place = self._place, None
        shared = _open[place]
        shared.users -= 1
        if not shared.users:
            del _open[place]
            await shared.session.close()


def _session(key: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),  # `models.rate_limits` limits the calls in flight
        headers={"Authorization": f"Bearer {key}", "Accept-Encoding": "identity"},
        auto_decompress=False,
    )
