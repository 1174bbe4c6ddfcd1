"""What the composition root takes from this package: routes and outer middleware."""

from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from conductor_lite.api.docs import render_docs
from conductor_lite.api.middleware import RequestContext
from conductor_lite.api.openapi import build_document
from conductor_lite.api.route import DocumentRoute, OperationRoute, UnknownPathRoute
from conductor_lite.api.table import TABLE, by_path
from conductor_lite.auth.authenticate import Authenticator
from conductor_lite.auth.guard import LoopbackGuard, SecurityHeaders
from conductor_lite.config import Settings
from conductor_lite.operations import Operations


def _plain_asset_url(name: str) -> str:
    return f"/static/{name}"


def build_routes(
    operations: Operations,
    authenticator: Authenticator,
    settings: Settings,
    health: Callable[[], dict[str, object]],
    asset_url: Callable[[str], str] = _plain_asset_url,
) -> list[BaseRoute]:
    """Make the routes of /v2, ``/healthz``, ``/openapi.json`` and ``/docs``.

    Args:
        operations: what the API calls.
        authenticator: tells who is asking; the last three routes are open to everyone.
        settings: for the largest request body.
        health: what ``/healthz`` shows; ``{"status": "ok", ...}`` answers 200, any other status 503.
        asset_url: from the name of a static file to the address it is served at.

    Every refusal and failure on these routes is answered here, as a problem; ``exception_handlers`` of the
    application never see one. They need ``with_middleware`` around them, for the request's id.
    """
    document = build_document(TABLE)
    document_bytes = msgspec.json.encode(document)
    docs_page = render_docs(document, asset_url)

    async def show_health(_: Request) -> Response:
        state = health()
        status = 200 if state.get("status") == "ok" else 503
        return _json(msgspec.json.encode(state), status, "no-store")

    async def show_document(_: Request) -> Response:
        return _json(document_bytes, 200, "no-cache")

    async def show_docs(_: Request) -> Response:
        return HTMLResponse(docs_page, headers={"Cache-Control": "no-cache"})

    return [
        DocumentRoute("/healthz", show_health),
        DocumentRoute("/openapi.json", show_document),
        DocumentRoute("/docs", show_docs),
        *(
            OperationRoute(path, rows, operations, authenticator, settings)
            for path, rows in by_path(TABLE).items()
        ),
        UnknownPathRoute("/v2"),
    ]


def with_middleware(app: ASGIApp, settings: Settings) -> ASGIApp:
    """Put around the whole application, in this order from outside: security headers, then request id, access
    log and the last answer to failures, then the guard of a server without login.
    """
    guarded = LoopbackGuard(app, settings.allowed_hosts)
    return SecurityHeaders(RequestContext(guarded))


def _json(content: bytes, status: int, cache_control: str) -> Response:
    return Response(content, status, {"Cache-Control": cache_control}, "application/json")
