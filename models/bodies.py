"""Bodies of answers, within a limit of size and from the server that was asked.

The program's own client reads with it, and the clients of providers' packages are held to it: a
small body may unpack to gigabytes, and another host shall see neither prompts nor key.
"""

import json
import sys
import zlib
from typing import Any

from langchain_core.exceptions import ModelConnectionError, ModelInvalidRequestError

LARGEST = 16 * 2**20  # bytes of an answer, unpacked
PACKINGS = {"identity": None, "gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's `wbits` of each


class Body:
    """The bytes of an answer, which are unpacked as they come.

    Args:
        packing: its `Content-Encoding`.

    Raises:
        ModelInvalidRequestError: it is packed in another way.
    """

    def __init__(self, packing: str) -> None:
        packing = packing.strip().lower()
        if packing not in PACKINGS:
            raise ModelInvalidRequestError(f"the server's answer is packed with {packing[:40]}")
        self._unpack = zlib.decompressobj(wbits) if (wbits := PACKINGS[packing]) else None
        self.content = bytearray()

    def add(self, piece: bytes) -> None:
        """Take the next bytes.

        Raises:
            ModelConnectionError: they are damaged.
            ModelInvalidRequestError: the body is larger than any answer of a model.
        """
        try:
            self.content += self._unpack.decompress(piece, LARGEST + 1) if self._unpack else piece
        except zlib.error as error:
            raise ModelConnectionError(f"no whole answer: {error}") from error
        if len(self.content) > LARGEST:
            raise ModelInvalidRequestError(
                f"the server's answer is larger than {LARGEST // 2**20} MiB"
            )


def elsewhere(where: str) -> ModelInvalidRequestError:
    """Return the error of an answer that redirects to another server."""
    return ModelInvalidRequestError(f"the server redirects to {where[:200]}: correct base_url")


def hold(client: Any) -> None:
    """Hold an asynchronous client of httpx, or of one like it, to the limits of this module.

    It follows no redirects. What is beyond the limits comes to the package that uses the client as
    a status of 400, which none of them tries again.
    """
    client.follow_redirects = False
    client.headers["Accept-Encoding"] = "identity"
    client.event_hooks = {"response": [_read]}


async def _read(response: Any) -> None:
    """Read the body of a response, before the package that has asked does."""
    module = sys.modules[type(response).__module__.partition(".")[0]]  # httpx, or httpx2
    try:
        if response.has_redirect_location:
            raise elsewhere(response.headers["Location"])
        body = Body(response.headers.get("Content-Encoding", "identity"))
        async for piece in response.stream:
            body.add(piece)
        content = bytes(body.content)
    except ModelInvalidRequestError as error:
        response.status_code = 400
        content = json.dumps({"error": {"message": str(error)}}).encode()
    await response.stream.aclose()
    response.headers.pop("Content-Encoding", None)
    response.stream = module.ByteStream(content)
