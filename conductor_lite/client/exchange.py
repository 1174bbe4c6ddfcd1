"""From a call to a request, and from a response to a result or an error; and when to try again. No I/O."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import NoneType
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from conductor_lite.api.idempotency import IDEMPOTENCY_HEADER
from conductor_lite.client.call import Call, ResultT
from conductor_lite.client.errors import UnexpectedAnswerError, error_from
from conductor_lite.errors import FieldError, InvalidError


class OutgoingRequest(NamedTuple):
    """What goes over the wire."""

    method: str
    #: Percent-encoded, from the server's root.
    path: str
    query: tuple[tuple[str, str], ...]
    #: JSON; None for no body.
    content: bytes | None
    headers: dict[str, str]


class Answer(NamedTuple):
    """What came back. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When a call is tried again: only if the server says when, and only if repeating it does no harm."""

    #: How often a call is sent at most.
    attempts: int = 3
    #: Answers after which it may be sent again.
    statuses: frozenset[int] = frozenset({429, 503})
    #: Longest pause that is made; a server that asks for more has its answer passed on.
    longest_pause_secs: float = 30.0


def encode(call: Call[Any], organization: str) -> OutgoingRequest:
    """Turn a call into a request; what is sent again is the same request, with the same idempotency key.

    Args:
        call: what to ask.
        organization: name that ``{orgName}`` stands for.

    Raises:
        InvalidError: a name in the path is empty.
    """
    path = call.path
    for name, value in {"orgName": organization, **call.names}.items():
        path = path.replace(f"{{{name}}}", _segment(name, value))
    headers: dict[str, str] = {}
    if call.keyed:
        headers[IDEMPOTENCY_HEADER] = str(uuid.uuid4())
    content = None
    if call.body is not None:
        content = msgspec.json.encode(_given(call.body))
        headers["Content-Type"] = "application/json"
    query = {} if call.query is None else _given(call.query)
    pairs = tuple((name, _text(value)) for name, value in query.items())
    return OutgoingRequest(call.method, path, pairs, content, headers)


def decode(call: Call[ResultT], answer: Answer) -> ResultT:
    """Turn a response into the call's result.

    Raises:
        ApiError: the server's problem, as the named exception.
        UnexpectedAnswerError: it is not an answer of this API.
    """
    if answer.status >= 400:
        raise error_from(answer.status, answer.headers.get("x-request-id"), answer.content)
    if not 200 <= answer.status < 300:
        raise UnexpectedAnswerError(
            f"The server answered {answer.status} to {call.operation_id}; is its address right?"
        )
    if call.result is NoneType:
        return call.result()
    try:
        return msgspec.json.decode(answer.content, type=call.result)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnexpectedAnswerError(
            f"The server's answer to {call.operation_id} is not understood ({error}); is its address right, "
            "and its version that of this client?"
        ) from None


class Attempts:
    """Counts the attempts of one call.

    Args:
        call: what is tried.
        policy: when it is tried again.
    """

    def __init__(self, call: Call[Any], policy: RetryPolicy) -> None:
        self._policy = policy
        # How often it may still be sent; falls with every answer.
        self._left = policy.attempts if call.idempotent else 1

    def pause_secs(self, answer: Answer, now: datetime) -> float | None:
        """Seconds to wait before sending the call again; None when the answer is to be taken as it is.

        Args:
            answer: to the latest attempt.
            now: aware time, for a ``Retry-After`` that is a date (RFC 9110, section 10.2.3).
        """
        self._left -= 1
        if self._left <= 0 or answer.status not in self._policy.statuses:
            return None
        pause = _retry_after(answer.headers.get("retry-after", ""), now)
        return None if pause is None or pause > self._policy.longest_pause_secs else pause


def _retry_after(text: str, now: datetime) -> float | None:
    if text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())


def _segment(name: str, value: str) -> str:
    if not value:
        error = FieldError(location=f"path.{name}", message="expected a name, not an empty text")
        raise InvalidError("Something without a name cannot be asked for.", (error,))
    # A segment of dots alone would be resolved on the way, and name something else.
    return value.replace(".", "%2E") if value in (".", "..") else quote(value, safe="")


def _given(struct: msgspec.Struct) -> dict[str, Any]:
    """The members that say something: for all that this API takes, null means the same as leaving it out."""
    members: dict[str, Any] = msgspec.to_builtins(struct)
    return {name: value for name, value in members.items() if value is not None}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
