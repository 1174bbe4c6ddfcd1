"""What keeps web pages out of a server without login: Host, Origin and Fetch Metadata are checked here.

Also the security headers of every response. Knows nothing of keys, permissions or routes.
"""

from collections.abc import Iterable
from http import HTTPStatus

import msgspec
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_WEB_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_OWN_SITE = frozenset({"same-origin", "none"})

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not "no-referrer": browsers then send "Origin: null" with our own forms, which the guard must refuse.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class SecurityHeaders:
    """Pure ASGI middleware that adds ``SECURITY_HEADERS`` where a response does not set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, and complete the headers of HTTP responses, refused WebSockets included."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                message = {**message, "headers": list(message.get("headers", []))}
                headers = MutableHeaders(raw=message["headers"])
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class _Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A problem (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class LoopbackGuard:
    """Pure ASGI middleware for a server that trusts whoever reaches it.

    A page of another site cannot come in under its own name (DNS rebinding) nor send anything from its own
    origin (forged requests, WebSockets); browsers add these headers and no page can change them.

    Args:
        app: what to guard.
        allowed_hosts: further names to accept, those of a reverse proxy; with a port to accept only that one.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._proxied_hosts = frozenset(host.strip().lower() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may come in; refuse the rest with a problem."""
        refusal = self._check(scope) if scope["type"] in ("http", "websocket") else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await _refuse(refusal, scope, receive, send)

    def _check(self, scope: Scope) -> _Refusal | None:
        hosts = _header_values(scope, b"host")
        origins = _header_values(scope, b"origin")
        if len(hosts) != 1:
            return _refusal(
                400, "A request names exactly one host, in its Host header (RFC 9112, section 3.2)."
            )
        host = hosts[0].lower()
        name, port = _split_host(host)
        is_proxied = name in self._proxied_hosts or host in self._proxied_hosts
        if name not in _LOOPBACK_NAMES and not is_proxied:
            return _refusal(
                421,
                "This server only answers to 127.0.0.1, localhost and [::1]; to reach it by another name, "
                "add that name to the setting allowed_hosts.",
            )
        scheme = _WEB_SCHEMES[scope["scheme"]]
        # A proxy in front may speak TLS where this server does not see it, so there the scheme may differ.
        schemes = _DEFAULT_PORTS if is_proxied else (scheme,)
        own = {(own_scheme, name, port or str(_DEFAULT_PORTS[own_scheme])) for own_scheme in schemes}
        if any(_split_origin(origin) not in own for origin in origins):
            return _refusal(
                403, "The Origin header names another site; pages of other sites may not use this one."
            )
        if scope["type"] == "http" and scope["method"] not in _SAFE_METHODS:
            sites = _header_values(scope, b"sec-fetch-site")
            if any(site.strip().lower() not in _OWN_SITE for site in sites):
                return _refusal(403, "The request comes from a page of another site (Sec-Fetch-Site).")
        return None


def _header_values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for key, value in scope["headers"] if key.lower() == name]


def _split_host(host: str) -> tuple[str, str]:
    """Split ``name:port``; the port is empty when there is none, and an odd one stays part of the name."""
    name, colon, port = host.rpartition(":")
    if colon and port.isascii() and port.isdigit() and (name.endswith("]") or ":" not in name):
        return name, str(int(port)) if len(port) < 6 else port
    return host, ""


def _split_origin(origin: str) -> tuple[str, str, str] | None:
    scheme, separator, host = origin.lower().partition("://")
    if not separator or scheme not in _DEFAULT_PORTS:
        return None
    name, port = _split_host(host)
    return scheme, name, port or str(_DEFAULT_PORTS[scheme])


def _refusal(status: int, detail: str) -> _Refusal:
    return _Refusal(title=HTTPStatus(status).phrase, status=status, detail=detail)


async def _refuse(refusal: _Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    content = msgspec.json.encode(refusal)
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"no-store"),
    ]
    prefix = "http.response"
    if scope["type"] == "websocket":
        # ASGI: the handshake is received before it is refused.
        await receive()
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1008})
            return
        prefix = "websocket.http.response"
    await send({"type": f"{prefix}.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{prefix}.body", "body": content})
