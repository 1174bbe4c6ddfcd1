"""Waiting on conditions with a deadline, in place of sleeping and hoping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE_SECS = 0.02
#: The longest pause, and the part of the time waited so far that one may be.
_LONGEST_PAUSE_SECS = 0.1
_PAUSE_SHARE = 0.05


class DeadlineError(AssertionError):
    """What a test waited for did not happen in time."""


def wait_until(predicate: Callable[[], T], deadline_secs: float, what: str) -> T:
    """Poll until ``predicate()`` is truthy, and return what it gave.

    Args:
        predicate: asked fifty times a second at first, ten times later: an application that starts meanwhile
            needs the processor; an exception in it ends the wait.
        deadline_secs: how long to go on asking.
        what: what is waited for, as it should read in a failure: "the executor to connect".

    Raises:
        DeadlineError: it did not come true in time; says what it gave last.
    """
    started = time.monotonic()
    while True:
        answer = predicate()
        if answer:
            return answer
        waited_secs = time.monotonic() - started
        if waited_secs >= deadline_secs:
            raise DeadlineError(f"Waited {deadline_secs:g} s in vain for {what}; last seen: {answer!r}")
        time.sleep(_pause_secs(waited_secs))


async def wait_until_async(predicate: Callable[[], T | Awaitable[T]], deadline_secs: float, what: str) -> T:
    """``wait_until`` on an event loop; ``predicate`` may be a plain or a coroutine function."""
    started = time.monotonic()
    while True:
        pending = predicate()
        answer = await pending if inspect.isawaitable(pending) else pending
        if answer:
            return answer
        waited_secs = time.monotonic() - started
        if waited_secs >= deadline_secs:
            raise DeadlineError(f"Waited {deadline_secs:g} s in vain for {what}; last seen: {answer!r}")
        await asyncio.sleep(_pause_secs(waited_secs))


def _pause_secs(waited_secs: float) -> float:
    return min(max(waited_secs * _PAUSE_SHARE, _PAUSE_SECS), _LONGEST_PAUSE_SECS)
