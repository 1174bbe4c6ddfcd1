"""Long lists in parts, by limit and offset. No I/O: calls come out, answers go in.

Parts rather than one long answer: each has a status and a deadline of its own and can be asked for again, so
a list is either whole or ends in an error that says why.
"""

from collections.abc import Hashable
from typing import Generic

import msgspec

from conductor_lite.client.call import ItemT, Listing


class Pager(Generic[ItemT]):
    """One pass over a list.

    Args:
        listing: the call; its own ``limit`` and ``offset`` bound the pass.
    """

    def __init__(self, listing: Listing[ItemT]) -> None:
        self._listing = listing
        # Where limit and offset stand.
        self._part = "query" if hasattr(listing.query, "limit") else "body"
        window = getattr(listing, self._part)
        # How many are still to come; None for all. Falls with every page.
        self._wanted: int | None = _number(window.limit)
        # Where the next page begins; grows with every page.
        self._offset = _number(window.offset) or 0
        # Size of the page that was asked for last.
        self._asked = 0
        # Whether the list has come to its end.
        self._is_over = self._wanted == 0
        # Everything listed so far.
        self._seen: set[Hashable] = set()

    def next_call(self) -> Listing[ItemT] | None:
        """The call for the next page; None when there is none."""
        if self._is_over:
            return None
        size = self._listing.page_size
        self._asked = size if self._wanted is None else min(size, self._wanted)
        window = msgspec.structs.replace(
            getattr(self._listing, self._part), limit=self._asked, offset=self._offset
        )
        return msgspec.structs.replace(self._listing, **{self._part: window})

    def take(self, page: list[ItemT]) -> list[ItemT]:
        """Take the answer to the call; returns what of it has not been listed before."""
        fresh = []
        for item in page:
            identity = self._listing.identify(item)
            if identity not in self._seen:
                self._seen.add(identity)
                fresh.append(item)
        self._offset += len(page)
        if self._wanted is not None:
            self._wanted -= len(fresh)
        # One that is longer than asked for comes from an SDK that has no pages: it is the whole list.
        self._is_over = len(page) != self._asked or self._wanted == 0
        return fresh


def _number(value: int | msgspec.UnsetType) -> int | None:
    return None if isinstance(value, msgspec.UnsetType) else value
