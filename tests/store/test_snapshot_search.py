"""Searches at their edges: many values, many rows at one time, pages far back, filters that never meet.

That filters mean what they mean to an SDK is tested in `tests/operations/test_snapshot_equality.py`.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event

from conductor_lite.store import snapshot_search
from conductor_lite.store.applications import Applications
from conductor_lite.store.database import Database
from conductor_lite.store.snapshot_records import Place, SnapshotFilters, WorkflowSnapshot
from conductor_lite.store.snapshot_search import SnapshotSearch
from conductor_lite.store.snapshots import Snapshots

Run = Callable[[Callable[[Database], Awaitable[Any]]], Any]

T0 = 1_760_000_000_000
ROWS = 3_000


def _workflow(number: int) -> WorkflowSnapshot:
    return WorkflowSnapshot(
        workflow_id=f"w-{number:05}",
        # Ten at a time.
        created_at_epoch_ms=T0 + number // 10,
        status="ERROR" if number % 3 == 0 else "SUCCESS",
        finished=True,
        workflow_name="even" if number % 2 == 0 else "odd",
        # Never that of an even one.
        queue_name="slow" if number % 2 else "fast",
        application_version=str(number // 1_000),
        completed_at_epoch_ms=T0 + number // 10 + number % 7,
    )


async def _filled(db: Database) -> int:
    application, _ = await Applications(db).register("local", "shop", now=datetime.now(UTC))
    snapshots = Snapshots(db)
    number = (await snapshots.ensure_source(application.id)).number
    await snapshots.save(number, [_workflow(number) for number in range(ROWS)])
    return number


async def _all(db: Database, source: int, filters: SnapshotFilters, **options: Any) -> list[str]:
    """The ids of everything that matches, page by page."""
    found: list[str] = []
    after: Place | None = None
    while True:
        page, after = await SnapshotSearch(db).page(source, filters, after=after, limit=70, **options)
        found += [item.workflow_id for item in page]
        if len(page) < 70:
            return found


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("step", [1, 25, 100_000])
def test_pages_join_whatever_leads_and_however_far_it_looks(
    run: Run, monkeypatch: pytest.MonkeyPatch, step: int, descending: bool
) -> None:
    monkeypatch.setattr(snapshot_search, "FIRST_STEP", step)
    monkeypatch.setattr(snapshot_search, "FEW", 10)
    filters = SnapshotFilters(
        status=("ERROR",), workflow_name=("odd", "none"), application_version=("1", "2")
    )
    expected = [f"w-{number:05}" for number in range(ROWS) if number % 6 == 3 and number >= 1_000]

    async def body(db: Database) -> None:
        source = await _filled(db)
        found = await _all(db, source, filters, descending=descending)
        assert found == (expected[::-1] if descending else expected)

    run(body)


@pytest.mark.parametrize("most_passed", [0, 100_000])
def test_many_may_be_passed_over(run: Run, monkeypatch: pytest.MonkeyPatch, most_passed: int) -> None:
    monkeypatch.setattr(snapshot_search, "FIRST_STEP", 50)
    monkeypatch.setattr(snapshot_search, "MANY_PASSED", most_passed)
    filters = SnapshotFilters(status=("ERROR",), workflow_name=("odd",))

    async def body(db: Database) -> None:
        source = await _filled(db)
        for offset, first in ((0, "w-00003"), (400, "w-02403"), (499, "w-02997"), (500, None)):
            page, _ = await SnapshotSearch(db).page(source, filters, offset=offset, limit=1)
            assert [item.workflow_id for item in page] == ([first] if first else [])

    run(body)


def test_filters_that_never_meet_are_found_out_without_looking_at_rows(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions lie one after the other: that of one is at its end before the other begins."""
    monkeypatch.setattr(snapshot_search, "FIRST_STEP", 100)
    filters = SnapshotFilters(application_version=("2",), created=(None, T0 + 99), status=("SUCCESS",))
    statements: list[str] = []

    async def body(db: Database) -> None:
        source = await _filled(db)
        engine = db._readers.sync_engine
        event.listen(engine, "before_cursor_execute", lambda *heard: statements.append(heard[2]))
        assert await _all(db, source, filters) == []

    run(body)
    assert len([statement for statement in statements if statement.startswith("SELECT w.")]) == 1


def test_more_values_than_are_followed_side_by_side(run: Run) -> None:
    wanted = tuple(f"w-{number:05}" for number in range(0, 2_000, 2))
    many = tuple(f"other-{number}" for number in range(2_000))

    async def body(db: Database) -> None:
        source = await _filled(db)
        assert await _all(db, source, SnapshotFilters(workflow_id=(*wanted, *many))) == list(wanted)
        assert await _all(db, source, SnapshotFilters(workflow_id_prefix=(*wanted, *many))) == list(wanted)
        # Prefixes that overlap find nothing twice.
        overlapping = SnapshotFilters(workflow_id_prefix=("w-0000", "w-00001", "w-00", "w-0000"))
        assert len(await _all(db, source, overlapping)) == 1_000
        versions = SnapshotFilters(application_version=(*many[:100], "1"), workflow_name=("even",))
        assert len(await _all(db, source, versions)) == 500

    run(body)
