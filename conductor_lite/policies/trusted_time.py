"""The time of day as those go by it who delete what is old. Keeps nothing, deletes nothing."""

import logging
from datetime import datetime, timedelta

from conductor_lite.clock import Clock

logger = logging.getLogger("conductor_lite.policies")

#: A calendar that jumps ahead by more than this is not believed at first: what is deleted is gone.
MAX_JUMP = timedelta(hours=1)
#: Seconds after which it is.
DOUBT_SECS = 86_400.0
#: The same where it is ahead of what is on record right at the start. Most likely the server was away, but
#: some machines begin with a wrong time and set it right soon.
START_DOUBT_SECS = 900.0


class TrustedTime:
    """The calendar, but for jumps ahead, which count only once they have lasted for a day.

    Those from before this process began count after a quarter of an hour. Until then time goes on by the
    monotonic clock, from the last moment before the jump. A calendar that is set back is believed at once: by
    that, less is old.

    Args:
        clock: the clocks.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Both clocks when they were looked at last and agreed.
        self._monotonic, self._calendar = clock.monotonic(), clock.now()
        # How long a jump is doubted.
        self._doubt_secs = DOUBT_SECS
        if clock.known is not None and self._calendar - clock.known > MAX_JUMP:
            self._calendar, self._doubt_secs = clock.known, START_DOUBT_SECS
        # When the calendar was first seen to have jumped, by the monotonic clock; None while it has not.
        self._doubted_since: float | None = None

    def now(self) -> datetime:
        """The time of day."""
        monotonic, calendar = self._clock.monotonic(), self._clock.now()
        expected = self._calendar + timedelta(seconds=monotonic - self._monotonic)
        if calendar - expected > MAX_JUMP:
            if self._doubted_since is None:
                self._doubted_since = monotonic
                logger.log(
                    logging.WARNING if self._doubt_secs == DOUBT_SECS else logging.INFO,
                    "The clock is %s ahead of what is known: for %s nothing is deleted by it.",
                    timedelta(seconds=round((calendar - expected).total_seconds())),
                    timedelta(seconds=self._doubt_secs),
                )
            if monotonic - self._doubted_since < self._doubt_secs:
                return expected
        self._monotonic, self._calendar = monotonic, calendar
        self._doubted_since, self._doubt_secs = None, DOUBT_SECS
        return calendar
