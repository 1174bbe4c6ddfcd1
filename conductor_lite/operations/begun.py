"""Whether what this task does may have changed anything yet. Says so, and decides nothing by it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from conductor_lite.errors import NoHealthyExecutorError


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


@contextmanager
def changing() -> Iterator[None]:
    """Around each message to an executor, or write to the database, that changes what was asked for.

    One that found no executor to go to has changed nothing.
    """
    begun = _watched.get() or Begun()
    before, begun.is_begun = begun.is_begun, True
    try:
        yield
    except NoHealthyExecutorError:
        begun.is_begun = before
        raise
