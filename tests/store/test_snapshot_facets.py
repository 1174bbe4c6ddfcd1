"""Searches by several filters at once against a plain reading of them, while workflows change and go.

What a filter means to an SDK is tested in `tests/operations/test_snapshot_equality.py`.
"""

import asyncio
import json
import random
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import event

from conductor_lite.store import revisions, snapshot_search, snapshots
from conductor_lite.store.applications import Applications
from conductor_lite.store.database import Database
from conductor_lite.store.snapshot_attributes import facts_asked_for, facts_of
from conductor_lite.store.snapshot_classes import duration_class
from conductor_lite.store.snapshot_records import Place, SnapshotFilters, WorkflowSnapshot
from conductor_lite.store.snapshot_search import SnapshotSearch
from conductor_lite.store.snapshots import Snapshots

Run = Callable[[Callable[[Database], Awaitable[Any]]], Any]

T0 = 1_760_000_000_000
ROWS = 400
STATUSES = ("PENDING", "SUCCESS", "ERROR", "CANCELLED")
QUEUES = ("fast", "slow", "bulk")
#: What is asked for, of what workflows may have.
ATTRIBUTES: tuple[dict[str, Any], ...] = (
    {"tier": "gold"},
    {"tier": "gold", "shop": "ship"},
    {"tags": ["a"], "shop": "mail"},
    {"tags": ["a", "b"]},
)


#: What was made from workflows, and of how many facts it is not what their workflow has.
MADE = "SELECT workflow_id, facet || ' ' || marks FROM workflow_snapshots"
ASTRAY = (
    "SELECT count(*) FROM workflow_snapshot_attributes AS f"
    " JOIN workflow_snapshots AS w ON w.id = f.snapshot_id"
    " WHERE f.facet IS NOT w.facet OR f.marks IS NOT w.marks"
)


