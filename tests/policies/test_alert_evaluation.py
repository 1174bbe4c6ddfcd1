"""Whether each type of rule fires, as tables; and when it may fire again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conductor_lite.fleet.views import ExecutorView, VersionView
from conductor_lite.policies import alert_evaluation as evaluation
from conductor_lite.policies.alert_evaluation import MissedRun, may_fire
from conductor_lite.store.alert_records import AlertText
from conductor_lite.store.records import (
    RULE_TYPES,
    ExecutorLost,
    RecoveryFlapping,
    ScheduleMissed,
    SlowQueue,
    SlowWorkflow,
    StrandedVersion,
    UnresponsiveApplication,
    WorkflowFailure,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FAILURES = WorkflowFailure(workflow_name="charge", threshold=3, period_secs=60)
QUEUE = SlowQueue(queue_name="mail", threshold_secs=30)
AWAY = UnresponsiveApplication()
STRANDED = StrandedVersion(application_version="v1")
FLAPPING = RecoveryFlapping(threshold=2, period_secs=60)


def _executor(status: str = "HEALTHY", responsive: bool = True) -> ExecutorView:
    return ExecutorView(
        application_id="a",
        executor_id="e",
        application_version="1",
        status=status,
        created_at=NOW,
        updated_at=NOW,
        last_seen_at=NOW,
        responsive=responsive,
    )


def _version(name: str, stranded: bool) -> VersionView:
    return VersionView(application_version=name, stranded_since=NOW if stranded else None)


@pytest.mark.parametrize(
    ("judge", "given", "fires"),
    [
        (evaluation.workflow_failure, (FAILURES, 2), False),
        (evaluation.workflow_failure, (FAILURES, 3), True),
        (evaluation.slow_queue, (QUEUE, {}), False),
        (evaluation.slow_queue, (QUEUE, {"mail": 0}), False),
        (evaluation.slow_queue, (QUEUE, {"other": 5}), False),
        (evaluation.slow_queue, (QUEUE, {"mail": 1}), True),
        (evaluation.slow_queue, (SlowQueue(threshold_secs=30), {"other": 5}), True),
        (evaluation.unresponsive_application, (AWAY, "shop", [_executor()], 99.0), False),
        (evaluation.unresponsive_application, (AWAY, "shop", [_executor(responsive=False)], 99.0), True),
        (evaluation.unresponsive_application, (AWAY, "shop", [_executor("DISCONNECTED")], 99.0), True),
        (evaluation.unresponsive_application, (AWAY, "shop", [], 99.0), True),
        (evaluation.unresponsive_application, (AWAY, "shop", [], 9.0), False),
        (
            evaluation.unresponsive_application,
            (AWAY, "shop", [_executor(responsive=False), _executor()], 99.0),
            False,
        ),
        (evaluation.stranded_version, (STRANDED, "shop", [_version("v1", False)]), False),
        (evaluation.stranded_version, (STRANDED, "shop", [_version("v2", True)]), False),
        (evaluation.stranded_version, (STRANDED, "shop", [_version("v1", True)]), True),
        (evaluation.stranded_version, (StrandedVersion(), "shop", [_version("v2", True)]), True),
        (evaluation.recovery_flapping, (FLAPPING, "shop", 1), False),
        (evaluation.recovery_flapping, (FLAPPING, "shop", 2), True),
        (evaluation.executor_lost, (ExecutorLost(), "shop", []), False),
        (evaluation.executor_lost, (ExecutorLost(), "shop", ["e1"]), True),
        (evaluation.executor_lost, (ExecutorLost(threshold=2), "shop", ["e1"]), False),
        (evaluation.slow_workflow, (SlowWorkflow(threshold_secs=5), 0), False),
        (evaluation.slow_workflow, (SlowWorkflow(threshold_secs=5), 1), True),
        (evaluation.schedule_missed, (ScheduleMissed(), []), False),
        (
            evaluation.schedule_missed,
            (ScheduleMissed(), [MissedRun(schedule_name="nightly", due_at=NOW)]),
            True,
        ),
    ],
)
def test_rule_fires_exactly_when_its_condition_holds(
    judge: Callable[..., AlertText | None], given: tuple[Any, ...], fires: bool
) -> None:
    found = judge(*given)
    assert (found is not None) is fires
    if found is not None:
        assert found.name == type(given[0]).__name__
        assert found.name in RULE_TYPES


@pytest.mark.parametrize(
    ("found", "metadata"),
    [
        (
            evaluation.workflow_failure(FAILURES, 4),
            {
                "workflow_name": "charge",
                "failed_workflow_count": "4",
                "threshold": "3",
                "period_secs": "60",
            },
        ),
        (
            evaluation.slow_queue(SlowQueue(threshold_secs=30), {"mail": 2, "sms": 1}),
            {"queue_name": "*", "stuck_workflow_count": "3", "threshold_secs": "30"},
        ),
        (
            evaluation.unresponsive_application(AWAY, "shop", [_executor(responsive=False)], 99),
            {"application_name": "shop", "connected_executor_count": "1"},
        ),
    ],
)
def test_published_rules_tell_the_published_metadata(
    found: AlertText | None, metadata: dict[str, str]
) -> None:
    assert found is not None
    assert found.metadata == metadata


@pytest.mark.parametrize(
    ("ago_secs", "min_interval_secs", "expected"),
    [
        (None, 300, True),
        (299, 300, False),
        (300, 300, True),
        (0, 0, True),
        (3_599, None, False),
        (3_600, None, True),
        # The calendar was set back since.
        (-50, 300, True),
    ],
)
def test_rule_stays_quiet_for_its_interval(
    ago_secs: int | None, min_interval_secs: int | None, expected: bool
) -> None:
    last = None if ago_secs is None else NOW - timedelta(seconds=ago_secs)
    assert may_fire(last, min_interval_secs, NOW) is expected


def test_end_is_told_under_another_name() -> None:
    text = evaluation.resolved("SlowQueue", "3 wait.", {"queue_name": "mail"}, NOW)
    assert (text.name, text.message) == ("SlowQueueResolved", "It is over: 3 wait.")
    assert text.metadata == {"queue_name": "mail", "resolved_at": "2026-01-01T00:00:00+00:00"}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (evaluation.executor_lost(ExecutorLost(), "shop", ["e1"]), "1 executor of shop was lost: e1."),
        # Long lists of names are cut short.
        (
            evaluation.executor_lost(ExecutorLost(), "shop", [f"e{number}" for number in range(8)]),
            "8 executors of shop were lost: e0, e1, e2, e3, e4 and 3 others.",
        ),
        (
            evaluation.slow_queue(SlowQueue(threshold_secs=600), {"mail": 1}),
            "1 workflow has waited longer than 10 min in mail.",
        ),
        (
            evaluation.unresponsive_application(AWAY, "shop", [_executor(responsive=False)], 99.0),
            "shop does not respond. Its one connected executor does not answer.",
        ),
    ],
)
def test_what_people_read_is_counted_as_people_count(found: AlertText | None, message: str) -> None:
    assert found is not None
    assert found.message == message
