"""Payloads read for showing: how much of one becomes a tree, and words for its parts. Reads are kept a while.

What a tree looks like stands in ``templates/_payload.html``.
"""

import functools
from collections.abc import Callable
from typing import Any

import msgspec

from conductor_lite.console.payloads import Limits, Node, Payload, read, summary
from conductor_lite.console.payloads.failures import Failure, read_failure
from conductor_lite.console.payloads.samples import INLINE_CHARS
from conductor_lite.console.rendering import Shortcut
from conductor_lite.wording import plural

#: Trees within a page, and on a page of their own.
SMALL = Limits(chars=INLINE_CHARS, nodes=300, depth=20)
LARGE = Limits(chars=1_000_000, nodes=4_000, depth=40)

#: Keys of ``static/payloads.js``.
SHORTCUTS = (Shortcut(("e",), "expand payloads"), Shortcut(("c",), "collapse payloads"))

_GIST_LENGTH = 80

FORMATS = {"json": "JSON", "python": "Python", "javascript": "JavaScript", "text": "text"}


def payload_extras(
    url: Callable[..., str], read_tree: Callable[[str, str | None], Payload]
) -> dict[str, Any]:
    """What ``_payload.html`` needs of a page.

    Args:
        url: gives addresses below the workflow's page.
        read_tree: `small_tree` or `large_tree`.
    """
    return {
        "payload_url": url,
        "read_tree": read_tree,
        "failure": failure,
        "tree_gist": gist,
        "tree_size": size,
        "payload_formats": FORMATS,
    }


@functools.lru_cache(maxsize=256)
def small_tree(text: str, language: str | None) -> Payload:
    """Read a text for a page that has other things to show; pages look again and again."""
    return read(text, language=language, limits=SMALL)


def large_tree(text: str, language: str | None) -> Payload:
    """Read a text for a page of its own."""
    return read(text, language=language, limits=LARGE)


@functools.lru_cache(maxsize=256)
def failure(text: str) -> Failure:
    """Take an error apart."""
    return read_failure(text)


def gist(node: Node) -> str:
    """A value on one line, for when it is folded; `size` says of which class it is."""
    return summary(msgspec.structs.replace(node, type_name="") if node.entries else node, _GIST_LENGTH)


def size(node: Node) -> str:
    """How much is in a value, and of which class it is: ``Order 3 entries``."""
    named = bool(node.entries) and node.entries[0].key is not None
    entries = len(node.entries)
    words = plural(entries, "entry", "entries") if named else plural(entries, "item")
    return f"{node.type_name} {words}" if node.type_name else words
