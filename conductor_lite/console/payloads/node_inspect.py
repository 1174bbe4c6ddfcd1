"""What ``util.inspect`` of Node.js makes of values. Read by its looks; nothing is ever evaluated."""

import re

from conductor_lite.console.payloads.escapes import QUOTED, QUOTED_OR_TEMPLATE, unquote
from conductor_lite.console.payloads.node_errors import (
    ErrorText,
    end_of_word,
    error_with_stack,
    error_without_stack,
)
from conductor_lite.console.payloads.reader import Frame, Limits, Reader, UnreadableError, leaf, opaque
from conductor_lite.console.payloads.tree import Kind, Node

_NAME = r"(?:[^\W\d]|\$)[\w$]*+"
_NUMBER = r"-?(?:\d[\d_]*+(?:\.[\d_]++)?(?:e[-+]?\d++)?n?|Infinity)|NaN"
_TOKEN = re.compile(
    rf"(?P<string>{QUOTED_OR_TEMPLATE})"
    r"|(?P<date>(?:[-+]\d\d)?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z|Invalid Date)"
    rf"|(?P<number>(?:{_NUMBER})(?![\w$.]))"
    r"|(?P<boolean>(?:true|false)(?![\w$]))|(?P<null>(?:null|undefined)(?![\w$]))"
    r"|(?P<more>\.\.\. (?P<rest>(?:\d++ )?more (?:item|key|propert|element)\w{0,10}))"
    r"|(?P<symbol>Symbol\((?:[^()]|\([^()]{0,200}+\)){0,500}+\))"
    r"|(?P<regexp>/(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.){0,500}+\]){1,2000}+/[a-z]*+)"
    # As in new ObjectId('64…').
    rf"|(?P<call>(?:new )?(?P<caller>{_NAME})\((?P<argument>{QUOTED})\))"
    # As in Foo {, Map(2) {, Uint8Array(3) [ and Object [Generator] {.
    rf"|(?P<named>(?P<class>{_NAME}(?:\.{_NAME})*+)(?:\(\d++\))?"
    r"(?P<tags>(?: \[[^\]\n\s][^\]\n]{0,200}+\]| <\[Object: null prototype\] \{\}>| <[^>\n]{1,200}+>>?){0,3})"
    r" (?P<opener>[\[{])(?=[\s\]}]))"
    rf"|(?P<name>{_NAME})"
    r"|(?P<prefix><(?:ref \*\d++|rejected)>) |(?P<angle><[^<>]{1,5000}+>)"
    # An array begins with a space or on a line of its own; without, it is words in brackets.
    r"|(?P<word>\[(?=[^\s\]]))|(?P<open>[\[{])|(?P<close>[\]}])",
    re.DOTALL,
)
_JOINED = re.compile(rf"\s*+\+\n\s*+({QUOTED_OR_TEMPLATE})", re.DOTALL)
_MORE_CHARACTERS = re.compile(r"\.\.\. (\d++ more characters?)")
_KEY = re.compile(r"\s*+:")
_PROPERTIES = re.compile(r" ([\[{])(?=[\s\]}])")
#: What may stand alone: other words in brackets may be anyone's.
_KNOWN_WORD = re.compile(
    r"\[(?:(?:Async)?(?:Generator)?Function|class|Number|String|Boolean|Symbol|BigInt|Object|Array|Module)\b"
)
_HEX = re.compile(r"<(?:Buffer ?)?((?:[0-9a-f]{2} ?)*+(?:\.\.\. \d++ more bytes?)?)>")
_CLOSERS = {"[": "]", "{": "}"}
_LEAVES: dict[str, Kind] = {
    "date": "date",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
    "symbol": "opaque",
    "regexp": "opaque",
}
_TOO_DEEP: dict[str, Kind] = {"[Object]": "object", "[Array]": "array"}
_NOT_SENT = "nested too deep to be sent"


