"""Rules judged round by round, with scripted executors on real sockets and clocks that tests move."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from support.executor import ScriptedExecutor
from support.fake_clock import FakeClock
from support.history import History
from support.inbox import PASSWORD, TOKEN, inbox
from support.served import APPLICATION, LOCAL, Run, Served
from support.wait import wait_until_async

from conductor_lite.fleet.changes import Changes
from conductor_lite.notify import Notifier
from conductor_lite.policies import alert_evaluation, alert_readings
from conductor_lite.policies.alert_delivery import GIVE_UP_ATTEMPTS, AlertDelivery
from conductor_lite.policies.alerts import AlertWatch
from conductor_lite.protocol import (
    Alert,
    AlertReply,
    GetWorkflowAggregates,
    GetWorkflowAggregatesReply,
    ListSchedules,
    ListSchedulesReply,
    ListWorkflows,
    ListWorkflowsReply,
    Reply,
    ScheduleRecord,
    WorkflowAggregateRecord,
    WorkflowRecord,
)
from conductor_lite.store.alert_records import AlertHistory
from conductor_lite.store.alerting_rules import AlertingRules
from conductor_lite.store.alerts import Alerts
from conductor_lite.store.applications import Applications
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.notification_targets import NotificationTargets

SLOW_QUEUE = {"rule_type": "SlowQueue", "rule_metadata": {"threshold_secs": 30}}


class Watch:
    """Both policies of a scene, moved by hand; those of the server itself stand still."""

    def __init__(self, scene: Served) -> None:
        self.scene = scene
        self.clock = FakeClock()
        self.restart()

    def restart(self) -> None:
        """Begin anew, as after a restart of the conductor."""
        conductor, db = self.scene.conductor, self.scene.conductor.db
        self.alerts = Alerts(db)
        applications, changes = Applications(db), Changes()
        self._watch = AlertWatch(
            conductor.fleet,
            applications,
            AlertingRules(db),
            self.alerts,
            AuditLog(db),
            changes,
            self.clock,
            lambda: None,
        )
        self._delivery = AlertDelivery(
            conductor.fleet,
            applications,
            self.alerts,
            NotificationTargets(db),
            Notifier(),
            changes,
            self.clock,
        )

    async def rule(self, **options: Any) -> str:
        """Make a rule; gives its id."""
        await self.scene.application_id()
        record = await self.scene.conductor.operations.alerting_rules.create(LOCAL, APPLICATION, **options)
        return record.id

    async def judge(self, later_secs: float = 0) -> None:
        self.clock.advance(later_secs)
        await self._watch.round()

    async def deliver(self, later_secs: float = 0) -> None:
        self.clock.advance(later_secs)
        await self._delivery.round()

    async def history(self) -> list[AlertHistory]:
        """What fired, oldest first."""
        found = await self.scene.conductor.operations.alerts.list(LOCAL, APPLICATION)
        return found[::-1]


@pytest.fixture
def watch(run: Run) -> Callable[..., Any]:
    """Runs an async function on a scene and its watch."""

    def watch(body: Callable[[Served, Watch], Any]) -> Any:
        async def whole(scene: Served) -> Any:
            await scene.conductor._policies.stop()
            return await body(scene, Watch(scene))

        return run(whole)

    return watch


async def executor_with(
    scene: Served, waiting: dict[str, int], *, old_sdk: bool = False, owner: str | None = None
) -> ScriptedExecutor:
    """One whose queues hold what ``waiting`` says at the time, all of one owner where there are several."""
    executor = ScriptedExecutor("asked", "1", scene.workload)

    async def aggregates(request: GetWorkflowAggregates) -> Reply:
        if old_sdk:
            return GetWorkflowAggregatesReply(error_message="Unknown message type")
        return GetWorkflowAggregatesReply(
            aggregates=[
                WorkflowAggregateRecord(group={"queue_name": queue}, count=count)
                for queue, count in waiting.items()
            ]
        )

    async def listing(request: ListWorkflows) -> Reply:
        return ListWorkflowsReply(
            workflows=[
                WorkflowRecord(
                    workflow_id=f"{queue}-{number}",
                    status="ENQUEUED",
                    queue_name=queue,
                    application_name=owner,
                )
                for queue, count in waiting.items()
                for number in range(count)
            ]
        )

    executor.on(GetWorkflowAggregates, aggregates)
    executor.on(ListWorkflows, listing)
    executor.answers(Alert, AlertReply(success=True))
    return await scene.connected(executor)


def told(executor: ScriptedExecutor) -> list[str]:
    return [request.name for request in executor.requests if isinstance(request, Alert)]


@pytest.mark.parametrize("old_sdk", [False, True])
def test_rule_fires_once_per_interval_while_it_holds_and_says_when_it_is_over(
    watch: Callable[..., Any], old_sdk: bool
) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        waiting = {"mail": 2}
        asked = await executor_with(scene, waiting, old_sdk=old_sdk)
        await alerts.rule(**SLOW_QUEUE, min_interval_secs=60)
        await alerts.judge()
        await alerts.judge(later_secs=15)
        await alerts.deliver()
        assert told(asked) == ["SlowQueue"]
        await alerts.judge(later_secs=45)
        await alerts.deliver()
        assert told(asked) == ["SlowQueue", "SlowQueue"]
        waiting.clear()
        await alerts.judge(later_secs=15)
        await alerts.judge(later_secs=15)
        await alerts.deliver()
        assert told(asked) == ["SlowQueue", "SlowQueue", "SlowQueueResolved"]
        assert [item.alert.resolved_at is not None for item in await alerts.history()] == [True, True]

    watch(body)


@pytest.mark.parametrize(("owner", "fires"), [(None, True), (APPLICATION, True), ("bank", False)])
def test_of_a_shared_database_each_application_is_judged_by_its_own_work(
    watch: Callable[..., Any], owner: str | None, fires: bool
) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        asked = await executor_with(scene, {"mail": 3}, old_sdk=True, owner=owner)
        await alerts.rule(**SLOW_QUEUE)
        await alerts.judge()
        assert bool(await alerts.history()) == fires
        # One that can count is told whose work to count.
        counting = [item for item in asked.requests if isinstance(item, GetWorkflowAggregates)]
        assert {tuple(item.body.application_name or ()) for item in counting} == {(APPLICATION,)}

    watch(body)


def test_handler_receives_the_published_metadata_as_text(watch: Callable[..., Any]) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        asked = await executor_with(scene, {"mail": 2, "sms": 1})
        await alerts.rule(**SLOW_QUEUE)
        await alerts.judge()
        await alerts.deliver()
        (alert,) = [request for request in asked.requests if isinstance(request, Alert)]
        assert alert.metadata == {"queue_name": "*", "stuck_workflow_count": "3", "threshold_secs": "30"}

    watch(body)


def test_what_cannot_be_asked_neither_fires_nor_ends(watch: Callable[..., Any]) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        asked = await executor_with(scene, {"mail": 2})
        await alerts.rule(**SLOW_QUEUE)
        await alerts.judge()
        await asked.vanish()
        await scene.await_status("asked", "DEAD")
        await alerts.judge(later_secs=15)
        assert [item.alert.resolved_at for item in await alerts.history()] == [None]

    watch(body)


def test_application_that_goes_away_is_told_to_another_after_a_moment(watch: Callable[..., Any]) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        await scene.application_id("bank")
        asked = await executor_with(scene, {})
        await alerts.rule(
            rule_type="UnresponsiveApplication", rule_metadata={}, receiving_application_name="bank"
        )
        await alerts.judge()
        await alerts.judge(later_secs=60)
        await asked.vanish()
        await scene.await_status("asked", "DEAD")
        await alerts.judge(later_secs=5)
        assert await alerts.history() == []
        await alerts.judge(later_secs=15)
        (item,) = await alerts.history()
        assert item.alert.alert_metadata == {"application_name": APPLICATION, "connected_executor_count": "0"}
        assert [delivery.receiver_name for delivery in item.deliveries] == ["bank"]
        await executor_with(scene, {})
        await alerts.judge(later_secs=15)
        assert (await alerts.history())[0].alert.resolved_at is not None

    watch(body)


def test_absence_right_after_a_start_is_not_held_against_anyone(watch: Callable[..., Any]) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        await scene.application_id("bank")
        await alerts.rule(
            rule_type="UnresponsiveApplication", rule_metadata={}, receiving_application_name="bank"
        )
        await alerts.judge()
        await alerts.judge(later_secs=29)
        assert await alerts.history() == []
        await alerts.judge(later_secs=2)
        assert len(await alerts.history()) == 1

    watch(body)


def test_start_of_the_conductor_ends_no_alert_before_executors_had_time_to_return(
    watch: Callable[..., Any],
) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        await scene.application_id("bank")
        await alerts.rule(
            rule_type="UnresponsiveApplication", rule_metadata={}, receiving_application_name="bank"
        )
        await alerts.judge()
        await alerts.judge(later_secs=31)
        alerts.restart()
        for _ in range(4):
            await alerts.judge(later_secs=15)
        assert [item.alert.resolved_at for item in await alerts.history()] == [None]

    watch(body)


def test_lost_executor_is_told_even_when_it_was_recovered_between_two_looks(
    watch: Callable[..., Any],
) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        await executor_with(scene, {})
        dying = await scene.executor("dying")
        await alerts.rule(rule_type="ExecutorLost", rule_metadata={"period_secs": 60})
        await alerts.judge()
        await dying.vanish()
        await scene.await_status("dying", None)
        await alerts.judge(later_secs=15)
        (item,) = await alerts.history()
        assert item.alert.alert_metadata["executor_ids"] == "dying"
        await alerts.judge(later_secs=61)
        assert (await alerts.history())[0].alert.resolved_at is not None

    watch(body)


def test_executor_stays_lost_for_its_period_over_a_restart_of_the_conductor(
    watch: Callable[..., Any],
) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        await executor_with(scene, {})
        dying = await scene.executor("dying")
        await alerts.rule(rule_type="ExecutorLost", rule_metadata={"period_secs": 300})
        # The audit log goes by the real clock.
        alerts.clock.time = datetime.now(UTC)
        await alerts.judge()
        await dying.vanish()
        await scene.await_status("dying", None)
        await wait_until_async(lambda: scene.audit("executor.recovery"), 10, "the recovery to be on record")
        await alerts.judge(later_secs=15)
        alerts.restart()
        await alerts.judge(later_secs=100)
        (item,) = await alerts.history()
        assert item.alert.resolved_at is None
        await alerts.judge(later_secs=201)
        assert (await alerts.history())[0].alert.resolved_at is not None

    watch(body)


def test_stranded_version_is_told_until_somebody_runs_it(watch: Callable[..., Any]) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        await executor_with(scene, {})
        old = await scene.executor("old", "0")
        scene.workload.pending.add(("old", "0"))
        await alerts.rule(rule_type="StrandedVersion", rule_metadata={})
        await old.vanish()
        await scene.await_status("old", "DEAD", "0")
        await alerts.judge(later_secs=60)
        (item,) = await alerts.history()
        assert item.alert.alert_metadata["application_versions"] == "0"
        assert item.alert.resolved_at is None
        await scene.executor("new", "0")
        await scene.await_status("old", None, "0")
        await alerts.judge(later_secs=15)
        assert (await alerts.history())[0].alert.resolved_at is not None

    watch(body)


def test_schedule_that_does_not_run_is_told(watch: Callable[..., Any]) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        asked = await executor_with(scene, {})
        schedule = ScheduleRecord(schedule_name="hourly", cron="0 * * * *", status="ACTIVE")
        asked.answers(ListSchedules, ListSchedulesReply(schedules=[schedule]))
        await alerts.rule(rule_type="ScheduleMissed", rule_metadata={"grace_secs": 60})
        await alerts.judge(later_secs=1_800)
        await alerts.judge(later_secs=1_800)
        assert await alerts.history() == []
        await alerts.judge(later_secs=61)
        (item,) = await alerts.history()
        assert item.alert.alert_metadata["missed_schedules"] == "hourly"
        # It has still not run when the conductor is started anew.
        alerts.restart()
        await alerts.judge(later_secs=15)
        assert (await alerts.history())[0].alert.resolved_at is None
        ran = msgspec.structs.replace(schedule, last_fired_at=alerts.clock.now().isoformat())
        asked.answers(ListSchedules, ListSchedulesReply(schedules=[ran]))
        await alerts.judge(later_secs=15)
        assert (await alerts.history())[0].alert.resolved_at is not None

    watch(body)


def test_executors_that_keep_dying_are_told_until_they_have_stopped(watch: Callable[..., Any]) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        for version in ("1", "2"):
            await scene.executor(f"surviving-{version}", version)
        dying = [await scene.executor("dying", version) for version in ("1", "2")]
        await alerts.rule(rule_type="RecoveryFlapping", rule_metadata={"threshold": 2, "period_secs": 60})
        # The audit log goes by the real clock.
        alerts.clock.time = datetime.now(UTC)
        await alerts.judge()
        assert await alerts.history() == []
        for executor in dying:
            await executor.vanish()

        async def recovered() -> bool:
            return [entry.status for entry in await scene.audit("executor.recovery")] == ["success"] * 2

        await wait_until_async(recovered, 30, "both to be recovered")
        # However long that took, it lies behind.
        alerts.clock.time = datetime.now(UTC)
        await alerts.judge(later_secs=15)
        (item,) = await alerts.history()
        assert item.alert.alert_metadata == {
            "application_name": APPLICATION,
            "recovery_count": "2",
            "threshold": "2",
            "period_secs": "60",
        }
        await alerts.judge(later_secs=61)
        assert (await alerts.history())[0].alert.resolved_at is not None

    watch(body)


@pytest.mark.parametrize("old_sdk", [False, True])
def test_workflows_are_slow_by_how_long_they_run_and_failures_are_old_one_day(
    watch: Callable[..., Any], old_sdk: bool
) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        # Older ones know neither counts nor the times by which these ask for workflows.
        history = History(["completed_after", "dequeued_before"] if old_sdk else [])
        asked = ScriptedExecutor("asked", "1", scene.workload)
        history.answer_through(asked)
        if old_sdk:
            unknown = GetWorkflowAggregatesReply(error_message="Unknown message type")
            asked.answers(GetWorkflowAggregates, unknown)
        else:
            history.count_through(asked)
        await scene.connected(asked)
        now = int(alerts.clock.now().timestamp() * 1_000)
        history.add("waited long", now - 90_000, "PENDING", queue_name="q", dequeued_at_epoch_ms=now - 5_000)
        # Does not tell when it left its queue, but that it was changed since it was made.
        changed = {"queue_name": "q", "updated_at_epoch_ms": now - 5_000}
        history.add("changed", now - 90_000, "PENDING", **changed)
        history.add("not known", now - 90_000, "PENDING", queue_name="q", updated_at_epoch_ms=now - 90_000)
        history.add("waits", now - 90_000, "ENQUEUED", queue_name="q")
        history.add("failed long ago", now - 90_000, "ERROR", **_ended(now - 80_000))
        history.add("failed", now - 90_000, "ERROR", **_ended(now - 10_000))
        history.add("gave up", now - 90_000, "MAX_RECOVERY_ATTEMPTS_EXCEEDED", **_ended(now - 10_000))
        await alerts.rule(rule_type="SlowWorkflow", rule_metadata={"threshold_secs": 30})
        await alerts.rule(rule_type="WorkflowFailure", rule_metadata={"threshold": 2, "period_secs": 60})
        await alerts.judge()
        (failures,) = await alerts.history()
        assert failures.alert.alert_metadata["failed_workflow_count"] == "2"
        await alerts.judge(later_secs=26)
        (failures, slow) = await alerts.history()
        assert slow.alert.alert_metadata["slow_workflow_count"] == ("2" if old_sdk else "1")
        assert slow.alert.resolved_at is failures.alert.resolved_at is None
        for id_ in ("waited long", "changed"):
            history.change(id_, status="SUCCESS", completed_at_epoch_ms=now + 40_000)
        await alerts.judge(later_secs=25)
        assert all(item.alert.resolved_at is not None for item in await alerts.history())

    watch(body)


@pytest.mark.parametrize("old_sdk", [False, True])
def test_a_workflow_waits_since_it_came_to_its_queue_and_not_since_it_was_made(
    watch: Callable[..., Any], old_sdk: bool
) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        history, asked = History(), ScriptedExecutor("asked")
        history.answer_through(asked)
        if old_sdk:
            unknown = GetWorkflowAggregatesReply(error_message="Unknown message type")
            asked.answers(GetWorkflowAggregates, unknown)
        else:
            history.count_through(asked)
        await scene.connected(asked)
        now = int(alerts.clock.now().timestamp() * 1_000)
        mail = {"status": "ENQUEUED", "queue_name": "mail"}
        history.add("resumed", now - 90_000, updated_at_epoch_ms=now - 5_000, **mail)
        history.add("delayed", now - 90_000, delay_until_epoch_ms=now - 5_000, **mail)
        await alerts.rule(**SLOW_QUEUE)
        await alerts.judge()
        assert await alerts.history() == []
        history.add("slow", now - 31_000, updated_at_epoch_ms=now - 31_000, **mail)
        await alerts.judge()
        (item,) = await alerts.history()
        assert item.alert.alert_metadata["stuck_workflow_count"] == "1"
        history.change("slow", status="PENDING")
        await alerts.judge(later_secs=15)
        assert (await alerts.history())[0].alert.resolved_at is not None

    watch(body)


def test_rule_that_can_never_be_judged_keeps_no_other_from_it(watch: Callable[..., Any]) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        asked = ScriptedExecutor("asked")

        async def counts(request: GetWorkflowAggregates) -> Reply:
            if request.body.status != ["ENQUEUED"]:
                return GetWorkflowAggregatesReply(error_message="too many rows to count")
            group = {"queue_name": "mail"}
            return GetWorkflowAggregatesReply(aggregates=[WorkflowAggregateRecord(group=group, count=2)])

        asked.on(GetWorkflowAggregates, counts)
        asked.answers(ListWorkflows, ListWorkflowsReply())
        await scene.connected(asked)
        for threshold in (1, 2):
            facts = {"threshold": threshold, "period_secs": 60 * threshold}
            await alerts.rule(rule_type="WorkflowFailure", rule_metadata=facts)
        await alerts.rule(**SLOW_QUEUE)
        for _ in range(3):
            await alerts.judge(later_secs=15)
        assert [item.alert.rule_type for item in await alerts.history()] == ["SlowQueue"]

    watch(body)


def test_sdk_too_old_to_count_is_judged_by_its_newest_failures(
    watch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_readings, "MAX_LISTED", 5)

    async def body(scene: Served, alerts: Watch) -> None:
        history, asked = History(["completed_after"]), ScriptedExecutor("asked")
        history.answer_through(asked)
        unknown = GetWorkflowAggregatesReply(error_message="Unknown message type")
        asked.answers(GetWorkflowAggregates, unknown)
        await scene.connected(asked)
        now = int(alerts.clock.now().timestamp() * 1_000)
        for number in range(10):
            at = now - 86_400_000 + number
            history.add(f"long-ago-{number}", at, "ERROR", **_ended(at))
        history.add("failed", now - 9_000, "ERROR", **_ended(now - 8_000))
        await alerts.rule(rule_type="WorkflowFailure", rule_metadata={"threshold": 1, "period_secs": 60})
        await alerts.judge()
        (item,) = await alerts.history()
        assert item.alert.alert_metadata["failed_workflow_count"] == "1"

    watch(body)


def test_application_that_can_count_and_not_list_is_judged_by_what_it_counts(
    watch: Callable[..., Any],
) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        asked = await executor_with(scene, {"mail": 2})
        asked.answers(ListWorkflows, ListWorkflowsReply(error_message="too many rows"))
        await alerts.rule(**SLOW_QUEUE)
        await alerts.judge()
        (item,) = await alerts.history()
        assert item.alert.alert_metadata["stuck_workflow_count"] == "2"

    watch(body)


def _ended(epoch_ms: int) -> dict[str, int]:
    return {"completed_at_epoch_ms": epoch_ms, "updated_at_epoch_ms": epoch_ms}


def test_one_application_that_cannot_be_judged_keeps_nobody_from_judging_another(
    watch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        await executor_with(scene, {"mail": 2})
        await alerts.rule(**SLOW_QUEUE)
        await scene.application_id("bank")
        rules = scene.conductor.operations.alerting_rules
        await rules.create(LOCAL, "bank", rule_type="StrandedVersion", rule_metadata={})

        def broken(*arguments: Any) -> None:
            raise RuntimeError("a fault of ours")

        monkeypatch.setattr(alert_evaluation, "stranded_version", broken)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="a fault of ours"):
                await alerts.judge(later_secs=60)
        assert len(await alerts.history()) == 1

    watch(body)


def test_what_a_handler_refuses_is_tried_again_later_and_later(watch: Callable[..., Any]) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        asked = await executor_with(scene, {"mail": 1})
        asked.answers(Alert, AlertReply(success=False, error_message="handler broke"))
        await alerts.rule(**SLOW_QUEUE)
        await alerts.judge()
        await alerts.deliver()
        await alerts.deliver(later_secs=4)
        assert len(told(asked)) == 1
        await alerts.deliver(later_secs=1)
        await alerts.deliver(later_secs=9)
        assert len(told(asked)) == 2
        (delivery,) = (await alerts.history())[0].deliveries
        assert (delivery.state, delivery.attempts, delivery.error) == ("pending", 2, "handler broke")
        asked.answers(Alert, AlertReply(success=True))
        await alerts.deliver(later_secs=1)
        (delivery,) = (await alerts.history())[0].deliveries
        assert (delivery.state, delivery.error) == ("delivered", None)

    watch(body)


def test_undelivered_message_is_given_up_after_a_day_of_attempts_and_says_so(
    watch: Callable[..., Any],
) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        asked = await executor_with(scene, {"mail": 1})
        asked.answers(Alert, AlertReply(success=False, error_message="handler broke"))
        await alerts.rule(**SLOW_QUEUE)
        await alerts.judge()
        # Nobody has tried for a day, as while the conductor was away: this attempt is not the last.
        await alerts.deliver(later_secs=24 * 3_600)
        (delivery,) = (await alerts.history())[0].deliveries
        assert (delivery.state, delivery.attempts) == ("pending", 1)
        for _ in range(GIVE_UP_ATTEMPTS):
            await alerts.deliver(later_secs=900)
        (delivery,) = (await alerts.history())[0].deliveries
        assert (delivery.state, delivery.error) == ("failed", "handler broke")
        assert len(told(asked)) == GIVE_UP_ATTEMPTS

    watch(body)


def test_message_is_tried_for_a_whole_day(watch: Callable[..., Any]) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        asked = await executor_with(scene, {"mail": 1})
        asked.answers(Alert, AlertReply(success=False, error_message="handler broke"))
        await alerts.rule(**SLOW_QUEUE)
        await alerts.judge()
        for _ in range(95):
            await alerts.deliver(later_secs=900)
        assert (await alerts.history())[0].deliveries[0].state == "pending"
        await alerts.deliver(later_secs=900)
        assert (await alerts.history())[0].deliveries[0].state == "failed"

    watch(body)


def test_end_never_overtakes_the_beginning(watch: Callable[..., Any]) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        waiting = {"mail": 1}
        asked = await executor_with(scene, waiting)
        asked.answers(Alert, AlertReply(success=False, error_message="not now"))
        await alerts.rule(**SLOW_QUEUE)
        await alerts.judge()
        await alerts.deliver()
        waiting.clear()
        await alerts.judge(later_secs=1)
        await alerts.deliver()
        assert told(asked) == ["SlowQueue"]
        asked.answers(Alert, AlertReply(success=True))
        await alerts.deliver(later_secs=10)
        assert told(asked) == ["SlowQueue", "SlowQueue", "SlowQueueResolved"]

    watch(body)


def test_calendar_set_back_holds_up_no_message(watch: Callable[..., Any]) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        asked = await executor_with(scene, {"mail": 1})
        asked.answers(Alert, AlertReply(success=False, error_message="not now"))
        await alerts.rule(**SLOW_QUEUE)
        await alerts.judge()
        await alerts.deliver()
        asked.answers(Alert, AlertReply(success=True))
        alerts.clock.set_back(7 * 24 * 3_600)
        await alerts.deliver()
        assert (await alerts.history())[0].deliveries[0].state == "delivered"

    watch(body)


def test_people_are_told_through_apprise_and_refusals_hold_no_secret(watch: Callable[..., Any]) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        waiting = {"mail": 1}
        await executor_with(scene, waiting)
        targets = scene.conductor.operations.notification_targets
        with inbox() as box:
            await scene.application_id()
            await targets.create(LOCAL, APPLICATION, name="ops", url=box.url)
            await alerts.rule(**SLOW_QUEUE)
            box.status = 503
            await alerts.judge()
            await alerts.deliver()
            by_channel = {item.channel: item for item in (await alerts.history())[0].deliveries}
            assert by_channel["handler"].state == "delivered"
            refused = by_channel["target"]
            assert refused.state == "pending"
            assert "answered 503" in (refused.error or "")
            assert PASSWORD not in repr(refused) + repr(await targets.list(LOCAL, APPLICATION))
            assert TOKEN not in repr(refused)
            box.status = 200
            await alerts.deliver(later_secs=5)
            waiting.clear()
            await alerts.judge(later_secs=15)
            await alerts.deliver()
        assert [(message["title"], message["type"]) for message in box.messages] == [
            ("SlowQueue: shop", "failure"),
            ("SlowQueueResolved: shop", "success"),
        ]

    watch(body)


def test_alerts_of_a_deleted_rule_end_silently(watch: Callable[..., Any]) -> None:
    async def body(scene: Served, alerts: Watch) -> None:
        asked = await executor_with(scene, {"mail": 1})
        rule_id = await alerts.rule(**SLOW_QUEUE)
        await alerts.judge()
        await alerts.deliver()
        await scene.conductor.operations.alerting_rules.delete(LOCAL, APPLICATION, rule_id)
        await alerts.judge(later_secs=15)
        await alerts.deliver()
        (item,) = await alerts.history()
        assert item.alert.resolved_at is not None
        assert told(asked) == ["SlowQueue"]

    watch(body)
