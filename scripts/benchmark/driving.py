"""What runs inside both servers: callers that ask executors, and a meter of the event loop's lag."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable

from benchmark.control import Handler

Ask = Callable[[], Awaitable[object]]

_LAG_SAMPLE_SECS = 0.001


class LagMeter:
    """Wakes up every millisecond and notes by how much it was late at most."""

    def __init__(self) -> None:
        # Largest lateness since it was last taken, in seconds.
        self._largest_secs = 0.0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to measure."""
        self._largest_secs = 0.0
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> float:
        """The largest lag since the start, in milliseconds."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        return self._largest_secs * 1000

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = time.perf_counter()
            wakened = loop.create_future()
            loop.call_later(_LAG_SAMPLE_SECS, wakened.set_result, None)
            await wakened
            late_secs = time.perf_counter() - before - _LAG_SAMPLE_SECS
            self._largest_secs = max(self._largest_secs, late_secs)


async def round_trips(ask: Ask, callers: int, secs: float) -> dict[str, float]:
    """Ask for some seconds from many callers, each of which asks again as soon as it is answered.

    Returns:
        ``per_sec``, the middle and the 99th percentile of the time to an answer in milliseconds, and
        ``cpu_us``: microseconds of the server's processor time for each.
    """
    took_secs: list[float] = []
    end = time.perf_counter() + secs

    async def call() -> None:
        while (before := time.perf_counter()) < end:
            await ask()
            took_secs.append(time.perf_counter() - before)

    started, cpu_started = time.perf_counter(), time.process_time()
    await asyncio.gather(*(call() for _ in range(callers)))
    elapsed_secs, cpu_secs = time.perf_counter() - started, time.process_time() - cpu_started
    took_secs.sort()
    return {
        "per_sec": len(took_secs) / elapsed_secs,
        "p50_ms": took_secs[len(took_secs) // 2] * 1000,
        "p99_ms": took_secs[len(took_secs) * 99 // 100] * 1000,
        "cpu_us": cpu_secs / len(took_secs) * 1_000_000,
    }


def common_commands(ask: Ask, list_workflows: Ask) -> dict[str, Handler]:
    """The commands that both servers know."""
    meter = LagMeter()

    async def ask_for(callers: int, secs: float) -> dict[str, float]:
        await asyncio.gather(*(ask() for _ in range(callers)))
        return await round_trips(ask, callers, secs)

    async def list_them(times: int) -> None:
        for _ in range(times):
            await list_workflows()

    async def collect() -> None:
        gc.collect()

    return {
        "round_trips": ask_for,
        "list_workflows": list_them,
        "collect": collect,
        "start_lag": meter.start,
        "stop_lag": meter.stop,
    }
