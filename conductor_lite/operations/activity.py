"""What happened lately, of every application at once and from what is on record: no executor is asked.

Read once a minute at most, whoever looks: nothing new is on record sooner.
"""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from conductor_lite.operations.context import Context
from conductor_lite.store.metric_families import COVERAGE, QUARTER, Group, Label, floor

#: Quarters of an hour that are told of, the present one included.
STEPS = 24
#: Whole quarters of an hour before the present one that count as the last hour.
_HOUR_STEPS = 4
#: Seconds for which what was read serves.
KEPT_SECS = 30.0
#: Seconds for which it serves those who come while it is being read anew.
STALE_SECS = 150.0

_COUNTED = ("workflow_started", "workflow_succeeded", "workflow_failed")
_JUDGED = ("workflow_succeeded", "workflow_failed", "workflow_dequeued")


class Outcomes(msgspec.Struct, frozen=True, kw_only=True):
    """How workflows of one name have ended."""

    workflow_name: str
    #: Within the last hour: since a quarter of an hour began, at least an hour ago.
    succeeded: int
    failed: int
    #: Since the quarter of an hour before this one began.
    succeeded_lately: int
    failed_lately: int


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """What waits in one queue."""

    queue_name: str
    waiting: int
    #: When the one was created that waits longest; None where that is not known.
    oldest_at: datetime | None
    #: How many left it since the quarter of an hour before this one began; None where that is not known.
    dequeued_lately: int | None


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in one application."""

    #: When the first quarter of an hour begins.
    start: datetime
    #: From when on `Outcomes` counts as the last hour.
    hour: datetime
    #: One for each quarter of an hour; None where it is not known.
    started: tuple[float | None, ...] = ()
    succeeded: tuple[float | None, ...] = ()
    failed: tuple[float | None, ...] = ()
    #: Workflows that ended lately, by name.
    outcomes: tuple[Outcomes, ...] = ()
    #: Queues in which anything waits, by name; None where nobody has told of late.
    backlogs: tuple[Backlog, ...] | None = None

    @property
    def totals(self) -> tuple[int | None, int | None, int | None]:
        """How many were started, succeeded and failed; None where nothing is known."""
        started, succeeded, failed = map(_total, (self.started, self.succeeded, self.failed))
        return started, succeeded, failed

    @property
    def waiting(self) -> int | None:
        """How many workflows wait in all its queues; None where that is not known."""
        return None if self.backlogs is None else sum(backlog.waiting for backlog in self.backlogs)


class _Reading(msgspec.Struct, frozen=True, kw_only=True):
    """All that was on record at one time."""

    #: What was made of it, by application; what waits is not in it.
    told: dict[str, Activity] = {}

    at: float
    begin: int
    since: int
    steps: Mapping[str, Mapping[str, Mapping[int, float]]]
    totals: Mapping[str, Mapping[Label, tuple[float, float]]]


class Activities:
    """Tells what happened lately.

    Args:
        context: what operations share.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        # What was read last, and the reading under way.
        self._last: _Reading | None = None
        self._reading: asyncio.Task[_Reading] | None = None
        # Whether somebody lost patience with that reading, and nobody has heard of its end since.
        self._is_unheard = False

    async def of(
        self, application_ids: Iterable[str], patience_secs: float | None = None
    ) -> dict[str, Activity] | None:
        """Tell of applications, whose ids the actor was shown.

        Args:
            application_ids: whose.
            patience_secs: how long to wait at most where nothing was read before; None: to the end.

        Returns:
            None when it was not read by then; who asks again later is told.

        Raises:
            StoreError: the metrics cannot be read, or could not be after the last one lost patience.
        """
        reading = await self._current(patience_secs)
        if reading is None:
            return None
        found = {}
        for id_ in application_ids:
            activity = reading.told.get(id_)
            if activity is None:
                activity = reading.told[id_] = _activity(id_, reading)
            found[id_] = msgspec.structs.replace(activity, backlogs=self._backlogs(id_, reading))
        return found

    async def _current(self, patience_secs: float | None) -> _Reading | None:
        now = self._context.now().timestamp()
        last = self._last
        age_secs = now - last.at if last is not None else STALE_SECS
        # The clock may have been set back.
        if last is not None and 0 <= age_secs < KEPT_SECS:
            return last
        is_known = last is not None and 0 <= age_secs < STALE_SECS
        reading = self._reading
        if reading is None or reading.done():
            if not is_known:
                self._tell_failure(reading)
            self._is_unheard = False
            reading = self._reading = asyncio.create_task(self._read(now))
            # Nobody may wait for it any more.
            reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        if is_known:
            return last
        # Others wait for it as well, and may begin another one before this one wakes up.
        done, _ = await asyncio.wait({reading}, timeout=patience_secs)
        if reading is self._reading:
            self._is_unheard = not done
        return reading.result() if done else None

    def _tell_failure(self, reading: asyncio.Task[_Reading] | None) -> None:
        """Raise, once, what a reading failed with that took longer than anybody's patience."""
        if reading is None or not self._is_unheard or reading.cancelled():
            return
        self._is_unheard = False
        if failure := reading.exception():
            raise failure

    async def _read(self, now: float) -> _Reading:
        quarter = floor(int(now), QUARTER)
        begin, since = quarter - (STEPS - 1) * QUARTER, quarter - QUARTER
        end = quarter + QUARTER
        metrics = self._context.metric_reading
        reading = _Reading(
            at=now,
            begin=begin,
            since=since,
            steps=await metrics.recent_steps(_COUNTED, Group.FINISHED, begin, end, QUARTER),
            totals=await metrics.recent_totals(_JUDGED, quarter - _HOUR_STEPS * QUARTER, since, end),
        )
        for id_ in reading.steps.keys() | reading.totals.keys():
            reading.told[id_] = _activity(id_, reading)
            # Of hundreds of applications it takes a while, in which others have their turn.
            await asyncio.sleep(0)
        self._last = reading
        return reading

    def _backlogs(self, application_id: str, reading: _Reading) -> tuple[Backlog, ...] | None:
        """What waited when that was last told, within the last minutes; kept in memory."""
        told = self._context.measurer.last_open(application_id)
        if told is None:
            return None
        knows_lately = bool(reading.steps.get(application_id, {}).get(COVERAGE, {}).get(reading.since))
        waiting: dict[str, float] = {}
        ages: dict[str, float] = {}
        dequeued: dict[str, float] = {}
        for label, value in told.points.items():
            if label.family == "workflow_enqueued":
                waiting[label.second] = waiting.get(label.second, 0.0) + value
            elif label.family == "workflow_enqueued_age_secs":
                ages[label.second] = max(ages.get(label.second, 0.0), value)
        for label, (_, lately) in reading.totals.get(application_id, {}).items():
            if label.family == "workflow_dequeued":
                dequeued[label.second] = dequeued.get(label.second, 0.0) + lately
        return tuple(
            Backlog(
                queue_name=name,
                waiting=round(count),
                oldest_at=told.at - timedelta(seconds=ages[name]) if name in ages else None,
                dequeued_lately=round(dequeued.get(name, 0.0)) if knows_lately else None,
            )
            for name, count in sorted(waiting.items())
            if count
        )


