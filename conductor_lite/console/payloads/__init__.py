"""Text that executors send for people, such as inputs and outputs, read into trees. No HTML, no I/O."""

from conductor_lite.console.payloads.reader import Limits
from conductor_lite.console.payloads.reading import read
from conductor_lite.console.payloads.tree import Entry, Format, Kind, Node, Payload, summary, walk

__all__ = ["Entry", "Format", "Kind", "Limits", "Node", "Payload", "read", "summary", "walk"]
