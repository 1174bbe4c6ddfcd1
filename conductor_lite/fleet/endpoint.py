"""Where executors connect: ``GET /websocket/{app}/{key}``. Admits or refuses, then pumps frames.

The key is part of the path, so the path is never logged or repeated in an answer.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from conductor_lite.config import Settings
from conductor_lite.errors import (
    ConductorError,
    ForbiddenError,
    NotFoundError,
    StoreError,
    UnauthenticatedError,
)
from conductor_lite.fleet.connection import POLICY_VIOLATION, ConnectionLostError, ExecutorConnection
from conductor_lite.fleet.fleet import Fleet
from conductor_lite.store.records import ApplicationRecord

logger = logging.getLogger("conductor_lite.fleet")


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """Leave to connect as an executor of an application."""

    application: ApplicationRecord
    #: The key that was presented; None in development mode.
    api_key_id: str | None


#: Decides by application name, key and address; raises a named error to refuse.
Admit = Callable[[str, str, str | None], Awaitable[Admission]]

_REFUSALS: dict[type[ConductorError], tuple[int, str]] = {
    UnauthenticatedError: (401, "unauthenticated"),
    ForbiddenError: (403, "forbidden"),
    NotFoundError: (404, "application_not_registered"),
    StoreError: (503, "unavailable"),
}


class ExecutorEndpoint:
    """The WebSocket route of executors.

    Args:
        settings: limits of one connection.
        fleet: takes the sockets in.
        admit: says who may connect.
    """

    def __init__(self, settings: Settings, fleet: Fleet, admit: Admit) -> None:
        self._settings = settings
        self._fleet = fleet
        self._admit = admit

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one socket from the handshake to its end."""
        address = websocket.client.host if websocket.client else None
        name = websocket.path_params["app"]
        try:
            admission = await self._admit(name, websocket.path_params["key"], address)
        except ConductorError as error:
            await _refuse(websocket, name, error)
            return
        await websocket.accept()
        connection = self._connection(websocket, admission, address)
        await self._attend(websocket, admission.application, connection)

    async def _attend(
        self, websocket: WebSocket, application: ApplicationRecord, connection: ExecutorConnection
    ) -> None:
        registration = asyncio.create_task(self._register(application, connection))
        reason = "the connection broke"
        try:
            reason = await _pump(websocket, connection)
        finally:
            self._fleet.lost(application, connection, reason)
            # Losing the socket fails the registration's request; nothing is left to wait for.
            registration.cancel()
            await asyncio.gather(registration, return_exceptions=True)

    async def _register(self, application: ApplicationRecord, connection: ExecutorConnection) -> None:
        try:
            await self._fleet.register(application, connection)
        except ConductorError as error:
            if connection.is_open:
                logger.warning("A connection to %s is closed: %s", application.name, error)
            await connection.close(POLICY_VIOLATION, "the executor did not introduce itself")

    def _connection(
        self, websocket: WebSocket, admission: Admission, address: str | None
    ) -> ExecutorConnection:
        async def send(frame: str) -> None:
            try:
                await websocket.send_text(frame)
            except (WebSocketDisconnect, RuntimeError, OSError) as error:
                # Starlette answers a send after the end with a RuntimeError.
                raise ConnectionLostError("The connection closed while sending.", sent=True) from error

        async def close(code: int, reason: str) -> None:
            try:
                await websocket.close(code, reason)
            except (WebSocketDisconnect, RuntimeError, OSError) as error:
                logger.debug("Closing a socket that was closed already: %s", error)

        return ExecutorConnection(
            send=send,
            close=close,
            max_in_flight=self._settings.max_in_flight_requests,
            address=address,
            api_key_id=admission.api_key_id,
        )


async def _pump(websocket: WebSocket, connection: ExecutorConnection) -> str:
    """Hand frames on until the socket ends; returns why it ended."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return _ending(message.get("code"), message.get("reason"))
        text = message.get("text")
        if text is not None:
            await connection.received(text)
        else:
            await connection.received_nonsense("a binary frame")


def _ending(code: int | None, reason: str | None) -> str:
    words = {1000: "it closed", 1001: "it went away", 1005: "it broke off", 1006: "it broke off"}
    ending = words.get(code or 1005, f"it closed with code {code}")
    # The peer chose these words: keep them short and on one line.
    return f"{ending} ({reason[:80]!r})" if reason else ending


async def _refuse(websocket: WebSocket, application_name: str, error: ConductorError) -> None:
    status, code = next(
        (refusal for kind, refusal in _REFUSALS.items() if isinstance(error, kind)), (500, "internal_error")
    )
    logger.warning("An executor of %r was refused with %d: %s", application_name[:80], status, error)
    body = msgspec.json.encode({"status": status, "error": code, "message": str(error)})
    response = Response(body, status_code=status, media_type="application/json")
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(response)
    else:
        await websocket.close(POLICY_VIOLATION, str(error)[:120])
