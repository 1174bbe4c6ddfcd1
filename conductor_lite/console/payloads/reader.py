"""What the readers of all formats share: a stack of open brackets, limits, and going on when at a loss.

No recursion and no going back, so that no text, however deep or hostile, takes longer than its length
deserves. The formats themselves are subclasses next door.
"""

import re
from abc import ABC, abstractmethod
from typing import ClassVar

import msgspec

from conductor_lite.console.formatting import clip
from conductor_lite.console.payloads.escapes import QUOTED_OR_TEMPLATE
from conductor_lite.console.payloads.tree import Entry, Kind, Node

_SPACE = re.compile(r"\s*+")
_OPAQUE_LENGTH = 10_000
_PATIENCE = 20_000
_TOO_DEEP = "nested too deep to unfold"
_NOT_UNFOLDED = "the rest is not unfolded"

#: What decides where something that is not understood ends: brackets, commas, and strings that may hide them.
_SKIPPED = re.compile(r"[^\[\](){},'\"`]++")
_STRING = re.compile(QUOTED_OR_TEMPLATE, re.DOTALL)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a payload is read into a tree; the rest stays text."""

    #: Longer texts are not read at all.
    chars: int = 500_000
    #: Values of a tree.
    nodes: int = 3_000
    #: Values within values; deeper ones are shown as text.
    depth: int = 40


class UnreadableError(Exception):
    """The text is not of this format, at least from ``position`` on."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


class _FullError(Exception):
    """There are as many values as the limits allow."""


class Frame(msgspec.Struct, kw_only=True):
    """A value whose closing bracket has not come yet."""

    #: The bracket that opened it.
    opener: str
    closer: str
    #: Where the value begins, with its name.
    start: int
    type_name: str = ""
    entries: list[Entry] = []
    #: Of the value that comes next.
    key: Node | None = None
    #: Where that value begins.
    value_start: int = 0
    commas: int = 0
    #: Whether keys are told from values by an arrow, as maps do in JavaScript.
    arrows: bool = False
    truncated: str = ""


