"""Long work on the event loop, a little at a time, so that executors and other readers get their turns.

A thread would not help where one call into C does much at once: it lets nobody else run until it is through.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: How long work goes on before others get their turn, in seconds.
TURN_SECS = 0.002
#: Characters or bytes that one call works through in about that time.
PIECE_SIZE = 512 * 1024


async def each(items: Iterable[T], work: Callable[[T], R]) -> list[R]:
    """Do the same for every item.

    Args:
        items: read as it goes on, so it must not change meanwhile.
        work: takes well under a millisecond; what it raises ends it.
    """
    done: list[R] = []
    until = time.perf_counter() + TURN_SECS
    for item in items:
        done.append(work(item))
        if time.perf_counter() >= until:
            await asyncio.sleep(0)
            until = time.perf_counter() + TURN_SECS
    return done


async def to_the_end(parts: Generator[None, None, R]) -> R:
    """Run a generator that yields after each part of its work, and give what it returns."""
    while True:
        try:
            next(parts)
        except StopIteration as end:
            result: R = end.value
            return result
        await asyncio.sleep(0)


async def pieces(content: bytes) -> AsyncGenerator[bytes, None]:
    """Cut bytes into what can be sent in one turn."""
    for start in range(0, len(content), PIECE_SIZE):
        if start:
            await asyncio.sleep(0)
        yield content[start : start + PIECE_SIZE]
