"""RFC 9457 problem details: their form, and which of our errors becomes which status. Logs nothing."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from conductor_lite.api.decoding import MalformedError, safe_echo
from conductor_lite.api.limits import TooManyRequestsError, retry_after
from conductor_lite.api.request_body import MediaTypeError, TooLargeError
from conductor_lite.errors import (
    ConductorError,
    ConflictError,
    DeadlineExceededError,
    DeliveryError,
    DispatchError,
    ExecutorReportedError,
    ForbiddenError,
    InvalidError,
    NoExecutorAnsweredError,
    NoHealthyExecutorError,
    NotFoundError,
    ProtocolError,
    StoreError,
    UnauthenticatedError,
    UnsupportedMessageError,
)
from conductor_lite.redact import redact

MEDIA_TYPE = "application/problem+json"

_EXECUTOR_RETRY_SECS = 5
_STORE_RETRY_SECS = 1

# The first that matches counts, so a subclass stands before its base.
_STATUSES: tuple[tuple[type[ConductorError], int], ...] = (
    (MalformedError, 400),
    (UnauthenticatedError, 401),
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (TooLargeError, 413),
    (MediaTypeError, 415),
    (InvalidError, 422),
    (TooManyRequestsError, 429),
    (UnsupportedMessageError, 501),
    # The executor is the upstream, and what it answered is no answer to the request.
    (ExecutorReportedError, 502),
    (NoExecutorAnsweredError, 502),
    (NoHealthyExecutorError, 503),
    (StoreError, 503),
    (DeadlineExceededError, 504),
    (DispatchError, 502),
    (ProtocolError, 502),
    (DeliveryError, 502),
    (ConductorError, 500),
)

#: What tells apart the problems that share a status; of all others the status says enough.
PROBLEM_TYPES: Mapping[type[ConductorError], str] = {
    ExecutorReportedError: "urn:conductor-lite:problem:executor-reported",
    NoExecutorAnsweredError: "urn:conductor-lite:problem:no-executor-answered",
    ProtocolError: "urn:conductor-lite:problem:unreadable-reply",
    DeliveryError: "urn:conductor-lite:problem:not-delivered",
    NoHealthyExecutorError: "urn:conductor-lite:problem:no-healthy-executor",
    StoreError: "urn:conductor-lite:problem:database-unavailable",
}
_NO_TYPE = "about:blank"

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_Uri = Annotated[str, msgspec.Meta(extra_json_schema={"format": "uri"})]


class ErrorDetail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fault of a request."""

    location: str
    message: str
    value: Any = None


class ErrorModel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem (RFC 9457)."""

    title: str
    status: int
    detail: str
    # Without a default, so that it is written even where it says little.
    type: _Uri
    instance: _Uri | msgspec.UnsetType = msgspec.UNSET
    errors: list[ErrorDetail] | None = None
    #: Extension: the whole of what an executor reported, often a traceback.
    report: str | msgspec.UnsetType = msgspec.UNSET


def problem(
    status: int,
    detail: str,
    *,
    kind: str = _NO_TYPE,
    errors: list[ErrorDetail] | None = None,
    instance: str | msgspec.UnsetType = msgspec.UNSET,
    report: str | msgspec.UnsetType = msgspec.UNSET,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Make a problem response.

    Args:
        status: HTTP status code.
        detail: what happened and what to do about it.
        kind: URI that tells it from others of that status.
        errors: the faults of a request, each located.
        instance: URI that names this one occurrence.
        report: the whole of what an executor reported.
        headers: further response headers.
    """
    model = ErrorModel(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        type=kind,
        instance=instance,
        errors=errors,
        report=report,
    )
    all_headers = {"Cache-Control": "no-store", **(headers or {})}
    return Response(msgspec.json.encode(model), status, all_headers, MEDIA_TYPE)


def problem_from_error(error: ConductorError) -> Response:
    """Translate one of our errors; their texts are made to be shown."""
    status = next(status for kind, status in _STATUSES if isinstance(error, kind))
    errors = None
    if isinstance(error, InvalidError) and error.errors:
        errors = [
            ErrorDetail(location=fault.location, message=fault.message, value=safe_echo(fault.value))
            for fault in error.errors
        ]
    report = error.report if isinstance(error, ExecutorReportedError) else msgspec.UNSET
    return problem(
        status,
        redact(str(error)),
        kind=PROBLEM_TYPES.get(type(error), _NO_TYPE),
        errors=errors,
        report=report,
        headers=_headers(error),
    )


def _headers(error: ConductorError) -> dict[str, str]:
    if isinstance(error, UnauthenticatedError):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, TooLargeError):
        # What is left of the body was not read, so nothing else can follow on this connection.
        return {"Connection": "close"}
    if isinstance(error, MediaTypeError):
        return {"Accept": "application/json"}
    if isinstance(error, NoHealthyExecutorError):
        return {"Retry-After": str(_EXECUTOR_RETRY_SECS)}
    if isinstance(error, TooManyRequestsError):
        return {"Retry-After": retry_after(error)}
    if isinstance(error, StoreError):
        return {"Retry-After": str(_STORE_RETRY_SECS)}
    return {}


def method_problem(allowed: str) -> Response:
    """The answer to a method that a path does not take (RFC 9110, section 15.5.6)."""
    return problem(405, f"This path takes {allowed}, and nothing else.", headers={"Allow": allowed})


def internal_problem(request_id: str) -> Response:
    """The answer to a failure of our own: nothing about it but where to look it up."""
    return problem(
        500,
        f"Something failed inside the server. Its log tells what, under the request id {request_id}.",
        instance=f"urn:uuid:{request_id}" if _is_uuid(request_id) else msgspec.UNSET,
    )


def _is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None
