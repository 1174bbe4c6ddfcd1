"""Collects metrics of every application minute by minute, rolls them up, and deletes what is past its time.

One executor of an application is asked, once per completed clock minute. What was missed while it or the
conductor was away is asked for afterwards, a little at a time.
"""

import asyncio
import logging
from datetime import UTC, datetime

from conductor_lite.clock import Clock
from conductor_lite.errors import DispatchError, NoHealthyExecutorError, NotFoundError
from conductor_lite.fleet.fleet import Fleet
from conductor_lite.fleet.measurer import SHOWN_SECS, Measurer
from conductor_lite.fleet.measuring import Measured, Window
from conductor_lite.fleet.recommendation import Observation
from conductor_lite.fleet.recommender import Recommender
from conductor_lite.fleet.views import HEALTHY
from conductor_lite.policies.metric_pruning import MetricPruning
from conductor_lite.policies.metric_windows import completed_until, plan, resume_at
from conductor_lite.store.applications import Applications
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.metric_families import DAY, MINUTE, QUARTER, Group
from conductor_lite.store.metric_points import MetricPoints
from conductor_lite.store.metric_records import MetricSource
from conductor_lite.store.records import ApplicationRecord
from conductor_lite.wording import noun, plural

logger = logging.getLogger("conductor_lite.policies")

#: Windows collected of one application in one round.
MAX_WINDOWS = 5
#: Windows rolled up of one application in one round.
MAX_ROLLED = 100
#: Applications that are asked at the same time.
CONCURRENT_APPLICATIONS = 8
#: An application that takes more seconds than this for one window is asked a quarter of an hour at a time.
SLOW_SECS = 5.0
#: How the audit log calls what is counted as a recovery.
RECOVERY_OPERATION = "executor.recovery"


