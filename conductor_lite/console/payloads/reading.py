"""From text to payload: which format it is, and what to say when it is none. The formats live next door."""

import msgspec

from conductor_lite.console.payloads.tree import Entry, Node, Payload


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a payload is read into a tree; the rest stays text."""

    #: Longer texts are not read at all.
    chars: int = 1_000_000
    #: Values of a tree.
    nodes: int = 5_000
    #: Values within values; deeper ones are shown as text.
    depth: int = 40


def read(text: str, *, language: str | None = None, limits: Limits | None = None) -> Payload:
    """Read a text that an executor sent for people. Never fails: what cannot be read stays text.

    Args:
        text: as it came.
        language: of the executor as it calls itself (``python``, ``typescript``, ``go``, ``java``), if known;
            tells texts apart that look alike in several formats.
        limits: how much to read.
    """
    limits = limits or Limits()
    try:
        value = msgspec.json.decode(text) if len(text) <= limits.chars else text
    except (msgspec.DecodeError, RecursionError):
        return Payload(format="text", root=Node(kind="string", text=text), length=len(text))
    return Payload(format="json", root=_node(value), length=len(text))


def _node(value: object) -> Node:
    if isinstance(value, dict):
        entries = tuple(Entry(key=Node(kind="string", text=str(k)), value=_node(v)) for k, v in value.items())
        return Node(kind="object", entries=entries)
    if isinstance(value, list):
        return Node(kind="array", entries=tuple(Entry(value=_node(item)) for item in value))
    if isinstance(value, str):
        return Node(kind="string", text=value)
    if value is None:
        return Node(kind="null", text="null")
    if isinstance(value, bool):
        return Node(kind="boolean", text=str(value).lower())
    return Node(kind="number", text=str(value))
