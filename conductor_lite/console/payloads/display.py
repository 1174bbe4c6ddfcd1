"""Payloads read for showing: how much of one becomes a tree, and what the pages around it need.

What a tree looks like stands in ``payloads/markup``, what is around it in ``templates/_payload.html``.
"""

import functools
from collections.abc import Callable
from typing import Any

from conductor_lite.console.payloads import Limits, Node, Payload, read
from conductor_lite.console.payloads.failures import Failure, read_failure
from conductor_lite.console.payloads.markup import tree_markup
from conductor_lite.console.payloads.samples import INLINE_CHARS
from conductor_lite.console.rendering import Shortcut

#: Trees within a page, on a page of their own, and where more of them is asked for.
SMALL = Limits(chars=INLINE_CHARS, nodes=300, depth=20)
LARGE = Limits(chars=1_000_000, nodes=1_000, depth=40)
LARGEST = Limits(chars=1_000_000, nodes=3_000, depth=40)

#: Keys of ``static/payloads.js``.
SHORTCUTS = (
    Shortcut(("e",), "expand payloads", needs=".tree details"),
    Shortcut(("c",), "collapse payloads", needs=".tree details"),
)

FORMATS = {"json": "JSON", "python": "Python", "javascript": "JavaScript", "text": "text"}


def payload_extras(
    url: Callable[..., str],
    read_tree: Callable[[str, str | None], Payload],
    shown: Limits = SMALL,
    found: object = None,
) -> dict[str, Any]:
    """What ``_payload.html`` needs of a page.

    Args:
        url: gives addresses below the workflow's page.
        read_tree: reads a text as far as ``shown`` allows.
        shown: how much of a text becomes a tree.
        found: what was searched for in it, as a `Found`, if anything was.
    """
    larger = LARGE if shown is SMALL else LARGEST
    return {
        "payload_url": url,
        "read_tree": read_tree,
        "tree_markup": tree_markup if shown is not SMALL else _small_markup,
        "failure": failure,
        "payload_formats": FORMATS,
        "payload_found": found,
        # How much of a tree that was cut short can be had instead, and what asks for that in its address.
        "values_more": 0 if shown is LARGEST else larger.nodes,
        "more_address": "" if shown is SMALL else larger.nodes,
    }


@functools.lru_cache(maxsize=256)
def small_tree(text: str, language: str | None) -> Payload:
    """Read a text for a page that has other things to show; pages look again and again."""
    return read(text, language=language, limits=SMALL)


def large_tree(text: str, language: str | None, limits: Limits = LARGE) -> Payload:
    """Read a text for a page of its own."""
    return read(text, language=language, limits=limits)


@functools.lru_cache(maxsize=256)
def failure(text: str) -> Failure:
    """Take an error apart."""
    return read_failure(text)


@functools.lru_cache(maxsize=64)
def _small_markup(root: Node) -> str:
    return tree_markup(root)
