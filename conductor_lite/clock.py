"""The two clocks: a monotonic one to measure waiting by, and the calendar for people."""

import time
from datetime import UTC, datetime


class Clock:
    """The machine's clocks.

    Args:
        known: a time of day that was surely reached before this process began; None where there is none.
    """

    #: As given; here for clocks of tests, which know of no earlier time.
    known: datetime | None = None

    def __init__(self, known: datetime | None = None) -> None:
        self.known = known

    def monotonic(self) -> float:
        """Seconds that never jump, whatever happens to the calendar."""
        return time.monotonic()

    def now(self) -> datetime:
        """The time of day, in UTC."""
        return datetime.now(UTC)
