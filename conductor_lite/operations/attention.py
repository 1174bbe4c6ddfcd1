"""What needs a person: rules over what is known of applications. Pure: nobody is asked, nothing is read."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from conductor_lite.fleet.unknown import UnknownExecutor
from conductor_lite.fleet.views import DEAD, DISCONNECTED, HEALTHY, ExecutorView
from conductor_lite.operations.activity import Activity, Backlog, Outcomes
from conductor_lite.operations.applications import Application
from conductor_lite.store.alert_records import AlertRecord
from conductor_lite.telemetry import PolicyHealth
from conductor_lite.wording import noun, plural

UNAVAILABLE: Final = "application_unavailable"
STRANDED: Final = "stranded_version"
RECOVERY_FAILING: Final = "recovery_failing"
WORKFLOW_FAILING: Final = "failing_workflow"
QUEUE_STUCK: Final = "stuck_queue"
ALERT_FIRING: Final = "alert_firing"
UNRESPONSIVE: Final = "unresponsive_executor"
UNKNOWN: Final = "unknown_executor"
EXECUTORS_LOST: Final = "executors_lost"
POLICY_FAILING: Final = "policy_failing"

#: Every kind, the worst first.
KINDS = (
    UNAVAILABLE,
    STRANDED,
    RECOVERY_FAILING,
    WORKFLOW_FAILING,
    QUEUE_STUCK,
    ALERT_FIRING,
    UNRESPONSIVE,
    UNKNOWN,
    EXECUTORS_LOST,
    POLICY_FAILING,
)

_RETRIES_BEFORE_ATTENTION = 3
#: A policy's next round may fare better; this many in a row did not.
_FAILED_ROUNDS = 3
#: It may be late by some rounds, and by some seconds.
_LATE_ROUNDS = 5
_LATE_SECS = 300.0
#: One failure in this many runs is worth a look; fewer are left to alerts, of which everyone has a view.
_FAILED_SHARE = 20
#: Workflows of one application that are named; the others are counted.
_NAMED_WORKFLOWS = 3
#: A queue that nothing leaves is stuck when something waits for so long; one that moves is behind later.
_STUCK = timedelta(minutes=15)
_BEHIND = timedelta(hours=1)


class Attention(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that needs a person."""

    #: One of `KINDS`.
    kind: str
    #: Whose; empty where it concerns the conductor itself.
    application_name: str
    #: One line: what is wrong.
    title: str
    #: One or two sentences: what it means and what to do.
    advice: str
    #: Since when, as far as is known; of counts, from when on they were counted.
    since: datetime | None = None
    #: What it is about, where one click can help.
    executor_id: str | None = None
    application_version: str | None = None
    workflow_name: str | None = None
    queue_name: str | None = None


def worst_first(items: Iterable[Attention]) -> list[Attention]:
    """Put them in order; those of one kind stay as they came."""
    return sorted(items, key=lambda item: KINDS.index(item.kind))


def of_application(
    application: Application,
    executors: Sequence[ExecutorView],
    unknown: Sequence[UnknownExecutor],
    activity: Activity | None,
    alerts: Sequence[AlertRecord],
    now: datetime,
) -> Iterator[Attention]:
    """What needs a person in one application.

    Args:
        application: how it is doing.
        executors: all on record.
        unknown: who owns work without being on record.
        activity: what happened lately; None for those who may not see it.
        alerts: its rules that fire now.
        now: as of when a wait is judged.
    """
    name = application.record.name
    yield from _of_versions(application)
    yield from _of_executors(application, executors)
    for found in unknown:
        yield Attention(
            kind=UNKNOWN,
            application_name=name,
            title=(
                f"{plural(found.pending_count, 'workflow')} {noun(found.pending_count, 'waits', 'wait')} "
                "for an executor that nobody knows"
            ),
            advice=(
                f"Executor {found.executor_id} of version {found.application_version} is not on "
                "record here: it died while this server was away, or runs without an API key. If no such "
                "process runs any more, recover its workflows."
            ),
            since=found.first_seen_at,
            executor_id=found.executor_id,
            application_version=found.application_version,
        )
    for alert in alerts:
        yield Attention(
            kind=ALERT_FIRING,
            application_name=name,
            title=alert.message,
            advice="An alert rule of this application fires.",
            since=alert.fired_at,
        )
    if activity is not None:
        yield from _of_workflows(name, activity)
        for backlog in activity.backlogs or ():
            yield from _of_queue(name, backlog, now)


def of_policies(policies: Iterable[PolicyHealth]) -> Iterator[Attention]:
    """What the conductor does by itself and does not get done."""
    for policy in policies:
        late_secs = max(_LATE_SECS, _LATE_ROUNDS * policy.interval_secs)
        if policy.failures >= _FAILED_ROUNDS:
            title = f"The conductor's own work “{policy.name}” has failed {policy.failures} times in a row"
        elif policy.lag_secs >= late_secs:
            title = f"The conductor's own work “{policy.name}” is not getting done"
        else:
            continue
        yield Attention(
            kind=POLICY_FAILING,
            application_name="",
            title=title,
            advice=policy.error or "It goes on trying; this server's log says more.",
            since=policy.succeeded_at,
        )


