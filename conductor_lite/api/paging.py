"""Long lists as one JSON array, sent page by page, so that none is ever held as a whole."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

import msgspec
from starlette.responses import Response, StreamingResponse

from conductor_lite.errors import ConductorError
from conductor_lite.turns import pieces

logger = logging.getLogger(__name__)

_HEADERS = {"Cache-Control": "no-store"}


class CutOffError(Exception):
    """A list broke off after its beginning was sent, when no status can say so any more."""


async def paged_response(pages: AsyncGenerator[list[Any], None], headers: Mapping[str, str]) -> Response:
    """Begin the answer when the first page is there, so that a failure until then still has a status.

    A failure after that cuts the answer off in the middle of the array: a reader sees that it is not whole.
    """
    first = await anext(pages, None)
    # Not before: whoever makes the first page may still have something to say.
    all_headers = {**_HEADERS, **headers}
    if first is None:
        return Response(b"[]", headers=all_headers, media_type="application/json")
    return StreamingResponse(_array(first, pages), headers=all_headers, media_type="application/json")


async def _array(first: list[Any], pages: AsyncGenerator[list[Any], None]) -> AsyncIterator[bytes]:
    async with aclosing(pages):
        yield b"["
        separator = b""
        page: list[Any] | None = first
        while page is not None:
            if page:
                # One pass of the encoder per page; its brackets are those of the page, not of the whole.
                async for piece in pieces(separator + msgspec.json.encode(page)[1:-1]):
                    yield piece
                separator = b","
            # Others get their turn between two pages.
            await asyncio.sleep(0)
            try:
                page = await anext(pages, None)
            except ConductorError as error:
                logger.warning("A list broke off in the middle: %s", error)
                raise CutOffError from error
        yield b"]"
