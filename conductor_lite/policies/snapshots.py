"""Snapshots: keeps metadata of workflows here, for when their application is away. Decides whose turn it is.

What one turn does is in `snapshot_sync`, how listings are asked for in `snapshot_asking`.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

from conductor_lite.clock import Clock
from conductor_lite.errors import (
    ConductorError,
    DispatchError,
    NoHealthyExecutorError,
    NotFoundError,
    StoreError,
    UnsupportedMessageError,
)
from conductor_lite.fleet.fleet import Fleet
from conductor_lite.policies.snapshot_asking import Asking
from conductor_lite.policies.snapshot_sync import Sync
from conductor_lite.policies.trusted_time import TrustedTime
from conductor_lite.store.applications import Applications
from conductor_lite.store.records import ApplicationRecord
from conductor_lite.store.snapshots import BATCH_SIZE, FACETS_BATCH_SIZE
from conductor_lite.store.snapshots import Snapshots as SnapshotStore
from conductor_lite.wording import noun, plural

logger = logging.getLogger("conductor_lite.policies")

#: Applications that are asked at the same time.
AT_ONCE = 4
#: Longest wait after failures or slow answers, in intervals.
MAX_BACKOFF = 16
#: Seconds to the next turn of an application whose turn was over before everything new was known. It has
#: rested for half of that turn.
CATCH_UP_SECS = 2.0
#: Turns are this much earlier or later than their interval, so that applications spread by themselves.
JITTER = 0.1
#: Seconds between two passes through everything that nobody asked for.
PASS_INTERVAL_SECS = 600.0
#: Pages of such a pass in one turn.
PASS_PAGES = 2
#: Seconds between two looks at what is too old or too much.
PRUNE_INTERVAL_SECS = 60.0
#: Batches removed in one round: others want to write as well. What is left goes in the next one, so that more
#: can go than a busy application makes.
PRUNE_BATCHES = 100
#: Batches of what an older version saved that are given their facets in one round.
FACET_BATCHES = 40


class _Turn:
    """When an application has its turn, on the monotonic clock."""

    def __init__(self, sync: Sync, due_at: float) -> None:
        self.sync = sync
        self.due_at = due_at
        self.prune_at = due_at
        # Whether there was more to remove than in one round.
        self.pruning = False
        self.pass_at = due_at + PASS_INTERVAL_SECS
        # Whether a pass through everything is under way.
        self.passing = sync.progress.pass_from is not None or sync.progress.pass_asked_for
        # Turns in a row that failed or took long.
        self.setbacks = 0
        # Whether the last turn was over before everything new was known.
        self.behind = False


class Snapshots:
    """Gives every application its turn, at its own interval and never two at once.

    Args:
        fleet: asks executors.
        applications: the applications and their settings.
        store: the snapshots.
        clock: the clocks.
        chance: spreads the turns; tests bring their own.
    """

    name = "snapshots"
    interval_secs = 1.0

    def __init__(
        self,
        fleet: Fleet,
        applications: Applications,
        store: SnapshotStore,
        clock: Clock,
        chance: random.Random | None = None,
    ) -> None:
        self._fleet = fleet
        self._applications = applications
        self._store = store
        self._clock = clock
        self._time = TrustedTime(clock)
        self._chance = chance or random.Random()  # noqa: S311 - nothing secret depends on it
        # By application id, since its executors were first seen.
        self._turns: dict[str, _Turn] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        #: Whether every workflow has its facet; none is saved without.
        self._all_have_facets = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What those should know who look at this policy's health."""
        failing = sum(turn.sync.progress.error is not None for turn in self._turns.values())
        held_up = sum(turn.setbacks > 0 for turn in self._turns.values()) - failing
        notes = [
            f"{plural(failing, 'application')} could not be listed: "
            f"{noun(failing, 'its page says', 'their pages say')} why"
        ]
        slow = [
            f"{plural(held_up, 'application')} {noun(held_up, 'answers', 'answer')} slowly: asked less often"
        ]
        return tuple((notes if failing else []) + (slow if held_up > 0 else []))

    async def round(self) -> None:
        """Give a turn to everyone who is due; clear away what is too old, and what deleted ones left.

        Raises:
            StoreError: the database refused; nothing is taken for known that was not written.
        """
        records = await self._applications.all()
        present = {record.id for record in records}
        for application_id in self._turns.keys() - present:
            del self._turns[application_id]
        results = await asyncio.gather(*(self._attend(record) for record in records), return_exceptions=True)
        for number in await self._store.deserted():
            await self._clear(number)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        await self._assign_facets()

    async def _attend(self, application: ApplicationRecord) -> None:
        turn = self._turns.get(application.id)
        now = self._clock.monotonic()
        if turn is not None and now >= turn.prune_at:
            turn.prune_at = now + PRUNE_INTERVAL_SECS
            await self._limit(application, turn.sync)
            turn.pruning = True
        if turn is not None and turn.pruning:
            turn.pruning = not await self._prune(application, turn.sync)
        if not application.snapshots_enabled or not self._fleet.is_present(application.id):
            return
        if turn is None:
            source = await self._store.ensure_source(application.id)
            # An application that has just connected has better things to do.
            sync = Sync(self._store, source.number, source.progress)
            self._turns[application.id] = _Turn(sync, now + self._wait_secs(application, 0))
            return
        if now < turn.due_at:
            return
        async with self._slots:
            await self._take_turn(application, turn)
        wait_secs = CATCH_UP_SECS if turn.behind else self._wait_secs(application, turn.setbacks)
        turn.due_at = self._clock.monotonic() + wait_secs

    async def _take_turn(self, application: ApplicationRecord, turn: _Turn) -> None:
        try:
            turn.behind = False
            caught_up = await self.sync(application, turn.sync)
            turn.behind = caught_up is False
            turn.setbacks = turn.setbacks + 1 if caught_up is None else 0
            await turn.sync.complain(None)
        except (NoHealthyExecutorError, NotFoundError):
            # It left meanwhile; there is nothing to tell that is not shown elsewhere.
            return
        except StoreError:
            turn.setbacks += 1
            # What was read before may not be what stands in the database.
            del self._turns[application.id]
            raise
        except DispatchError as error:
            turn.setbacks += 1
            text = _explained(error)
            if turn.sync.progress.error != text:
                logger.warning("Snapshots of %s: %s", application.name, text)
            await turn.sync.complain(text)

    async def sync(self, application: ApplicationRecord, sync: Sync) -> bool | None:
        """One turn of one application, with a part of the pass through everything when that is due.

        Returns:
            Whether everything new is known; None when the executor was slow to answer.

        Raises:
            DispatchError: no executor answered.
            StoreError: the database refused.
        """
        asking = Asking(self._fleet, application.id, application.name, self._clock)
        source = await self._store.ensure_source(application.id)
        caught_up = await sync.turn(asking, self._keep_from(application))
        now = self._clock.now()
        requested_at = source.full_pass_requested_at
        if requested_at is not None:
            await sync.begin_pass()
        await self._store.progress(
            source.number,
            sync.progress,
            synced_at=now if caught_up else None,
            request_served=requested_at,
        )
        await self._pass(application, sync, asking)
        return None if asking.slow else caught_up

    async def _pass(self, application: ApplicationRecord, sync: Sync, asking: Asking) -> None:
        turn = self._turns.get(application.id)
        asked_for = sync.progress.pass_asked_for
        if turn is not None and self._clock.monotonic() >= turn.pass_at:
            turn.passing = True
        if not asked_for and not (turn is not None and turn.passing):
            return
        if await sync.pass_on(asking, None if asked_for else PASS_PAGES):
            await sync.end_pass(self._clock.now())
            if turn is not None:
                turn.passing = False
                turn.pass_at = self._clock.monotonic() + PASS_INTERVAL_SECS

    async def _limit(self, application: ApplicationRecord, sync: Sync) -> None:
        """Find out from when on there is room for everything."""
        floor = await self._store.oldest_kept(sync.number, application.snapshot_keep_rows)
        if floor is not None:
            await sync.limit(floor)

    async def _prune(self, application: ApplicationRecord, sync: Sync) -> bool:
        """Remove what is too old or too much, and facets without workflows; returns whether none are left."""
        is_over = await _batches(
            lambda: self._store.prune(
                sync.number, finished_before=self._keep_from(application), floor=sync.progress.floor
            ),
            BATCH_SIZE,
        )
        # Facets do not wait for that: an application that is always busy may take long to get there.
        no_facets = await _batches(lambda: self._store.prune_facets(sync.number), FACETS_BATCH_SIZE)
        return is_over and no_facets

    async def _clear(self, number: int) -> None:
        for _ in range(PRUNE_BATCHES):
            if await self._store.clear(number):
                return

    async def _assign_facets(self) -> None:
        for _ in range(FACET_BATCHES):
            if self._all_have_facets:
                return
            self._all_have_facets = await self._store.assign_facets() < BATCH_SIZE

    def _keep_from(self, application: ApplicationRecord) -> int:
        oldest = self._time.now() - timedelta(days=application.snapshot_keep_days)
        return max(0, int(oldest.timestamp() * 1_000))

    def _wait_secs(self, application: ApplicationRecord, setbacks: int) -> float:
        intervals = min(1 << setbacks, MAX_BACKOFF)
        spread = self._chance.uniform(1 - JITTER, 1 + JITTER)
        return float(application.snapshot_interval_secs * intervals * spread)


async def _batches(remove: Callable[[], Awaitable[int]], size: int) -> bool:
    """Remove batch after batch, as many as go in one round; returns whether the last one was not full."""
    for _ in range(PRUNE_BATCHES):
        if await remove() < size:
            return True
    return False


def _explained(error: ConductorError) -> str:
    if isinstance(error, UnsupportedMessageError):
        return f"{error} Without it no snapshots can be taken; update the application's SDK."
    return str(error)
