"""Messages to text frames and back. The only trouble that comes out of here is ``ProtocolError``.

Its text names the kind of trouble and the field, never anything of the payload: frames hold users' data.
"""

import functools
import re
from typing import Any, TypeVar

import msgspec

from conductor_lite.errors import ProtocolError
from conductor_lite.protocol.base import Integer, Reply, Request, message_type
from conductor_lite.protocol.lenient import fitted, without_lone_surrogates
from conductor_lite.protocol.records import StepRecord, WorkflowRecord
from conductor_lite.protocol.replies import (
    GetWorkflowReply,
    ListQueuedWorkflowsReply,
    ListStepsReply,
    ListWorkflowsReply,
)
from conductor_lite.protocol.requests import REQUEST_TYPES

Frame = str | bytes
S = TypeVar("S", bound=msgspec.Struct)
ReplyT = TypeVar("ReplyT", bound=Reply)

#: Frames larger than this (bytes, or characters of text) get the strict reading only: the second look builds
#: every value as a Python object, many times the size of the frame.
SECOND_LOOK_MAX_SIZE = 8 * 2**20

_UNKNOWN_MESSAGE = "Unknown message type"
_WIRE_TROUBLE = (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError)

_SAFE_TROUBLE = re.compile(
    r"(Expected `[\w |]+`( [<>]= -?\d+)?(, got `[\w |]+`)?"
    r"|Object missing required field `\w+`"
    r"|(Integer value|Number) out of range)"
    r"( - at `\$[\w.\[\]]*`)?"
)

_REPLIES_WITH_NUMERIC_STRINGS = (
    ListWorkflowsReply,
    ListQueuedWorkflowsReply,
    GetWorkflowReply,
    ListStepsReply,
)
#: Wire names of the numbers that SDKs write as strings.
_NUMERIC_STRINGS = frozenset(
    field.encode_name
    for record in (WorkflowRecord, StepRecord)
    for field in msgspec.structs.fields(record)
    if field.type == Integer | None
)


class Envelope(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What every frame carries around its message; a missing type or id is the empty text."""

    type: str = ""
    request_id: str = ""
    error_message: str | None = None


def encode(request: Request[Reply], request_id: str) -> str:
    """The text frame that asks ``request``.

    Raises:
        ProtocolError: a value in it has no place in JSON, such as half a surrogate pair.
    """
    return _frame(request, message_type(type(request)), request_id)


def encode_reply(reply: Reply, request_id: str) -> str:
    """The text frame that answers with ``reply``, as the Python SDK writes it: nulls sent, times as strings.

    Raises:
        ProtocolError: a value in it has no place in JSON.
    """
    return _frame(reply, message_type(type(reply)), request_id)


def encode_unknown_message(envelope: Envelope) -> str:
    """The text frame by which an executor says that it does not know the message it was sent.

    Raises:
        ProtocolError: a value in it has no place in JSON.
    """
    answer = Envelope(type=envelope.type, request_id=envelope.request_id, error_message=_UNKNOWN_MESSAGE)
    return _written(answer, "reply").decode()


def is_unknown_message(answer: Reply | Envelope) -> bool:
    """Whether the executor's SDK is too old to know the message that it was sent."""
    message = answer.error_message
    return message is not None and message.strip().casefold().startswith(_UNKNOWN_MESSAGE.casefold())


def read_envelope(frame: Frame) -> Envelope:
    """Reads only what is around the message and skips the rest, which stays unverified.

    Raises:
        ProtocolError: the frame is not one JSON object, or its envelope is not text.
    """
    return _decode(Envelope, frame, "frame")


def decode_reply(kind: type[ReplyT], frame: Frame) -> ReplyT:
    """Reads an executor's answer. One that is only an error leaves every other field at its default.

    Args:
        kind: the class expected; ``reply_type(request)`` tells it.
        frame: one text frame, or its UTF-8 bytes.

    Raises:
        ProtocolError: the frame is not such a reply.
    """
    return _decode(kind, frame, f"{message_type(kind)} reply")


def decode_request(frame: Frame) -> tuple[Request[Reply], str]:
    """Reads a conductor's request and its request id, as an executor does.

    Raises:
        ProtocolError: the frame is not a request, or one of a type we do not know. Ask ``read_envelope`` and
            ``REQUEST_TYPES`` first where that must be answered.
    """
    envelope = read_envelope(frame)
    kind = REQUEST_TYPES.get(envelope.type)
    if kind is None:
        raise ProtocolError(
            "The request is of a type that this version does not know. Update conductor-lite."
        )
    return _decode(kind, frame, f"{message_type(kind)} request"), envelope.request_id


def _frame(message: Request[Reply] | Reply, tag: str, request_id: str) -> str:
    body = _written(_with_times_as_strings(message), tag)
    # The tag always comes first, so the id has its place right behind it without a detour through a dict.
    head = len(b'{"type":"') + len(tag) + len(b'"')
    return b"".join((body[:head], b',"request_id":', _written(request_id, tag), body[head:])).decode()


def _written(value: object, what: str) -> bytes:
    try:
        return msgspec.json.encode(value)
    except _WIRE_TROUBLE as error:
        trouble = type(error).__name__
    raise ProtocolError(
        f"The {what} message cannot be written: a value in it has no place in JSON ({trouble})."
    )


def _with_times_as_strings(message: Request[Reply] | Reply) -> Any:
    """The message, or its plain form with the numbers of workflow and step records as the SDKs write them."""
    if not isinstance(message, _REPLIES_WITH_NUMERIC_STRINGS):
        return message
    plain = msgspec.to_builtins(message)
    output = plain["output"]
    for row in output if isinstance(output, list) else [output] if output else []:
        for name in _NUMERIC_STRINGS & row.keys():
            if row[name] is not None:
                row[name] = str(row[name])
    return plain


def _decode(kind: type[S], frame: Frame, what: str) -> S:
    found = _read_strictly(kind, frame)
    if isinstance(found, str) and len(frame) <= SECOND_LOOK_MAX_SIZE:
        found = _read_leniently(kind, frame)
    if isinstance(found, str):
        # Raised outside of any handler: the error being handled would travel along, payload and all.
        raise ProtocolError(
            f"The {what} cannot be read: {found}. Check that the application's SDK is a supported version."
        )
    return found


@functools.cache
def _decoder(kind: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, strict=False)


def _read_strictly(kind: type[S], frame: Frame) -> S | str:
    """The message, or what the trouble is."""
    try:
        message: S = _decoder(kind).decode(frame)
    except _WIRE_TROUBLE as error:
        return _describe(error)
    return message


def _read_leniently(kind: type[S], frame: Frame) -> S | str:
    """The message as far as good will can make it out, or what the trouble is."""
    try:
        text = frame if isinstance(frame, str) else frame.decode()
        value = msgspec.json.decode(without_lone_surrogates(text))
        return msgspec.convert(fitted(value, kind), kind, strict=False)
    except _WIRE_TROUBLE as error:
        return _describe(error)


def _describe(error: Exception) -> str:
    """The kind of trouble in words that cannot hold any of the payload."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeError):
        return "it is not valid UTF-8"
    if not isinstance(error, msgspec.ValidationError):
        return "it is not valid JSON"
    # msgspec quotes some values, so only those of its sentences pass that are known not to.
    known = _SAFE_TROUBLE.fullmatch(str(error))
    return known[0] if known else "a value is not among those allowed"
