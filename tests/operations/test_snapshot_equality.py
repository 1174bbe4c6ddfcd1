"""A search means the same to snapshots as to a real SDK: the same filters over the same workflows."""

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from dbos._conductor.protocol import WorkflowsOutput
from dbos._schemas.system_database import SystemSchema
from dbos._serialization import DefaultSerializer
from dbos._sys_db import SystemDatabase
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conductor_lite.operations.snapshot_filters import snapshot_filters
from conductor_lite.policies.snapshot_sync import to_snapshot
from conductor_lite.protocol import WorkflowFilters, WorkflowRecord
from conductor_lite.store import snapshot_search
from conductor_lite.store.applications import Applications
from conductor_lite.store.database import Database
from conductor_lite.store.snapshot_search import SnapshotSearch
from conductor_lite.store.snapshots import Snapshots

START = datetime(2026, 11, 1, tzinfo=UTC)
START_MS = int(START.timestamp() * 1_000)
ROWS = 400
STATUSES = ["PENDING", "ENQUEUED", "DELAYED", "SUCCESS", "ERROR", "CANCELLED", "NEWER_WORD"]
IDS = [f"wf-{number:03}-{'abc'[number % 3]}" for number in range(ROWS)]


def _rows() -> Iterator[dict[str, Any]]:
    chance = random.Random(11)

    def sometimes(*values: str) -> str | None:
        return chance.choice((None, *values))

    for number, workflow_id in enumerate(IDS):
        # No two at one time: which of those comes first, no SDK says.
        created = START_MS + number * 1_000 + chance.randrange(1_000)
        status = chance.choice(STATUSES)
        ended = status in ("SUCCESS", "ERROR", "CANCELLED")
        took = chance.choice((0, 1, 50, 5_000, 90_000, -3))
        yield {
            "workflow_uuid": workflow_id,
            "status": status,
            "name": chance.choice(("charge", "ship", "mail")),
            "authenticated_user": sometimes("ann", "bob"),
            "created_at": created,
            "updated_at": created + 7,
            "application_version": chance.choice(("1", "2")),
            "executor_id": chance.choice(("e1", "e2", "e3")),
            "queue_name": sometimes("fast", "slow"),
            "priority": 0,
            "forked_from": sometimes(*IDS[:3]) if chance.random() < 0.2 else None,
            "was_forked_from": chance.random() < 0.1,
            "parent_workflow_id": sometimes(*IDS[:5]) if chance.random() < 0.4 else None,
            "started_at_epoch_ms": created + max(0, took) // 2 if chance.random() < 0.7 else None,
            "completed_at": created + took if ended else None,
            "schedule_name": sometimes("nightly") if chance.random() < 0.2 else None,
        }


@pytest.fixture(scope="module")
def system_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemDatabase]:
    """The database of a real application, with workflows of all kinds."""
    path = tmp_path_factory.mktemp("app") / "app.sqlite"
    database = SystemDatabase.create(
        system_database_url=f"sqlite:///{path}",
        engine_kwargs={},
        engine=None,
        schema=None,
        serializer=DefaultSerializer(),
        executor_id="e1",
    )
    database.run_migrations()
    with database.engine.begin() as connection:
        connection.execute(SystemSchema.workflow_status.insert(), list(_rows()))
    yield database
    database.destroy()


def _ask(database: SystemDatabase, filters: WorkflowFilters) -> list[WorkflowRecord]:
    given = msgspec.to_builtins(filters)
    renamed = {
        "workflow_uuids": "workflow_ids",
        "authenticated_user": "user",
        "application_version": "app_version",
        "workflow_name": "name",
    }
    arguments = {renamed.get(name, name): value for name, value in given.items()}
    found = database.list_workflows(**{**arguments, "load_input": False, "load_output": False})
    told = [asdict(WorkflowsOutput.from_workflow_information(info)) for info in found]
    return msgspec.json.decode(json.dumps(told), type=list[WorkflowRecord], strict=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, system_database: SystemDatabase) -> Path:
    """A data folder with snapshots of all of them."""
    folder = tmp_path_factory.mktemp("data")

    async def fill() -> None:
        db = await Database.open(folder)
        application, _ = await Applications(db).register("local", "shop", now=START)
        store = Snapshots(db)
        source = await store.ensure_source(application.id)
        records = _ask(system_database, WorkflowFilters())
        assert len(records) == ROWS
        await store.save(source.number, [to_snapshot(record) for record in records])
        await db.close()

    asyncio.run(fill())
    return folder


