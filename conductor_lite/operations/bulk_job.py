"""One job on many workflows: gathers their ids, then works through them message by message.

Who may start one, and how many run at once, is ``bulk``.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Literal, TypeAlias, TypeVar

import msgspec

from conductor_lite.auth.actor import SYSTEM, Actor
from conductor_lite.auth.permissions import APPLICATION_WRITE
from conductor_lite.errors import (
    ConductorError,
    DispatchError,
    ExecutorReportedError,
    InvalidError,
    NoHealthyExecutorError,
    NotFoundError,
    StandingLostError,
    StoppedError,
    UnsupportedMessageError,
)
from conductor_lite.fleet.views import HEALTHY
from conductor_lite.operations.context import Context
from conductor_lite.operations.filter_fit import unmet_filter
from conductor_lite.operations.workflow_actions import CHUNK_SIZE, MAX_BULK, WorkflowActions
from conductor_lite.operations.workflows import Workflows
from conductor_lite.protocol import ForkFromFailureBody, WorkflowFilters, WorkflowRecord
from conductor_lite.store.records import ApplicationRecord

logger = logging.getLogger(__name__)

T = TypeVar("T")

BulkAction: TypeAlias = Literal["cancel", "resume", "delete", "fork_from_failure"]
#: ``queued``: another job comes first. ``waiting``: no executor answers. The last three are its end.
JobState: TypeAlias = Literal["queued", "gathering", "working", "waiting", "done", "stopped", "failed"]
ENDED: frozenset[JobState] = frozenset({"done", "stopped", "failed"})

#: Most workflows that one job is about.
MAX_WORKFLOWS = 100_000
#: Times that is looked again for workflows which moved while the list was read.
MAX_ROUNDS = 5
#: Seconds that a job waits for an executor, and between two attempts.
PATIENCE_SECS = 120.0
PAUSE_SECS = 2.0
_MOST_PAUSE_SECS = 15.0
#: Messages that may fail one after another before the job gives up.
MAX_FAILURES = 20
#: Workflows that are named among those that could not be done.
MAX_NAMED = 20


class BulkOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What may be said beside the action."""

    #: Cancel or delete their children as well.
    with_children: bool = False
    #: Resume on, or put the forks on, this queue.
    queue_name: str | None = None
    #: Application version of the forks; None leaves it to the application, which means its latest.
    application_version: str | None = None


class BulkFailure(msgspec.Struct, frozen=True, kw_only=True):
    """One workflow that could not be done."""

    workflow_id: str
    reason: str


class BulkJob(msgspec.Struct, frozen=True, kw_only=True):
    """How a job is doing."""

    id: str
    application_name: str
    action: BulkAction
    #: Which workflows, in words.
    target: str
    state: JobState
    #: Workflows that it is about; None until they are gathered.
    total: int | None
    #: Gathered so far.
    found: int
    done: int
    failed: int
    failures: tuple[BulkFailure, ...]
    #: Why it waits, or how it ended when not well; empty otherwise.
    problem: str
    started_by: str
    started_at: datetime
    ended_at: datetime | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED


