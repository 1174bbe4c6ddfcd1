"""Answers of executors that readers share: asked once, kept for a moment, so many looks cost one question.

Only for faces that say so, such as pages that look again and again; others get an answer of their own.
What one such look reads of our own database it reads once, too.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import msgspec

from conductor_lite.errors import DeadlineExceededError
from conductor_lite.operations.deadline import remaining_secs
from conductor_lite.protocol import (
    Delete,
    GetMetrics,
    GetQueue,
    GetSchedule,
    GetStepAggregates,
    GetWorkflow,
    GetWorkflowAggregates,
    GetWorkflowEvents,
    GetWorkflowNotifications,
    GetWorkflowStreams,
    ImportWorkflow,
    ListApplicationVersions,
    ListQueuedWorkflows,
    ListQueues,
    ListSchedules,
    ListSteps,
    ListWorkflows,
    Reply,
    Request,
    Restart,
    Resume,
)

R = TypeVar("R", bound=Reply)
T = TypeVar("T")

#: How long an answer serves those who share, in seconds from when it was asked for.
KEPT_SECS = 1.0
#: Most answers kept; a page with more questions than that asks anew.
MAX_KEPT = 256

#: Messages that change nothing. Every other one makes what is known of its application out of date.
READS: tuple[type[Request[Any]], ...] = (
    GetMetrics,
    GetQueue,
    GetSchedule,
    GetStepAggregates,
    GetWorkflow,
    GetWorkflowAggregates,
    GetWorkflowEvents,
    GetWorkflowNotifications,
    GetWorkflowStreams,
    ListApplicationVersions,
    ListQueuedWorkflows,
    ListQueues,
    ListSchedules,
    ListSteps,
    ListWorkflows,
)

#: Of these, those after which something else may be on record of a workflow whose times are the same.
REMAKES: tuple[type[Request[Any]], ...] = (Delete, ImportWorkflow, Restart, Resume)

#: What the look in this task has read of the database; None outside of a look, where nothing is shared.
_seen: ContextVar[dict[Hashable, Any] | None] = ContextVar("seen", default=None)


@contextmanager
def sharing() -> Iterator[None]:
    """Make the block one look: executors' answers may be what others were told a moment ago.

    Nothing is to be changed inside.
    """
    token = _seen.set({})
    try:
        yield
    finally:
        _seen.reset(token)


async def once(key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
    """Read something of the database once for each look; anew each time outside of one.

    Args:
        key: tells apart what is read.
        read: reads it; what it raises is not kept.
    """
    seen = _seen.get()
    if seen is None:
        return await read()
    if key not in seen:
        seen[key] = await read()
    found: T = seen[key]
    return found


class SharedAnswers:
    """Questions under way, and answers not older than `KEPT_SECS`, per application."""

    def __init__(self) -> None:
        # By application and question; each leaves when its time is over or something was changed.
        self._asked: dict[tuple[str, bytes], asyncio.Task[Any]] = {}
        # By application, how often workflows were asked for to be made anew.
        self._remade: Counter[str] = Counter()

    def remade(self, application_id: str) -> int:
        """Grows when workflows may have been made anew under ids that they had before."""
        return self._remade[application_id]

    @property
    def kept(self) -> int:
        """How many answers and questions under way are held now."""
        return len(self._asked)

    async def ask(self, application_id: str, request: Request[R], ask: Callable[[], Awaitable[R]]) -> R:
        """Ask, or share what another is being told.

        Args:
            application_id: whose executors are asked.
            request: the question.
            ask: puts it to an executor; what it raises is shared as well.

        Raises:
            DeadlineExceededError: the caller's own deadline passed, or that of whoever asked first.
        """
        if not isinstance(request, READS):
            try:
                return await ask()
            finally:
                self._forget(application_id)
                if isinstance(request, REMAKES):
                    self._remade[application_id] += 1
        if _seen.get() is None:
            return await ask()
        key = (application_id, msgspec.json.encode(request))
        task = self._asked.get(key)
        if task is None:
            task = self._start(key, ask)
        answer: R = await _within_deadline(task)
        return answer

    def _start(self, key: tuple[str, bytes], ask: Callable[[], Awaitable[R]]) -> asyncio.Task[R]:
        async def answered() -> R:
            return await ask()

        task = asyncio.create_task(answered())
        task.add_done_callback(_note_failure)
        if len(self._asked) < MAX_KEPT:
            self._asked[key] = task
            # From the asking on: an answer that took long is out of date when it comes.
            asyncio.get_running_loop().call_later(KEPT_SECS, self._drop, key, task)
        return task

    def _drop(self, key: tuple[str, bytes], task: asyncio.Task[Any]) -> None:
        if self._asked.get(key) is not task:
            return
        if task.done():
            del self._asked[key]
        else:
            # Who asks meanwhile waits for this answer rather than to burden a slow executor once more.
            task.add_done_callback(lambda done: self._drop(key, done))

    def _forget(self, application_id: str) -> None:
        for key in [key for key in self._asked if key[0] == application_id]:
            del self._asked[key]


def _note_failure(task: asyncio.Task[Any]) -> None:
    """Everyone who waited may have left; a failure that nobody hears of is no fault of the program."""
    if not task.cancelled():
        task.exception()


async def _within_deadline(task: asyncio.Task[R]) -> R:
    secs = remaining_secs()
    done, _ = await asyncio.wait({task}, timeout=secs)
    if not done:
        raise DeadlineExceededError(f"No executor has answered within the {secs or 0:.0f} s that there were.")
    return task.result()