class InspectReader(Reader):
    """Reads Node's way to write values."""

    def __init__(self, text: str, limits: Limits) -> None:
        super().__init__(text, limits)
        #: Said before a value, such as ``<ref *1>``.
        self._prefix = ""

    def value(self, position: int) -> int:
        """Read one token where a value, or a key, may come."""
        match = _TOKEN.match(self.text, position)
        if match is None:
            raise UnreadableError(position)
        group, end = match.lastgroup or "", match.end()
        if group in _LEAVES:
            self.put(leaf(_LEAVES[group], match[0]))
        elif group == "string":
            end = self._string(match[0], end)
        elif group == "open":
            self._open(match[0], position, "")
        elif group == "close":
            self._close_early(match[0], position)
        elif group in ("named", "name"):
            end = self._named(match, position)
        elif group == "call":
            self.put(leaf("string", unquote(match["argument"]), match["caller"]))
        elif group == "word":
            end = self._word(position)
        elif group == "angle":
            self._angle(match[0])
        elif group == "more":
            self._more(match["rest"], position)
        elif self._prefix:
            raise UnreadableError(position)
        else:
            self._prefix, self._opened = match["prefix"], True
            return end
        self._prefix = ""
        return end

    def separator(self, position: int) -> tuple[int, bool]:
        """Read a comma, a colon, an arrow or a closing bracket."""
        if self.text.startswith("=>", position):
            self.make_key(position)
            self.stack[-1].arrows = True
            return position + 2, True
        if self.text.startswith(":", position):
            self.make_key(position)
            return position + 1, True
        return super().separator(position)

    def finish(self, frame: Frame, end: int) -> Node:
        """An array, object, map or set."""
        entries = tuple(frame.entries)
        kind: Kind = "object"
        name = frame.type_name.rpartition(" ")[2]
        if frame.opener == "[":
            kind = "array"
        elif frame.arrows or name == "Map":
            kind = "map"
        elif name == "Set" or (entries and all(entry.key is None for entry in entries)):
            kind = "set"
        elif not frame.type_name and any(entry.key is None for entry in entries):
            raise UnreadableError(end)
        return Node(kind=kind, type_name=frame.type_name, entries=entries, truncated=frame.truncated)

    def _open(self, opener: str, start: int, type_name: str) -> None:
        name = " ".join(part for part in (self._prefix, type_name) if part)
        self._prefix = ""
        self.open(opener, _CLOSERS[opener], start, name)

    def _close_early(self, bracket: str, position: int) -> None:
        frame = self.stack[-1] if self.stack else None
        if frame is None or frame.closer != bracket or frame.entries or frame.commas:
            raise UnreadableError(position)
        self.close(position + 1)

    def _string(self, quoted: str, end: int) -> int:
        parts = [unquote(quoted)]
        # Older releases write a long text line by line.
        while match := _JOINED.match(self.text, end):
            parts.append(unquote(match[1]))
            end = match.end()
        rest = _MORE_CHARACTERS.match(self.text, end)
        self.put(Node(kind="string", text="".join(parts), truncated=rest[1] if rest else ""))
        return rest.end() if rest else end

    def _named(self, match: re.Match[str], position: int) -> int:
        """What begins with a name: an error, a value of a class, or a key."""
        frame = self.stack[-1] if self.stack else None
        may_be_key = frame is not None and frame.key is None
        # A key of an object is not an error's name, whatever comes after it.
        if not may_be_key or (frame and (frame.opener == "[" or frame.type_name == "Set")):
            error = error_with_stack(self.text, position)
            if error is not None:
                return self._error(error, position)
        if match.lastgroup == "named":
            self._open(match["opener"], position, match["class"] + match["tags"])
        elif may_be_key and _KEY.match(self.text, match.end()):
            self.put(leaf("string", match[0]))
        elif self.is_keyed:
            self.guesses += 1
            self.put(opaque(match[0]))
        else:
            raise UnreadableError(position)
        return match.end()

    def _error(self, error: ErrorText, start: int) -> int:
        self._open("{", start, error.type_name)
        self.stack[-1].entries.extend(error.entries())
        if match := _PROPERTIES.match(self.text, error.end):
            return match.end()
        self._opened = False
        self.close(error.end)
        return error.end

    def _word(self, position: int) -> int:
        """Words in brackets: of an error, of a class, or in place of a value."""
        if error := error_without_stack(self.text, position):
            return self._error(error, position)
        end = end_of_word(self.text, position)
        text = self.text[position:end]
        if match := _PROPERTIES.match(self.text, end):
            self._open(match[1], position, text[1:-1])
            return match.end()
        if not self.stack and not _KNOWN_WORD.match(text):
            raise UnreadableError(position)
        if text in _TOO_DEEP:
            self.put(Node(kind=_TOO_DEEP[text], truncated=_NOT_SENT))
        else:
            self.put(opaque(text))
        return end

    def _angle(self, text: str) -> None:
        if match := _HEX.fullmatch(text):
            self.put(leaf("bytes", match[1], "Buffer" if text.startswith("<Buffer") else ""))
        else:
            self.put(opaque(text))

    def _more(self, rest: str, position: int) -> None:
        if not self.stack or self.stack[-1].key is not None:
            raise UnreadableError(position)
        self.stack[-1].truncated = rest
