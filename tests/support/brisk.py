"""Servers in the tests' own process that stop at once: what is shown is that they stop, not how leisurely."""

import asyncio
from typing import Any

from uvicorn import server

_LOOK_SECS = 0.005


class _BriskAsyncio:
    """``asyncio``, in which the naps of uvicorn are short."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, secs: float) -> None:
        await asyncio.sleep(min(secs, _LOOK_SECS))


def make_servers_brisk(patch: Any) -> None:
    """Let uvicorn look every few milliseconds, not ten times a second, whether it is to stop and who is left.

    Args:
        patch: the ``MonkeyPatch`` that takes it back.
    """
    patch.setattr(server, "asyncio", _BriskAsyncio())
