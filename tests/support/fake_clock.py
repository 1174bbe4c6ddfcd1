"""Clocks that stand still until a test moves them."""

from datetime import UTC, datetime, timedelta

from conductor_lite.clock import Clock

START = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock(Clock):
    """Both clocks; ``set_back`` moves the calendar alone."""

    def __init__(self) -> None:
        self.time = START
        self.elapsed_secs = 0.0

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.elapsed_secs

    def advance(self, secs: float) -> None:
        self.time += timedelta(seconds=secs)
        self.elapsed_secs += secs

    def set_back(self, secs: float) -> None:
        self.time -= timedelta(seconds=secs)
