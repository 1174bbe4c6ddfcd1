"""Brings the snapshots of one application up to date, a turn at a time, by asking one of its executors.

Positions are the application's own times; this server's clock only tells how much old history to keep. Who is
asked, and how often, is decided in `snapshots`.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

import msgspec

from conductor_lite.policies.snapshot_asking import LAST_EPOCH_MS, PAGE_SIZE, Asking, iso
from conductor_lite.policies.snapshot_windows import Stretches, UnknownFilterError
from conductor_lite.protocol import WorkflowFilters, WorkflowRecord
from conductor_lite.store.snapshot_records import Place, SnapshotProgress, WorkflowSnapshot
from conductor_lite.store.snapshots import Snapshots, unchanged

#: Ids asked about in one listing.
RECHECK_SIZE = 250
#: Unfinished workflows asked about in one turn.
RECHECKS_PER_TURN = 2_000
#: Times are told before they are committed, and by several machines: so far back is looked at again.
OVERLAP_MS = 5_000
#: How far around a workflow that should have been known others are looked for.
GAP_MS = 300_000
#: Oldest ended workflows that are asked for, to tell what people deleted from what retention did.
SURVIVORS = 100
#: Stretches remembered; beyond these they are joined.
MAX_GAPS = 32

UNFINISHED = ["PENDING", "ENQUEUED", "DELAYED"]
FINISHED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]

_COPIED = tuple(name for name in WorkflowSnapshot.__struct_fields__ if name != "finished")
_COMPLETED = Stretches("completed_after", "completed_before", "completed_at_epoch_ms")
_DEQUEUED = Stretches("dequeued_after", "dequeued_before", "dequeued_at_epoch_ms")


class Sync:
    """One application's snapshots; lives as long as the application.

    Args:
        store: the snapshots.
        number: the application's in the store.
        progress: how far they are.
    """

    def __init__(self, store: Snapshots, number: int, progress: SnapshotProgress) -> None:
        self._store = store
        #: The application's in the store; never changes.
        self.number = number
        #: As last written to the store.
        self.progress = progress
        # Whether the last look at new ones came to its end; only then the next begins a little earlier.
        self._caught_up = True
        # Kinds of time that the application's SDK does not know.
        self._unknown_filters: set[str] = set()
        # Where the round of unfinished workflows goes on.
        self._recheck_after: Place | None = None
        # From which end unfinished workflows are listed next.
        self._newest_first = True
        # Workflows that ended before this are not kept.
        self._keep_from = 0

    async def turn(self, asking: Asking, keep_from: int) -> bool:
        """Find out what has changed.

        Args:
            asking: lists this application's workflows.
            keep_from: workflows that ended before this are not kept.

        Returns:
            Whether everything new is known now; otherwise the next turn goes on.

        Raises:
            DispatchError: no executor answered.
            StoreError: the database refused; the next turn begins where that is not lost.
        """
        self._keep_from = keep_from
        if self.progress.completed_until is None and not await self._begin(asking):
            return True
        done = await self._new(asking)
        for stretches, field in ((_COMPLETED, "completed_until"), (_DEQUEUED, "dequeued_until")):
            done = await self._changed(asking, stretches, field) and done
        await self._running(asking)
        await self._fill_gaps(asking)
        await self._recheck_unfinished(asking)
        return done and not asking.time_is_up

    async def _begin(self, asking: Asking) -> bool:
        """What ends from here on is found by when it ended; what ended before, by when it was created."""
        newest, _ = await asking.page(WorkflowFilters(limit=1, sort_desc=True, end_time=iso(LAST_EPOCH_MS)))
        if not newest:
            return False
        now = newest[0].created_at_epoch_ms
        await self._note(completed_until=now, dequeued_until=now)
        return True

    async def _new(self, asking: Asking) -> bool:
        until = self.progress.created_until
        first = max(self._keep_from, self.progress.floor)
        if until is not None:
            first = until - (OVERLAP_MS if self._caught_up else 0)
        self._caught_up = False
        async for page, _ in asking.created_from(first):
            await self._take(page)
            until = max([until or 0, *(record.created_at_epoch_ms or 0 for record in page)])
            await self._note(created_until=until)
            if asking.time_is_up:
                return False
        self._caught_up = True
        return True

    async def _changed(self, asking: Asking, stretches: Stretches, field: str) -> bool:
        since: int | None = getattr(self.progress, field)
        if since is None or field in self._unknown_filters or asking.time_is_up:
            return True

        async def take(page: Sequence[WorkflowRecord]) -> None:
            await self._take(page, expected=False)

        try:
            known, done = await stretches.follow(asking, since - OVERLAP_MS, take)
        except UnknownFilterError:
            # Such an SDK's unfinished workflows are asked about one by one all the same.
            self._unknown_filters.add(field)
            return True
        await self._note(**{field: max(since, known)})
        return done

    async def _running(self, asking: Asking) -> None:
        """Those that go on are listed whenever they were created: a clock may have been set back."""
        if asking.time_is_up:
            return
        page, _ = await asking.page(
            WorkflowFilters(status=UNFINISHED, sort_desc=self._newest_first, limit=RECHECK_SIZE)
        )
        self._newest_first = not self._newest_first
        await self._take(page, expected=False)

    async def _fill_gaps(self, asking: Asking) -> None:
        while self.progress.gaps and not asking.time_is_up:
            (first, last), *others = self.progress.gaps
            async for page, until in asking.created_from(first, last):
                await self._take(page)
                if until is not None and until > first:
                    first = until
                    await self._note(gaps=((first, last), *others))
                if asking.time_is_up and until is not None:
                    return
            await self._note(gaps=tuple(others))

    async def _recheck_unfinished(self, asking: Asking) -> None:
        checked = 0
        while not asking.time_is_up and (checked < RECHECKS_PER_TURN or self._unknown_filters):
            batch = await self._store.unfinished(self.number, self._recheck_after, RECHECK_SIZE)
            if batch:
                self._recheck_after = batch[-1][0]
                await self.recheck(asking, [item.workflow_id for _, item in batch])
                checked += len(batch)
            if len(batch) < RECHECK_SIZE:
                self._recheck_after = None
                return

    async def recheck(self, asking: Asking, workflow_ids: Sequence[str]) -> None:
        """Ask about workflows by id; those that are gone are forgotten."""
        page, _ = await asking.page(WorkflowFilters(workflow_ids=list(workflow_ids), limit=len(workflow_ids)))
        await self._take(page)
        gone = set(workflow_ids) - {record.workflow_id for record in page}
        if gone:
            await self._store.remove(self.number, gone)

    async def begin_pass(self) -> None:
        """Begin to look through everything because someone asked, also below where rows were limited."""
        await self._note(pass_from=None, pass_asked_for=True, floor=0)

    async def end_pass(self, now: datetime) -> None:
        """Note that everything was looked through."""
        await self._note(pass_from=None, pass_asked_for=False, pass_ended_at=now)

    async def limit(self, floor: int) -> None:
        """From here on keep nothing that was created before."""
        await self._note(floor=max(floor, self.progress.floor))

    async def complain(self, error: str | None) -> None:
        """Note why a turn did not come to its end, or that it did."""
        await self._note(error=error)

    async def pass_on(self, asking: Asking, pages: int | None) -> bool:
        """Compare everything that the application has with what is known, from where this was left off.

        Args:
            asking: lists this application's workflows.
            pages: how many at most; None as many as there is time for.

        Returns:
            Whether the end was reached.
        """
        first = self.progress.pass_from
        if first is None:
            first = max(self._keep_from, self.progress.floor)
        async for page, until in asking.created_from(first):
            await self._take(page)
            if until is None:
                await self._forget_missing(asking, first, None, page)
                return True
            # A page that ends within a millisecond is compared up to that; the next begins there.
            await self._forget_missing(asking, first, until, page)
            first = max(first, until)
            await self._note(pass_from=first)
            pages = None if pages is None else pages - 1
            if asking.time_is_up or (pages is not None and pages <= 0):
                return False
        return True

    async def _forget_missing(
        self, asking: Asking, first: int, end: int | None, page: Sequence[WorkflowRecord]
    ) -> None:
        listed = {record.workflow_id for record in page}
        survivors: list[WorkflowSnapshot] | None = None
        after: Place | None = None
        while True:
            ours = await self._store.between(self.number, first, end, after, PAGE_SIZE)
            missing = [item for _, item in ours if item.workflow_id not in listed]
            if missing and survivors is None:
                survivors = await self._survivors(asking)
            doubtful = [
                item.workflow_id for item in missing if not item.finished or outlived(item, survivors or ())
            ]
            for start in range(0, len(doubtful), RECHECK_SIZE):
                await self.recheck(asking, doubtful[start : start + RECHECK_SIZE])
            if len(ours) < PAGE_SIZE:
                return
            after = ours[-1][0]

    async def _survivors(self, asking: Asking) -> list[WorkflowSnapshot]:
        """Of the oldest ended workflows that the application still has, those that tell anything.

        Retention deletes what has ended and is older. That stays on record here: snapshots are for history.
        What is missing although something older is there, which ended no later, was deleted by someone.
        """
        page, _ = await asking.page(WorkflowFilters(status=FINISHED, limit=SURVIVORS))
        telling: list[WorkflowSnapshot] = []
        for item in map(to_snapshot, page):
            # Another says more than one that is older only if it ended before it.
            if not telling or ended_at(item) < ended_at(telling[-1]):
                telling.append(item)
        return telling

    async def _take(self, page: Sequence[WorkflowRecord], *, expected: bool = True) -> None:
        """Save what differs from what is known.

        Args:
            page: what an executor listed.
            expected: False where all but new ones should be known: others open a gap.
        """
        told = [to_snapshot(record) for record in page]
        if not told:
            return
        known = await self._store.by_ids(self.number, [item.workflow_id for item in told])
        # What is known and ends is noted in any case, or it would go on for ever.
        changed = {
            item.workflow_id: item
            for item in told
            if (item.workflow_id in known or self._keeps(item))
            and not unchanged(known.get(item.workflow_id), item)
        }
        if changed:
            await self._store.save(self.number, list(changed.values()))
        until = self.progress.created_until
        if expected or until is None:
            return
        strangers = [
            item.created_at_epoch_ms
            for item in changed.values()
            if item.workflow_id not in known and item.created_at_epoch_ms < until - OVERLAP_MS
        ]
        if strangers:
            await self._note(gaps=joined([*self.progress.gaps, *((at, at) for at in strangers)]))

    def _keeps(self, item: WorkflowSnapshot) -> bool:
        created, ended = item.created_at_epoch_ms, item.completed_at_epoch_ms or 0
        is_due = item.finished and max(created, ended) < self._keep_from
        return created >= self.progress.floor and not is_due

    async def _note(self, **changes: object) -> None:
        progress = msgspec.structs.replace(self.progress, **changes)
        if progress != self.progress:
            await self._store.progress(self.number, progress)
            # Only now: what the database refused is to be found again.
            self.progress = progress


def to_snapshot(record: WorkflowRecord) -> WorkflowSnapshot:
    """Everything that an executor told of a workflow, save its payloads."""
    values = {name: getattr(record, name) for name in _COPIED}
    return WorkflowSnapshot(**values, finished=record.status in FINISHED)


def ended_at(item: WorkflowSnapshot) -> int:
    """When a workflow had ended, as well as its application tells."""
    return item.completed_at_epoch_ms or item.updated_at_epoch_ms or item.created_at_epoch_ms


def outlived(item: WorkflowSnapshot, survivors: Sequence[WorkflowSnapshot]) -> bool:
    """Whether something is still there that retention would have deleted no later than this.

    What ended later says nothing: it may have been going on when retention was there.
    """
    return any(
        survivor.created_at_epoch_ms <= item.created_at_epoch_ms and ended_at(survivor) <= ended_at(item)
        for survivor in survivors
    )


def joined(gaps: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Stretches widened and joined where they touch; the closest are joined when there are too many."""
    result: list[tuple[int, int]] = []
    for first, last in sorted(gaps):
        wide = (first - GAP_MS, last + GAP_MS) if first == last else (first, last)
        if result and wide[0] <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], wide[1]))
        else:
            result.append(wide)
    while len(result) > MAX_GAPS:
        distances = [later[0] - earlier[1] for earlier, later in pairwise(result)]
        at = distances.index(min(distances))
        result[at : at + 2] = [(result[at][0], result[at + 1][1])]
    return tuple(result)
