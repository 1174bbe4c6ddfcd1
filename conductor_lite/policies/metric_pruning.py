"""Deletes points of metrics that are past their time, an hour's worth at once and in small batches."""

import logging

from conductor_lite.clock import Clock
from conductor_lite.store.metric_families import DAY, KEPT_SECS, MINUTE, QUARTER
from conductor_lite.store.metric_points import MetricPoints
from conductor_lite.store.metric_records import MetricSource

logger = logging.getLogger("conductor_lite.policies")

#: Seconds between two looks at what is past its time.
PAUSE_SECS = 3_600.0
#: Points deleted in one transaction: few enough that nobody who writes has to wait for long.
BATCH_SIZE = 1_000
#: Batches in one round; what is left goes an hour later.
MAX_BATCHES = 500
#: A clock that jumps ahead by more than this many seconds is not believed for a day: what is deleted is gone.
MAX_JUMP_SECS = 3_600.0


class MetricPruning:
    """Looks at every source once an hour.

    Args:
        points: the tables of metrics.
        clock: the clocks.
    """

    def __init__(self, points: MetricPoints, clock: Clock) -> None:
        self._points = points
        self._clock = clock
        # Both clocks when they were looked at last, and until when on the monotonic one the other is doubted.
        self._looked_at: tuple[float, float] | None = None
        self._doubted_until = float("-inf")
        # When to prune next, on the monotonic clock.
        self._due_at = clock.monotonic()

    async def round(self) -> bool:
        """Prune if it is time to; returns whether it was.

        Raises:
            StoreError: the database refused; what was deleted before that stays deleted.
        """
        now, wall = self._clock.monotonic(), self._clock.now().timestamp()
        last = self._looked_at
        if last is not None and wall - last[1] > now - last[0] + MAX_JUMP_SECS:
            logger.warning("The clock jumped ahead: no metrics are deleted for a day, in case it goes back.")
            self._doubted_until = now + DAY
        self._looked_at = (now, wall)
        if now < max(self._due_at, self._doubted_until):
            return False
        self._due_at = now + PAUSE_SECS
        batches = MAX_BATCHES
        for source in await self._points.sources():
            for window_secs, before in _cutoffs(source, int(wall)):
                while batches:
                    batches -= 1
                    if await self._points.prune(source, window_secs, before, BATCH_SIZE) < BATCH_SIZE:
                        break
            await self._points.prune_series(source)
        return True


def _cutoffs(source: MetricSource, now: int) -> list[tuple[int, int]]:
    """Before which time windows of each length go: never those that are yet to be rolled up."""
    if source.application_id is None:
        return [(window_secs, now + 100 * 365 * DAY) for window_secs in KEPT_SECS]
    rolled = {MINUTE: source.rolled_until_quarter, QUARTER: source.rolled_until_day, DAY: now}
    return [(secs, min(now - kept_secs, rolled[secs])) for secs, kept_secs in KEPT_SECS.items()]
