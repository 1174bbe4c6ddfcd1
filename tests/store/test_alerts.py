"""Firings, the outbox, notification targets and retention runs on a real file."""

import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from conductor_lite.errors import ConflictError, NotFoundError, StoreError
from conductor_lite.store import alerts as alerts_module
from conductor_lite.store import retention as retention_module
from conductor_lite.store.alert_records import AlertText, NotificationTargetRecord
from conductor_lite.store.alert_schema import notification_targets
from conductor_lite.store.alerting_rules import AlertingRules
from conductor_lite.store.alerts import Alerts
from conductor_lite.store.applications import Applications
from conductor_lite.store.database import Database
from conductor_lite.store.notification_targets import NotificationTargets
from conductor_lite.store.records import AlertingRuleRecord, SlowQueue
from conductor_lite.store.retention import NewRetentionRun, RetentionRuns

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONGEST = timedelta(minutes=15)
TEXT = AlertText(name="SlowQueue", message="3 wait.", metadata={"queue_name": "*"})
SECRET = "hunter2secret"
Run = Callable[[Callable[[Database], Any]], Any]


async def _rule(db: Database, rule_id: str = "r1") -> AlertingRuleRecord:
    application, _ = await Applications(db).register("local", "shop", now=NOW)
    rule = AlertingRuleRecord(
        id=rule_id,
        application_id=application.id,
        receiving_application_id=application.id,
        rule_type="SlowQueue",
        rule_metadata=SlowQueue(threshold_secs=30),
        min_interval_secs=None,
        last_fired_at=None,
        created_at=NOW,
    )
    await AlertingRules(db).create(rule)
    return rule


def _target(application_id: str, name: str = "ops") -> NotificationTargetRecord:
    return NotificationTargetRecord(
        id=f"t-{name}", application_id=application_id, name=name, url=f"json://{SECRET}", created_at=NOW
    )


async def _fire(db: Database, rule: AlertingRuleRecord, at: datetime = NOW) -> bool:
    return await Alerts(db).fire(rule, TEXT, receiving_application_name="shop", now=at)


def test_firing_notes_the_time_and_a_message_for_everyone_at_once(run: Run) -> None:
    async def body(db: Database) -> None:
        rule = await _rule(db)
        await NotificationTargets(db).create(_target(rule.application_id))
        assert await _fire(db, rule)
        (stored,) = await AlertingRules(db).all()
        assert stored.last_fired_at == NOW
        due = await Alerts(db).due(NOW, longest_wait=LONGEST, limit=10)
        assert [(item.channel, item.receiver_name) for item in due] == [
            ("handler", "shop"),
            ("target", "ops"),
        ]

    run(body)


def test_rule_deleted_meanwhile_fires_nothing(run: Run) -> None:
    async def body(db: Database) -> None:
        rule = await _rule(db)
        await AlertingRules(db).delete(rule.application_id, rule.id)
        assert not await _fire(db, rule)
        assert await Alerts(db).list(rule.application_id, limit=10) == []

    run(body)


def test_end_is_told_to_those_only_who_were_told_of_the_beginning(run: Run) -> None:
    async def body(db: Database) -> None:
        rule, alerts = await _rule(db), Alerts(db)
        await _fire(db, rule)
        (first,) = await alerts.due(NOW, longest_wait=LONGEST, limit=10)
        await alerts.delivered(first, NOW)
        await NotificationTargets(db).create(_target(rule.application_id))
        await alerts.resolve(rule.id, TEXT, NOW)
        due = await alerts.due(NOW, longest_wait=LONGEST, limit=10)
        assert [(item.channel, item.kind) for item in due] == [("handler", "resolved")]
        await alerts.resolve(rule.id, TEXT, NOW)
        assert len(await alerts.due(NOW, longest_wait=LONGEST, limit=10)) == 1

    run(body)


