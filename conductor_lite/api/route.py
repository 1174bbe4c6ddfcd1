"""From the table to Starlette: one route per path, which authenticates, decodes, calls and encodes."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

import msgspec
from starlette.datastructures import URLPath
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound, Route
from starlette.types import Receive, Scope, Send

from conductor_lite.api.accept import JSON, PLAIN, prefers_plain_text
from conductor_lite.api.decoding import (
    DEADLINE_HEADER,
    MalformedError,
    decode_body,
    decode_deadline,
    decode_path,
    decode_query,
)
from conductor_lite.api.departure import unless_gone
from conductor_lite.api.idempotency import IDEMPOTENCY_HEADER, REPLAYED_HEADER, idempotency_key
from conductor_lite.api.limits import TooManyRequestsError, Turnstile, name_of_address, name_of_caller
from conductor_lite.api.login import login_missing
from conductor_lite.api.middleware import REQUEST_ID
from conductor_lite.api.operation import AnyOperation, Call
from conductor_lite.api.paging import paged_response
from conductor_lite.api.problems import internal_problem, method_problem, problem, problem_from_error
from conductor_lite.api.request_body import read_body
from conductor_lite.auth.actor import Actor
from conductor_lite.auth.authenticate import Authenticator
from conductor_lite.config import Settings
from conductor_lite.downloads import Download, LongResponse
from conductor_lite.errors import ConductorError, InvalidError, StoreError, UnauthenticatedError
from conductor_lite.operations import Operations
from conductor_lite.operations.deadline import deadline
from conductor_lite.operations.once import Attempt
from conductor_lite.turns import PIECE_SIZE, each

logger = logging.getLogger(__name__)

_MAX_QUERY_FIELDS = 200
#: What the last name in a path is the name of, where it is not an application.
_TARGETS = {
    "workflowId": "workflow",
    "scheduleName": "schedule",
    "tokenName": "api_key",
    "roleName": "role",
    "ruleId": "alerting_rule",
    "targetId": "notification_target",
}
_NO_STORE = {"Cache-Control": "no-store"}


class OperationRoute(BaseRoute):
    """All operations on one path.

    Segments are told apart before they are decoded, so a name may hold a slash as ``%2F``.

    Args:
        path: the template that these operations share.
        table: the operations, one per method.
        operations: what the handlers call.
        authenticator: tells who is asking.
        turnstile: keeps one caller from crowding the others out; shared by all routes.
        settings: for the largest body.
    """

    def __init__(
        self,
        path: str,
        table: Sequence[AnyOperation],
        operations: Operations,
        authenticator: Authenticator,
        turnstile: Turnstile,
        settings: Settings,
    ) -> None:
        self.path = path
        self._segments = path.split("/")
        self._by_method: dict[str, AnyOperation] = {operation.method: operation for operation in table}
        self._operations = operations
        self._authenticator = authenticator
        self._turnstile = turnstile
        self._max_body_bytes = settings.max_body_bytes
        if "GET" in self._by_method:
            self._by_method["HEAD"] = self._by_method["GET"]
        self._allow = ", ".join(sorted(self._by_method))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match path and method; the path alone matches in part, for one with other methods may fit as well.

        ``…/workflows/import`` is no workflow. Where no route fits, the first that fits in part is asked to
        answer, and says which methods are allowed.
        """
        if scope["type"] != "http":
            return Match.NONE, {}
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        segments = raw_path.decode("latin-1").split("/")
        if len(segments) != len(self._segments):
            return Match.NONE, {}
        values: dict[str, str] = {}
        for expected, segment in zip(self._segments, segments, strict=True):
            if expected.startswith("{"):
                if not segment:
                    return Match.NONE, {}
                values[expected[1:-1]] = segment
            elif expected != segment:
                return Match.NONE, {}
        match = Match.FULL if scope["method"] in self._by_method else Match.PARTIAL
        return match, {"path_params": values}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        operation = self._by_method.get(scope["method"])
        # The caller's turn ends when all of the answer is on its way.
        async with AsyncExitStack() as turn:
            if operation is None:
                response = method_problem(self._allow)
            else:
                try:
                    response = await self._answer(operation, Request(scope, receive), turn)
                except ClientDisconnect:
                    return
                except ConductorError as error:
                    response = problem_from_error(error)
                    if response.status_code == 500 or isinstance(error, StoreError):
                        logger.error("%s failed: %s", operation.operation_id, error)
                except Exception:
                    # The outermost loop of an API request: no other face shall answer it with a page.
                    request_id = scope[REQUEST_ID]
                    logger.exception("%s failed, request id %s", operation.operation_id, request_id)
                    response = internal_problem(request_id)
            await response(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """Operations are not looked up by name."""
        raise NoMatchFound(name, path_params)

    async def _answer(self, operation: AnyOperation, request: Request, turn: AsyncExitStack) -> Response:
        actor: Actor | None = None
        try:
            actor = await self._actor(request)
            await turn.enter_async_context(self._turnstile.turn(name_of_caller(actor)))
            call, key = await self._read(operation, request, actor, turn)
        except ConductorError as error:
            self._note(operation, request, actor, error)
            raise
        if key is not None:
            return await self._once(operation, call, key, request)
        work = _carry_out(operation, call, request.headers.get("accept", ""))
        # A change is seen through to its audit entry, for it may have been made already.
        return await (work if operation.audit else unless_gone(request, work))

    async def _read(
        self, operation: AnyOperation, request: Request, actor: Actor, turn: AsyncExitStack
    ) -> tuple[Call[Any, Any, Any], str | None]:
        """Everything that the request says, checked; and its idempotency key where it may have one."""
        values = {name: _decode_segment(segment) for name, segment in request.path_params.items()}
        if operation.requires_login:
            raise login_missing()
        await self._operations.organization.require_named(actor, values.get("orgName", actor.organization_id))
        call = Call(
            operations=self._operations,
            actor=actor,
            path=decode_path(values, operation.path_parameters),
            query=decode_query(query_pairs(request), operation.query_parameters),
            body=await self._body(operation, request),
        )
        if DEADLINE_HEADER in request.headers:
            turn.enter_context(deadline(decode_deadline(request.headers[DEADLINE_HEADER])))
        if operation.caution is None:
            return call, None
        return call, idempotency_key(request.headers.getlist(IDEMPOTENCY_HEADER))

    def _note(
        self, operation: AnyOperation, request: Request, actor: Actor | None, error: ConductorError
    ) -> None:
        """Let the audit log know of a change that was refused before its operation began."""
        if operation.audit is None or operation.requires_login or isinstance(error, TooManyRequestsError):
            return
        target_type, target_id, application_name = _target(request.path_params)
        self._operations.refusals.note(
            actor,
            operation.audit,
            target_type,
            target_id,
            error,
            application_name=application_name,
            source_ip=request.client.host if request.client else None,
        )

    async def _actor(self, request: Request) -> Actor:
        source_ip = request.client.host if request.client else None
        try:
            return await self._authenticator.actor(request.headers.get("authorization"), source_ip)
        except UnauthenticatedError:
            await self._turnstile.count_refused(name_of_address(source_ip))
            raise

    async def _body(self, operation: AnyOperation, request: Request) -> msgspec.Struct:
        body: type[msgspec.Struct] = operation.body
        if not operation.has_body:
            return body()
        content = await read_body(request, self._max_body_bytes)
        if len(content) > PIECE_SIZE:
            # To put it together took its time, and to read it will: others come in between.
            await asyncio.sleep(0)
        if content:
            return decode_body(content, body)
        if operation.body_required:
            raise InvalidError(f"{operation.operation_id} needs a JSON body.")
        return body()

    async def _once(
        self, operation: AnyOperation, call: Call[Any, Any, Any], key: str, request: Request
    ) -> Response:
        handler, caution = operation.handler, operation.caution
        if handler is None or caution is None:
            raise LookupError(f"{operation.operation_id} takes no idempotency key.")
        begun = False

        async def work(attempt: Attempt) -> bytes:
            nonlocal begun
            begun = True
            return await _written(await handler(msgspec.structs.replace(call, attempt=attempt)))

        asked = [operation.operation_id, call.path, call.query, call.body]
        try:
            outcome = await self._operations.once.run(call.actor, f"api.{key}", asked, work, caution)
        except ConductorError as error:
            if not begun:
                self._note(operation, request, call.actor, error)
            raise
        headers = {**_NO_STORE, **call.headers}
        if outcome.replayed:
            headers[REPLAYED_HEADER] = "true"
        return _encoded(operation, outcome.answer, headers)


async def _carry_out(operation: AnyOperation, call: Call[Any, Any, Any], accept: str) -> Response:
    if operation.paged_handler is not None:
        return await paged_response(operation.paged_handler(call), call.headers)
    if operation.handler is None:
        raise LookupError(f"{operation.operation_id} has no handler.")
    result = await operation.handler(call)
    if operation.file_type is not None:
        return Download(
            result.chunks, result.name, operation.file_type, size_bytes=result.size_bytes, done=result.done
        )
    headers = {**_NO_STORE, **call.headers}
    if operation.plain_text is not None:
        headers["Vary"] = "Accept"
        if prefers_plain_text(accept):
            return Response(operation.plain_text(result), operation.status, headers, PLAIN)
    return _encoded(operation, await _written(result), headers)


def _encoded(operation: AnyOperation, content: bytes, headers: dict[str, str]) -> Response:
    if operation.status == 204:
        return Response(status_code=204, headers=headers)
    kind = LongResponse if len(content) > PIECE_SIZE else Response
    return kind(content, operation.status, headers, JSON)


async def _written(result: object) -> bytes:
    if not isinstance(result, list):
        return msgspec.json.encode(result)
    items = await each(result, msgspec.json.Encoder().encode)
    return b"[" + b",".join(items) + b"]"


def _target(raw: Mapping[str, str]) -> tuple[str, str, str]:
    """Type and id of what a path is about, as far as it can be read, and the application it is in."""
    values = {name: unquote(segment, errors="replace") for name, segment in raw.items()}
    application_name = values.get("appName", "")
    for name, kind in _TARGETS.items():
        if name in values:
            return kind, values[name], application_name
    if application_name:
        return "application", application_name, ""
    return "organization", values.get("orgName", ""), ""


def _decode_segment(segment: str) -> str:
    try:
        return unquote_to_bytes(segment.encode("latin-1")).decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedError("The path is not percent-encoded UTF-8.") from None


def query_pairs(request: Request) -> list[tuple[str, str]]:
    """Names and values of the query string, in order.

    Raises:
        MalformedError: it is not percent-encoded UTF-8, or has too many fields.
    """
    query: bytes = request.scope["query_string"]
    try:
        return parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_QUERY_FIELDS
        )
    except ValueError:
        detail = f"The query is not percent-encoded UTF-8, or has more than {_MAX_QUERY_FIELDS} fields."
        raise MalformedError(detail) from None


class DocumentRoute(Route):
    """A fixed path for reading only, whose refusals are problems too."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] in ("GET", "HEAD"):
            await super().handle(scope, receive, send)
        else:
            await method_problem("GET, HEAD")(scope, receive, send)


class UnknownPathRoute(BaseRoute):
    """Everything under a prefix that no other route took: a problem, never a redirect or a page."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match in part the prefix itself and whatever is below it: any other route goes first."""
        is_below = (scope["path"] + "/").startswith(self._prefix + "/")
        return (Match.PARTIAL if scope["type"] == "http" and is_below else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 404."""
        await problem(404, "The API has nothing at this path; /docs lists what it has.")(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """Nothing here has a name."""
        raise NoMatchFound(name, path_params)
