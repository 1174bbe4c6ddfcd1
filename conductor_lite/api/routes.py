"""What the composition root takes from this package: routes and outer middleware."""

import asyncio
from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from conductor_lite.api.documents import Documents
from conductor_lite.api.limits import CallerLimits, Turnstile
from conductor_lite.api.middleware import RequestContext
from conductor_lite.api.prometheus import MetricsRoute
from conductor_lite.api.route import DocumentRoute, OperationRoute, UnknownPathRoute
from conductor_lite.api.table import TABLE, by_path
from conductor_lite.auth.authenticate import Authenticator
from conductor_lite.auth.guard import LoopbackGuard, SecurityHeaders
from conductor_lite.config import Settings
from conductor_lite.operations import Operations
from conductor_lite.telemetry import Durations


def _plain_asset_url(name: str) -> str:
    return f"/static/{name}"


def build_routes(
    operations: Operations,
    authenticator: Authenticator,
    settings: Settings,
    health: Callable[[], dict[str, object]],
    asset_url: Callable[[str], str] = _plain_asset_url,
) -> list[BaseRoute]:
    """Make the routes of /v2, ``/healthz``, ``/docs`` and the description in its three forms.

    Args:
        operations: what the API calls.
        authenticator: tells who is asking; what is not below /v2 is open to everyone.
        settings: for the largest request body, and what one caller may ask for.
        health: what ``/healthz`` shows; ``{"status": "ok", ...}`` answers 200, any other status 503.
        asset_url: from the name of a static file to the address it is served at.

    Every refusal and failure on these routes is answered here, as a problem; ``exception_handlers`` of the
    application never see one. They need ``with_middleware`` around them, for the request's id.
    """
    documents = Documents(TABLE, asset_url)

    async def show_health(_: Request) -> Response:
        state = health()
        status = 200 if state.get("status") == "ok" else 503
        return Response(msgspec.json.encode(state), status, {"Cache-Control": "no-store"}, "application/json")

    def document_route(path: str, form: Callable[[], bytes], media_type: str) -> DocumentRoute:
        async def show(_: Request) -> Response:
            # In a thread: whoever asks first waits until it is made, and nobody else does.
            content = await asyncio.to_thread(form)
            return Response(content, headers={"Cache-Control": "no-cache"}, media_type=media_type)

        return DocumentRoute(path, show)

    limits = CallerLimits(
        settings.api_requests_per_second, settings.api_burst_requests, settings.api_concurrent_requests
    )
    turnstile = Turnstile(limits)

    return [
        DocumentRoute("/healthz", show_health),
        document_route("/openapi.json", lambda: documents.json, "application/json"),
        document_route("/openapi-3.0.json", lambda: documents.json_30, "application/json"),
        document_route("/openapi.yaml", lambda: documents.yaml, "application/yaml"),
        document_route("/docs", lambda: documents.page, "text/html"),
        *(
            OperationRoute(path, rows, operations, authenticator, turnstile, settings)
            for path, rows in by_path(TABLE).items()
        ),
        MetricsRoute("/v1/metrics", operations, authenticator, turnstile),
        UnknownPathRoute("/v2"),
    ]


def with_middleware(app: ASGIApp, settings: Settings, durations: Durations | None = None) -> ASGIApp:
    """Put around the whole application, in this order from outside: security headers, then request id, access
    log and the last answer to failures, then the guard of a server without login.

    Args:
        app: what to put it around.
        settings: the server's settings.
        durations: where to note how long requests take.
    """
    guarded = LoopbackGuard(app, settings.allowed_hosts)
    return SecurityHeaders(RequestContext(guarded, durations))