def _workflow(number: int, chance: random.Random) -> WorkflowSnapshot:
    """Versions follow each other, several workflows are created at one time, and some things never meet."""
    name = chance.choice(("charge", "ship", "mail"))
    status = chance.choice(STATUSES)
    created = T0 + number // 4
    attributes = {"tier": chance.choice(("gold", "none")), "shop": name, "tags": chance.sample("abc", 2)}
    return WorkflowSnapshot(
        workflow_id=f"{chance.choice(('batch-of-', 'w-'))}{number:03}",
        created_at_epoch_ms=created,
        status="SUCCESS" if name == "ship" and status == "ERROR" else status,
        finished=status != "PENDING",
        workflow_name=name,
        authenticated_user=chance.choice(("ann", "bob", None)),
        queue_name=chance.choice((*QUEUES, None)) if name != "mail" else None,
        application_version=str(number * 4 // ROWS),
        executor_id=chance.choice("ab"),
        was_forked_from=chance.choice((True, False, None)),
        forked_from="w-001" if chance.random() < 0.2 else None,
        parent_workflow_id="w-000" if chance.random() < 0.2 else None,
        dequeued_at_epoch_ms=created + chance.randrange(5) if chance.random() < 0.5 else None,
        completed_at_epoch_ms=created + chance.randrange(9) if status != "PENDING" else None,
        attributes=json.dumps(attributes) if chance.random() < 0.7 else None,
        schedule_name="nightly" if name == "mail" and chance.random() < 0.5 else None,
        application_name=chance.choice(("shop", None)),
    )


def _filters(chance: random.Random) -> SnapshotFilters:
    names = ("charge", "ship", "mail", "never")
    values: dict[str, Any] = {
        "workflow_name": tuple(chance.sample(names, chance.randrange(1, 3))),
        "status": tuple(chance.sample(STATUSES, chance.randrange(1, 4))),
        "queue_name": tuple(chance.sample(QUEUES, chance.randrange(1, 3))),
        "application_version": tuple(chance.sample("0123", chance.randrange(1, 4))),
        "schedule_name": ("nightly",),
        "application_name": ("shop",),
        "was_forked_from": chance.random() < 0.5,
        "has_parent": chance.random() < 0.5,
        "queues_only": True,
        "authenticated_user": ("ann",),
        "executor_id": ("a",),
        "parent_workflow_id": ("w-000", "never"),
        "forked_from": ("w-001",),
        "workflow_id_prefix": chance.choice((("batch-of-",), ("w", "batch-of-2"), ("bat",), ("w-1", "w-10"))),
        "facts": facts_asked_for(chance.choice(ATTRIBUTES)),
        "completed": (T0 + chance.randrange(100), chance.choice((None, T0 + 60))),
        "dequeued": (None, T0 + chance.randrange(100)),
        "created": (T0 + chance.randrange(50), T0 + 50 + chance.randrange(50)),
    }
    return SnapshotFilters(
        **{name: values[name] for name in chance.sample(sorted(values), chance.randrange(2, 6))}
    )


def _matches(item: WorkflowSnapshot, filters: SnapshotFilters) -> bool:
    for name in ("workflow_name", "status", "queue_name", "application_version", "schedule_name"):
        if getattr(filters, name) and getattr(item, name) not in getattr(filters, name):
            return False
    for name in ("authenticated_user", "executor_id", "parent_workflow_id", "forked_from"):
        if getattr(filters, name) and getattr(item, name) not in getattr(filters, name):
            return False
    if filters.workflow_id_prefix and not item.workflow_id.startswith(filters.workflow_id_prefix):
        return False
    if not facts_of(item.attributes).issuperset(filters.facts):
        return False
    for kind in ("created", "completed", "dequeued"):
        at, (first, last) = getattr(item, f"{kind}_at_epoch_ms"), getattr(filters, kind)
        if (first is not None or last is not None) and at is None:
            return False
        if (first is not None and at < first) or (last is not None and at > last):
            return False
    return (
        (not filters.application_name or item.application_name in (*filters.application_name, None))
        and filters.was_forked_from in (None, item.was_forked_from)
        and filters.has_parent in (None, item.parent_workflow_id is not None)
        and (item.queue_name is not None or not filters.queues_only)
    )


class Shelf:
    """A store of snapshots, and what it should hold, in the order of creation."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.store = Snapshots(db)
        self.number = 0
        self.items: dict[str, WorkflowSnapshot] = {}

    async def save(self, items: list[WorkflowSnapshot]) -> None:
        """Save workflows for an application, the first time a new one."""
        application, _ = await Applications(self.db).register("local", "shop", now=datetime.now(UTC))
        self.number = (await self.store.ensure_source(application.id)).number
        await self.store.save(self.number, items)
        self.items |= {item.workflow_id: item for item in items}

    async def compare(self, searches: int, chance: random.Random) -> None:
        """Search at random, page by page or with a part passed over."""
        for _ in range(searches):
            filters, descending = _filters(chance), chance.random() < 0.5
            expected = [item.workflow_id for item in self.items.values() if _matches(item, filters)]
            if descending:
                expected.reverse()
            assert await self.pages(filters, descending=descending) == expected, filters
            offset = chance.randrange(len(expected) + 2)
            page, _ = await SnapshotSearch(self.db).page(
                self.number, filters, offset=offset, limit=5, descending=descending
            )
            assert [item.workflow_id for item in page] == expected[offset : offset + 5], filters

    async def pages(self, filters: SnapshotFilters, *, descending: bool) -> list[str]:
        """The ids of everything that matches, page by page."""
        found: list[str] = []
        after: Place | None = None
        while True:
            page, after = await SnapshotSearch(self.db).page(
                self.number, filters, after=after, limit=23, descending=descending
            )
            found += [item.workflow_id for item in page]
            assert [self.items[item.workflow_id] for item in page] == page
            if len(page) < 23:
                return found

    async def facets(self) -> tuple[set[Any], set[Any]]:
        """Those in their table, and those that workflows have."""
        async with self.db.read() as connection:
            there = await connection.exec_driver_sql("SELECT source, number FROM workflow_snapshot_facets")
            had = await connection.exec_driver_sql("SELECT source, facet FROM workflow_snapshots")
            return {tuple(row) for row in there}, {tuple(row) for row in had}

    async def made(self) -> tuple[dict[str, str], int]:
        """The facet and marks of each workflow, and how many facts have others."""
        async with self.db.read() as connection:
            made = [tuple(row) for row in await connection.exec_driver_sql(MADE)]
            return dict(made), (await connection.exec_driver_sql(ASTRAY)).scalar_one()


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few workflows are many."""
    monkeypatch.setattr(snapshot_search, "FEW", 20)
    monkeypatch.setattr(snapshot_search, "FIRST_STEP", 10)
    monkeypatch.setattr(snapshot_search, "FACETS_SIDE_BY_SIDE", 20)
    monkeypatch.setattr(snapshot_search, "MANY_FACETS", 100)
    monkeypatch.setattr(snapshot_search, "SOON", 1)


@pytest.mark.usefixtures("small_steps")
def test_any_filters_find_what_matches_all_of_them_whatever_changes(run: Run) -> None:
    chance = random.Random(5)

    async def body(db: Database) -> None:
        shelf = Shelf(db)
        await shelf.save([_workflow(number, chance) for number in range(ROWS)])
        await shelf.compare(60, chance)
        changed = [
            msgspec.structs.replace(item, status=chance.choice(STATUSES), queue_name=chance.choice(QUEUES))
            for item in chance.sample(list(shelf.items.values()), 150)
        ]
        await shelf.save(changed)
        gone = chance.sample(sorted(shelf.items), 100)
        await shelf.store.remove(shelf.number, gone)
        shelf.items = {key: item for key, item in shelf.items.items() if key not in gone}
        # The oldest two versions go, and with them facets that nobody else has.
        floor = T0 + ROWS // 8
        while await shelf.store.prune(shelf.number, finished_before=0, floor=floor):
            pass
        shelf.items = {key: one for key, one in shelf.items.items() if one.created_at_epoch_ms >= floor}
        await shelf.compare(40, chance)
        there, had = await shelf.facets()
        assert there > had
        await shelf.store.prune_facets(shelf.number)
        assert await shelf.facets() == (had, had)
        await shelf.compare(20, chance)

    run(body)


@pytest.mark.usefixtures("small_steps")
def test_what_an_older_version_saved_is_found_before_it_has_facets_and_after(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(6)
    items = [_workflow(number, chance) for number in range(ROWS)]
    with monkeypatch.context() as patch:
        patch.setattr(revisions, "HEAD_REVISION", "0010")
        revisions.prepare(folder / "conductor.db", busy_timeout_secs=1)
    with closing(sqlite3.connect(folder / "conductor.db")) as connection, connection:
        connection.execute(
            "INSERT INTO applications (id, organization_id, name, created_at, updated_at,"
            " executor_timeout_secs, private_mode) VALUES ('a1', 'local', 'shop', 1, 2, 60, 0)"
        )
        connection.execute(
            "INSERT INTO snapshot_sources (number, application_id, progress) VALUES (1, 'a1', '{}')"
        )
        names = WorkflowSnapshot.__struct_fields__
        connection.executemany(
            f"INSERT INTO workflow_snapshots (source, completed_class, dequeued_class, {', '.join(names)})"
            f" VALUES (1, ?, ?, {', '.join('?' * len(names))})",
            [
                (
                    duration_class(item.created_at_epoch_ms, item.completed_at_epoch_ms),
                    duration_class(item.created_at_epoch_ms, item.dequeued_at_epoch_ms),
                    *msgspec.structs.astuple(item),
                )
                for item in items
            ],
        )
        connection.executemany(
            "INSERT INTO workflow_snapshot_attributes (source, fact, created_at_epoch_ms, snapshot_id)"
            " VALUES (1, ?, ?, ?)",
            [
                (fact, item.created_at_epoch_ms, row_id)
                for row_id, item in enumerate(items, 1)
                for fact in facts_of(item.attributes)
            ],
        )

    async def body(db: Database) -> None:
        shelf = Shelf(db)
        shelf.items = {item.workflow_id: item for item in items}
        # One of them changes before its turn comes.
        await shelf.save([msgspec.structs.replace(items[300], status="ERROR", workflow_name="ship")])
        await shelf.compare(20, chance)
        given = []
        while batch := await shelf.store.assign_facets():
            given.append(batch)
            if len(given) == 4:
                # Half of them are without.
                await shelf.compare(20, chance)
        assert sum(given) == ROWS - 1
        assert max(given) == snapshots.BATCH_SIZE
        await shelf.compare(20, chance)
        there, had = await shelf.facets()
        assert there == had
        assert (1, None) not in had
        # Facts say the same, and so would have been saved by this version.
        made = await shelf.made()
        assert made[1] == 0
        await shelf.save(list(shelf.items.values()))
        assert await shelf.made() == made

    run(body)


@pytest.mark.usefixtures("small_steps")
def test_filters_that_never_match_together_look_at_few_workflows(run: Run) -> None:
    chance = random.Random(7)
    filters = SnapshotFilters(workflow_name=("ship",), status=("ERROR",))
    statements: list[str] = []

    async def body(db: Database) -> None:
        shelf = Shelf(db)
        await shelf.save([_workflow(number, chance) for number in range(ROWS)])
        engine = db._readers.sync_engine
        event.listen(engine, "before_cursor_execute", lambda *heard: statements.append(heard[2]))
        assert await SnapshotSearch(db).page(shelf.number, filters, limit=10) == ([], None)

    run(body)
    assert "c.status" in statements[-1]
    # One short look ahead, and at what was there.
    assert len([statement for statement in statements if "FROM workflow_snapshots AS w" in statement]) == 4


@pytest.mark.parametrize("descending", [False, True])
def test_more_facets_at_one_time_than_are_followed_side_by_side(
    run: Run, monkeypatch: pytest.MonkeyPatch, descending: bool
) -> None:
    monkeypatch.setattr(snapshot_search, "FEW", 0)
    monkeypatch.setattr(snapshot_search, "SOON", 0)
    monkeypatch.setattr(snapshot_search, "FACETS_SIDE_BY_SIDE", 2)
    filters = SnapshotFilters(status=("SUCCESS",), workflow_name=("charge",))
    items = [
        WorkflowSnapshot(
            workflow_id=f"w-{number:03}",
            # Many at one time, then one after the other, then many again.
            created_at_epoch_ms=T0 + min(max(number - 40, 0), 20),
            status="ERROR" if number % 4 == 0 else "SUCCESS",
            finished=True,
            workflow_name="charge",
            application_version=str(number % 5),
        )
        for number in range(100)
    ]

    async def body(db: Database) -> None:
        shelf = Shelf(db)
        await shelf.save(items)
        expected = [item.workflow_id for item in items if _matches(item, filters)]
        if descending:
            expected.reverse()
        assert await asyncio.wait_for(shelf.pages(filters, descending=descending), 30) == expected
        for offset, limit in ((0, 7), (3, 7), (33, 20), (70, 9)):
            page, _ = await SnapshotSearch(db).page(
                shelf.number, filters, offset=offset, limit=limit, descending=descending
            )
            assert [item.workflow_id for item in page] == expected[offset : offset + limit]

    run(body)


def test_an_application_of_too_many_facets_is_searched_without(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_search, "TOO_MANY_FACETS", 10)
    chance = random.Random(8)

    async def body(db: Database) -> None:
        shelf = Shelf(db)
        await shelf.save([_workflow(number, chance) for number in range(ROWS)])
        await shelf.compare(20, chance)

    run(body)
