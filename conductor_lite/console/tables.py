"""What tables share: cutting a long list into pages that the query string names."""

from collections.abc import Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import QueryParams

T = TypeVar("T")

ROWS_PER_PAGE = 100
_MAX_PAGE = 1_000_000


class Paging(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list is shown."""

    #: Counted from 1.
    page: int
    #: Rows that match, shown or not; None when nobody counted.
    total: int | None
    has_next: bool

    @property
    def has_previous(self) -> bool:
        """Whether there is a page before this one."""
        return self.page > 1


def page_number(query: QueryParams) -> int:
    """The page that the query string asks for; nonsense means the first."""
    text = query.get("page", "1")
    if not (text.isascii() and text.isdigit()):
        return 1
    return min(max(int(text[:9]), 1), _MAX_PAGE)


def cut(rows: Sequence[T], page: int) -> tuple[tuple[T, ...], Paging]:
    """One page of a list that is in memory; past its end, the last one."""
    last = max(1, -(-len(rows) // ROWS_PER_PAGE))
    page = min(page, last)
    start = (page - 1) * ROWS_PER_PAGE
    shown = tuple(rows[start : start + ROWS_PER_PAGE])
    return shown, Paging(page=page, total=len(rows), has_next=page < last)


def link(path: str, filters: Mapping[str, str], **changed: object) -> str:
    """An address with these filters, some of them changed; empty ones are left out."""
    values = {**filters, **{name: str(value) for name, value in changed.items()}}
    query = urlencode({name: value for name, value in values.items() if value})
    return f"{path}?{query}" if query else path
