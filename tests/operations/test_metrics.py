"""Metrics of a stretch of time: what executors count, and recoveries."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from support.served import APPLICATION, LOCAL, Run, Served

from conductor_lite.auth.actor import SYSTEM
from conductor_lite.errors import InvalidError, NoHealthyExecutorError, UnsupportedMessageError
from conductor_lite.operations.metrics import Metric
from conductor_lite.protocol import GetMetrics, GetMetricsReply, MetricRecord
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.records import NewAuditEntry

START = datetime(2026, 7, 1, 12, tzinfo=UTC)
END = START + timedelta(hours=1)


def _recovery(at: datetime, status: str = "success", application: str = APPLICATION) -> NewAuditEntry:
    return NewAuditEntry(
        organization_id="local",
        emitted_at=at,
        operation="executor.recovery",
        status=status,
        subject_type=SYSTEM.subject_type,
        subject_id=SYSTEM.subject_id,
        subject_display=SYSTEM.display,
        target_type="application",
        target_id=application,
    )


def test_counts_of_the_executor_and_recoveries_of_that_stretch(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scene.executor("e1")
        counted = [
            MetricRecord(metric_type="workflow_count", metric_name="charge", value=7),
            MetricRecord(metric_type="step_count", metric_name="pay", value=21),
        ]
        executor.answers(GetMetrics, GetMetricsReply(metrics=counted))
        second = timedelta(seconds=1)
        await AuditLog(scene.conductor.db).append(
            [
                _recovery(START),
                _recovery(END - second),
                _recovery(START - second),
                _recovery(END),
                _recovery(START, status="failure"),
                _recovery(START, application="bank"),
                msgspec.structs.replace(_recovery(START), operation="application.update"),
            ]
        )
        west = timezone(timedelta(hours=-5))
        metrics = await scene.conductor.operations.metrics.list(
            LOCAL, APPLICATION, start=START.astimezone(west), end=END.astimezone(west)
        )
        application_id = await scene.application_id()
        assert metrics == [
            Metric(
                application_id=application_id,
                metric_type=metric_type,
                metric_name=metric_name,
                start=START,
                granularity_secs=3_600,
                value=value,
            )
            for metric_type, metric_name, value in [
                ("workflow_count", "charge", 7),
                ("step_count", "pay", 21),
                ("recovery_count", "recovery_count", 2),
            ]
        ]
        (asked,) = [request for request in executor.requests if isinstance(request, GetMetrics)]
        assert (asked.start_time, asked.end_time) == (
            "2026-07-01T12:00:00+00:00",
            "2026-07-01T13:00:00+00:00",
        )

    run(body)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (END, START),
        (START, START),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), END),
        (START, datetime(9_999, 12, 31, tzinfo=timezone(timedelta(hours=-12)))),
        (START, START.replace(year=START.year + 80)),
    ],
)
def test_a_stretch_that_cannot_be_is_refused(run: Run, start: datetime, end: datetime) -> None:
    async def body(scene: Served) -> None:
        with pytest.raises(InvalidError) as refusal:
            await scene.conductor.operations.metrics.list(LOCAL, APPLICATION, start=start, end=end)
        assert refusal.value.errors

    run(body)


def test_an_sdk_too_old_to_count_is_told_apart_from_nobody_there(run: Run) -> None:
    async def body(scene: Served) -> None:
        metrics = scene.conductor.operations.metrics
        with pytest.raises(NoHealthyExecutorError):
            await metrics.list(LOCAL, APPLICATION, start=START, end=END)
        executor = await scene.executor("e1")
        executor.answers(GetMetrics, GetMetricsReply(error_message="Unknown message type get_metrics"))
        with pytest.raises(UnsupportedMessageError):
            await metrics.list(LOCAL, APPLICATION, start=START, end=END)

    run(body)
