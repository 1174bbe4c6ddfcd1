"""Metrics of one application over a stretch of time: what its executors count, and what we did for it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import METRIC_READ
from conductor_lite.errors import FieldError, InvalidError, NoExecutorAnsweredError, NoHealthyExecutorError
from conductor_lite.operations.context import Context
from conductor_lite.operations.overview import RECOVERY_OPERATION
from conductor_lite.protocol import GetMetrics
from conductor_lite.store.metric_families import (
    COVERAGE,
    DAY,
    FAMILIES,
    KEPT_SECS,
    MINUTE,
    Family,
    Group,
    Rollup,
    coverage,
    floor,
)
from conductor_lite.store.metric_records import SeriesPoints
from conductor_lite.store.records import ApplicationRecord

#: Type and name of what the conductor itself counts.
RECOVERY_COUNT = "recovery_count"
WORKFLOW_COUNT = "workflow_count"
STEP_COUNT = "step_count"

#: What each family of ours is counted as.
_COUNTED: Mapping[str, str] = {
    "workflow_started": WORKFLOW_COUNT,
    "step_succeeded": STEP_COUNT,
    "step_failed": STEP_COUNT,
    "step_runs": STEP_COUNT,
}

#: Type, name and value of each of several counts.
_Counts: TypeAlias = list[tuple[str, str, int]]

#: Groups of what stands somewhere at any time: where nothing is on record, that was at zero.
_LEVELS = (Group.LEVELS, Group.AUTOSCALING)

#: Most steps of a chart; and how many are enough to read longer windows for it.
MAX_STEPS = 500
ENOUGH_STEPS = 96
#: Lengths of a step, in seconds, that people can tell the time by.
_STEPS_SECS = (
    *(MINUTE * n for n in (1, 2, 3, 5, 10, 15, 20, 30)),
    *(60 * MINUTE * n for n in (1, 2, 3, 4, 6, 8, 12)),
    *(DAY * n for n in (1, 2, 4, 7, 14, 28)),
)

#: Longest stretch, in seconds: what the API's granularity holds.
MAX_RANGE_SECS = 2**31 - 1
#: Families that only charts have, and what they are made of.
_MADE_OF = {"healthy_executors": "executors"}
#: Years in which a time can be told in every zone, and to every SDK.
_YEARS = range(1970, 9_000)


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """How often something happened in a stretch of time."""

    application_id: str
    #: ``workflow_count``, ``step_count`` or ``recovery_count``, or a newer one that an SDK knows.
    metric_type: str
    #: Name of the workflow or step; the type again where there is none.
    metric_name: str
    #: When the stretch begins.
    start: datetime
    #: How long it is, in seconds.
    granularity_secs: int
    value: int


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a chart."""

    #: One of `FAMILIES`: a sum over each step, the largest value in it, or a mean.
    family: str
    labels: dict[str, str]
    #: One for each step; None where it is not known, or there is nothing to take the largest of.
    values: tuple[float | None, ...]


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Series of one application over the same steps."""

    #: When the first step begins.
    start: datetime
    #: How long each step is.
    step_secs: int
    #: How many there are.
    steps: int
    #: What the last minute was worked out from: ``aggregates``; ``listings``, where the SDK is too old for
    #: those and some figures are missing or too low; or nothing yet.
    counted_from: str
    series: tuple[Series, ...]
    #: By group of families, for how many seconds of each step it was known.
    covered_secs: dict[str, tuple[float, ...]] = {}

    def nothing(self, family: str) -> tuple[float | None, ...]:
        """What a series of a family is of which nothing is on record: unknown where nobody was asked."""
        kept = FAMILIES[_MADE_OF.get(family, family)]
        known = self.covered_secs.get(kept.group.value, (0.0,) * self.steps)
        value = _of_nothing(kept)
        return tuple(value if secs else None for secs in known)


class Metrics:
    """Operations on metrics."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def list(
        self, actor: Actor, application_name: str, *, start: datetime, end: datetime
    ) -> list[Metric]:
        """Count workflows, steps and recoveries from ``start`` to before ``end``, as one stretch.

        Whole minutes that are all on record are read from there; for others an executor is asked, and what is
        on record of them serves while there is none.

        Raises:
            ForbiddenError: metric.read is missing.
            NotFoundError: no such application within reach.
            InvalidError: the end is not after the start, or the stretch is longer than the API can say.
            UnsupportedMessageError: the application's SDK is too old to count.
            DispatchError: no executor answered.
        """
        actor.require(METRIC_READ)
        require_sane_range(start, end)
        application = await self._context.application(actor, application_name)
        counted = await self._kept(application, start, end, whole=True)
        if counted is None:
            try:
                counted = await self._asked(application, start, end)
            except (NoHealthyExecutorError, NoExecutorAnsweredError):
                # What is on record of some of that time is better than nothing while the application is away.
                counted = await self._kept(application, start, end, whole=False)
                if counted is None:
                    raise
        recoveries = await self._context.audit_log.count(
            application.organization_id,
            start=start,
            end=end,
            operation=RECOVERY_OPERATION,
            status="success",
            target=application.name,
        )
        return [
            Metric(
                application_id=application.id,
                metric_type=metric_type,
                metric_name=metric_name,
                start=start,
                granularity_secs=max(1, round((end - start).total_seconds())),
                value=value,
            )
            for metric_type, metric_name, value in [*counted, (RECOVERY_COUNT, RECOVERY_COUNT, recoveries)]
        ]

    async def series(
        self,
        actor: Actor,
        application_name: str,
        *,
        families: Collection[str] = (),
        start: datetime,
        end: datetime,
        resolution_secs: int | None = None,
    ) -> Chart:
        """Read series for a chart, at most `MAX_STEPS` steps of each.

        Args:
            actor: on whose behalf.
            application_name: whose.
            families: names of `FAMILIES`; none for all.
            start: when the chart begins; the first step is the one that it lies in.
            end: when it ends.
            resolution_secs: length of a step that is wished for; a longer one is taken where that would be
                too many, or where nothing so fine is kept any more.

        Raises:
            ForbiddenError: metric.read is missing.
            NotFoundError: no such application within reach.
            InvalidError: the range cannot be, or there is no such family.
        """
        actor.require(METRIC_READ)
        require_sane_range(start, end)
        _require_families(families)
        application = await self._context.application(actor, application_name)
        return await read_chart(
            self._context, application, families, start=start, end=end, resolution_secs=resolution_secs
        )

    async def _kept(
        self, application: ApplicationRecord, start: datetime, end: datetime, *, whole: bool
    ) -> _Counts | None:
        """What is on record of a range; None unless that is all of it, or some where that will do."""
        reading = self._context.metric_reading
        begin_secs, end_secs = start.timestamp(), end.timestamp()
        if whole and (begin_secs % MINUTE or end_secs % MINUTE):
            return None
        begin, stop = (-int(-secs // MINUTE) * MINUTE for secs in (begin_secs, end_secs))
        source = await reading.source(application.id)
        if source is None:
            return None
        totals = await reading.totals(source, list(_COUNTED), begin, stop)
        started, steps, runs = (
            totals.get(coverage(group), 0.0) for group in (Group.STARTED, Group.STEPS, Group.STEP_RUNS)
        )
        if (min(started, steps + runs) < stop - begin) if whole else not (started or steps or runs):
            return None
        sums: dict[tuple[str, str], float] = {}
        for label, value in totals.items():
            if label.family in _COUNTED:
                key = (_COUNTED[label.family], label.first)
                sums[key] = sums.get(key, 0.0) + value
        # Workflows first, as executors tell them.
        ordered = sorted(sums.items(), key=lambda item: (item[0][0] != WORKFLOW_COUNT, item[0][1]))
        return [(kind, name, round(value)) for (kind, name), value in ordered if value]

    async def _asked(self, application: ApplicationRecord, start: datetime, end: datetime) -> _Counts:
        # Not every SDK reads the Z that stands for UTC; all read its offset.
        request = GetMetrics(
            start_time=start.astimezone(UTC).isoformat(), end_time=end.astimezone(UTC).isoformat()
        )
        counted = (await self._context.ask(application, request)).metrics
        return [(record.metric_type, record.metric_name, record.value) for record in counted]


async def read_chart(
    context: Context,
    application: ApplicationRecord,
    families: Collection[str],
    *,
    start: datetime,
    end: datetime,
    resolution_secs: int | None,
) -> Chart:
    """Read series of an application within the actor's reach; see ``Metrics.series``."""
    now = context.now()
    begin_secs, end_secs = int(start.timestamp()), -int(-end.timestamp() // 1)
    window_secs, step_secs = steps_for(begin_secs, end_secs, int(now.timestamp()), resolution_secs)
    begin = floor(begin_secs, step_secs)
    count = -(-(end_secs - begin) // step_secs)
    source = await context.metric_reading.source(application.id)
    found: list[SeriesPoints] = []
    if source is not None:
        found = await context.metric_reading.steps(
            source,
            list(families) or list(FAMILIES),
            begin=begin,
            end=begin + count * step_secs,
            step_secs=step_secs,
            window_secs=window_secs,
        )
    return Chart(
        start=datetime.fromtimestamp(begin, UTC),
        step_secs=step_secs,
        steps=count,
        counted_from=source.basis if source is not None else "",
        series=tuple(_drawn(found, begin, step_secs, count)),
        covered_secs={
            points.label.first: tuple(points.values.get(begin + n * step_secs, 0.0) for n in range(count))
            for points in found
            if points.label.family == COVERAGE
        },
    )


def steps_for(begin: int, end: int, now: int, wished_secs: int | None) -> tuple[int, int]:
    """Choose what to draw a range with: the length of the windows to read, and of a step, in seconds.

    Args:
        begin: of the range, in seconds since 1970.
        end: likewise.
        now: likewise: long ago only long windows are kept.
        wished_secs: length of a step that is wished for.
    """
    length = max(1, end - begin)
    shortest = max(wished_secs or 0, length / MAX_STEPS)
    # Who asks for the last thirty days is not to miss them by the second that it takes to ask.
    kept = [secs for secs, kept_secs in KEPT_SECS.items() if begin >= now - kept_secs - 60 * MINUTE] or [DAY]
    # Long windows are read faster; they do when they give the step that is wished for, or steps enough.
    enough = shortest if wished_secs else max(shortest, length / ENOUGH_STEPS)
    fitting = [secs for secs in kept if secs <= enough]
    window_secs = max(fitting) if fitting else min(kept)
    # One step more than the range is long, as it may begin and end within one.
    steps = [secs for secs in _STEPS_SECS if secs % window_secs == 0 and secs >= shortest]
    step_secs = next((secs for secs in steps if length / secs <= MAX_STEPS - 1), None)
    return window_secs, step_secs or floor(int(length / (MAX_STEPS - 2)), DAY) + DAY


def _drawn(found: Sequence[SeriesPoints], begin: int, step_secs: int, count: int) -> Iterator[Series]:
    """Every series step by step: none where nothing happened, unknown where nobody was asked."""
    covered = {points.label.first: points.values for points in found if points.label.family == COVERAGE}
    times = range(begin, begin + count * step_secs, step_secs)
    for points in found:
        family = FAMILIES.get(points.label.family)
        if family is not None:
            known = covered.get(family.group.value, {})
            nothing = _of_nothing(family)
            yield Series(
                family=family.name,
                labels=dict(zip(family.labels, (points.label.first, points.label.second), strict=False)),
                values=tuple(points.values.get(at, nothing) if known.get(at) else None for at in times),
            )


def _of_nothing(family: Family) -> float | None:
    """What a family is where nothing is on record though somebody was asked."""
    return 0.0 if family.rollup is not Rollup.MAX or family.group in _LEVELS else None


def _require_families(families: Collection[str]) -> None:
    unknown = sorted(set(families) - FAMILIES.keys())
    if unknown:
        message = f"unknown: {', '.join(unknown)}; there are {', '.join(FAMILIES)}"
        raise InvalidError(
            "There is no such family of metrics.", (FieldError(location="query.families", message=message),)
        )


def require_sane_range(start: datetime, end: datetime) -> None:
    """Refuse a stretch of time that nothing can be counted in.

    Raises:
        InvalidError: the end is not after the start, or they are beyond what can be told.
    """
    errors = [
        FieldError(location=f"query.{name}", message="expected a year from 1970 to 8999")
        for name, moment in (("startTime", start), ("endTime", end))
        if moment.year not in _YEARS
    ]
    if not 0 < (end - start).total_seconds() <= MAX_RANGE_SECS:
        message = f"expected a time after startTime, by at most {MAX_RANGE_SECS} seconds"
        errors.append(FieldError(location="query.endTime", message=message))
    if errors:
        raise InvalidError("Nothing can be counted in that stretch of time.", tuple(errors))
