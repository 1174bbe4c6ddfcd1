"""Metrics of one application over a stretch of time: what its executors count, and what we did for it."""

from datetime import UTC, datetime

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import METRIC_READ
from conductor_lite.errors import FieldError, InvalidError
from conductor_lite.operations.context import Context
from conductor_lite.operations.overview import RECOVERY_OPERATION
from conductor_lite.protocol import GetMetrics

#: Type and name of what the conductor itself counts.
RECOVERY_COUNT = "recovery_count"


#: Longest stretch, in seconds: what the API's granularity holds.
MAX_RANGE_SECS = 2**31 - 1
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


class Metrics:
    """Operations on metrics."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def list(
        self, actor: Actor, application_name: str, *, start: datetime, end: datetime
    ) -> list[Metric]:
        """Count workflows, steps and recoveries from ``start`` to before ``end``, as one stretch.

        Raises:
            ForbiddenError: metric.read is missing.
            NotFoundError: no such application within reach.
            InvalidError: the end is not after the start, or the stretch is longer than the API can say.
            UnsupportedMessageError: the application's SDK is too old to count.
            DispatchError: no executor answered.
        """
        actor.require(METRIC_READ)
        _require_sane_range(start, end)
        context = self._context
        application = await context.application(actor, application_name)
        # Not every SDK reads the Z that stands for UTC; all read its offset.
        request = GetMetrics(
            start_time=start.astimezone(UTC).isoformat(), end_time=end.astimezone(UTC).isoformat()
        )
        counted = (await context.ask(application, request)).metrics
        recoveries = await context.audit_log.count(
            application.organization_id,
            start=start,
            end=end,
            operation=RECOVERY_OPERATION,
            status="success",
            target=application.name,
        )
        values = [(record.metric_type, record.metric_name, record.value) for record in counted]
        return [
            Metric(
                application_id=application.id,
                metric_type=metric_type,
                metric_name=metric_name,
                start=start,
                granularity_secs=max(1, round((end - start).total_seconds())),
                value=value,
            )
            for metric_type, metric_name, value in [*values, (RECOVERY_COUNT, RECOVERY_COUNT, recoveries)]
        ]


def _require_sane_range(start: datetime, end: datetime) -> None:
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
