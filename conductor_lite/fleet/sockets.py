"""How executors' sockets speak WebSocket: uvicorn's protocol, set right. What is said is not known here."""

import asyncio
from typing import Any

from uvicorn._types import ASGISendEvent, WebSocketSendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState

from conductor_lite.turns import PIECE_SIZE


class ExecutorSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, with three things set right that matter to executors."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Held while a message goes out: nothing but control frames may come between its fragments.
        self._sending = asyncio.Lock()

    def keepalive_timeout(self) -> None:
        """No pong came in time: drop the peer at once.

        The original lets its write buffer drain first, which never happens when the network is gone.
        """
        super().keepalive_timeout()
        self.transport.abort()

    async def send(self, message: ASGISendEvent) -> None:
        """Pass a message on; a refusal with a body of its own ends the handshake like any other.

        The original does not note that, and logs an error for each executor that it refuses, every second.
        """
        if message["type"] == "websocket.send":
            async with self._sending:
                await self._send_message(message)
            return
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True

    async def _send_message(self, message: WebSocketSendEvent) -> None:
        """A long text goes out in fragments (RFC 6455, section 5.4), between which others get their turn."""
        text = message.get("text") or ""
        if len(text) <= PIECE_SIZE:
            await super().send(message)
            return
        await self.writable.wait()
        self._write(text[:PIECE_SIZE], is_first=True)
        sent = PIECE_SIZE
        try:
            while sent < len(text):
                await asyncio.sleep(0)
                await self.writable.wait()
                self._write(text[sent : sent + PIECE_SIZE], is_last=sent + PIECE_SIZE >= len(text))
                sent += PIECE_SIZE
        except asyncio.CancelledError:
            # Half a message would be the last that this socket could carry.
            self._write(text[sent:], is_last=True)
            raise

    def _write(self, fragment: str, *, is_first: bool = False, is_last: bool = False) -> None:
        if self.disconnected or self.close_sent:
            raise ClientDisconnected
        try:
            if is_first:
                self.conn.send_text(fragment.encode(), fin=is_last)
            else:
                self.conn.send_continuation(fragment.encode(), fin=is_last)
        except InvalidState:
            raise ClientDisconnected from None
        self.transport.write(b"".join(self.conn.data_to_send()))