class RunningJob:
    """A job and what it needs to run.

    Args:
        context: whom to ask, and the clock.
        workflows: finds them.
        actions: acts on them; checks permissions and writes the audit log.
        job: as it begins.
        actor: on whose behalf.
        application: whose workflows.
        filters: which ones; nothing in them may match what comes into being later.
        options: what else was said.
        changed: called whenever ``job`` has changed.
    """

    def __init__(
        self,
        context: Context,
        workflows: Workflows,
        actions: WorkflowActions,
        *,
        job: BulkJob,
        actor: Actor,
        application: ApplicationRecord,
        filters: WorkflowFilters,
        options: BulkOptions,
        changed: Callable[[], None],
    ) -> None:
        #: As it is now.
        self.job = job
        self.application = application
        self._context = context
        self._workflows = workflows
        self._actions = actions
        # It may do nothing but this, and to this one: another application that gets the name is out of reach.
        self._actor = msgspec.structs.replace(actor, application_ids=frozenset({application.id}))
        self._filters = filters
        self._options = options
        self._changed = changed
        # Set once, by whoever stops it.
        self._stop_reason = ""
        self._stopping = asyncio.Event()
        # Since when, by the monotonic clock, nothing got done for want of an executor.
        self._waiting_since: float | None = None
        self._failures_in_a_row = 0

    def stop(self, reason: str) -> None:
        """End it after the message that is under way."""
        self._stop_reason = self._stop_reason or reason
        self._stopping.set()
        if self.job.state == "queued":
            self._end("stopped", reason)

    async def run(self) -> None:
        """Do it, unless it was stopped before its turn; how it ended is told by ``job``."""
        if self.job.is_over:
            return
        try:
            await self._require_standing()
            await self._rounds()
            self._end("done")
        except StandingLostError as error:
            self._end("stopped", str(error))
            await self._write_down(str(error))
        except StoppedError as error:
            self._end("stopped", str(error))
        except asyncio.CancelledError:
            self._end("stopped", self._stop_reason or "The server stopped.")
            raise
        except ConductorError as error:
            self._end("failed", str(error))
        except Exception:
            # The outermost loop of the job's task.
            logger.exception("A bulk job failed")
            self._end("failed", "An internal error ended it; the server's log says which.")

    async def _rounds(self) -> None:
        seen: set[str] = set()
        for _ in range(MAX_ROUNDS):
            self._say(state="gathering", total=self.job.total)
            fresh = await self._patiently(lambda: self._gather(seen))
            if not fresh:
                break
            seen.update(fresh)
            self._say(state="working", total=len(seen))
            await self._work_through(fresh)
            if len(seen) >= MAX_WORKFLOWS:
                raise DispatchError(
                    f"It reached its limit of {MAX_WORKFLOWS:,} workflows; start it again for the rest."
                )
        self._say(total=len(seen))

    async def _gather(self, seen: set[str]) -> list[str]:
        """The ids that match and are not seen yet, the oldest first: what is new does not move these."""
        wanted = msgspec.structs.replace(
            self._filters, sort_desc=False, limit=None, offset=None, load_input=False, load_output=False
        )
        fresh: dict[str, None] = {}
        pages = self._workflows.search(self._actor, self.application.name, wanted)
        async with aclosing(pages):
            async for page in pages:
                await self._require_standing()
                require_fit(page, wanted)
                fresh.update((item.workflow_id, None) for item in page if item.workflow_id not in seen)
                self._say(found=len(seen) + len(fresh))
                if len(seen) + len(fresh) >= MAX_WORKFLOWS:
                    break
        return list(fresh)[: MAX_WORKFLOWS - len(seen)]

    async def _work_through(self, ids: list[str]) -> None:
        work = deque(_cut(ids, self._call_size()))
        while work:
            batch = work.popleft()
            before = self.job.done
            await self._require_standing()
            try:
                await self._call(batch)
                continue
            except UnsupportedMessageError:
                raise
            except (ExecutorReportedError, NotFoundError) as error:
                # What does not exist may be the application itself.
                await self._require_standing()
                again = self._refused(batch[self.job.done - before :], error)
            except DispatchError as error:
                again = self._unanswered(batch[self.job.done - before :], error)
                await self._wait(error)
            work.extendleft(reversed(again))

    async def _call(self, ids: list[str]) -> None:
        actions, actor, name, options = self._actions, self._actor, self.application.name, self._options
        match self.job.action:
            case "cancel":
                await actions.bulk_cancel(
                    actor, name, ids, cancel_children=options.with_children, progress=self._note
                )
            case "resume":
                await actions.bulk_resume(
                    actor, name, ids, queue_name=options.queue_name, progress=self._note
                )
            case "delete":
                await actions.bulk_delete(
                    actor, name, ids, delete_children=options.with_children, progress=self._note
                )
            case "fork_from_failure":
                body = ForkFromFailureBody(
                    workflow_ids=ids,
                    from_last_failure=True,
                    application_version=options.application_version,
                    queue_name=options.queue_name,
                )
                await actions.fork_from_failure(actor, name, body, progress=self._note)

    def _call_size(self) -> int:
        # A fork looks first whether all are there: few at a time, so that what it learnt is still true.
        return CHUNK_SIZE if self.job.action == "fork_from_failure" else MAX_BULK

    def _note(self, count: int) -> None:
        """So many more were done."""
        self._waiting_since = None
        self._failures_in_a_row = 0
        self._say(state="working", done=self.job.done + count, problem="")
        self._go_on()

    def _refused(self, left: list[str], error: ConductorError) -> list[list[str]]:
        """Find out which of a message's workflows are the fault; returns what is to be tried again."""
        self._failures_in_a_row += 1
        if self._failures_in_a_row > MAX_FAILURES:
            raise DispatchError(f"It gave up after {MAX_FAILURES} failures in a row; the last one: {error}")
        chunk, rest = left[:CHUNK_SIZE], left[CHUNK_SIZE:]
        # Part of a message of forks may have been done: those are not asked for twice.
        may_repeat = self.job.action != "fork_from_failure" or isinstance(error, NotFoundError)
        if len(chunk) == 1 or not may_repeat:
            self._fail(chunk, str(error))
            return [rest] if rest else []
        half = len(chunk) // 2
        return [part for part in (chunk[:half], chunk[half:], rest) if part]

    def _unanswered(self, left: list[str], error: DispatchError) -> list[list[str]]:
        """Nobody answered; returns what is to be tried again."""
        if self.job.action == "fork_from_failure" and not isinstance(error, NoHealthyExecutorError):
            chunk, left = left[:CHUNK_SIZE], left[CHUNK_SIZE:]
            self._fail(chunk, f"{error} Forks may have been made all the same; look before you fork again.")
        return [left] if left else []

    def _fail(self, ids: list[str], reason: str) -> None:
        room = MAX_NAMED - len(self.job.failures)
        named = tuple(BulkFailure(workflow_id=id_, reason=reason) for id_ in ids[: max(0, room)])
        self._say(failed=self.job.failed + len(ids), failures=self.job.failures + named)

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await attempt()
            except ExecutorReportedError:
                raise
            except DispatchError as error:
                await self._wait(error)

    async def _wait(self, error: DispatchError) -> None:
        """Wait until an executor is connected, and a moment longer.

        Raises:
            DispatchError: it took too long.
        """
        now = time.monotonic()
        self._waiting_since = since = self._waiting_since or now
        self._say(state="waiting", problem=str(error))
        # Each attempt is written into the audit log, so they become rarer; and none is made in vain.
        pause = min(_MOST_PAUSE_SECS, max(PAUSE_SECS, (now - since) / 2))
        while True:
            if time.monotonic() - since >= PATIENCE_SECS:
                raise DispatchError(
                    f"It gave up after {PATIENCE_SECS:.0f} s without an answer: {error} "
                    "Start it again with the same filter to go on."
                )
            try:
                await asyncio.wait_for(self._stopping.wait(), pause)
            except TimeoutError:
                executors = self._context.fleet.executors(self.application.id)
                if any(executor.status == HEALTHY for executor in executors):
                    return
            await self._require_standing()

    async def _require_standing(self) -> None:
        """Go on only unstopped, and as long as whoever began it may still do this to this application."""
        self._go_on()
        try:
            await self._context.require_standing(self._actor, APPLICATION_WRITE, self.application)
        except NotFoundError as error:
            raise StandingLostError(str(error)) from error

    async def _write_down(self, reason: str) -> None:
        """The audit entry of an end that no person asked for."""
        conductor = msgspec.structs.replace(SYSTEM, organization_id=self.application.organization_id)
        async with self._context.audited(
            conductor, "workflow.bulk_job_stop", "application", self.application.name
        ) as details:
            details.update(job_id=self.job.id, done=self.job.done, reason=reason)

    def _go_on(self) -> None:
        if self._stopping.is_set():
            raise StoppedError(self._stop_reason)

    def _end(self, state: JobState, problem: str = "") -> None:
        self._say(state=state, problem=problem, ended_at=self._context.now())

    def _say(self, **changes: object) -> None:
        changed = msgspec.structs.replace(self.job, **changes)
        if changed != self.job:
            self.job = changed
            self._changed()


def require_fit(records: Sequence[WorkflowRecord], filters: WorkflowFilters) -> None:
    """Make sure that executors know the filters, before anything is changed that nobody meant.

    Raises:
        InvalidError: a workflow was listed that the filters do not match.
    """
    for record in records:
        unmet = unmet_filter(record, filters)
        if unmet is not None:
            raise InvalidError(
                f"The application's SDK seems not to know the filter {unmet!r}: it lists workflows that do "
                "not match. They are left alone; narrow by something else, or select workflows by hand."
            )


def _cut(ids: Sequence[str], size: int) -> list[list[str]]:
    return [list(ids[start : start + size]) for start in range(0, len(ids), size)]
