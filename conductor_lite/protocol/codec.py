"""Messages to text frames and back. The only trouble that comes out of here is ``ProtocolError``.

Its text names the kind of trouble and the field, never anything of the payload: frames hold users' data.
"""

import functools
import re
from collections.abc import Generator
from typing import Any, TypeVar, get_args, get_origin

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

#: Frames from this size on, in bytes or characters, are read in parts where they hold a list; so many of its
#: records at a time.
LONG_FRAME_SIZE = 256 * 1024
RECORDS_IN_A_TURN = 200

_encoder = msgspec.json.Encoder()
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


def decode_long_reply(kind: type[ReplyT], frame: Frame) -> Generator[None, None, ReplyT]:
    """The same as ``decode_reply``, yielding after each part, so that others get their turn: a long list is
    read some records at a time.

    Raises:
        ProtocolError: the frame is not such a reply.
    """
    outline = _outline(kind)
    if outline is None or len(frame) < LONG_FRAME_SIZE:
        return decode_reply(kind, frame)
    read = _read_strictly(outline.kind, frame)
    yield
    records: list[Any] = []
    if not isinstance(read, str):
        raw: list[msgspec.Raw] = getattr(read, outline.field)
        for start in range(0, len(raw), RECORDS_IN_A_TURN):
            try:
                records += map(outline.decoder.decode, raw[start : start + RECORDS_IN_A_TURN])
            except _WIRE_TROUBLE:
                break
            yield
        if len(records) == len(raw):
            others = {name: getattr(read, name) for name in outline.kind.__struct_fields__}
            return kind(**{**others, outline.field: records})
    # Whatever is the matter, the careful way finds out.
    return decode_reply(kind, frame)


class _Outline(msgspec.Struct, frozen=True):
    """A reply that lists records, without reading them."""

    kind: type[msgspec.Struct]
    field: str
    #: Reads one record.
    decoder: msgspec.json.Decoder[Any]


@functools.cache
def _outline(kind: type[Reply]) -> _Outline | None:
    fields = msgspec.structs.fields(kind)
    for listing in fields:
        of = get_args(listing.type)
        if get_origin(listing.type) is list and isinstance(of[0], type) and issubclass(of[0], msgspec.Struct):
            outlined = msgspec.defstruct(
                f"{kind.__name__}Outline",
                [
                    (field.name, list[msgspec.Raw] if field is listing else field.type, _as_declared(field))
                    for field in fields
                ],
                tag_field="type",
                tag=message_type(kind),
            )
            return _Outline(outlined, listing.name, msgspec.json.Decoder(of[0], strict=False))
    return None


def _as_declared(field: msgspec.structs.FieldInfo) -> Any:
    if field.default is msgspec.NODEFAULT:
        return msgspec.field(name=field.encode_name, default_factory=field.default_factory)
    return msgspec.field(name=field.encode_name, default=field.default)


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
    # The tag always comes first, so the id has its place right behind it without a detour through a dict; and
    # in place, for an import may have 64 MiB.
    head = len(b'{"type":"') + len(tag) + len(b'"')
    body[head:head] = b',"request_id":' + _written(request_id, tag)
    return body.decode()


def _written(value: object, what: str) -> bytearray:
    written = bytearray()
    try:
        _encoder.encode_into(value, written)
    except _WIRE_TROUBLE as error:
        trouble = type(error).__name__
    else:
        return written
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
