"""Long lists as one JSON array, sent page by page while the next one is still being asked for."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.responses import Response, StreamingResponse

_HEADERS = {"Cache-Control": "no-store"}


async def paged_response(pages: AsyncIterator[list[Any]]) -> Response:
    """Begin the answer when the first page is there, so that a failure until then still has a status.

    A failure after that cuts the answer off in the middle of the array: a reader sees that it is not whole.
    """
    first = await anext(pages, None)
    if first is None:
        return Response(b"[]", headers=_HEADERS, media_type="application/json")
    return StreamingResponse(_array(first, pages), headers=_HEADERS, media_type="application/json")


async def _array(first: list[Any], pages: AsyncIterator[list[Any]]) -> AsyncIterator[bytes]:
    yield b"["
    separator = b""
    page: list[Any] | None = first
    while page is not None:
        if page:
            # One pass of the encoder per page; its brackets are those of the page, not of the whole.
            yield separator + msgspec.json.encode(page)[1:-1]
            separator = b","
        # Others get their turn between two pages.
        await asyncio.sleep(0)
        page = await anext(pages, None)
    yield b"]"
