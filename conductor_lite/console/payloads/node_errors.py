"""Errors, and other words in brackets, within the text of ``util.inspect``: where they end, what they say."""

import re
import textwrap

import msgspec

from conductor_lite.console.payloads.escapes import QUOTED_OR_TEMPLATE
from conductor_lite.console.payloads.reader import UnreadableError, leaf
from conductor_lite.console.payloads.tree import Entry

_FRAME = r"\n\s{1,200}(?:at |\.\.\. \d++ lines matching )[^\n]{0,1000}+"
_STACK = re.compile(
    r"(?P<name>[^\W\d][\w$.]{0,200}(?: \[[^\]\n]{1,200}\])?)"
    r"(?:: (?P<message>[^\n]{0,1000}+(?:\n(?!\s{1,200}at )[^\n]{0,300}+){0,30}?))?"
    rf"(?P<frames>(?:{_FRAME})++)"
)
_BEFORE_MESSAGE = r"\[(?P<name>[^\W\d][\w$.]{0,100}(?:Error|Exception)|Error)(?: \[[^\]\n]{1,200}\])?"
_AFTER_MESSAGE = r"\](?=\s{0,200}(?:[,\])}{]|\Z))"
#: With brackets in its message that belong together, or else up to the first bracket that may be its last.
_WITHOUT_STACK = (
    re.compile(
        rf"{_BEFORE_MESSAGE}(?:: (?P<message>(?:[^\[\]\n]|\[[^\[\]\n]{{0,200}}+\]){{0,1000}}+))?"
        rf"{_AFTER_MESSAGE}"
    ),
    re.compile(rf"{_BEFORE_MESSAGE}(?:: (?P<message>[^\n]{{0,1000}}?))?{_AFTER_MESSAGE}"),
)
_STRING = re.compile(QUOTED_OR_TEMPLATE, re.DOTALL)
_PLAIN = re.compile(r"[^\[\]'\"`]++")
#: Words in brackets are short, except for boxed strings.
_LONGEST = 10_000


class ErrorText(msgspec.Struct, frozen=True, kw_only=True):
    """An error as far as it stands in front of its properties."""

    type_name: str
    message: str
    #: Lines, without their common indentation; may be empty.
    stack: str
    end: int

    def entries(self) -> list[Entry]:
        """What it says, as entries of an object."""
        found = [Entry(key=leaf("string", "message"), value=leaf("string", self.message))]
        if self.stack:
            found.append(Entry(key=leaf("string", "stack"), value=leaf("string", self.stack)))
        return found


def error_with_stack(text: str, position: int) -> ErrorText | None:
    """The error whose name begins there, if lines of a stack follow its message."""
    match = _STACK.match(text, position)
    if match is None:
        return None
    frames = match["frames"]
    # What comes after an error follows its last line at once.
    kept = frames.removesuffix(" {").removesuffix(",")
    return ErrorText(
        type_name=match["name"],
        message=match["message"] or "",
        stack=textwrap.dedent(kept.strip("\n")),
        end=match.end() - len(frames) + len(kept),
    )


def error_without_stack(text: str, position: int) -> ErrorText | None:
    """The error in brackets that begins there."""
    for pattern in _WITHOUT_STACK:
        if match := pattern.match(text, position):
            message = match["message"] or ""
            return ErrorText(type_name=match["name"], message=message, stack="", end=match.end())
    return None


def end_of_word(text: str, position: int) -> int:
    """Where the words in brackets end that begin there.

    Raises:
        UnreadableError: the bracket does not close, or not soon.
    """
    start, depth = position, 0
    while position < len(text) and position - start < _LONGEST:
        if match := _PLAIN.match(text, position, start + _LONGEST):
            position = match.end()
            continue
        char = text[position]
        # As in [String: 'a]b'], but not in [Function: it's].
        if char in "'\"`" and not text[position - 1].isalnum() and (quoted := _STRING.match(text, position)):
            position = quoted.end()
            continue
        depth += (char == "[") - (char == "]")
        position += 1
        if depth == 0:
            return position
    raise UnreadableError(start)
