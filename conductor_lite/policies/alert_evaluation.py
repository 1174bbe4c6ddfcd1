"""Whether a rule's condition holds, by what was read: pure functions, one per type of rule. No I/O."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from conductor_lite.fleet.views import HEALTHY, ExecutorView, VersionView
from conductor_lite.store.alert_records import AlertText
from conductor_lite.store.records import (
    DEFAULT_MIN_INTERVAL_SECS,
    ExecutorLost,
    RecoveryFlapping,
    ScheduleMissed,
    SlowQueue,
    SlowWorkflow,
    StrandedVersion,
    UnresponsiveApplication,
    WorkflowFailure,
)
from conductor_lite.wording import noun, period, plural

#: Seconds that an application must be away before it counts: less is a reconnection.
UNAVAILABLE_SECS = 10.0
#: Names that a message spells out; it counts the others.
_NAMED = 5
_EVERY = "*"


class MissedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a schedule that was due and did not happen."""

    schedule_name: str
    due_at: datetime


def workflow_failure(rule: WorkflowFailure, failed_count: int) -> AlertText | None:
    """Fires when that many workflows failed within the period."""
    if failed_count < rule.threshold:
        return None
    return AlertText(
        name="WorkflowFailure",
        message=f"{_workflows(failed_count, rule.workflow_name)} failed within {period(rule.period_secs)}.",
        metadata={
            "workflow_name": rule.workflow_name,
            "failed_workflow_count": str(failed_count),
            "threshold": str(rule.threshold),
            "period_secs": str(rule.period_secs),
        },
    )


def slow_queue(rule: SlowQueue, waiting: Mapping[str, int]) -> AlertText | None:
    """Fires when workflows wait for longer than the threshold; they are given by queue."""
    stuck = {queue: count for queue, count in waiting.items() if count and rule.queue_name in (_EVERY, queue)}
    if not stuck:
        return None
    total = sum(stuck.values())
    return AlertText(
        name="SlowQueue",
        message=(
            f"{plural(total, 'workflow')} {noun(total, 'has', 'have')} waited longer than "
            f"{period(rule.threshold_secs)} in {_named(stuck)}."
        ),
        metadata={
            "queue_name": rule.queue_name,
            "stuck_workflow_count": str(total),
            "threshold_secs": str(rule.threshold_secs),
        },
    )


def unresponsive_application(
    _rule: UnresponsiveApplication,
    application_name: str,
    executors: Sequence[ExecutorView],
    unavailable_secs: float,
) -> AlertText | None:
    """Fires when no executor is connected, or only such as do not answer, and not just for a moment."""
    connected = [executor for executor in executors if executor.status == HEALTHY]
    if any(executor.responsive for executor in connected) or unavailable_secs < UNAVAILABLE_SECS:
        return None
    if not connected:
        what = "It has no executor"
    elif len(connected) == 1:
        what = "Its one connected executor does not answer"
    else:
        what = f"None of its {plural(len(connected), 'connected executor')} answers"
    return AlertText(
        name="UnresponsiveApplication",
        message=f"{application_name} does not respond. {what}.",
        metadata={
            "application_name": application_name,
            "connected_executor_count": str(len(connected)),
        },
    )


def stranded_version(
    rule: StrandedVersion, application_name: str, versions: Sequence[VersionView]
) -> AlertText | None:
    """Fires when work waits for an executor of a version that nobody runs."""
    stranded = [
        version.application_version
        for version in versions
        if version.stranded_since is not None
        and rule.application_version in (_EVERY, version.application_version)
    ]
    if not stranded:
        return None
    return AlertText(
        name="StrandedVersion",
        message=f"Work of {application_name} waits for an executor of version {_named(stranded)}: start one.",
        metadata={
            "application_name": application_name,
            "application_versions": ",".join(stranded),
            "stranded_version_count": str(len(stranded)),
        },
    )


def recovery_flapping(rule: RecoveryFlapping, application_name: str, recovery_count: int) -> AlertText | None:
    """Fires when there were that many recoveries within the period."""
    if recovery_count < rule.threshold:
        return None
    return AlertText(
        name="RecoveryFlapping",
        message=(
            f"Executors of {application_name} were recovered {plural(recovery_count, 'time')} within "
            f"{period(rule.period_secs)}: something keeps killing them."
        ),
        metadata={
            "application_name": application_name,
            "recovery_count": str(recovery_count),
            "threshold": str(rule.threshold),
            "period_secs": str(rule.period_secs),
        },
    )


def executor_lost(rule: ExecutorLost, application_name: str, lost: Sequence[str]) -> AlertText | None:
    """Fires when that many executors were lost within the period."""
    if len(lost) < rule.threshold:
        return None
    return AlertText(
        name="ExecutorLost",
        message=(
            f"{plural(len(lost), 'executor')} of {application_name} {noun(len(lost), 'was', 'were')} lost: "
            f"{_named(lost)}."
        ),
        metadata={
            "application_name": application_name,
            "executor_ids": ",".join(lost),
            "lost_executor_count": str(len(lost)),
            "threshold": str(rule.threshold),
        },
    )


def slow_workflow(rule: SlowWorkflow, slow_count: int) -> AlertText | None:
    """Fires when workflows have run for longer than the threshold."""
    if slow_count == 0:
        return None
    return AlertText(
        name="SlowWorkflow",
        message=(
            f"{_workflows(slow_count, rule.workflow_name)} {noun(slow_count, 'has', 'have')} run for over "
            f"{period(rule.threshold_secs)}."
        ),
        metadata={
            "workflow_name": rule.workflow_name,
            "slow_workflow_count": str(slow_count),
            "threshold_secs": str(rule.threshold_secs),
        },
    )


def schedule_missed(rule: ScheduleMissed, missed: Sequence[MissedRun]) -> AlertText | None:
    """Fires when runs of schedules are overdue."""
    if not missed:
        return None
    earliest = min(run.due_at for run in missed)
    names = [run.schedule_name for run in missed]
    return AlertText(
        name="ScheduleMissed",
        message=f"Due and not run: {_named(names)}, the first at {earliest.isoformat(timespec='seconds')}.",
        metadata={
            "schedule_name": rule.schedule_name,
            "missed_schedules": ",".join(names),
            "missed_schedule_count": str(len(names)),
            "due_at": earliest.isoformat(timespec="seconds"),
            "grace_secs": str(rule.grace_secs),
        },
    )


def may_fire(last_fired_at: datetime | None, min_interval_secs: int | None, now: datetime) -> bool:
    """Whether a rule whose condition holds has been quiet for long enough.

    A last time that is yet to come says nothing: the calendar was set back.
    """
    if last_fired_at is None or last_fired_at > now:
        return True
    quiet_secs = DEFAULT_MIN_INTERVAL_SECS if min_interval_secs is None else min_interval_secs
    return now - last_fired_at >= timedelta(seconds=quiet_secs)


def resolved(rule_type: str, fired_message: str, metadata: Mapping[str, str], now: datetime) -> AlertText:
    """What to tell when it is over. Its name differs, so that no handler takes it for another firing."""
    return AlertText(
        name=f"{rule_type}Resolved",
        message=f"It is over: {fired_message}",
        metadata={**metadata, "resolved_at": now.isoformat(timespec="seconds")},
    )


def _workflows(number: int, name: str) -> str:
    words = plural(number, "workflow")
    return words if name == _EVERY else f"{words} named {name}"


def _named(names: Mapping[str, int] | Sequence[str]) -> str:
    first = list(names)[:_NAMED]
    others = len(names) - len(first)
    return ", ".join(first) + (f" and {plural(others, 'other')}" if others else "")
