"""The second heartbeat: idle executors are asked who they are now and then, and timed."""

import asyncio
import logging
import random
from collections.abc import Callable

from conductor_lite.clock import Clock
from conductor_lite.errors import ConductorError
from conductor_lite.fleet.dispatch import Dispatch
from conductor_lite.fleet.registry import ApplicationFleet, Executor, Registry
from conductor_lite.protocol import ExecutorInfo

logger = logging.getLogger("conductor_lite.fleet")

_LOOK_SECS = 1.0
#: Probes under way at once, over all applications.
MAX_CONCURRENT_PROBES = 64


class Prober:
    """Measures round trips and notices executors that are connected but do not answer.

    Args:
        dispatch: reaches the executors.
        registry: all executors.
        clock: measures.
        interval_secs: seconds between two probes of one executor.
        announce: called when an executor begins or ceases to answer.
    """

    def __init__(
        self,
        dispatch: Dispatch,
        registry: Registry,
        clock: Clock,
        interval_secs: float,
        announce: Callable[[ApplicationFleet], None],
    ) -> None:
        self._dispatch = dispatch
        self._registry = registry
        self._clock = clock
        self._interval_secs = interval_secs
        self._announce = announce
        # Probes under way.
        self._probes: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Probe for as long as the conductor runs."""
        try:
            while True:
                self.look()
                await asyncio.sleep(_LOOK_SECS)
        finally:
            for probe in self._probes:
                probe.cancel()

    def look(self) -> None:
        """Start the probes that are due; what finds no room waits for the next look."""
        now = self._clock.monotonic()
        for fleet in self._registry:
            for executor in fleet.connected.values():
                if len(self._probes) >= MAX_CONCURRENT_PROBES:
                    return
                connection = executor.connection
                if connection is None or executor.probe_due_at > now or connection.in_flight:
                    continue
                # Jitter keeps executors that connected together from being probed together for ever.
                executor.probe_due_at = now + self._interval_secs * random.uniform(0.8, 1.2)  # noqa: S311
                probe = asyncio.create_task(self._probe(fleet, executor))
                self._probes.add(probe)
                probe.add_done_callback(self._probes.discard)

    async def _probe(self, fleet: ApplicationFleet, executor: Executor) -> None:
        was_responsive = executor.responsive
        started = self._clock.monotonic()
        try:
            await self._dispatch.ask(fleet, ExecutorInfo(), executor_id=executor.record.executor_id)
        except ConductorError as error:
            logger.info("A probe of executor %s failed: %s", executor.record.executor_id, error)
        else:
            executor.round_trip_ms = (self._clock.monotonic() - started) * 1000
        if executor.responsive != was_responsive:
            self._announce(fleet)
