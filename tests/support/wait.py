"""Waiting on conditions with a deadline, in place of sleeping and hoping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

#: No wait is given up earlier: who gets what it waits for loses nothing, and a busy machine takes its time.
_LEAST_DEADLINE_SECS = 30.0
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
        deadline_secs: how long to go on asking, on a machine that is five times slower; 30 at least.
        what: what is waited for, as it should read in a failure: "the executor to connect".

    Raises:
        DeadlineError: it did not come true in time; says what it gave last.
    """
    started = time.monotonic()
    deadline_secs = max(deadline_secs, _LEAST_DEADLINE_SECS)
    while True:
        answer = predicate()
        if answer:
            return answer
        waited_secs = time.monotonic() - started
        if waited_secs >= deadline_secs:
            raise DeadlineError(f"Waited {deadline_secs:g} s in vain for {what}; last seen: {answer!r}")
        time.sleep(_pause_secs(waited_secs))


def wait_for(read: Callable[[], T], wanted: T, deadline_secs: float, what: str) -> None:
    """``wait_until`` something reads as it should; the failure says how it read last."""
    wait_until(lambda: _Seen(read(), wanted), deadline_secs, what)


async def wait_until_async(predicate: Callable[[], T | Awaitable[T]], deadline_secs: float, what: str) -> T:
    """``wait_until`` on an event loop; ``predicate`` may be a plain or a coroutine function."""
    started = time.monotonic()
    deadline_secs = max(deadline_secs, _LEAST_DEADLINE_SECS)
    while True:
        pending = predicate()
        answer = await pending if inspect.isawaitable(pending) else pending
        if answer:
            return answer
        waited_secs = time.monotonic() - started
        if waited_secs >= deadline_secs:
            raise DeadlineError(f"Waited {deadline_secs:g} s in vain for {what}; last seen: {answer!r}")
        await asyncio.sleep(_pause_secs(waited_secs))


class _Seen(Generic[T]):
    """What was read: true if it is what was wanted, and shown as itself."""

    def __init__(self, value: T, wanted: T) -> None:
        self._value = value
        self._wanted = wanted

    def __bool__(self) -> bool:
        return self._value == self._wanted

    def __repr__(self) -> str:
        return f"{self._value!r}, wanted: {self._wanted!r}"


def _pause_secs(waited_secs: float) -> float:
    return min(max(waited_secs * _PAUSE_SHARE, _PAUSE_SECS), _LONGEST_PAUSE_SECS)
