"""Whether what this task does may have changed anything yet. Says so, and decides nothing by it.

Nobody who changes something has to think of it: every commit to the database and every message to an executor
that is no mere question comes by here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Begun:
    """Told apart by it: what failed before it began, and what failed on the way."""

    def __init__(self) -> None:
        self.is_begun = False


#: Of whoever wants to know it in this task; None: nobody does.
_watched: ContextVar[Begun | None] = ContextVar("begun", default=None)


@contextmanager
def watching() -> Iterator[Begun]:
    """Give what says, in the block and after it, whether anything may have been changed."""
    begun = Begun()
    token = _watched.set(begun)
    try:
        yield begun
    finally:
        _watched.reset(token)


def note_change() -> None:
    """What comes next changes something, unless it fails: a message to an executor, a commit."""
    begun = _watched.get()
    if begun is not None:
        begun.is_begun = True


@contextmanager
def beside() -> Iterator[None]:
    """Around what is written about the work and is no part of it, such as its audit entry."""
    token = _watched.set(None)
    try:
        yield
    finally:
        _watched.reset(token)
