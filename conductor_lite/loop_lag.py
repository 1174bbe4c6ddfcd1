"""How long anything had to wait for the event loop: the worst of the last minutes. Judges nothing."""

import asyncio
import time

#: Seconds between two looks. What holds the loop up for longer than this is seen in any case.
LOOK_SECS = 0.05
#: The worst of the stretch before is told as well, so that no scrape comes too late for it.
STRETCH_SECS = 60.0


class LoopLag:
    """Looks, many times a second, how much later than due the event loop lets it look."""

    def __init__(self) -> None:
        # Worst of this stretch and of the one before, in seconds.
        self._worst = 0.0
        self._worst_before = 0.0
        # When this stretch began, on the monotonic clock.
        self._since = 0.0
        # The next look; None while nobody watches.
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look, in the running loop."""
        self._since = time.monotonic()
        self._look_again()

    def stop(self) -> None:
        """Look no more. May be called twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def worst_secs(self) -> float:
        """The longest that anything due had to wait within the last one to two minutes."""
        return max(self._worst, self._worst_before)

    def _look_again(self) -> None:
        due = time.monotonic() + LOOK_SECS
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECS, self._look, due)

    def _look(self, due: float) -> None:
        now = time.monotonic()
        if now - self._since >= STRETCH_SECS:
            self._worst_before, self._worst, self._since = self._worst, 0.0, now
        self._worst = max(self._worst, now - due)
        self._look_again()