def _of_versions(application: Application) -> Iterator[Attention]:
    for version in application.versions:
        if version.stranded_since is not None:
            yield Attention(
                kind=STRANDED,
                application_name=application.record.name,
                title=f"Version {version.application_version} is stranded",
                advice=(
                    f"{plural(version.dead, 'dead executor')} left workflows of version "
                    f"{version.application_version}, and nothing that runs it is connected. Start one "
                    "process of that version: its workflows are recovered the moment it connects."
                ),
                since=version.stranded_since,
                application_version=version.application_version,
            )


def _of_executors(application: Application, executors: Sequence[ExecutorView]) -> Iterator[Attention]:
    name = application.record.name
    missing = [executor for executor in executors if executor.status in (DISCONNECTED, DEAD)]
    if missing and not application.available:
        yield Attention(
            kind=UNAVAILABLE,
            application_name=name,
            title="No executor is connected",
            advice="Its workflows stand still, and what is left cannot be recovered, until one returns.",
            since=max(executor.updated_at for executor in missing),
        )
    for executor in executors:
        if executor.status == HEALTHY and not executor.responsive:
            yield Attention(
                kind=UNRESPONSIVE,
                application_name=name,
                title=f"Executor {executor.executor_id} does not answer",
                advice="It is connected but answers no requests: look at its process and its database.",
                since=executor.last_seen_at,
                executor_id=executor.executor_id,
                application_version=executor.application_version,
            )
        recovery = executor.recovery
        if recovery is not None and recovery.attempts >= _RETRIES_BEFORE_ATTENTION:
            yield Attention(
                kind=RECOVERY_FAILING,
                application_name=name,
                title=f"Recovery of {executor.executor_id} has not succeeded yet",
                advice=recovery.error or "Its workflows are still pending after several recoveries.",
                since=recovery.dead_since,
                executor_id=executor.executor_id,
                application_version=executor.application_version,
            )
    stranded = {version.application_version for version in application.versions if version.stranded_since}
    lost = [executor for executor in missing if executor.application_version not in stranded]
    if lost and application.available:
        yield _lost(name, lost)


def _lost(application_name: str, lost: Sequence[ExecutorView]) -> Attention:
    one = len(lost) == 1
    return Attention(
        kind=EXECUTORS_LOST,
        application_name=application_name,
        title=f"Executor {lost[0].executor_id} is lost" if one else f"{len(lost)} executors are lost",
        advice=(
            "Its connection is gone. Unless it returns in time, another one takes over its workflows."
            if one
            else "Their connections are gone. Unless they return in time, others take over their workflows."
        ),
        since=min(executor.updated_at for executor in lost),
        executor_id=lost[0].executor_id if one else None,
        application_version=lost[0].application_version if one else None,
    )


def _of_workflows(application_name: str, activity: Activity) -> Iterator[Attention]:
    failing = [outcomes for outcomes in activity.outcomes if is_failing(outcomes)]
    failing.sort(key=lambda outcomes: (-outcomes.failed, outcomes.workflow_name))
    for outcomes in failing[:_NAMED_WORKFLOWS]:
        yield Attention(
            kind=WORKFLOW_FAILING,
            application_name=application_name,
            title=f"{outcomes.workflow_name} fails: {_failed(outcomes.failed, outcomes.succeeded)}",
            advice=(
                f"Of those that ended within the last half hour {outcomes.failed_lately:,} failed and "
                f"{outcomes.succeeded_lately:,} succeeded."
            ),
            since=activity.hour,
            workflow_name=outcomes.workflow_name,
        )
    rest = failing[_NAMED_WORKFLOWS:]
    if rest:
        failed, succeeded = (sum(getattr(each, field) for each in rest) for field in ("failed", "succeeded"))
        yield Attention(
            kind=WORKFLOW_FAILING,
            application_name=application_name,
            title=(
                f"{len(rest)} more {noun(len(rest), 'workflow fails', 'workflows fail')}: "
                f"{_failed(failed, succeeded)}"
            ),
            advice="Among them " + ", ".join(each.workflow_name for each in rest[:_NAMED_WORKFLOWS]) + ".",
            since=activity.hour,
        )


def is_failing(outcomes: Outcomes) -> bool:
    """Whether a workflow fails so often that somebody should look.

    More failed than succeeded within the hour, or any lately and that is no rare exception.
    """
    if outcomes.failed > outcomes.succeeded:
        return True
    ended_lately = outcomes.failed_lately + outcomes.succeeded_lately
    return 0 < outcomes.failed_lately >= ended_lately / _FAILED_SHARE


def _failed(failed: int, succeeded: int) -> str:
    return f"{failed:,} of {failed + succeeded:,} that ended within the last hour failed"


def _of_queue(application_name: str, backlog: Backlog, now: datetime) -> Iterator[Attention]:
    if backlog.oldest_at is None:
        return
    waited = now - backlog.oldest_at
    if waited >= _STUCK and backlog.dequeued_lately == 0:
        title = f"Queue {backlog.queue_name} is stuck: {backlog.waiting:,} wait, none has left it lately"
        advice = (
            "No executor takes work from it: look whether one that is connected runs this queue, and whether "
            "its limits are used up by workflows that do not end."
        )
    elif waited >= _BEHIND:
        title = f"Queue {backlog.queue_name} is far behind: {backlog.waiting:,} wait"
        advice = "Work comes in faster than it is done: more executors, or higher limits, would help."
    else:
        return
    yield Attention(
        kind=QUEUE_STUCK,
        application_name=application_name,
        title=title,
        advice=advice,
        since=backlog.oldest_at,
        queue_name=backlog.queue_name,
    )
