"""Applications, API keys, executors and the audit log, each on a real file."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from conductor_lite.errors import ConflictError, InvalidError, NotFoundError
from conductor_lite.store import executors as store_of_executors
from conductor_lite.store.applications import SETTINGS, Applications
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.database import Database
from conductor_lite.store.executors import Executors
from conductor_lite.store.keys import ApiKeys
from conductor_lite.store.organizations import Organizations
from conductor_lite.store.records import (
    ApiKeyRecord,
    ApplicationRecord,
    AuditEntry,
    AuditReach,
    ExecutorRecord,
    NewAuditEntry,
)

NOW = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
Run = Callable[[Callable[[Database], Any]], Any]


def _key(name: str = "ci", **changes: Any) -> ApiKeyRecord:
    return msgspec.structs.replace(
        ApiKeyRecord(
            id=f"id-{name}",
            organization_id="local",
            name=name,
            secret_hash="$argon2id$...",
            permissions=("application:connect", "workflow:read"),
            application_ids=(),
            all_applications=True,
            created_at=NOW,
        ),
        **changes,
    )


def _executor(application: ApplicationRecord, executor_id: str = "e1", **changes: Any) -> ExecutorRecord:
    return msgspec.structs.replace(
        ExecutorRecord(
            application_id=application.id,
            executor_id=executor_id,
            application_version="v1",
            status="HEALTHY",
            hostname="host",
            language="python",
            dbos_version="2.31.1",
            executor_metadata={"zone": "a", "cores": 4, "tags": ["x", None]},
            created_at=NOW,
            updated_at=NOW,
            last_seen_at=NOW,
        ),
        **changes,
    )


async def _application(db: Database, name: str = "shop", now: datetime = NOW) -> ApplicationRecord:
    record, _ = await Applications(db).register("local", name, now=now)
    return record


def test_the_local_organization_is_there(run: Run) -> None:
    async def body(db: Database) -> None:
        local = await Organizations(db).by_name("local")
        assert local is not None
        assert local.id == "local"
        assert await Organizations(db).by_name("other") is None

    run(body)


class TestApplications:
    def test_registering_makes_one_with_the_documented_defaults(self, run: Run) -> None:
        async def body(db: Database) -> None:
            record, created = await Applications(db).register("local", "shop", now=NOW)
            assert created
            assert record == ApplicationRecord(
                id=record.id, organization_id="local", name="shop", created_at=NOW, updated_at=NOW
            )
            assert await Applications(db).get("local", "shop") == record
            assert await Applications(db).by_id(record.id) == record

        run(body)

    def test_registering_again_finds_it_and_changes_nothing(self, run: Run) -> None:
        async def body(db: Database) -> None:
            first, _ = await Applications(db).register("local", "shop", now=NOW, executor_timeout_secs=10)
            again, created = await Applications(db).register(
                "local", "shop", now=LATER, executor_timeout_secs=10
            )
            assert not created
            assert again == first

        run(body)

    def test_registering_again_applies_its_privacy_and_leaves_its_timeout(self, run: Run) -> None:
        async def body(db: Database) -> None:
            first, _ = await Applications(db).register("local", "shop", now=NOW, executor_timeout_secs=10)
            again, created = await Applications(db).register(
                "local", "shop", now=LATER, private_mode=True, executor_timeout_secs=60
            )
            assert not created
            assert again == msgspec.structs.replace(first, private_mode=True, updated_at=LATER)

        run(body)

    def test_of_many_registering_at_once_exactly_one_makes_it(self, run: Run) -> None:
        async def body(db: Database) -> None:
            made = await asyncio.gather(
                *(Applications(db).register("local", "shop", now=NOW) for _ in range(50))
            )
            assert sum(created for _, created in made) == 1
            assert len({record.id for record, _ in made}) == 1

        run(body)

    def test_an_unknown_organization_is_not_found(self, run: Run) -> None:
        async def body(db: Database) -> None:
            with pytest.raises(NotFoundError, match="nobody"):
                await Applications(db).register("nobody", "shop", now=NOW)

        run(body)

    def test_listing_is_by_name(self, run: Run) -> None:
        async def body(db: Database) -> None:
            for name in ("b", "c", "a"):
                await _application(db, name)
            assert [record.name for record in await Applications(db).list("local")] == ["a", "b", "c"]
            assert await Applications(db).list("other") == []

        run(body)

    def test_update_changes_what_is_named_and_nothing_else(self, run: Run) -> None:
        async def body(db: Database) -> None:
            before = await _application(db)
            changes = {"gc_time_threshold_ms": 86_400_000_000, "gc_rows_threshold": None}
            after = await Applications(db).update(before.id, changes, now=LATER)
            assert after == msgspec.structs.replace(before, **changes, updated_at=LATER)
            assert await Applications(db).update("gone", changes, now=LATER) is None

        run(body)

    @pytest.mark.parametrize(
        "changes",
        [
            {"id": "x"},
            {"name": "x"},
            {"nonsense": 1},
            {"executor_timeout_secs": "60"},
            {"executor_timeout_secs": None},
            {"private_mode": 1},
        ],
    )
    def test_update_refuses_what_is_no_setting_or_of_the_wrong_type(
        self, run: Run, changes: dict[str, object]
    ) -> None:
        async def body(db: Database) -> None:
            before = await _application(db)
            with pytest.raises(InvalidError) as refused:
                await Applications(db).update(before.id, {**changes, "language": "go"}, now=LATER)
            assert [error.location for error in refused.value.errors] == list(changes)
            assert await Applications(db).by_id(before.id) == before

        run(body)

    def test_every_setting_is_a_field(self) -> None:
        assert set(ApplicationRecord.__struct_fields__) > SETTINGS

    def test_language_is_noted_without_counting_as_a_change(self, run: Run) -> None:
        async def body(db: Database) -> None:
            before = await _application(db)
            await Applications(db).set_language(before.id, "typescript")
            after = await Applications(db).by_id(before.id)
            assert after == msgspec.structs.replace(before, language="typescript")

        run(body)

    def test_deleting_takes_its_executors_along_and_no_others(self, run: Run) -> None:
        async def body(db: Database) -> None:
            gone, kept = await _application(db, "gone"), await _application(db, "kept")
            await Executors(db).save([_executor(gone), _executor(kept)])
            assert await Applications(db).delete(gone.id)
            assert not await Applications(db).delete(gone.id)
            assert [record.application_id for record in await Executors(db).all()] == [kept.id]

        run(body)


class TestApiKeys:
    def test_a_key_comes_back_as_it_was_made(self, run: Run) -> None:
        async def body(db: Database) -> None:
            a, b = await _application(db, "a"), await _application(db, "b")
            limited = _key("limited", all_applications=False, application_ids=tuple(sorted((a.id, b.id))))
            keys = ApiKeys(db)
            await keys.create(limited)
            await keys.create(_key("all"))
            assert await keys.list("local") == [_key("all"), limited]
            assert await keys.by_id(limited.id) == limited
            assert await keys.by_name("local", "limited") == limited
            assert await keys.by_id("none") is None

        run(body)

    def test_a_taken_name_or_id_is_a_conflict_and_changes_nothing(self, run: Run) -> None:
        async def body(db: Database) -> None:
            keys = ApiKeys(db)
            await keys.create(_key())
            for taken in (_key(id="another"), _key("another", id="id-ci")):
                with pytest.raises(ConflictError, match=taken.name):
                    await keys.create(taken)
            assert await keys.list("local") == [_key()]

        run(body)

    def test_unknown_applications_and_organizations_are_not_found(self, run: Run) -> None:
        async def body(db: Database) -> None:
            for unknown in (
                _key(all_applications=False, application_ids=("nope",)),
                _key(organization_id="nope"),
            ):
                with pytest.raises(NotFoundError, match="nope"):
                    await ApiKeys(db).create(unknown)
            assert await ApiKeys(db).list("local") == []

        run(body)

    def test_a_key_cannot_cover_all_and_name_some(self, run: Run) -> None:
        async def body(db: Database) -> None:
            with pytest.raises(InvalidError):
                await ApiKeys(db).create(_key(application_ids=("x",)))

        run(body)

    def test_a_limited_key_stays_limited_when_its_applications_are_deleted(self, run: Run) -> None:
        async def body(db: Database) -> None:
            application = await _application(db)
            limited = _key(all_applications=False, application_ids=(application.id,))
            await ApiKeys(db).create(limited)
            await Applications(db).delete(application.id)
            assert await ApiKeys(db).by_id(limited.id) == msgspec.structs.replace(limited, application_ids=())

        run(body)

    def test_revoking_gives_the_key_back_once(self, run: Run) -> None:
        async def body(db: Database) -> None:
            application = await _application(db)
            limited = _key(all_applications=False, application_ids=(application.id,))
            await ApiKeys(db).create(limited)
            assert await ApiKeys(db).revoke(limited.id) == limited
            assert await ApiKeys(db).revoke(limited.id) is None
            assert await ApiKeys(db).by_id(limited.id) is None
            await ApiKeys(db).create(limited)

        run(body)


class TestExecutors:
    def test_a_record_comes_back_as_it_was_saved(self, run: Run) -> None:
        async def body(db: Database) -> None:
            application = await _application(db)
            bare = _executor(
                application, "e2", hostname=None, language=None, dbos_version=None, executor_metadata=None
            )
            assert await Executors(db).save([_executor(application), bare]) == frozenset()
            assert await Executors(db).list(application.id) == [_executor(application), bare]

        run(body)

    def test_the_same_id_with_another_version_is_another_record(self, run: Run) -> None:
        async def body(db: Database) -> None:
            application = await _application(db)
            records = [_executor(application, application_version=version) for version in ("v1", "v2")]
            await Executors(db).save(records)
            assert await Executors(db).all() == records

        run(body)

    def test_saving_again_replaces_all_but_created_at(self, run: Run) -> None:
        async def body(db: Database) -> None:
            application = await _application(db)
            await Executors(db).save([_executor(application)])
            newer = _executor(
                application,
                status="DEAD",
                hostname="other",
                language="go",
                dbos_version="3",
                executor_metadata=None,
                created_at=LATER,
                updated_at=LATER,
                last_seen_at=LATER,
            )
            await Executors(db).save([newer])
            assert await Executors(db).all() == [msgspec.structs.replace(newer, created_at=NOW)]

        run(body)

    def test_records_of_a_deleted_application_are_left_out_and_named(self, run: Run) -> None:
        async def body(db: Database) -> None:
            gone, kept = await _application(db, "gone"), await _application(db, "kept")
            await Applications(db).delete(gone.id)
            assert await Executors(db).save([_executor(gone), _executor(kept)]) == {gone.id}
            assert await Executors(db).all() == [_executor(kept)]

        run(body)

    def test_status_touch_and_delete_reach_exactly_the_named_records(self, run: Run) -> None:
        async def body(db: Database) -> None:
            application, other = await _application(db), await _application(db, "other")
            executors = Executors(db)
            records = [
                _executor(application, "e1"),
                _executor(application, "e1", application_version="v2"),
                _executor(application, "e2"),
                _executor(other, "e1"),
            ]
            await executors.save(records)
            await executors.set_status(application.id, [("e1", "v2"), ("nobody", "v1")], "DEAD", LATER)
            await executors.touch_many(
                [(application.id, "e2", "v1", LATER), (application.id, "nobody", "v1", LATER)]
            )
            await executors.delete(application.id, [("e1", "v1"), ("nobody", "v1")])
            expected = [
                msgspec.structs.replace(records[1], status="DEAD", updated_at=LATER),
                msgspec.structs.replace(records[2], last_seen_at=LATER),
            ]
            assert await executors.list(application.id) == expected
            assert await executors.list(other.id) == [records[3]]

        run(body)

    def test_the_latest_that_were_forgotten_stay_known(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store_of_executors, "MAX_FORGOTTEN", 3)

        async def body(db: Database) -> None:
            application, other = await _application(db), await _application(db, "other")
            executors = Executors(db)
            keys = [("e1", "v1"), ("e2", "v1"), ("e3", "v1"), ("e4", "v1"), ("e5", "v1")]
            await executors.save([_executor(application, id_) for id_, _ in keys])
            await executors.delete(application.id, [*keys[:3], keys[0]])
            assert await executors.forgotten(application.id, keys) == set(keys[:3])
            assert await executors.forgotten(other.id, keys) == set()
            assert await executors.forgotten(application.id, [("e1", "v2")]) == set()
            # Forgotten again, it is the latest.
            await executors.delete(application.id, keys[:1])
            await executors.delete(application.id, keys[3:4])
            assert await executors.forgotten(application.id, keys) == {keys[0], keys[2], keys[3]}
            await Applications(db).delete(application.id)
            await executors.delete(application.id, keys)
            assert await executors.forgotten(application.id, keys) == set()

        run(body)

    def test_empty_batches_do_nothing(self, run: Run) -> None:
        async def body(db: Database) -> None:
            executors = Executors(db)
            assert await executors.save([]) == frozenset()
            await executors.set_status("a", [], "DEAD", NOW)
            await executors.touch_many([])
            await executors.delete("a", [])
            assert await executors.forgotten("a", []) == frozenset()
            assert await executors.all() == []

        run(body)


class TestAuditLog:
    @staticmethod
    def entry(minute: int, **changes: Any) -> NewAuditEntry:
        return msgspec.structs.replace(
            NewAuditEntry(
                organization_id="local",
                emitted_at=NOW + timedelta(minutes=minute),
                operation="cancelWorkflow",
                status="success",
                subject_type="api_key",
                subject_id="id-ci",
                subject_display="ci",
                target_type="workflow",
                target_id="wf-1",
                source_ip="127.0.0.1",
                details={"application": "shop", "ids": ["wf-1"]},
            ),
            **changes,
        )

    def test_entries_come_back_newest_first_and_numbered_in_order(self, run: Run) -> None:
        async def body(db: Database) -> None:
            log, entries = AuditLog(db), [self.entry(0), self.entry(1), self.entry(1, operation="second")]
            await log.append(entries)
            await log.append([])
            assert await log.list("local") == [
                AuditEntry(id=number, **msgspec.structs.asdict(entry))
                for number, entry in reversed(list(enumerate(entries, start=1)))
            ]
            assert await log.list("other") == []

        run(body)

    def test_filters_and_pages(self, run: Run) -> None:
        async def body(db: Database) -> None:
            log = AuditLog(db)
            await log.append([self.entry(minute) for minute in range(5)])
            await log.append(
                [
                    self.entry(9, operation="recoverWorkflows", subject_id="conductor", subject_display="it"),
                    self.entry(10, target_type=None, target_id=None, source_ip=None, details={}),
                ]
            )

            async def ids(**filters: Any) -> list[int]:
                return [entry.id for entry in await log.list("local", **filters)]

            assert await ids(operation="recoverWorkflows") == [6]
            assert await ids(subject="conductor") == await ids(subject="it") == [6]
            assert await ids(target="wf-1") == [6, 5, 4, 3, 2, 1]
            one, three = NOW + timedelta(minutes=1), NOW + timedelta(minutes=3)
            assert await ids(start=one, end=three) == [3, 2]
            assert await ids(limit=2, offset=1) == [6, 5]

        run(body)

    def test_pruning_removes_the_old_and_never_reuses_a_number(self, run: Run) -> None:
        async def body(db: Database) -> None:
            log = AuditLog(db)
            await log.append([self.entry(0), self.entry(1)])
            assert await log.prune("local", NOW + timedelta(minutes=1)) == 1
            assert await log.prune("local", NOW + timedelta(minutes=2)) == 1
            await log.append([self.entry(3)])
            assert [entry.id for entry in await log.list("local")] == [3]

        run(body)

    def test_older_entries_go_on_where_a_page_ended_and_new_ones_stay_out(self, run: Run) -> None:
        async def body(db: Database) -> None:
            log = AuditLog(db)
            await log.append([self.entry(minute, status="failure") for minute in (0, 1, 1, 1, 2)])
            first = await log.list("local", status="failure", limit=2)
            await log.append([self.entry(1), self.entry(9)])
            rest = await log.list("local", status="failure", older_than=first[-1])
            assert [entry.id for entry in first + rest] == [5, 4, 3, 2, 1]
            assert [entry.id for entry in await log.list("local", newest_id=5, limit=2)] == [5, 4]
            assert await log.known("local", among=2) == (("cancelWorkflow",), ("ci",))

        run(body)

    def test_a_reach_of_thousands_of_applications_finds_exactly_what_is_within(self, run: Run) -> None:
        async def body(db: Database) -> None:
            log = AuditLog(db)
            ids = frozenset(
                [
                    (await _application(db, f"app-{number}", now=NOW + timedelta(minutes=number))).id
                    for number in (1, 2)
                ]
                + [f"of another that is gone {number}" for number in range(40_000)]
            )
            # Not within.
            await _application(db, "other")
            about_app, about_type = {"application_name": "app-1"}, {"target_type": "application"}
            await log.append(
                [
                    self.entry(0, details=about_app),  # an earlier one of that name
                    self.entry(1, details=about_app),
                    self.entry(1, target_id="app-2", **about_type),  # an earlier one of that name
                    self.entry(2, target_id="app-2", **about_type),
                    self.entry(3, target_id="app-2"),  # a workflow that is called like it
                    self.entry(3, target_id="app-2", details=about_app),
                    self.entry(3, target_id="other", details={"application_name": "other"}, **about_type),
                    self.entry(0, subject_id="me"),
                    self.entry(0, subject_id="me", subject_type="user"),
                ]
            )
            reach = AuditReach(subject_type="api_key", subject_id="me", application_ids=ids)
            found = await log.list("local", reach=reach)
            assert [entry.id for entry in found] == [6, 4, 2, 8]
            assert await log.known("local", among=10, reach=reach) == (("cancelWorkflow",), ("ci",))
            nothing = msgspec.structs.replace(reach, application_ids=frozenset())
            assert [entry.id for entry in await log.list("local", reach=nothing)] == [8]

        run(body)

    @pytest.mark.parametrize("column", ["operation", "target_id", "status"])
    def test_what_is_rare_in_a_long_log_is_found_by_an_index_in_order(self, run: Run, column: str) -> None:
        async def body(db: Database) -> None:
            async with db.read() as connection:
                plan = await connection.exec_driver_sql(
                    f"EXPLAIN QUERY PLAN SELECT * FROM audit_log WHERE organization_id = ? AND {column} = ? "
                    "ORDER BY emitted_at DESC, id DESC LIMIT 20",
                    ("local", "x"),
                )
                steps = [row.detail for row in plan]
            assert len(steps) == 1, "no step besides may put rows in order"
            assert f"INDEX ix_audit_log_organization_id_{column}" in steps[0]

        run(body)
