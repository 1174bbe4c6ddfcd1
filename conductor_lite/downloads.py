"""Files that a face offers: sent piece by piece, as fast as they are taken, until the reader leaves."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from urllib.parse import quote

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from conductor_lite.turns import pieces

logger = logging.getLogger(__name__)

#: Seconds without taking anything after which a reader is given up.
STALL_SECS = 60.0


class LongResponse(Response):
    """An answer that is whole already, and so long that to send it at once would hold others up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it piece by piece."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for piece in pieces(bytes(self.body)):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class Download(Response):
    """One file, as it is being made or read.

    Not a ``StreamingResponse``: that one would go on for a reader who has stalled or left.

    Args:
        chunks: its pieces.
        name: what the file is to be called.
        media_type: what it is.
        size_bytes: its length, where that is known; a download that breaks off is then noticed as such.
        done: called when it is over, however it ended.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[bytes, None],
        name: str,
        media_type: str,
        *,
        size_bytes: int | None = None,
        done: Callable[[], None] = lambda: None,
    ) -> None:
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": _disposition(name),
            "X-Content-Type-Options": "nosniff",
        }
        super().__init__(headers=headers, media_type=media_type)
        del self.headers["content-length"]
        if size_bytes is not None:
            self.headers["content-length"] = str(size_bytes)
        self._chunks = chunks
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. One that stalls is cut off, so what the file needs is given back."""
        gone = asyncio.create_task(_wait_for_disconnect(receive))
        try:
            async with aclosing(self._chunks) as chunks:
                await _send(send, {"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                async for chunk in chunks:
                    if gone.done():
                        return
                    await _send(send, {"type": "http.response.body", "body": chunk, "more_body": True})
                await _send(send, {"type": "http.response.body", "body": b""})
        except TimeoutError:
            logger.warning("A download was cut off: nothing of it was taken for %.0f s.", STALL_SECS)
        finally:
            gone.cancel()
            self._done()


def _disposition(name: str) -> str:
    """Offers a file for saving (RFC 6266), also under a name that not every browser can read."""
    plain = re.sub(r'[^ -~]|["\\]', "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


async def _send(send: Send, message: Message) -> None:
    async with asyncio.timeout(STALL_SECS):
        await send(message)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
