"""The text of an error taken apart: what kind, its message, and where it came from. No HTML.

The lines of stacks are read in ``payloads/stacks``; here is what each SDK wraps around them.
"""

import json

import msgspec

from conductor_lite.console.payloads.stacks import Frame, Trace, read_traces, split_type

__all__ = ["Failure", "Frame", "read_failure"]

#: Longer ones are shown as they came.
_LONGEST = 500_000
_DEEPEST = 20
_NAMES = ("name", "type", "class", "errorName", "className")
_KNOWN = frozenset({*_NAMES, "message", "stack", "cause", "stackTrace"})
_DETAIL_LENGTH = 2_000


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One error; those it came from follow it in ``causes``."""

    #: Name of its class, such as ``ValueError``; empty when unknown.
    type_name: str = ""
    message: str = ""
    #: Where it came from, line by line as it was sent; may be empty.
    stack: str = ""
    #: The same, taken apart, in the order of the text.
    frames: tuple[Frame, ...] = ()
    #: What else it carries, such as a code: names and JSON.
    details: tuple[tuple[str, str], ...] = ()
    #: The errors that led to this one, nearest first.
    causes: tuple["Failure", ...] = ()


def read_failure(text: str) -> Failure:
    """Take apart the error of a workflow or a step, of whatever language. Never fails.

    Args:
        text: as the executor sent it: a message, a traceback, or JSON.
    """
    text = _sendable(text)
    if len(text) > _LONGEST:
        return Failure(message=text)
    if text[:1] in ("{", '"'):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and (failure := _from_fields(value)) is not None:
            return failure
        if isinstance(value, str):
            text = _sendable(value)
    return _from_text(text)


def _from_text(text: str) -> Failure:
    traces = read_traces(text)
    if not traces:
        type_name, message = split_type(text)
        return Failure(type_name=type_name, message=message)
    first, *causes = (_from_trace(trace) for trace in traces)
    return msgspec.structs.replace(first, causes=tuple(causes))


def _from_trace(trace: Trace) -> Failure:
    return Failure(type_name=trace.type_name, message=trace.message, stack=trace.stack, frames=trace.frames)


def _from_fields(fields: dict[str, object]) -> Failure | None:
    """An error that was sent as an object, as TypeScript does."""
    chain: list[Failure] = []
    following: object = fields
    while isinstance(following, dict) and isinstance(following.get("message"), str) and len(chain) < _DEEPEST:
        chain.append(_one(following))
        following = following.get("cause")
    if not chain:
        return None
    if isinstance(following, str) and following:
        chain.append(_from_text(following))
    return msgspec.structs.replace(chain[0], causes=tuple(chain[1:]))


def _one(fields: dict[str, object]) -> Failure:
    stack = fields.get("stack")
    traces = read_traces(_sendable(stack)) if isinstance(stack, str) else ()
    name = next((value for key in _NAMES if isinstance(value := fields.get(key), str) and value), "")
    details = [
        (_sendable(key), _sendable(json.dumps(value, ensure_ascii=False))[:_DETAIL_LENGTH])
        for key, value in fields.items()
        if key not in _KNOWN and value is not None
    ]
    return Failure(
        type_name=_sendable(name or (traces[0].type_name if traces else "")),
        message=_sendable(str(fields["message"])),
        stack=_sendable(stack) if isinstance(stack, str) else "",
        frames=traces[0].frames if traces else (),
        details=tuple(details),
    )


def _sendable(text: str) -> str:
    """A text without the half characters that JSON may name but nobody can send."""
    return text.encode("utf-8", "replace").decode()
