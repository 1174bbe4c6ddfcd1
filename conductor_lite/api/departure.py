"""Callers that do not wait for their answer: what is being done for them only is given up."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

T = TypeVar("T")


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """Do ``work`` for as long as the caller is there; when he leaves, it is cancelled.

    Args:
        request: whose body has been read, or is of no use to anyone.
        work: what he waits for.

    Raises:
        starlette.requests.ClientDisconnect: the caller went away first.
    """
    patience = asyncio.timeout(None)
    try:
        async with patience:
            watcher = asyncio.create_task(_watch(request.receive, patience))
            try:
                return await work
            finally:
                watcher.cancel()
    except TimeoutError:
        if patience.expired():
            raise ClientDisconnect from None
        raise


async def _watch(receive: Receive, patience: asyncio.Timeout) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    patience.reschedule(asyncio.get_running_loop().time())
