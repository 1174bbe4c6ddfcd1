"""The two clocks: a monotonic one to measure waiting by, and the calendar for people."""

import time
from datetime import UTC, datetime


class Clock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """Seconds that never jump, whatever happens to the calendar."""
        return time.monotonic()

    def now(self) -> datetime:
        """The time of day, in UTC."""
        return datetime.now(UTC)
