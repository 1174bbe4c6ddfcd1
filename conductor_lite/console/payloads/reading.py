"""From text to payload: which format it is, and what to say when it is none. The formats live next door."""

from conductor_lite.console.payloads.json_text import JsonReader
from conductor_lite.console.payloads.node_inspect import InspectReader
from conductor_lite.console.payloads.python_repr import ReprReader
from conductor_lite.console.payloads.reader import Limits, Reader
from conductor_lite.console.payloads.tree import Format, Node, Payload
from conductor_lite.wording import count

_READERS: dict[Format, type[Reader]] = {
    "json": JsonReader,
    "python": ReprReader,
    "javascript": InspectReader,
}
#: By language of the executor, most likely format first. What Go and Java send is JSON or text.
_ORDERS: dict[str, tuple[Format, ...]] = {
    "python": ("python", "json"),
    "typescript": ("javascript", "json"),
    "javascript": ("javascript", "json"),
    "go": ("json",),
    "java": ("json",),
}
_ANY: tuple[Format, ...] = ("json", "python", "javascript")
#: How the base64 text of every pickle of protocol 4 and 5 begins.
_PICKLE = ("gAS", "gAW")


def read(text: str, *, language: str | None = None, limits: Limits | None = None) -> Payload:
    """Read a text that an executor sent for people. Never fails: what cannot be read stays text.

    Args:
        text: as it came.
        language: of the executor as it calls itself (``python``, ``typescript``, ``go``, ``java``), if known;
            tells texts apart that look alike in several formats.
        limits: how much to read.
    """
    limits = limits or Limits()
    # Half characters could not be sent to a browser.
    text = text.encode("utf-8", "replace").decode()
    if len(text) > limits.chars:
        note = f"{count(len(text))} characters are too many to unfold. This is the text as it came."
        return _as_text(text, note)
    best: tuple[Format, Reader, Node] | None = None
    for format_ in _ORDERS.get((language or "").lower()) or _likely(text):
        reader = _READERS[format_](text, limits)
        root = reader.run()
        if root is not None and (best is None or reader.guesses < best[1].guesses):
            best = (format_, reader, root)
            if reader.guesses == 0:
                break
    if best is None:
        note = "This seems to be a pickle that the application could not read." if _is_pickle(text) else ""
        return _as_text(text, note)
    format_, reader, root = best
    note = (
        f"Only the first {count(limits.nodes)} values are unfolded. The text has all."
        if reader.is_cut
        else ""
    )
    return Payload(format=format_, root=root, note=note, is_cut=reader.is_cut, length=len(text))


def _likely(text: str) -> tuple[Format, ...]:
    # Node leaves room within its brackets.
    return _ANY if text[1:2].strip() or text[:1] not in "[{" else ("json", "javascript", "python")


def _as_text(text: str, note: str) -> Payload:
    return Payload(format="text", root=Node(kind="string", text=text), note=note, length=len(text))


def _is_pickle(text: str) -> bool:
    return text.startswith(_PICKLE) and " " not in text