class MetricCollection:
    """Looks at every application that has executors on record.

    Args:
        fleet: who is here.
        measurer: asks.
        recommender: knows what was recommended last.
        applications: the table of applications.
        audit_log: tells of recoveries.
        points: the tables of metrics.
        clock: the clocks.
    """

    name = "metrics"
    # Far less than a minute, so that each is collected soon after its end; most rounds find nothing to do.
    interval_secs = 5.0

    def __init__(
        self,
        fleet: Fleet,
        measurer: Measurer,
        recommender: Recommender,
        applications: Applications,
        audit_log: AuditLog,
        points: MetricPoints,
        clock: Clock,
    ) -> None:
        self._fleet = fleet
        self._measurer = measurer
        self._recommender = recommender
        self._applications = applications
        self._audit_log = audit_log
        self._points = points
        self._clock = clock
        self._pruning = MetricPruning(points, clock)
        # What is kept per application: how far it is, the end of the last minute that was noted of its
        # executors, that of the one in which it did not answer, and whether it is slow.
        self._sources: dict[str, MetricSource] = {}
        self._noted_until: dict[str, int] = {}
        self._failed_at: dict[str, int] = {}
        self._slow: set[str] = set()

    @property
    def notes(self) -> tuple[str, ...]:
        """What those should know who look at this policy's health."""
        listed = len(self._measurer.answers_by_listings())
        notes = [
            f"{plural(listed, 'application')} {noun(listed, 'has', 'have')} an SDK too old for aggregates: "
            "counted from listings"
        ]
        tardy = len(self._slow)
        slow = [
            f"{plural(tardy, 'application')} {noun(tardy, 'answers', 'answer')} slowly: "
            "asked every 15 minutes"
        ]
        return tuple((notes if listed else []) + (slow if tardy else []))

    async def round(self) -> None:
        """Collect whatever minute is over by now.

        Raises:
            StoreError: something could not be read or written; it is asked for again.
        """
        until = completed_until(self._clock.now().timestamp())
        applications = await self._applications.all()
        self._retain({application.id for application in applications})
        turns = asyncio.Semaphore(CONCURRENT_APPLICATIONS)

        async def in_turn(application: ApplicationRecord) -> None:
            async with turns:
                await self._look(application, until)

        results = await asyncio.gather(*map(in_turn, applications), return_exceptions=True)
        if await self._pruning.round():
            # Names that were not seen for days make room for others.
            for application_id, source in self._sources.items():
                names = await self._points.recent_labels(source.number)
                self._measurer.learn_names(application_id, names)
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            raise failures[0]

    async def _look(self, application: ApplicationRecord, until: int) -> None:
        executors = self._fleet.executors(application.id)
        if not executors and application.id not in self._sources:
            return
        source = self._sources.get(application.id)
        if source is None:
            source = await self._points.source(application.id, until - MINUTE)
            if source is not None:
                await self._take_over(application.id, source)
        if source is None:
            return
        self._sources[application.id] = source
        if not self._measurer.knows_names(application.id):
            names = await self._points.recent_labels(source.number)
            self._measurer.learn_names(application.id, names)
        try:
            if executors and self._noted_until.get(application.id) != until:
                await self._note_fleet(application, until)
            is_here = any(view.status == HEALTHY for view in executors)
            if is_here and self._failed_at.get(application.id) != until:
                await self._collect(application, until)
        except (NoHealthyExecutorError, NotFoundError):
            self._failed_at[application.id] = until
        except DispatchError as error:
            self._failed_at[application.id] = until
            logger.warning("Metrics of %s could not be collected: %s", application.name, error)
        await self._roll_up(application.id, until)

    async def _take_over(self, application_id: str, source: MetricSource) -> None:
        """What an earlier run of the conductor has shown is shown on, until something newer is known."""
        end = source.collected_until
        self._measurer.take_over(
            application_id,
            end,
            await self._points.last_minute(source),
            source.basis,
            await self._points.active_until(source, end - SHOWN_SECS),
        )

    async def _collect(self, application: ApplicationRecord, until: int) -> None:
        """Ask for what is missing, as far as one round may go."""
        collected_until = self._sources[application.id].collected_until
        if collected_until > until:
            logger.info("The clock went back: minutes of %s are collected again.", application.name)
            source = self._sources[application.id]
            covered_until = await self._points.covered_until(source, until)
            self._sources[application.id] = await self._points.note(
                source, collected_until=resume_at(covered_until, until)
            )
        windows = plan(
            self._sources[application.id].collected_until,
            until,
            limit=MAX_WINDOWS,
            coarse=application.id in self._slow,
        )
        for window in windows:
            begun = self._clock.monotonic()
            measured = await self._measurer.window(application, window)
            took_secs = self._clock.monotonic() - begun
            (self._slow.add if took_secs > SLOW_SECS else self._slow.discard)(application.id)
            await self._write(application.id, window, measured, measured.groups, is_collected=True)
            if window.end == until and window.end - window.start == MINUTE:
                self._measurer.show(application.id, window, measured)
            if window.end == until:
                await self._note_open(application, until)
            if took_secs > SLOW_SECS:
                # The others wait for the end of the round; it goes on in the next one.
                break

    async def _note_open(self, application: ApplicationRecord, until: int) -> None:
        found = await self._measurer.open(application)
        if found is not None:
            measured = Measured(points=found.points)
            await self._write(application.id, Window(until - MINUTE, until), measured, {Group.LEVELS})

    async def _note_fleet(self, application: ApplicationRecord, until: int) -> None:
        """Note what we know ourselves: executors, recoveries, and what was recommended."""
        window = Window(until - MINUTE, until)
        measured = Measured(groups={Group.FLEET})
        for view in self._fleet.executors(application.id):
            measured.add("executors", view.status, view.application_version, 1)
        recoveries = await self._audit_log.count(
            application.organization_id,
            start=datetime.fromtimestamp(window.start, UTC),
            end=datetime.fromtimestamp(window.end, UTC),
            operation=RECOVERY_OPERATION,
            status="success",
            target=application.name,
        )
        measured.add("recoveries", None, None, recoveries)
        observation = self._recommender.fresh(application.id)
        if observation is not None:
            _note_recommended(measured, observation)
        measured.points = self._measurer.admit(application.id, measured.points)
        await self._write(application.id, window, measured, measured.groups)
        self._noted_until[application.id] = until

    async def _write(
        self,
        application_id: str,
        window: Window,
        measured: Measured,
        groups: set[Group],
        *,
        is_collected: bool = False,
    ) -> None:
        self._sources[application_id] = await self._points.write(
            self._sources[application_id],
            window.end - window.start,
            window.start,
            groups,
            measured.points,
            collected_until=window.end if is_collected else None,
            basis=measured.basis if is_collected else None,
        )

    async def _roll_up(self, application_id: str, until: int) -> None:
        for window_secs in (QUARTER, DAY):
            for _ in range(MAX_ROLLED):
                before = self._sources[application_id]
                after = await self._points.roll_up(before, window_secs, _rolled(before, window_secs, until))
                if after == before:
                    break
                self._sources[application_id] = after

    def _retain(self, present: set[str]) -> None:
        """Forget applications that are gone."""
        self._measurer.retain(present)
        known = self._sources.keys() | self._failed_at.keys()
        for application_id in known - present:
            self._sources.pop(application_id, None)
            self._noted_until.pop(application_id, None)
            self._failed_at.pop(application_id, None)
        self._slow &= present


def _note_recommended(measured: Measured, observation: Observation) -> None:
    queue = observation.policy.queue
    for found in observation.recommendations():
        measured.add("desired_executors", found.application_version, queue, found.desired_executors)
    for version, depth in observation.depths.items():
        measured.add("queue_depth", version, queue, depth)
    measured.add("latest_version", observation.latest, queue, 1)
    measured.groups.add(Group.AUTOSCALING)


def _rolled(source: MetricSource, window_secs: int, until: int) -> int:
    """By when windows must have ended to be rolled up: days only when their quarters are."""
    return until if window_secs == QUARTER else min(until, source.rolled_until_quarter)