def _some(*values: str) -> st.SearchStrategy[list[str] | None]:
    return st.none() | st.lists(st.sampled_from(values), min_size=1, max_size=3)


_MOMENTS = st.none() | st.integers(-1_000, ROWS * 1_000).map(
    lambda ms: (START + timedelta(milliseconds=ms)).isoformat()
)
_FILTERS = st.builds(
    WorkflowFilters,
    workflow_ids=st.none() | st.lists(st.sampled_from([*IDS, "no-such"]), min_size=1, max_size=40),
    workflow_id_prefix=_some("wf-", "wf-1", "wf-10", "wf-399", "x", "wf_", "%"),
    workflow_name=_some("charge", "ship", "mail", "none"),
    status=_some(*STATUSES),
    authenticated_user=_some("ann", "bob"),
    application_version=_some("1", "2"),
    executor_id=_some("e1", "e2", "e3", "e4"),
    queue_name=_some("fast", "slow"),
    schedule_name=_some("nightly"),
    parent_workflow_id=_some(*IDS[:5]),
    forked_from=_some(*IDS[:3]),
    was_forked_from=st.none() | st.booleans(),
    has_parent=st.none() | st.booleans(),
    queues_only=st.none() | st.booleans(),
    start_time=_MOMENTS,
    end_time=_MOMENTS,
    completed_after=_MOMENTS,
    completed_before=_MOMENTS,
    dequeued_after=_MOMENTS,
    dequeued_before=_MOMENTS,
    sort_desc=st.none() | st.booleans(),
    limit=st.none() | st.integers(1, ROWS),
    offset=st.none() | st.integers(1, 50),
)


def _with_few(filters: WorkflowFilters, kept: set[str]) -> WorkflowFilters:
    """Only some of the filters: all together find nothing."""
    window = {"limit", "offset", "sort_desc"}
    names = [name for name in filters.__struct_fields__ if name not in kept | window]
    return msgspec.structs.replace(filters, **dict.fromkeys(names))


_NAMES = [name for name in WorkflowFilters.__struct_fields__ if name not in ("load_input", "load_output")]


# SQLite itself has no offset without a limit.
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    filters=st.builds(_with_few, _FILTERS, st.sets(st.sampled_from(_NAMES), max_size=3)),
    few=st.sampled_from((0, 20, 5_000)),
)
def test_the_same_filters_give_the_same(
    system_database: SystemDatabase, folder: Path, filters: WorkflowFilters, few: int
) -> None:
    async def search() -> list[WorkflowRecord]:
        db = await Database.open(folder)
        try:
            application = await Applications(db).get("local", "shop")
            assert application is not None
            source = await Snapshots(db).source(application.id)
            assert source is not None
            found, after, offset = [], None, filters.offset or 0
            wanted = filters.limit or ROWS
            while len(found) < wanted:
                page, after = await SnapshotSearch(db).page(
                    source.number,
                    snapshot_filters(filters),
                    after=after,
                    offset=offset,
                    limit=min(37, wanted - len(found)),
                    descending=bool(filters.sort_desc),
                )
                found += page
                offset = 0
                if after is None:
                    break
            return found
        finally:
            await db.close()

    expected = [to_snapshot(record) for record in _ask(system_database, filters)]
    with pytest.MonkeyPatch.context() as patch:
        # Which filter leads, and how, must not matter.
        patch.setattr(snapshot_search, "FEW", few)
        patch.setattr(snapshot_search, "FIRST_STEP", max(1, few))
        patch.setattr(snapshot_search, "MANY_PASSED", few)
        assert asyncio.run(search()) == expected
