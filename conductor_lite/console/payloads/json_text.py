"""JSON (RFC 8259), and the ``NaN`` and ``Infinity`` that some writers add. Numbers keep their text."""

import json
import re
from typing import ClassVar

from conductor_lite.console.payloads.escapes import unquote
from conductor_lite.console.payloads.reader import Frame, Reader, UnreadableError, leaf
from conductor_lite.console.payloads.tree import Kind, Node

_TOKEN = re.compile(
    r"""(?P<string>"[^"\\]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\]*+)*+")"""
    r"|(?P<number>-?(?:(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|Infinity)|NaN)"
    r"|(?P<boolean>true|false)|(?P<null>null)"
    r"|(?P<open>[\[{])|(?P<close>[\]}])"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_CLOSERS = {"[": "]", "{": "}"}
_LEAVES: dict[str, Kind] = {"number": "number", "boolean": "boolean", "null": "null"}


def _unquote(text: str) -> str:
    if "\\" not in text:
        return text[1:-1]
    # Much quicker than ours, but it makes half characters of escapes that stand for none.
    characters = str(json.loads(text, strict=False))
    return characters if characters.isascii() or not _SURROGATE.search(characters) else unquote(text)


class JsonReader(Reader):
    """Reads JSON, all of it or nothing."""

    forgiving: ClassVar[bool] = False

    def value(self, position: int) -> int:
        """Read one token where a value must come."""
        match = _TOKEN.match(self.text, position)
        if match is None:
            raise UnreadableError(position)
        group, end = match.lastgroup or "", match.end()
        frame = self.stack[-1] if self.stack else None
        if frame and frame.opener == "{" and frame.key is None and group not in ("string", "close"):
            raise UnreadableError(position)
        if group == "string":
            self.put(leaf("string", _unquote(match[0])))
        elif group == "open":
            self.open(match[0], _CLOSERS[match[0]], position)
        elif group == "close":
            if frame is None or frame.closer != match[0] or frame.entries or frame.commas:
                raise UnreadableError(position)
            self.close(end)
        else:
            self.put(leaf(_LEAVES[group], match[0]))
        return end

    def separator(self, position: int) -> tuple[int, bool]:
        """Read a comma, a colon or a closing bracket."""
        frame = self.stack[-1]
        if frame.opener == "{" and frame.entries[-1].key is None:
            if self.text[position : position + 1] != ":":
                raise UnreadableError(position)
            self.make_key(position)
            return position + 1, True
        return super().separator(position)

    def finish(self, frame: Frame, end: int) -> Node:
        """An object or an array."""
        entries = tuple(frame.entries)
        return Node(
            kind="object" if frame.opener == "{" else "array", entries=entries, truncated=frame.truncated
        )
