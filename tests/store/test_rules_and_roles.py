"""Alerting rules, autoscaling policies, roles and settings on a real file; and how old files get them."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from conductor_lite.errors import ConflictError, NotFoundError, StoreError
from conductor_lite.store import revisions
from conductor_lite.store.alerting_rules import AlertingRules
from conductor_lite.store.applications import Applications
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.autoscaling import AutoscalingPolicies
from conductor_lite.store.database import Database
from conductor_lite.store.keys import ApiKeys
from conductor_lite.store.organizations import Organizations
from conductor_lite.store.records import (
    AlertingRuleRecord,
    ApiKeyRecord,
    ApplicationRecord,
    AutoscalingPolicy,
    NewAuditEntry,
    OrganizationRecord,
    RoleRecord,
    RolloutPolicy,
    RuleMetadata,
    SlowQueue,
    UnresponsiveApplication,
    WorkflowFailure,
)
from conductor_lite.store.roles import Roles
from conductor_lite.store.schema import HEAD_REVISION

NOW = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)
Run = Callable[[Callable[[Database], Any]], Any]


async def _application(db: Database, name: str = "shop") -> ApplicationRecord:
    record, _ = await Applications(db).register("local", name, now=NOW)
    return record


def _rule(
    application: ApplicationRecord, receiver: ApplicationRecord, rule_id: str, metadata: RuleMetadata
) -> AlertingRuleRecord:
    return AlertingRuleRecord(
        id=rule_id,
        application_id=application.id,
        receiving_application_id=receiver.id,
        rule_type=type(metadata).__name__,
        rule_metadata=metadata,
        min_interval_secs=60,
        last_fired_at=None,
        created_at=NOW,
    )


class TestMigratingTheFirstRevision:
    def _make_old(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(revisions, "HEAD_REVISION", "0001")
            revisions.prepare(path, busy_timeout_secs=1)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(
                "INSERT INTO applications (id, organization_id, name, created_at, updated_at,"
                " executor_timeout_secs, private_mode) VALUES ('a1', 'local', 'shop', 1, 2, 60, 0)"
            )
            connection.execute(
                "INSERT INTO audit_log (organization_id, emitted_at, operation, status, subject_type,"
                " subject_id, subject_display, details)"
                " VALUES ('local', 1, 'application.create', 'success', 'user', 'local', 'local user', '{}')"
            )

    def test_keeps_what_is_there_and_a_copy_of_it(
        self, folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = folder / "conductor.db"
        self._make_old(path, monkeypatch)

        async def body(db: Database) -> None:
            local = await Organizations(db).by_id("local")
            assert local is not None
            assert local.audit_log_retention_days == 90
            shop = await Applications(db).get("local", "shop")
            assert shop is not None
            assert shop.id == "a1"
            assert [entry.operation for entry in await AuditLog(db).list("local")] == ["application.create"]
            rule = _rule(shop, shop, "r1", SlowQueue(threshold_secs=1))
            await AlertingRules(db).create(rule)
            await AutoscalingPolicies(db).set("a1", AutoscalingPolicy(queue="orders"), now=NOW)
            async with db.read() as connection:
                assert (await connection.execute(text("PRAGMA foreign_key_check"))).all() == []

        run(body)
        assert revisions.inspect(path).revision == HEAD_REVISION
        aside = folder / f"conductor.db.before-{HEAD_REVISION}"
        assert revisions.inspect(aside).revision == "0001"
        with closing(sqlite3.connect(aside)) as connection:
            assert connection.execute("SELECT name FROM applications").fetchall() == [("shop",)]


class TestOrganizations:
    def test_only_what_is_given_changes(self, run: Run) -> None:
        async def body(db: Database) -> None:
            table = Organizations(db)
            before = await table.by_id("local")
            assert before is not None
            assert await table.update("local") == before
            kept = await table.update("local", audit_log_retention_days=7)
            assert kept == msgspec.structs.replace(before, audit_log_retention_days=7)
            renamed = await table.update("local", name="acme")
            assert renamed == msgspec.structs.replace(before, audit_log_retention_days=7, name="acme")
            assert await table.by_name("acme") == renamed
            assert await table.by_name("local") is None
            assert await table.all() == [renamed]
            assert await table.update("nobody", name="other") is None

        run(body)

    def test_a_taken_name_is_a_conflict(self, run: Run) -> None:
        async def body(db: Database) -> None:
            async with db.write() as connection:
                await connection.execute(
                    text("INSERT INTO organizations (id, name, created_at) VALUES ('o2', 'acme', 1)")
                )
            with pytest.raises(ConflictError):
                await Organizations(db).update("local", name="acme", audit_log_retention_days=7)
            local = await Organizations(db).by_id("local")
            assert isinstance(local, OrganizationRecord)
            assert (local.name, local.audit_log_retention_days) == ("local", 90)

        run(body)


class TestRoles:
    def test_come_back_as_they_were_made_and_by_name(self, run: Run) -> None:
        async def body(db: Database) -> None:
            table = Roles(db)
            records = [
                RoleRecord(organization_id="local", name=name, permissions=("metric.read",), created_at=NOW)
                for name in ("writer", "reader")
            ]
            for record in records:
                await table.create(record)
            assert await table.list("local") == records[::-1]
            with pytest.raises(ConflictError):
                await table.create(msgspec.structs.replace(records[0], permissions=()))
            with pytest.raises(NotFoundError):
                await table.create(msgspec.structs.replace(records[0], organization_id="nobody"))
            assert await table.delete("local", "writer")
            assert not await table.delete("local", "writer")
            assert not await table.delete("nobody", "reader")
            assert await table.list("local") == [records[1]]

        run(body)


class TestAlertingRules:
    def test_each_type_comes_back_as_it_was_made(self, run: Run) -> None:
        async def body(db: Database) -> None:
            table, shop, bank = AlertingRules(db), await _application(db), await _application(db, "bank")
            records = [
                _rule(shop, shop, "r1", WorkflowFailure(threshold=3, period_secs=60)),
                _rule(shop, bank, "r2", SlowQueue(queue_name="orders", threshold_secs=30)),
                _rule(shop, bank, "r3", UnresponsiveApplication()),
            ]
            other = _rule(bank, shop, "r4", UnresponsiveApplication())
            for record in (*records, other):
                await table.create(record)
            assert await table.list(shop.id) == records
            assert await table.all() == [*records, other]
            await table.fired("r1", NOW + timedelta(minutes=1))
            assert (await table.list(shop.id))[0].last_fired_at == NOW + timedelta(minutes=1)
            assert not await table.delete(bank.id, "r1")
            assert await table.delete(shop.id, "r1")
            assert not await table.delete(shop.id, "r1")

        run(body)

    def test_deleting_either_application_takes_its_rules_along(self, run: Run) -> None:
        async def body(db: Database) -> None:
            table, shop, bank = AlertingRules(db), await _application(db), await _application(db, "bank")
            await table.create(_rule(shop, shop, "own", SlowQueue(threshold_secs=1)))
            await table.create(_rule(shop, bank, "told", SlowQueue(threshold_secs=1)))
            await table.create(_rule(bank, shop, "watched", SlowQueue(threshold_secs=1)))
            await Applications(db).delete(bank.id)
            assert [rule.id for rule in await table.all()] == ["own"]
            with pytest.raises(NotFoundError):
                await table.create(_rule(shop, bank, "late", SlowQueue(threshold_secs=1)))

        run(body)

    @pytest.mark.parametrize(
        "damage", ["rule_type = 'Nonsense'", "rule_metadata = '{}'", "rule_metadata = '['"]
    )
    def test_what_was_not_written_by_us_is_a_store_error(self, run: Run, damage: str) -> None:
        async def body(db: Database) -> None:
            table, shop = AlertingRules(db), await _application(db)
            await table.create(_rule(shop, shop, "r1", SlowQueue(threshold_secs=1)))
            async with db.write() as connection:
                await connection.execute(text(f"UPDATE alerting_rules SET {damage}"))
            with pytest.raises(StoreError, match="did not write"):
                await table.list(shop.id)

        run(body)


class TestAutoscalingPolicies:
    def test_one_per_application_replaced_and_forgotten(self, run: Run) -> None:
        async def body(db: Database) -> None:
            table, shop = AutoscalingPolicies(db), await _application(db)
            assert await table.get(shop.id) is None
            rollout = RolloutPolicy(
                max_old_application_versions=2, max_executors_for_old_application_versions=2**40
            )
            for policy in (
                AutoscalingPolicy(queue="a"),
                AutoscalingPolicy(queue="b", rollout=rollout),
                AutoscalingPolicy(queue="b", rollout=RolloutPolicy()),
            ):
                await table.set(shop.id, policy, now=NOW)
                assert await table.get(shop.id) == policy
            with pytest.raises(NotFoundError):
                await table.set("nobody", AutoscalingPolicy(queue="a"), now=NOW)
            assert await table.delete(shop.id)
            assert not await table.delete(shop.id)
            await table.set(shop.id, AutoscalingPolicy(queue="a"), now=NOW)
            await Applications(db).delete(shop.id)
            assert await table.get(shop.id) is None

        run(body)


class TestRenamingApiKeys:
    def test_keeps_all_but_the_name(self, run: Run) -> None:
        async def body(db: Database) -> None:
            table, shop = ApiKeys(db), await _application(db)
            record = ApiKeyRecord(
                id="k1",
                organization_id="local",
                name="ci",
                secret_hash="$argon2id$...",
                permissions=("metric.read",),
                application_ids=(shop.id,),
                all_applications=False,
                created_at=NOW,
            )
            await table.create(record)
            await table.create(
                msgspec.structs.replace(record, id="k2", name="cd", application_ids=(), all_applications=True)
            )
            renamed = msgspec.structs.replace(record, name="builds")
            assert await table.rename("k1", "builds") == renamed
            assert await table.rename("k1", "builds") == renamed
            assert await table.by_id("k1") == renamed
            assert await table.rename("nobody", "other") is None
            with pytest.raises(ConflictError, match="cd exists"):
                await table.rename("k1", "cd")
            assert await table.by_id("k1") == renamed

        run(body)


class TestAuditLog:
    def _entry(self, minutes: int, organization_id: str = "local", **changes: Any) -> NewAuditEntry:
        return msgspec.structs.replace(
            NewAuditEntry(
                organization_id=organization_id,
                emitted_at=NOW + timedelta(minutes=minutes),
                operation="executor.recovery",
                status="success",
                subject_type="system",
                subject_id="conductor",
                subject_display="conductor",
                target_type="application",
                target_id="shop",
            ),
            **changes,
        )

    def test_pruning_is_bounded_oldest_first_and_of_one_organization(self, run: Run) -> None:
        async def body(db: Database) -> None:
            log = AuditLog(db)
            await log.append([self._entry(minutes) for minutes in (2, 0, 1, 3)] + [self._entry(0, "o2")])
            assert await log.prune("local", NOW + timedelta(minutes=3), limit=2) == 2
            left = [entry.emitted_at - NOW for entry in await log.list("local")]
            assert left == [timedelta(minutes=3), timedelta(minutes=2)]
            assert await log.prune("local", NOW + timedelta(minutes=3), limit=2) == 1
            assert len(await log.list("o2")) == 1

        run(body)

    def test_counting_tells_all_that_it_is_asked_to_apart(self, run: Run) -> None:
        async def body(db: Database) -> None:
            log = AuditLog(db)
            await log.append(
                [
                    self._entry(0),
                    self._entry(9),
                    self._entry(-1),
                    self._entry(10),
                    self._entry(5, "o2"),
                    self._entry(5, status="failure"),
                    self._entry(5, operation="application.update"),
                    self._entry(5, target_id="bank"),
                ]
            )
            count = await log.count(
                "local",
                start=NOW,
                end=NOW + timedelta(minutes=10),
                operation="executor.recovery",
                status="success",
                target="shop",
            )
            assert count == 2

        run(body)
