"""What a payload is once it is read: a tree of values to fold and to search, and its gist on one line.

Values and words only; how text becomes a tree is the business of the readers next to this file.
"""

import re
from collections.abc import Iterator
from typing import Literal

import msgspec

from conductor_lite.console.formatting import ELLIPSIS, clip

#: What a value is. ``object``, ``array``, ``tuple``, ``set`` and ``map`` have entries, the rest only a text.
#: ``date`` is a time or a span of time; ``opaque`` whatever its text alone tells, as ``<Foo at 0x7f>`` does.
Kind = Literal[
    "object",
    "array",
    "tuple",
    "set",
    "map",
    "string",
    "bytes",
    "number",
    "boolean",
    "null",
    "date",
    "opaque",
]
#: What the text turned out to be.
Format = Literal["json", "python", "javascript", "text"]

_COLLECTIONS = frozenset({"object", "array", "tuple", "set", "map"})
_BRACKETS: dict[str, tuple[str, str]] = {
    "object": ("{", "}"),
    "array": ("[", "]"),
    "tuple": ("(", ")"),
    "set": ("{", "}"),
    "map": ("{", "}"),
}
_SUMMARY_LENGTH = 120
_WHITE = re.compile(r"\s")


class Node(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value of a payload."""

    kind: Kind
    #: Of a string its characters, without quotes and escapes; of other leaves the text as it came, such as
    #: ``True`` or ``1e3``; empty for values that have entries.
    text: str = ""
    #: Name of its class where the text tells, such as ``Order``, ``UUID`` or ``Map``.
    type_name: str = ""
    entries: tuple["Entry", ...] = ()
    #: In words, what of it is missing in the text or was left out here: ``5 more items``; empty when whole.
    truncated: str = ""

    @property
    def is_collection(self) -> bool:
        """Whether it is of a kind that has entries, even when it has none."""
        return self.kind in _COLLECTIONS


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value within another, and what it is known by there."""

    value: Node
    #: None in arrays, tuples and sets. Otherwise mostly a string; in maps and Python dictionaries anything.
    key: Node | None = None

    @property
    def label(self) -> str:
        """The key on one line, without the quotes of a string unless it is empty; empty without a key."""
        if self.key is None:
            return ""
        if self.key.is_collection or not self.key.text:
            return summary(self.key)
        return clip(_one_line(self.key.text), _SUMMARY_LENGTH)


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """A text and what could be read of it."""

    format: Format
    #: With the format ``text`` a single string.
    root: Node
    #: What a reader should know, as one sentence; empty when there is nothing to say.
    note: str = ""
    #: Whether the text has more values than were read.
    is_cut: bool = False
    #: Characters of the text.
    length: int


def summary(node: Node, length: int = _SUMMARY_LENGTH) -> str:
    """A value on one line: ``{id: 7, tags: [2 items]}``.

    Args:
        node: what to sum up.
        length: characters to keep at most.
    """
    parts: list[str] = []
    room = length
    if not node.is_collection:
        return clip(_leaf(node), length)
    opening, closing = _BRACKETS[node.kind]
    for index, entry in enumerate(node.entries):
        if room <= 0:
            parts.append(ELLIPSIS)
            break
        inner = _leaf(entry.value) if not entry.value.is_collection else _size(entry.value)
        part = clip(inner if entry.key is None else f"{entry.label}: {inner}", room + 1)
        parts.append(part)
        room -= len(part) + 2
        if index + 1 == len(node.entries) and node.truncated:
            parts.append(ELLIPSIS)
    if not node.entries and node.truncated:
        parts.append(ELLIPSIS)
    name = f"{node.type_name} " if node.type_name else ""
    # As Python writes it, and no one takes it for a number in brackets.
    comma = "," if node.kind == "tuple" and len(parts) == 1 else ""
    return clip(f"{name}{opening}{', '.join(parts)}{comma}{closing}", length)


def walk(node: Node) -> Iterator[tuple[tuple[str, ...], Node]]:
    """Every value of a tree with its path from the root, parents first, in the order of the text."""
    pending: list[tuple[tuple[str, ...], Node]] = [((), node)]
    while pending:
        path, value = pending.pop()
        yield path, value
        for index in range(len(value.entries) - 1, -1, -1):
            entry = value.entries[index]
            pending.append(((*path, entry.label if entry.key is not None else str(index)), entry.value))


def _one_line(text: str) -> str:
    # Only what may be shown is looked at: a string can be half a megabyte.
    shown = text[: 2 * _SUMMARY_LENGTH]
    return shown if shown.isprintable() else _WHITE.sub(" ", shown)


def _leaf(node: Node) -> str:
    text = _one_line(node.text)
    if node.kind == "string":
        text = f"'{text}'"
    return f"{node.type_name} {text}" if node.type_name else text


def _size(node: Node) -> str:
    opening, closing = _BRACKETS[node.kind]
    name = f"{node.type_name} " if node.type_name else ""
    if not node.entries:
        return f"{name}{opening}{ELLIPSIS if node.truncated else ''}{closing}"
    noun = "item" if node.entries[0].key is None else "entry"
    plural = noun if len(node.entries) == 1 else {"item": "items", "entry": "entries"}[noun]
    return f"{name}{opening}{len(node.entries)} {plural}{closing}"
