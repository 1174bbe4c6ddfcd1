"""What is declared in a file, as the tables keep it; and the changes that applying such a file makes."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from conductor_lite.errors import NotFoundError
from conductor_lite.store.alert_records import NotificationTargetRecord
from conductor_lite.store.alerting_rules import AlertingRules
from conductor_lite.store.applications import Applications
from conductor_lite.store.autoscaling import AutoscalingPolicies
from conductor_lite.store.database import Database
from conductor_lite.store.notification_targets import NotificationTargets
from conductor_lite.store.records import AlertingRuleRecord, AutoscalingPolicy, SlowQueue

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Run = Callable[[Callable[[Database], Any]], Any]


async def _application(db: Database, name: str = "shop") -> str:
    return (await Applications(db).register("local", name, now=NOW))[0].id


def _rule(application_id: str, rule_id: str) -> AlertingRuleRecord:
    return AlertingRuleRecord(
        id=rule_id,
        application_id=application_id,
        receiving_application_id=application_id,
        rule_type="SlowQueue",
        rule_metadata=SlowQueue(threshold_secs=30),
        min_interval_secs=60,
        last_fired_at=None,
        created_at=NOW,
    )


def test_an_application_remembers_which_of_its_settings_are_declared(run: Run) -> None:
    async def body(db: Database) -> None:
        table = Applications(db)
        shop = await _application(db)
        await _application(db, "bank")

        async def declared(name: str = "shop") -> tuple[str, ...] | None:
            record = await table.get("local", name)
            assert record is not None
            return record.declared_settings

        assert await declared() is None
        await table.declare(shop, {"private_mode", "executor_timeout_secs"})
        assert await declared() == ("executor_timeout_secs", "private_mode")
        assert await declared("bank") is None
        # Neither a registration nor a change by hand takes the mark away.
        await table.register("local", "shop", now=NOW, private_mode=True)
        await table.update(shop, {"executor_timeout_secs": 5}, now=NOW)
        assert await declared() == ("executor_timeout_secs", "private_mode")
        await table.declare(shop, ())
        assert await declared() == ()
        await table.declare(shop, None)
        assert await declared() is None

    run(body)


def test_a_rule_changes_in_place_and_only_within_its_application(run: Run) -> None:
    async def body(db: Database) -> None:
        table = AlertingRules(db)
        shop, bank = await _application(db), await _application(db, "bank")
        await table.create(_rule(shop, "r1"))
        await table.create(_rule(shop, "r2"))
        await table.fired("r1", NOW)
        changes: dict[str, Any] = {
            "receiving_application_id": bank,
            "rule_metadata": SlowQueue(threshold_secs=5),
            "min_interval_secs": None,
        }
        assert not await table.update(bank, "r1", **changes)
        assert not await table.update(shop, "r3", **changes)
        assert await table.update(shop, "r1", **changes)
        with pytest.raises(NotFoundError):
            await table.update(shop, "r1", **{**changes, "receiving_application_id": "nobody"})
        await table.declare(shop, ["r1"], declared=True)
        await table.declare(bank, ["r2"], declared=True)
        changed, other = await table.list(shop)
        assert (changed.receiving_application_id, changed.rule_metadata) == (
            bank,
            SlowQueue(threshold_secs=5),
        )
        assert (changed.min_interval_secs, changed.last_fired_at, changed.declared) == (None, NOW, True)
        assert other == _rule(shop, "r2")
        await table.declare(shop, ["r1", "r2"], declared=False)
        assert [rule.declared for rule in await table.list(shop)] == [False, False]

    run(body)


def test_a_target_gets_another_address_only_within_its_application(run: Run) -> None:
    async def body(db: Database) -> None:
        table = NotificationTargets(db)
        shop, bank = await _application(db), await _application(db, "bank")
        before = NotificationTargetRecord(
            id="t1", application_id=shop, name="ops", url="json://a", created_at=NOW
        )
        await table.create(before)
        assert not await table.change_url(bank, "t1", "json://b")
        assert await table.by_id("t1") == before
        assert await table.change_url(shop, "t1", "json://b")
        await table.declare(bank, ["t1"], declared=True)
        (target,) = await table.list(shop)
        assert (target.url, target.declared) == ("json://b", False)
        await table.declare(shop, ["t1"], declared=True)
        (target,) = await table.list(shop)
        assert target.declared

    run(body)


def test_a_policy_that_is_changed_by_hand_stays_declared(run: Run) -> None:
    async def body(db: Database) -> None:
        table = AutoscalingPolicies(db)
        shop = await _application(db)
        await table.declare(shop, declared=True)
        assert not await table.is_declared(shop)
        await table.set(shop, AutoscalingPolicy(queue="orders"), now=NOW)
        assert not await table.is_declared(shop)
        await table.declare(shop, declared=True)
        await table.set(shop, AutoscalingPolicy(queue="other"), now=NOW)
        assert await table.is_declared(shop)
        await table.delete(shop)
        await table.set(shop, AutoscalingPolicy(queue="other"), now=NOW)
        assert not await table.is_declared(shop)

    run(body)
