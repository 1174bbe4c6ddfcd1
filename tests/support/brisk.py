"""Spares tests what shows nothing: the naps of servers that stop, and certificates that nobody asks for."""

import asyncio
from functools import cache
from typing import Any

import pytest
from httpx._transports import default as transports
from uvicorn import server

_LOOK_SECS = 0.005


class _BriskAsyncio:
    """``asyncio``, in which the naps of uvicorn are short."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, secs: float) -> None:
        await asyncio.sleep(min(secs, _LOOK_SECS))


def make_brisk(patch: pytest.MonkeyPatch) -> None:
    """Change, until ``patch`` takes it back, what this process's servers and clients do.

    uvicorn looks every few milliseconds, not ten times a second, whether it is to stop and who is left. httpx
    reads the certificates of authorities once, not for each client: on plain sockets too that takes it 25 ms.
    """
    patch.setattr(server, "asyncio", _BriskAsyncio())
    patch.setattr(transports, "create_ssl_context", cache(transports.create_ssl_context))