def _activity(application_id: str, reading: _Reading) -> Activity:
    steps = reading.steps.get(application_id, {})
    known = steps.get(COVERAGE, {})
    times = range(reading.begin, reading.begin + STEPS * QUARTER, QUARTER)

    def line(family: str) -> tuple[float | None, ...]:
        values = steps.get(family, {})
        return tuple(values.get(at, 0.0) if known.get(at) else None for at in times)

    started, succeeded, failed = map(line, _COUNTED)
    return Activity(
        start=datetime.fromtimestamp(reading.begin, UTC),
        hour=datetime.fromtimestamp(reading.since - (_HOUR_STEPS - 1) * QUARTER, UTC),
        started=started,
        succeeded=succeeded,
        failed=failed,
        outcomes=tuple(_outcomes(reading.totals.get(application_id, {}))),
    )


def _total(values: Iterable[float | None]) -> int | None:
    known = [value for value in values if value is not None]
    return round(sum(known)) if known else None


def _outcomes(totals: Mapping[Label, tuple[float, float]]) -> Iterable[Outcomes]:
    sums: dict[str, dict[str, list[float]]] = {}
    for label, values in totals.items():
        if label.family in ("workflow_succeeded", "workflow_failed"):
            found = sums.setdefault(label.first, {}).setdefault(label.family, [0.0, 0.0])
            found[:] = [before + value for before, value in zip(found, values, strict=True)]
    for name, families in sorted(sums.items()):
        succeeded, succeeded_lately = families.get("workflow_succeeded", (0.0, 0.0))
        failed, failed_lately = families.get("workflow_failed", (0.0, 0.0))
        yield Outcomes(
            workflow_name=name,
            succeeded=round(succeeded),
            failed=round(failed),
            succeeded_lately=round(succeeded_lately),
            failed_lately=round(failed_lately),
        )
