"""Which windows of time are still to be collected: arithmetic only, times in seconds since 1970."""

from conductor_lite.fleet.measuring import Window
from conductor_lite.store.metric_families import DAY, MINUTE, QUARTER, floor

#: Seconds to wait after the end of a minute before it is asked for: databases' clocks differ from ours.
GRACE_SECS = 5
#: Longest gap in seconds that is filled minute by minute; a longer one is filled in quarters of an hour.
FINE_GAP_SECS = 30 * MINUTE
#: Longest gap in seconds that is filled at all.
MAX_GAP_SECS = 2 * DAY


def completed_until(now_secs: float) -> int:
    """The end of the last minute that is over and may be asked for."""
    return floor(int(now_secs - GRACE_SECS), MINUTE)


def resume_at(covered_until: int | None, until: int) -> int:
    """From where on to collect after the clock went back.

    Minutes that were collected come again: they are asked for anew, and replaced. As some of them may have
    been collected as a quarter of an hour, that begins with one. If the clock had been ahead for a while, it
    begins where it was right last.

    Args:
        covered_until: the end of the last window that was collected and is over by now; None if none is.
        until: the end of the last minute that may be asked for.
    """
    return floor(until if covered_until is None else min(covered_until, until), QUARTER)


def plan(collected_until: int, until: int, *, limit: int, coarse: bool = False) -> list[Window]:
    """The next windows to collect, oldest first: minutes, and quarters of an hour in a long gap.

    Args:
        collected_until: as far as has been collected.
        until: the end of the last minute that may be asked for.
        limit: most windows to give.
        coarse: whether the application is slow, and is asked for quarters of an hour only.
    """
    windows: list[Window] = []
    start = max(collected_until, until - MAX_GAP_SECS)
    while start < until and len(windows) < limit:
        wants_quarter = coarse or until - start > FINE_GAP_SECS
        if wants_quarter and start % QUARTER == 0:
            if start + QUARTER > until:
                break
            windows.append(Window(start, start + QUARTER))
        else:
            windows.append(Window(start, start + MINUTE))
        start = windows[-1].end
    return windows
