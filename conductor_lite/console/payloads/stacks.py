"""Stack traces as Python, Node.js, Java and Go write them: lines taken apart into frames. Pure."""

import re
from collections.abc import Sequence

import msgspec

#: Frames that are taken apart; the text keeps all lines.
_MOST_FRAMES = 500
_MOST_TRACES = 20
_LONGEST_LINE = 1_000

_PYTHON_START = "Traceback (most recent call last):"
_PYTHON_FRAME = re.compile(r'\s*File "(?P<file>[^"]*)", line (?P<line>\d{1,9})(?:, in (?P<function>.*))?')
_REPEATED = "[Previous line repeated "
_PYTHON_NEXT = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
_AT = re.compile(r"\s+at (?P<place>.*)")
#: As ``main.js:12:9`` and ``App.java:12``.
_PLACE = re.compile(r"(?P<file>.*?)(?::(?P<line>\d{1,9}))?(?::\d{1,9})?")
_JAVA_CAUSE = "Caused by: "
_GO_START = re.compile(r"goroutine \d+ \[")
_GO_PLACE = re.compile(r"\s+(?P<file>\S.*?):(?P<line>\d{1,9})(?: \+0x[0-9a-f]+)?")
#: Of errors whose text begins with their type, the type.
_TYPED = re.compile(r"(?P<type>[^\W\d][\w$]*(?:\.[\w$]+){0,30})(?:: (?P<message>.*))?", re.DOTALL)
_TYPE_ENDS = ("Error", "Exception", "Throwable", "Failure", "Fault", "Interrupt", "Exit", "Warning")
_LIBRARIES = re.compile(
    r"[/\\](?:site-packages|dist-packages|node_modules|lib[/\\]python3|\.venv|usr[/\\]local[/\\]go|go[/\\]pkg[/\\]mod)[/\\.]"
    r"|^<frozen |^node:"
)
_JAVA_LIBRARIES = ("java.", "javax.", "jdk.", "sun.", "dev.dbos.transact.")


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call of a stack."""

    #: The line as it came, without its indentation.
    text: str
    #: Empty where the line does not tell, as is the file.
    function: str = ""
    file: str = ""
    #: Counted from 1; 0 is unknown.
    line: int = 0
    #: The code there, if the text quotes it.
    source: str = ""
    #: Whether it is in a library or in the language itself, not in the application.
    library: bool = False


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """One error with its stack."""

    type_name: str
    message: str
    #: The lines, as they came.
    stack: str
    frames: tuple[Frame, ...]


def read_traces(text: str) -> tuple[Trace, ...]:
    """The errors of a text with stacks: first the one that was reported, then what led to it.

    Returns:
        Nothing when there is no stack in it.
    """
    if _PYTHON_START in text:
        return _python(text)
    if _GO_START.match(text) or "\ngoroutine " in text:
        return _go(text)
    return _at_style(text)


def split_type(text: str) -> tuple[str, str]:
    """The type of an error and its message; without a type that is known for one, all is message."""
    match = _TYPED.fullmatch(text)
    if match and match["type"].endswith(_TYPE_ENDS):
        return match["type"], match["message"] or ""
    return "", text


def _python(text: str) -> tuple[Trace, ...]:
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip() in _PYTHON_NEXT:
            blocks.append([])
        else:
            blocks[-1].append(line)
    # The last one is what was raised in the end.
    traces = tuple(_python_trace(block) for block in reversed(blocks[-_MOST_TRACES:]))
    return traces if any(trace.frames for trace in traces) else ()


def _python_trace(lines: Sequence[str]) -> Trace:
    start = next((place for place, line in enumerate(lines) if line.strip() == _PYTHON_START), -1)
    end = start + 1
    while start >= 0 and end < len(lines) and (lines[end].startswith((" ", "\t")) or not lines[end]):
        end += 1
    before = [line for line in lines[: max(start, 0)] if line.strip()]
    message = "\n".join([*before, *lines[end:]]).strip("\n")
    type_name = ""
    if not before and (match := _TYPED.fullmatch(message)):
        # Below a traceback stands a type, whatever its name.
        type_name, message = match["type"], match["message"] or ""
    stack = "\n".join(lines[max(start, 0) : end])
    return Trace(
        type_name=type_name, message=message, stack=stack, frames=_python_frames(lines[start + 1 : end])
    )


def _python_frames(lines: Sequence[str]) -> tuple[Frame, ...]:
    frames: list[Frame] = []
    for line in lines:
        match = _PYTHON_FRAME.fullmatch(line[:_LONGEST_LINE])
        if match and len(frames) < _MOST_FRAMES:
            frames.append(_frame(line, match["function"] or "", match["file"], match["line"]))
        elif line.strip().startswith(_REPEATED):
            frames.append(Frame(text=line.strip()[:_LONGEST_LINE]))
        elif frames and not frames[-1].source and line.strip(" ^~"):
            frames[-1] = msgspec.structs.replace(frames[-1], source=line.strip())
    return tuple(frames)


def _at_style(text: str) -> tuple[Trace, ...]:
    """Lines that begin with ``at``, below a message: Node.js and Java."""
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith(_JAVA_CAUSE) and len(blocks) < _MOST_TRACES:
            blocks.append([line.removeprefix(_JAVA_CAUSE)])
        else:
            blocks[-1].append(line)
    traces = [_at_trace(block) for block in blocks]
    return tuple(traces) if traces and any(trace.frames for trace in traces) else ()


def _at_trace(lines: Sequence[str]) -> Trace:
    first = next((place for place, line in enumerate(lines) if _AT.match(line)), len(lines))
    type_name, message = split_type("\n".join(lines[:first]).strip("\n"))
    frames: list[Frame] = []
    for line in lines[first:]:
        if (match := _AT.fullmatch(line[:_LONGEST_LINE])) and len(frames) < _MOST_FRAMES:
            frames.append(_at_frame(line, match["place"]))
    return Trace(type_name=type_name, message=message, stack="\n".join(lines[first:]), frames=tuple(frames))


def _at_frame(line: str, place: str) -> Frame:
    # As charge (file:///app/main.js:12:9) and shop.App.charge(App.java:12), or without a name.
    function, bracket, where = place[:-1].rpartition("(") if place.endswith(")") else ("", "", place)
    match = _PLACE.fullmatch(where)
    if match is None or not (bracket or match["line"]):
        return _frame(line, place, "", None)
    return _frame(line, function.strip(), match["file"].removeprefix("async "), match["line"])


def _go(text: str) -> tuple[Trace, ...]:
    lines = text.splitlines()
    first = next((place for place, line in enumerate(lines) if _GO_START.match(line)), len(lines))
    frames: list[Frame] = []
    before = ""
    for line in lines[first + 1 :]:
        match = _GO_PLACE.fullmatch(line[:_LONGEST_LINE])
        if match and before and len(frames) < _MOST_FRAMES:
            function = re.sub(r"\([^()]*\)$", "", before)
            frames.append(_frame(f"{before} {line.strip()}", function, match["file"], match["line"]))
            before = ""
        else:
            before = line.strip()[:_LONGEST_LINE]
    message = "\n".join(lines[:first]).strip("\n")
    stack = "\n".join(lines[first:])
    return (Trace(type_name="", message=message, stack=stack, frames=tuple(frames)),)


def _frame(text: str, function: str, file: str, line: str | None) -> Frame:
    library = (
        bool(_LIBRARIES.search(file)) or function.startswith(_JAVA_LIBRARIES) or "java.base/" in function
    )
    return Frame(
        text=text.strip()[:_LONGEST_LINE],
        function=function,
        file=file,
        line=int(line) if line else 0,
        library=library,
    )
