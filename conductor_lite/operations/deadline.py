"""How long the caller of an operation will wait for executors, where he says so."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: When, by the monotonic clock, whoever asks in this task gives up; None: not of his own accord.
_give_up_at: ContextVar[float | None] = ContextVar("give_up_at", default=None)


@contextmanager
def deadline(secs: float) -> Iterator[None]:
    """Ask executors for this many seconds at most, over all questions inside the block together.

    Operations inside raise ``DeadlineExceededError`` when none has answered by then; what was asked may
    be done all the same.
    """
    token = _give_up_at.set(time.monotonic() + secs)
    try:
        yield
    finally:
        _give_up_at.reset(token)


def remaining_secs() -> float | None:
    """What is left of the caller's deadline in seconds, at least a moment; None when there is none."""
    give_up_at = _give_up_at.get()
    return None if give_up_at is None else max(0.001, give_up_at - time.monotonic())