def test_only_the_newest_firings_are_kept_and_none_that_waits(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts_module, "MAX_KEPT", 3)

    async def body(db: Database) -> None:
        rule, alerts = await _rule(db), Alerts(db)
        for number in range(6):
            await _fire(db, rule, NOW + timedelta(seconds=number))
        kept = await alerts.list(rule.application_id, limit=10)
        # The first one's message has not arrived.
        assert [item.alert.id for item in kept] == [6, 5, 4, 1]
        (waiting,) = await alerts.due(NOW, longest_wait=LONGEST, limit=10)
        await alerts.delivered(waiting, NOW)
        await _fire(db, rule)
        assert [item.alert.id for item in await alerts.list(rule.application_id, limit=10)] == [7, 6, 5]

    run(body)


def test_what_still_holds_is_kept_however_often_another_rule_fires(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts_module, "MAX_KEPT", 2)

    async def body(db: Database) -> None:
        rule, busy, alerts = await _rule(db), await _rule(db, "r2"), Alerts(db)
        await _fire(db, rule)
        for number in range(5):
            await _fire(db, busy, NOW + timedelta(seconds=number))
            for item in await alerts.due(NOW + timedelta(hours=1), longest_wait=LONGEST, limit=10):
                await alerts.delivered(item, NOW)
        assert (await alerts.open_rules()).keys() == {"r1", "r2"}
        await alerts.resolve("r1", TEXT, NOW)
        (told,) = await alerts.due(NOW, longest_wait=LONGEST, limit=10)
        assert (told.rule_id, told.kind) == ("r1", "resolved")
        assert len(await alerts.list(rule.application_id, limit=10)) == 3

    run(body)


def test_taken_name_is_refused_without_the_address_in_the_error_or_its_causes(run: Run) -> None:
    async def body(db: Database) -> None:
        rule, targets = await _rule(db), NotificationTargets(db)
        await targets.create(_target(rule.application_id))
        with pytest.raises(ConflictError) as failure:
            await targets.create(msgspec.structs.replace(_target(rule.application_id), id="another"))
        error: BaseException | None = failure.value
        while error is not None:
            assert SECRET not in repr(error) + str(error)
            error = error.__cause__ or error.__context__
        assert SECRET not in repr(await targets.list(rule.application_id))

    run(body)


def test_statement_that_the_database_refuses_is_told_without_the_address(run: Run) -> None:
    async def body(db: Database) -> None:
        rule = await _rule(db)
        values = msgspec.structs.asdict(_target(rule.application_id))
        with pytest.raises(StoreError, match="cannot be written") as caught:
            async with db.read() as connection:
                await connection.execute(notification_targets.insert().values(values))
        # As it stands in the log.
        told = "".join(traceback.format_exception(caught.value))
        assert "INSERT INTO notification_targets" in told
        assert SECRET not in told

    run(body)


def test_all_goes_with_the_application(run: Run) -> None:
    async def body(db: Database) -> None:
        rule = await _rule(db)
        await NotificationTargets(db).create(_target(rule.application_id))
        await _fire(db, rule)
        await Applications(db).delete(rule.application_id)
        assert await NotificationTargets(db).by_id("t-ops") is None
        assert await Alerts(db).due(NOW, longest_wait=LONGEST, limit=10) == []

    run(body)


def test_retention_runs_are_numbered_bounded_and_refused_for_nobody(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "MAX_KEPT", 2)

    async def body(db: Database) -> None:
        rule, runs = await _rule(db), RetentionRuns(db)
        new = NewRetentionRun(
            application_id=rule.application_id,
            started_at=NOW,
            duration_ms=5,
            status="succeeded",
            error=None,
            executor_id="e",
            gc_cutoff_epoch_ms=None,
            gc_rows_threshold=10,
            timeout_cutoff_epoch_ms=None,
        )
        made = [await runs.append(new) for _ in range(4)]
        assert [item.id for item in await runs.list(rule.application_id, limit=10)] == [4, 3]
        assert await runs.latest() == {rule.application_id: made[-1]}
        with pytest.raises(NotFoundError):
            await runs.append(msgspec.structs.replace(new, application_id="nobody"))

    run(body)
