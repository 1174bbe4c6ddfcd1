"""What Python's ``str`` and ``repr`` make of values. Read by its looks; nothing is ever evaluated."""

import re

from conductor_lite.console.payloads.escapes import QUOTED, unquote
from conductor_lite.console.payloads.python_calls import simplify
from conductor_lite.console.payloads.reader import Frame, Reader, UnreadableError, leaf, opaque
from conductor_lite.console.payloads.tree import Kind, Node

_FLOAT = r"(?:\d++(?:\.\d*+)?(?:[eE][-+]?\d++)?|inf|nan)"
_NAME = r"[^\W\d]\w*+(?:\.(?:[^\W\d]\w*+|<locals>))*+"
_TOKEN = re.compile(
    rf"(?P<bytes>[bB](?:{QUOTED}))|(?P<string>{QUOTED})"
    rf"|(?P<complex>\(-?{_FLOAT}[-+]{_FLOAT}j\))|(?P<number>-?{_FLOAT}j?(?![\w.]))"
    r"|(?P<boolean>(?:True|False)\b)|(?P<null>None\b)|(?P<constant>(?:Ellipsis|NotImplemented)\b|\.\.\.)"
    # As in Order(id=1), and in Page[int](items=[]).
    rf"|(?P<call>{_NAME}(?:\[[\w., ]{{1,200}}\])?\()|(?P<name>{_NAME})"
    # As in <Color.RED: 'a > b'>, and in <bound method f of <Foo object at 0x7f>>.
    rf"|(?P<angle><[\w.|]{{1,200}}: (?:{QUOTED})>|<(?:[^<>]{{1,500}}+|<[^<>]{{0,500}}+>){{1,20}}+>)"
    r"|(?P<open>[\[({])|(?P<close>[\])}])",
    re.DOTALL,
)
_KEYWORD = re.compile(r"\s*=(?!=)")
_CLOSERS = {"[": "]", "(": ")", "{": "}"}
_LEAVES: dict[str, Kind] = {
    "bytes": "bytes",
    "complex": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
    "constant": "opaque",
    "angle": "opaque",
}
#: Opens what has no brackets: the ``id=1 items=[]`` that pydantic makes of a model.
_BARE = "bare"
_CALL = "call"


class ReprReader(Reader):
    """Reads Python's way to write values."""

    def value(self, position: int) -> int:
        """Read one token where a value, or a key, may come."""
        match = _TOKEN.match(self.text, position)
        if match is None:
            raise UnreadableError(position)
        group, end = match.lastgroup or "", match.end()
        if group != "name" and self.stack and self.stack[-1].opener == _BARE and not self.is_keyed:
            raise UnreadableError(position)
        if group == "open":
            self.open(match[0], _CLOSERS[match[0]], position)
        elif group == "call":
            self.open(_CALL, ")", position, match[0][:-1])
        elif group == "close":
            self._close_early(match[0], position)
        elif group == "name":
            self._name(match[0], position, end)
        elif group == "string":
            # The text of a string has no quotes of its own; that of a value within another has.
            if not self.stack:
                raise UnreadableError(position)
            self.put(leaf("string", unquote(match[0])))
        else:
            self.put(leaf(_LEAVES[group], match[0]))
        return end

    def separator(self, position: int) -> tuple[int, bool]:
        """Read a comma, a colon, an equals sign or a closing bracket."""
        frame = self.stack[-1]
        char = self.text[position : position + 1]
        if char == ":" and frame.opener == "{":
            self.make_key(position)
            return position + 1, True
        if char == "=" and frame.opener in (_CALL, _BARE):
            self.make_key(position)
            return position + 1, True
        if frame.opener == _BARE:
            if not char:
                self.close(position)
                return position, False
            return position, True
        return super().separator(position)

    def finish(self, frame: Frame, end: int) -> Node:
        """A list, tuple, dictionary, set or object."""
        entries = tuple(frame.entries)
        if frame.opener in (_CALL, _BARE):
            node = Node(kind="object", type_name=frame.type_name, entries=entries, truncated=frame.truncated)
            return simplify(node, self.text[frame.start : end]) if not frame.truncated else node
        kind: Kind = "array"
        if frame.opener == "(":
            kind = "tuple"
            if len(entries) == 1 and not frame.commas and not frame.truncated:
                raise UnreadableError(end - 1)
        elif frame.opener == "{":
            kind = _braced(frame)
            if kind != "set" and any(entry.key is None for entry in entries):
                raise UnreadableError(end - 1)
        return Node(kind=kind, entries=entries, truncated=frame.truncated)

    def _close_early(self, bracket: str, position: int) -> None:
        frame = self.stack[-1] if self.stack else None
        # Only nothing, or a tuple of one, ends without a value before its bracket.
        if frame is None or frame.closer != bracket or (frame.entries and frame.opener != "("):
            raise UnreadableError(position)
        if frame.commas and not frame.entries:
            raise UnreadableError(position)
        self.close(position + 1)

    def _name(self, name: str, position: int, end: int) -> None:
        if not self.stack:
            if "." not in name and _KEYWORD.match(self.text, end):
                self.open(_BARE, "", position)
                self.put(leaf("string", name))
                self._opened = False
                return
            raise UnreadableError(position)
        frame = self.stack[-1]
        if frame.opener in (_CALL, _BARE) and frame.key is None and _KEYWORD.match(self.text, end):
            self.put(leaf("string", name))
        elif frame.opener != _BARE and (frame.key is not None or "." in name):
            # An enum's member, a time zone; or a word that a class uses for itself.
            self.guesses += "." not in name
            self.put(opaque(name))
        else:
            raise UnreadableError(position)


def _braced(frame: Frame) -> Kind:
    keys = [entry.key for entry in frame.entries if entry.key is not None]
    if frame.entries and not keys:
        return "set"
    return "object" if all(key.kind == "string" for key in keys) else "map"