class Reader(ABC):
    """Reads one text in one format.

    Args:
        text: to read.
        limits: how much to read; its length is the caller's concern.
    """

    #: Whether a value that is not understood may stay text within a tree.
    forgiving: ClassVar[bool] = True

    def __init__(self, text: str, limits: Limits) -> None:
        self.text = text
        self.stack: list[Frame] = []
        #: How many values were not understood, or only by guessing.
        self.guesses = 0
        #: Whether the limits cut the tree short.
        self.is_cut = False
        self._limits = limits
        self._root: Node | None = None
        self._count = 0
        self._opened = False
        # Going on twice at the same place would go on for ever.
        self._recovered_to = -1
        # How many brackets and strings are looked at to find where such values end, before it is no use.
        self._patience = _PATIENCE

    def run(self) -> Node | None:
        """Read it all; None when it is of another format."""
        try:
            try:
                self._read()
            except _FullError:
                self._stop()
        except UnreadableError:
            return None
        return self._root

    @abstractmethod
    def value(self, position: int) -> int:
        """Read what begins there: ``put`` a leaf, ``open`` or ``close`` a bracket. Returns where to go on."""

    def separator(self, position: int) -> tuple[int, bool]:
        """Read what comes after a value. Returns where to go on, and whether a value must come there."""
        frame = self.stack[-1]
        char = self.text[position : position + 1]
        if char == ",":
            frame.commas += 1
            return position + 1, True
        if char and char == frame.closer:
            self.close(position + 1)
            return position + 1, False
        raise UnreadableError(position)

    @abstractmethod
    def finish(self, frame: Frame, end: int) -> Node:
        """The value that a closed bracket makes."""

    def open(self, opener: str, closer: str, start: int, type_name: str = "") -> None:
        """A bracket opens."""
        self._add()
        frame = Frame(opener=opener, closer=closer, start=start, type_name=type_name, entries=[])
        self.stack.append(frame)
        self._opened = True

    def close(self, end: int) -> None:
        """The innermost bracket closes."""
        if self.stack[-1].key is not None:
            raise UnreadableError(end - 1)
        self._pop(end)

    def put(self, node: Node) -> None:
        """A value without brackets."""
        self._add()
        self._attach(node)

    def make_key(self, position: int) -> None:
        """The last value turns out to be the key of the next one."""
        frame = self.stack[-1]
        if not frame.entries or frame.entries[-1].key is not None or frame.key is not None:
            raise UnreadableError(position)
        frame.key = frame.entries.pop().value
        self._count -= 1

    @property
    def is_keyed(self) -> bool:
        """Whether the next value has a key."""
        return bool(self.stack) and self.stack[-1].key is not None

    def _read(self) -> None:
        position, expecting = self._skip_space(0), True
        while True:
            try:
                if expecting:
                    if self.is_keyed:
                        self.stack[-1].value_start = position
                    self._opened = False
                    position = self.value(position)
                    expecting = self._opened
                else:
                    position, expecting = self.separator(position)
            except UnreadableError as error:
                position, expecting = self._recover(error.position, after_value=not expecting), False
            position = self._skip_space(position)
            if not self.stack and not expecting:
                if position != len(self.text):
                    raise UnreadableError(position)
                return

    def _stop(self) -> None:
        """Close all brackets, for there is no more room."""
        self.is_cut = True
        for frame in self.stack:
            frame.truncated = _NOT_UNFOLDED
        while self.stack:
            self._pop(len(self.text))

    def _skip_space(self, position: int) -> int:
        # Mostly there is a blank, or nothing.
        if self.text[position : position + 1] == " ":
            position += 1
        char = self.text[position : position + 1]
        if char and not char.isspace():
            return position
        match = _SPACE.match(self.text, position)
        return match.end() if match else position

    def _add(self) -> None:
        if self._count >= self._limits.nodes:
            raise _FullError
        self._count += 1

    def _pop(self, end: int) -> None:
        depth = len(self.stack) - 1
        frame = self.stack[-1]
        if depth < self._limits.depth:
            node = self.finish(frame, end)
        elif depth == self._limits.depth:
            node = opaque(
                self.text[frame.start : min(end, frame.start + _OPAQUE_LENGTH)], truncated=_TOO_DEEP
            )
        else:
            # What is around it tells its text.
            node = opaque("")
        self.stack.pop()
        self._attach(node)

    def _attach(self, node: Node) -> None:
        if not self.stack:
            self._root = node
            return
        frame = self.stack[-1]
        frame.entries.append(Entry(key=frame.key, value=node))
        frame.key = None

    def _recover(self, position: int, *, after_value: bool) -> int:
        """Make the innermost value that has a key text up to its end, and go on after it."""
        if after_value and self.stack and self.stack[-1].entries and self.stack[-1].key is None:
            # The value that seemed to be over goes on, as in "12.50 USD".
            top = self.stack[-1]
            if top.entries[-1].key is not None:
                top.key = top.entries.pop().key
        place = len(self.stack) - 1
        while place >= 0 and self.stack[place].key is None:
            place -= 1
        if place < 0 or not self.forgiving:
            raise UnreadableError(position)
        end = self._end_of_value(position, len(self.stack) - 1 - place, self.stack[place].closer)
        del self.stack[place + 1 :]
        if end <= self._recovered_to:
            raise UnreadableError(end)
        self._recovered_to = end
        self._add()
        self.guesses += 1
        text = self.text[self.stack[place].value_start : end].rstrip()
        self._attach(opaque(clip(text, _OPAQUE_LENGTH)))
        return end

    def _end_of_value(self, position: int, depth: int, closer: str) -> int:
        while position < len(self.text) and self._patience > 0:
            self._patience -= 1
            if match := _SKIPPED.match(self.text, position):
                position = match.end()
                continue
            char = self.text[position]
            if char in "'\"`":
                position = self._after_quote(position)
                continue
            if depth == 0 and char in (",", closer):
                return position
            # A bracket that closes nothing is part of the text.
            depth = max(0, depth + (char in "[({") - (char in "])}"))
            position += 1
        raise UnreadableError(position)

    def _after_quote(self, position: int) -> int:
        if position and self.text[position - 1].isalnum():
            # As in "it's".
            return position + 1
        match = _STRING.match(self.text, position)
        if match is None:
            raise UnreadableError(len(self.text))
        return match.end()


def opaque(text: str, *, type_name: str = "", truncated: str = "") -> Node:
    """A value that only its text tells of."""
    return Node(kind="opaque", text=text, type_name=type_name, truncated=truncated)


def leaf(kind: Kind, text: str, type_name: str = "") -> Node:
    """A value without entries."""
    return Node(kind=kind, text=text, type_name=type_name)
