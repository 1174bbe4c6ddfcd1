"""Background work of one owner: started here, logged when it fails, ended together."""

import asyncio
import logging
from collections.abc import Callable, Coroutine

logger = logging.getLogger("conductor_lite.fleet")

#: Seconds before a loop that failed begins anew.
RESTART_SECS = 1.0

Work = Coroutine[object, object, None]


class Tasks:
    """A set of running tasks."""

    def __init__(self) -> None:
        # Kept here, for the event loop itself only holds tasks weakly.
        self._running: set[asyncio.Task[None]] = set()
        # Those of them that never end by themselves.
        self._loops: set[asyncio.Task[None]] = set()

    def spawn(self, work: Work, name: str) -> asyncio.Task[None]:
        """Start something that ends by itself; a failure is logged."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def keep_running(self, loop: Callable[[], Work], name: str) -> None:
        """Start something that must never end, and begin it anew after a fault of ours."""
        self._loops.add(self.spawn(_forever(loop, name), name))

    async def settled(self) -> None:
        """Wait until nothing runs but what never ends."""
        while passing := self._running - self._loops:
            await asyncio.wait(passing)

    async def stop(self) -> None:
        """Cancel everything and wait until it has ended."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._loops.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("The task '%s' failed.", task.get_name(), exc_info=error)


async def _forever(loop: Callable[[], Work], name: str) -> None:
    while True:
        try:
            await loop()
        except Exception:
            logger.exception("The task '%s' failed and begins anew.", name)
        await asyncio.sleep(RESTART_SECS)
