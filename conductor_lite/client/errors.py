"""What a call may raise: the server's problems as our named exceptions, and answers that are none.

Each problem is both an ``ApiError``, with what the answer told, and that exception of
``conductor_lite.errors`` which the server itself would have raised.
"""

from http import HTTPStatus

import msgspec

from conductor_lite.errors import (
    ConductorError,
    ConflictError,
    DeadlineExceededError,
    DeliveryError,
    DispatchError,
    ExecutorReportedError,
    FieldError,
    ForbiddenError,
    InvalidError,
    NoExecutorAnsweredError,
    NoHealthyExecutorError,
    NotFoundError,
    ProtocolError,
    StoreError,
    UnauthenticatedError,
    UnreachableError,
    UnsupportedMessageError,
)


class UnexpectedAnswerError(ConductorError):
    """What answered does not speak this API, or speaks another version of it."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Problem details (RFC 9457) with the members that the API adds."""

    #: URI that tells apart what shares a status.
    type: str = ""
    title: str = ""
    detail: str = ""
    errors: tuple[FieldError, ...] | None = None
    #: The whole of what an executor reported, often a traceback.
    report: str = ""


class ApiError(ConductorError):
    """The server refused or failed; its subclasses tell how.

    Args:
        message: what the server said.
        status: HTTP status.
        request_id: what the server's log calls the request; None when it did not tell.
        problem: the answer.
    """

    def __init__(self, message: str, status: int, request_id: str | None, problem: Problem) -> None:
        # Not super(): bases further on take other arguments, and have nothing to add to these.
        Exception.__init__(self, message)
        self.status = status
        self.request_id = request_id
        self.errors = problem.errors or ()
        self.report = problem.report or message


class TooManyRequestsError(ApiError):
    """This caller asks more often than the server allows."""


class ApiUnauthenticatedError(ApiError, UnauthenticatedError):
    """401."""


class ApiForbiddenError(ApiError, ForbiddenError):
    """403."""


class ApiNotFoundError(ApiError, NotFoundError):
    """404."""


class ApiConflictError(ApiError, ConflictError):
    """409."""


class ApiInvalidError(ApiError, InvalidError):
    """400, 413, 415 or 422."""


class ApiUnsupportedError(ApiError, UnsupportedMessageError):
    """501."""


class ApiExecutorReportedError(ApiError, ExecutorReportedError):
    """502 with what an executor reported."""


class ApiNoExecutorAnsweredError(ApiError, NoExecutorAnsweredError):
    """502 because those that were asked did not answer."""


class ApiProtocolError(ApiError, ProtocolError):
    """502 because an executor's answer cannot be read."""


class ApiDeliveryError(ApiError, DeliveryError):
    """502 because a message to people did not get through."""


class ApiDispatchError(ApiError, DispatchError):
    """502 that says no more than its text."""


class ApiGatewayError(ApiError, UnreachableError):
    """502, 503 or 504 of something on the way, which did not reach the server."""


class ApiNoHealthyExecutorError(ApiError, NoHealthyExecutorError):
    """503, unless the database is meant."""


class ApiStoreError(ApiError, StoreError):
    """503 because of the server's database."""


class ApiDeadlineExceededError(ApiError, DeadlineExceededError):
    """504."""


_KINDS: dict[int, type[ApiError]] = {
    400: ApiInvalidError,
    401: ApiUnauthenticatedError,
    403: ApiForbiddenError,
    404: ApiNotFoundError,
    409: ApiConflictError,
    413: ApiInvalidError,
    415: ApiInvalidError,
    422: ApiInvalidError,
    429: TooManyRequestsError,
    501: ApiUnsupportedError,
    502: ApiDispatchError,
    503: ApiNoHealthyExecutorError,
    504: ApiDeadlineExceededError,
}


#: What the server says to tell apart what shares a status.
_PREFIX = "urn:conductor-lite:problem:"
_TYPES: dict[str, type[ApiError]] = {
    f"{_PREFIX}executor-reported": ApiExecutorReportedError,
    f"{_PREFIX}no-executor-answered": ApiNoExecutorAnsweredError,
    f"{_PREFIX}unreadable-reply": ApiProtocolError,
    f"{_PREFIX}not-delivered": ApiDeliveryError,
    f"{_PREFIX}no-healthy-executor": ApiNoHealthyExecutorError,
    f"{_PREFIX}database-unavailable": ApiStoreError,
}
_OF_GATEWAYS = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})


def error_from(status: int, request_id: str | None, content: bytes) -> ApiError:
    """Translate an answer of 400 or more.

    Args:
        status: HTTP status.
        request_id: of ``X-Request-Id``.
        content: a problem; anything else, such as a proxy's page, is not repeated.
    """
    problem: Problem | None
    try:
        problem = msgspec.json.decode(content, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        problem = None
    if problem is None and status in _OF_GATEWAYS:
        message = f"Something on the way to the server answered {status} {_phrase(status)}; is it running?"
        return ApiGatewayError(message, status, request_id, Problem())
    problem = problem or Problem()
    message = problem.detail or problem.title or f"The server answered {status} {_phrase(status)}".rstrip()
    kind = _KINDS.get(status, ApiError)
    if status == HTTPStatus.BAD_GATEWAY and problem.report:
        kind = ApiExecutorReportedError
    return _TYPES.get(problem.type, kind)(message, status, request_id, problem)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
