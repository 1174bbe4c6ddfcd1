"""Around every request: its id, its line in the access log, the answer when something unforeseen fails."""

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conductor_lite.api.paging import CutOffError
from conductor_lite.api.problems import internal_problem
from conductor_lite.redact import redact, redact_path
from conductor_lite.telemetry import Durations

access_log = logging.getLogger("conductor_lite.access")
logger = logging.getLogger(__name__)

#: Key under which a request's id stands in the ASGI scope.
REQUEST_ID = "conductor_lite.request_id"
_SANE_ID = re.compile(r"[\x21-\x7e]{1,128}")
# What nginx calls it when the caller did not wait for an answer.
_CLIENT_CLOSED_REQUEST = 499
# What the access log says of an answer that began with success, and broke off.
_CUT_OFF = 502


class RequestContext:
    """Pure ASGI middleware, to stand outside of everything that may fail."""

    def __init__(self, app: ASGIApp, durations: Durations | None = None) -> None:
        self._app = app
        # How long HTTP requests wait for the beginning of their answer.
        self._durations = durations or Durations()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass requests and WebSocket handshakes on; other scopes are left alone."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get("x-request-id"))
        scope[REQUEST_ID] = request_id
        exchange = _Exchange(scope, send, request_id, self._durations)
        try:
            await self._app(scope, receive, exchange.send)
            if not exchange.answered:
                exchange.log(_CLIENT_CLOSED_REQUEST)
        except CutOffError:
            # Its cause has been logged. An answer that ends here without its end is cut off by the server.
            exchange.log(_CUT_OFF)
        except Exception:
            if scope["type"] == "websocket":
                # The server logs it, and closes the socket as its state demands.
                exchange.log(500)
                raise
            # The outermost loop of a request.
            logger.exception("%s failed, request id %s", redact_path(scope["path"]), request_id)
            if not exchange.answered:
                await internal_problem(request_id)(scope, receive, exchange.send)


class _Exchange:
    """One request's answer as it goes out."""

    def __init__(self, scope: Scope, send: Send, request_id: str, durations: Durations) -> None:
        self._scope = scope
        self._durations = durations
        self._send = send
        self._request_id = request_id
        self._started = time.perf_counter()
        # True from the moment that a status went out; set once.
        self.answered = False
        # True once there is a line in the log; set once.
        self._logged = False

    async def send(self, message: Message) -> None:
        """Pass a message on, with the request's id in its headers, and log once the answer is decided."""
        kind = message["type"]
        if kind in ("http.response.start", "websocket.http.response.start", "websocket.accept"):
            self.answered = True
            message.setdefault("headers", [])
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._request_id
            message = {**message, "headers": headers.raw}
        await self._send(message)
        if kind == "http.response.start":
            self._durations.note(time.perf_counter() - self._started)
            self._status = int(message["status"])
        elif kind == "http.response.body" and not message.get("more_body", False):
            self.log(self._status)
        elif kind == "websocket.http.response.start":
            self.log(int(message["status"]))
        elif kind == "websocket.accept":
            self.log(101)
        elif kind == "websocket.close" and not self.answered:
            self.log(403)

    def log(self, status: int) -> None:
        """Write the access line, once."""
        if self._logged:
            return
        self._logged = True
        method = self._scope.get("method", "WEBSOCKET")
        duration_ms = (time.perf_counter() - self._started) * 1000
        access_log.info(
            "%s %s %d %.1f ms %s",
            method,
            redact_path(self._scope["path"]),
            status,
            duration_ms,
            redact(self._request_id),
        )


def _request_id(given: str | None) -> str:
    return given if given is not None and _SANE_ID.fullmatch(given) else str(uuid.uuid4())
