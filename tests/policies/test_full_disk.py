"""Policies on a disk that fills up: each says so, goes on when there is room again, and has lost nothing."""

import asyncio
import random
from pathlib import Path

from support.executor import ScriptedExecutor
from support.fake_clock import FakeClock
from support.figures import START as MIDNIGHT
from support.figures import Clocks, Collecting, Workflow
from support.full_disk import full_disk
from support.history import History
from support.inbox import inbox
from support.served import APPLICATION, LOCAL, Run, Served

from conductor_lite.clock import Clock
from conductor_lite.fleet.changes import Changes
from conductor_lite.notify import Notifier
from conductor_lite.policies.alert_delivery import AlertDelivery
from conductor_lite.policies.alerts import AlertWatch
from conductor_lite.policies.retention import RetentionPolicy
from conductor_lite.policies.runner import Policy, PolicyRunner
from conductor_lite.policies.snapshots import Snapshots
from conductor_lite.protocol import (
    Alert,
    AlertReply,
    GetWorkflowAggregates,
    GetWorkflowAggregatesReply,
    ListWorkflows,
    ListWorkflowsReply,
    Retention,
    RetentionReply,
    WorkflowAggregateRecord,
)
from conductor_lite.store.alerting_rules import AlertingRules
from conductor_lite.store.alerts import Alerts
from conductor_lite.store.applications import Applications
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.database import Database
from conductor_lite.store.metric_families import MINUTE
from conductor_lite.store.notification_targets import NotificationTargets
from conductor_lite.store.retention import RetentionRuns
from conductor_lite.store.snapshots import Snapshots as SnapshotStore
from conductor_lite.telemetry import PolicyHealth


class Rounds:
    """A policy as the runner runs it, round by round."""

    def __init__(self, policy: Policy, clock: Clock) -> None:
        self._policy = policy
        self._runner = PolicyRunner([policy], clock)

    async def round(self) -> PolicyHealth:
        """One round; tells how the policy is afterwards."""
        await self._runner._round(self._policy)
        (health,) = self._runner.health()
        return health

    async def fails_for_want_of_room(self, times: int) -> None:
        """So many rounds that fail and say why."""
        for failures in range(1, times + 1):
            health = await self.round()
            assert health.failures == failures
            assert health.error is not None
            assert "free space" in health.error

    async def works(self) -> None:
        """A round that is well."""
        health = await self.round()
        assert (health.failures, health.error) == (0, None)


def test_snapshots_take_what_came_meanwhile(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scene.conductor._policies.stop()
        clock, db = FakeClock(), scene.conductor.db
        store = SnapshotStore(db)
        history, executor = History(), ScriptedExecutor("e1")
        history.answer_through(executor)
        await scene.connected(executor)
        policy = Snapshots(scene.conductor.fleet, Applications(db), store, clock, random.Random(1))
        rounds = Rounds(policy, clock)

        def add(count: int) -> None:
            now = int(clock.now().timestamp() * 1_000)
            for number in range(count):
                history.add(f"w{now}-{number}", now + number, completed_at_epoch_ms=now + number)

        add(30)
        await rounds.works()
        clock.advance(60)
        await rounds.works()
        with full_disk():
            clock.advance(60)
            add(700)
            await rounds.fails_for_want_of_room(1)
            # What was not written has to be asked for again: the application gets a new turn.
            await rounds.works()
            clock.advance(60)
            add(5)
            await rounds.fails_for_want_of_room(1)
        for _ in range(3):
            clock.advance(60)
            await rounds.works()
        source = await store.ensure_source(await scene.application_id())
        known = await store.between(source.number, 0, None, None, 10_000)
        assert {item.workflow_id for _, item in known} == history.workflows.keys()

    run(body)


def test_metrics_are_collected_afterwards(tmp_path: Path) -> None:
    async def body() -> None:
        db = await Database.open(tmp_path)
        try:
            clocks = Clocks()
            clocks.pass_secs(5)
            scene = Collecting(db, clocks)
            shop = await scene.application()
            begin = int(MIDNIGHT.timestamp())
            shop.workflows = [Workflow("pay", begin + 30 + 60 * minute) for minute in range(12)]
            rounds = Rounds(scene.policy, clocks)
            for _ in range(3):
                clocks.pass_secs(60)
                await rounds.works()
            with full_disk():
                clocks.pass_secs(5 * 60)
                await rounds.fails_for_want_of_room(3)
            for _ in range(3):
                clocks.pass_secs(60)
                await rounds.works()
            started = await scene.rows(MINUTE, "workflow_started")
            assert started == {begin + 60 * minute: 1 for minute in range(11)}
        finally:
            await db.close()

    asyncio.run(body())


def test_an_alert_fires_when_there_is_room_and_is_told_once(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scene.conductor._policies.stop()
        clock, db, operations = FakeClock(), scene.conductor.db, scene.conductor.operations
        applications, alerts, changes = Applications(db), Alerts(db), Changes()
        executor = ScriptedExecutor("e1")
        waiting = WorkflowAggregateRecord(group={"queue_name": "mail"}, count=3)
        executor.answers(GetWorkflowAggregates, GetWorkflowAggregatesReply(aggregates=[waiting]))
        executor.answers(ListWorkflows, ListWorkflowsReply())
        executor.answers(Alert, AlertReply(success=True))
        await scene.connected(executor)
        await operations.alerting_rules.create(
            LOCAL, APPLICATION, rule_type="SlowQueue", rule_metadata={"threshold_secs": 60}
        )
        fleet = scene.conductor.fleet
        watch = AlertWatch(
            fleet, applications, AlertingRules(db), alerts, AuditLog(db), changes, clock, lambda: None
        )
        judging = Rounds(watch, clock)
        with inbox() as mail:
            await operations.notification_targets.create(LOCAL, APPLICATION, name="ops", url=mail.url)
            delivery = AlertDelivery(
                fleet, applications, alerts, NotificationTargets(db), Notifier(), changes, clock
            )
            delivering = Rounds(delivery, clock)
            with full_disk():
                await judging.fails_for_want_of_room(3)
                assert await operations.alerts.list(LOCAL, APPLICATION) == []
            await judging.works()
            (fired,) = await operations.alerts.list(LOCAL, APPLICATION)
            assert {delivery.state for delivery in fired.deliveries} == {"pending"}
            with full_disk():
                await delivering.fails_for_want_of_room(3)
            await delivering.works()
            (fired,) = await operations.alerts.list(LOCAL, APPLICATION)
            assert [delivery.state for delivery in fired.deliveries] == ["delivered"] * 2
            assert (len(mail.messages), executor.count(Alert)) == (1, 1)

    run(body)


def test_a_retention_run_is_noted_when_there_is_room(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scene.conductor._policies.stop()
        clock, db = FakeClock(), scene.conductor.db
        executor = ScriptedExecutor("e1")
        executor.answers(Retention, RetentionReply(success=False, error_message="no"))
        await scene.connected(executor)
        policy = RetentionPolicy(
            scene.conductor.fleet,
            Applications(db),
            RetentionRuns(db),
            AuditLog(db),
            Changes(),
            clock,
            random.Random(1),
        )
        rounds = Rounds(policy, clock)
        await rounds.works()
        clock.advance(600)
        with full_disk():
            await rounds.fails_for_want_of_room(3)
        assert executor.count(Retention) == 1
        await rounds.works()
        await rounds.works()
        (noted,) = await scene.conductor.operations.retention.list(LOCAL, APPLICATION)
        assert noted.error == "no"
        assert [entry.status for entry in await scene.audit("application.retention")] == ["failure"]
        assert executor.count(Retention) == 1

    run(body)
