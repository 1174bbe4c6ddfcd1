"""Deletes points of metrics that are past their time, an hour's worth at once and in small batches."""

from conductor_lite.clock import Clock
from conductor_lite.policies.trusted_time import TrustedTime
from conductor_lite.store.metric_families import DAY, KEPT_SECS, MINUTE, QUARTER
from conductor_lite.store.metric_points import MetricPoints
from conductor_lite.store.metric_records import MetricSource

#: Seconds between two looks at what is past its time.
PAUSE_SECS = 3_600.0
#: Points deleted in one transaction: few enough that nobody who writes has to wait for long.
BATCH_SIZE = 1_000
#: Batches in one round; what is left goes an hour later.
MAX_BATCHES = 500


class MetricPruning:
    """Looks at every source once an hour.

    Args:
        points: the tables of metrics.
        clock: the clocks.
    """

    def __init__(self, points: MetricPoints, clock: Clock) -> None:
        self._points = points
        self._clock = clock
        self._time = TrustedTime(clock)
        # When to prune next, on the monotonic clock.
        self._due_at = clock.monotonic()

    async def round(self) -> bool:
        """Prune if it is time to; returns whether it was.

        Raises:
            StoreError: the database refused; what was deleted before that stays deleted.
        """
        now = self._clock.monotonic()
        if now < self._due_at:
            return False
        wall = self._time.now().timestamp()
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
