"""The time of day as those go by it who delete what is old. Keeps nothing, deletes nothing."""

import logging
from datetime import datetime, timedelta

from conductor_lite.clock import Clock

logger = logging.getLogger("conductor_lite.policies")

#: A calendar that jumps ahead by more than this is not believed at first: what is deleted is gone.
MAX_JUMP = timedelta(hours=1)
#: Seconds after which it is.
DOUBT_SECS = 86_400.0


class TrustedTime:
    """The calendar, but for jumps ahead, which count only once they have lasted for a day.

    Until then time goes on by the monotonic clock, from the last moment before the jump. A calendar that is
    set back is believed at once: by that, less is old.

    Args:
        clock: the clocks.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Both clocks when they were looked at last and agreed.
        self._monotonic, self._calendar = clock.monotonic(), clock.now()
        # When the calendar was first seen to have jumped, by the monotonic clock; None while it has not.
        self._doubted_since: float | None = None

    def now(self) -> datetime:
        """The time of day."""
        monotonic, calendar = self._clock.monotonic(), self._clock.now()
        expected = self._calendar + timedelta(seconds=monotonic - self._monotonic)
        if calendar - expected > MAX_JUMP:
            if self._doubted_since is None:
                self._doubted_since = monotonic
                logger.warning(
                    "The clock jumped ahead by %s: for a day nothing is deleted by it, in case it goes back.",
                    timedelta(seconds=round((calendar - expected).total_seconds())),
                )
            if monotonic - self._doubted_since < DOUBT_SECS:
                return expected
        self._monotonic, self._calendar = monotonic, calendar
        self._doubted_since = None
        return calendar
