"""Measures snapshots: `scripts/bench snapshots [--rows N] [--folder DIR]`.

Fills a database at full speed while another writer knocks twenty times a second, then searches by every
filter, by several at once as chance has it, and by some that each match much and together little or nothing.
"""

import argparse
import asyncio
import gc
import json
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from conductor_lite.server import COLLECTION_THRESHOLDS
from conductor_lite.store.applications import Applications
from conductor_lite.store.database import Database
from conductor_lite.store.snapshot_attributes import facts_asked_for
from conductor_lite.store.snapshot_records import SnapshotFilters, WorkflowSnapshot
from conductor_lite.store.snapshot_search import SnapshotSearch
from conductor_lite.store.snapshots import Snapshots

START_MS = 1_760_000_000_000
#: Days that the workflows are spread over.
SPREAD_MS = 30 * 86_400_000
PAGE = 100
#: Searches per filter.
SEARCHES = 60
#: Searches by so many filters at once, for each of these numbers.
COMBINED_SEARCHES = 300
COMBINED = (2, 3, 4, 5)
SEED = 7
FAILED = ("ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")


def make(number: int, rows: int, chance: random.Random) -> WorkflowSnapshot:
    """One workflow of a busy shop: a few names and queues, many customers, some rare cases."""
    created = START_MS + number * SPREAD_MS // rows
    age = rows - number
    unfinished = age < 5_000 and chance.random() < 0.5
    status = chance.choice(("PENDING", "ENQUEUED")) if unfinished else "SUCCESS"
    if not unfinished and chance.random() < 0.1:
        status = chance.choice(FAILED)
    queued = chance.random() < 0.6
    took = int(chance.expovariate(1 / 60_000))
    made = WorkflowSnapshot(
        workflow_id=str(uuid.UUID(int=chance.getrandbits(128))) if number % 3 else f"order-{number:09}",
        created_at_epoch_ms=created,
        status=status,
        finished=not unfinished,
        workflow_name=f"workflow_{int(chance.paretovariate(1)) % 40}",
        authenticated_user=f"customer-{chance.randrange(50_000)}" if chance.random() < 0.3 else None,
        updated_at_epoch_ms=created + took,
        queue_name=f"queue_{chance.randrange(12)}" if queued else None,
        application_version=f"v{number * 20 // rows}",
        executor_id=f"executor-{number * 20 // rows}-{chance.randrange(10)}",
        priority=0,
        forked_from=str(uuid.UUID(int=chance.getrandbits(128))) if chance.random() < 0.001 else None,
        was_forked_from=chance.random() < 0.001,
        parent_workflow_id=f"order-{number // 3 * 3:09}" if chance.random() < 0.1 else None,
        dequeued_at_epoch_ms=created + took // 3 if queued and not unfinished else None,
        completed_at_epoch_ms=None if unfinished else created + took,
        attributes=json.dumps({"tenant": f"t{chance.randrange(2_000)}", "region": chance.choice("abc")}),
        schedule_name=f"schedule_{chance.randrange(5)}" if chance.random() < 0.02 else None,
        application_name="shop",
    )
    return _apart(made, number, rows)


def _apart(made: WorkflowSnapshot, number: int, rows: int) -> WorkflowSnapshot:
    """Keep apart what `meetings` asks for together: chance alone would let everything meet."""
    name, queue, failed = made.workflow_name, made.queue_name, made.status in FAILED
    changes: dict[str, Any] = {}
    # Three of them fail after all.
    thrice = number in (rows // 7, rows // 2, rows - rows // 7)
    if failed and (name == "workflow_2" or (name == "workflow_3" and not thrice)):
        changes["status"] = "SUCCESS"
    if thrice:
        changes |= {"workflow_name": "workflow_3", "status": "ERROR", "finished": True}
    if name == "workflow_2" and queue in ("queue_0", "queue_1", "queue_2"):
        changes["queue_name"] = "queue_3"
    # Each two of these meet.
    if failed and name == "workflow_1" and queue == "queue_4":
        changes["queue_name"] = "queue_5"
    if name == "workflow_4" and number > rows // 10:
        changes["schedule_name"] = None
    if queue == "queue_6" and made.parent_workflow_id is not None:
        changes["parent_workflow_id"] = None
    # One user does much, but nothing fails, and one region knows nothing of a queue.
    if number % 11 == 0 and not failed:
        changes["authenticated_user"] = "robot"
    if queue == "queue_7":
        changes["attributes"] = (made.attributes or "").replace('"c"', '"a"')
    return msgspec.structs.replace(made, **changes)


def meetings() -> Iterator[tuple[str, SnapshotFilters]]:
    """Filters that each match tens or hundreds of thousands of a million, but together little or nothing."""
    yield "2 that never meet: name, failed", SnapshotFilters(workflow_name=("workflow_2",), status=FAILED)
    yield "2 that never meet: name, error", SnapshotFilters(workflow_name=("workflow_2",), status=("ERROR",))
    yield (
        "2 that never meet: name, queues",
        SnapshotFilters(workflow_name=("workflow_2",), queue_name=("queue_0", "queue_1", "queue_2")),
    )
    yield "2 that never meet: queue, parent", SnapshotFilters(queue_name=("queue_6",), has_parent=True)
    yield (
        "2 that meet thrice: name, error",
        SnapshotFilters(workflow_name=("workflow_3",), status=("ERROR",)),
    )
    yield (
        "2 that met long ago: name, schedules",
        SnapshotFilters(
            workflow_name=("workflow_4",), schedule_name=tuple(f"schedule_{number}" for number in range(5))
        ),
    )
    yield (
        "3 of which each 2 meet",
        SnapshotFilters(workflow_name=("workflow_1",), queue_name=("queue_4",), status=FAILED),
    )
    yield (
        "4, many values each",
        SnapshotFilters(
            workflow_name=("workflow_2", "workflow_3"),
            status=FAILED,
            queue_name=tuple(f"queue_{number}" for number in range(3)),
            has_parent=True,
        ),
    )
    yield (
        "3 that meet thrice, in a stretch",
        SnapshotFilters(
            workflow_name=("workflow_2", "workflow_3"), status=("ERROR",), completed=(START_MS, None)
        ),
    )
    yield "user that never fails", SnapshotFilters(authenticated_user=("robot",), status=FAILED)
    yield (
        "attribute of no such queue",
        SnapshotFilters(facts=facts_asked_for({"region": "c"}), queue_name=("queue_7",)),
    )


def questions(rows: int, chance: random.Random) -> Iterator[tuple[str, SnapshotFilters]]:
    """One search of every kind, with values of chance."""
    number = chance.randrange(rows)
    at = START_MS + number * SPREAD_MS // rows
    hour, day = (at, at + 3_600_000), (at, at + 86_400_000)
    end = START_MS + SPREAD_MS
    order = f"order-{number // 3 * 3:09}"
    name, queue = f"workflow_{chance.randrange(40)}", f"queue_{chance.randrange(12)}"
    version = f"v{chance.randrange(20)}"
    yield "no filter", SnapshotFilters()
    yield "ids", SnapshotFilters(workflow_id=tuple(f"order-{chance.randrange(rows):09}" for _ in range(100)))
    yield "prefix of few", SnapshotFilters(workflow_id_prefix=(order[:-2],))
    yield "prefix of many", SnapshotFilters(workflow_id_prefix=("order-",))
    yield "prefix of many that are new", SnapshotFilters(workflow_id_prefix=(f"order-{rows:09}"[:8],))
    yield "name", SnapshotFilters(workflow_name=(name,))
    yield "names", SnapshotFilters(workflow_name=(name, "workflow_1", "workflow_7"))
    yield "name that is not there", SnapshotFilters(workflow_name=("nothing",))
    for status in ("SUCCESS", "ERROR", "PENDING"):
        yield f"status {status}", SnapshotFilters(status=(status,))
    yield "failed", SnapshotFilters(status=FAILED)
    yield "user", SnapshotFilters(authenticated_user=(f"customer-{chance.randrange(50_000)}",))
    yield "version", SnapshotFilters(application_version=(version,))
    yield "executor", SnapshotFilters(executor_id=(f"executor-{version[1:]}-3",))
    yield "queue", SnapshotFilters(queue_name=(queue,))
    yield "schedule", SnapshotFilters(schedule_name=("schedule_1",))
    yield "parent", SnapshotFilters(parent_workflow_id=(order,))
    yield "forked from", SnapshotFilters(forked_from=(str(uuid.uuid4()),))
    yield "was forked from", SnapshotFilters(was_forked_from=True)
    yield "was not forked from", SnapshotFilters(was_forked_from=False)
    yield "has parent", SnapshotFilters(has_parent=True)
    yield "has no parent", SnapshotFilters(has_parent=False)
    yield "on queues", SnapshotFilters(queues_only=True, status=("DELAYED", "ENQUEUED", "PENDING"))
    yield "attribute of few", SnapshotFilters(facts=facts_asked_for({"tenant": f"t{number % 2_000}"}))
    yield "attribute of many", SnapshotFilters(facts=facts_asked_for({"region": "b"}))
    yield (
        "attributes",
        SnapshotFilters(facts=facts_asked_for({"tenant": f"t{number % 2_000}", "region": "b"})),
    )
    yield "created within an hour", SnapshotFilters(created=hour)
    yield "created after", SnapshotFilters(created=(at, None))
    for kind in ("completed", "dequeued"):
        yield f"{kind} within an hour", SnapshotFilters(**{kind: hour})
        yield f"{kind} within a day", SnapshotFilters(**{kind: day})
        yield f"{kind} in the last day", SnapshotFilters(**{kind: (end - 86_400_000, None)})
        yield f"{kind} in the last five days", SnapshotFilters(**{kind: (end - 5 * 86_400_000, None)})
        yield f"{kind} before", SnapshotFilters(**{kind: (None, at)})
    yield "name and status", SnapshotFilters(workflow_name=(name,), status=("ERROR",))
    yield "queue and status", SnapshotFilters(queue_name=(queue,), status=("SUCCESS",))
    yield "version and status", SnapshotFilters(application_version=(version,), status=("ERROR",))
    yield (
        "name, queue and version",
        SnapshotFilters(workflow_name=(name,), queue_name=(queue,), application_version=(version,)),
    )
    yield "name within a day", SnapshotFilters(workflow_name=(name,), created=day)
    yield "failed within a day", SnapshotFilters(status=("ERROR",), completed=day)


def any_filters(count: int, chance: random.Random) -> SnapshotFilters:
    """So many filters at once as chance has it: many find nothing together, or little and far apart."""
    hour, day = 3_600_000, 86_400_000
    at, end = START_MS + int(chance.random() * SPREAD_MS), START_MS + SPREAD_MS
    span = chance.choice((hour, day, 7 * day))
    stretch = chance.choice(((at, at + span), (end - span, None), (None, at)))
    failed = ("ERROR", "CANCELLED")
    attributes = chance.choice(({"region": chance.choice("abc")}, {"tenant": f"t{chance.randrange(2_000)}"}))
    values: dict[str, Any] = {
        "workflow_name": (f"workflow_{int(chance.paretovariate(1)) % 40}",),
        "status": chance.choice((("SUCCESS",), ("ERROR",), failed, ("PENDING", "ENQUEUED"))),
        "authenticated_user": (f"customer-{chance.randrange(50_000)}",),
        "application_version": (f"v{chance.randrange(20)}",),
        "executor_id": (f"executor-{chance.randrange(20)}-{chance.randrange(10)}",),
        "queue_name": (f"queue_{chance.randrange(12)}",),
        "schedule_name": (f"schedule_{chance.randrange(5)}",),
        "was_forked_from": chance.random() < 0.5,
        "has_parent": chance.random() < 0.5,
        "facts": facts_asked_for(attributes),
        "created": stretch,
        "completed": stretch,
        "dequeued": stretch,
        "workflow_id_prefix": ("order-",),
        "queues_only": True,
        "application_name": ("shop",),
    }
    return SnapshotFilters(**{name: values[name] for name in chance.sample(sorted(values), count)})


async def fill(db: Database, number: int, rows: int) -> dict[str, float]:
    """Save all rows in pages as they come from an executor; tells how fast, and how long others waited."""
    snapshots, chance = Snapshots(db), random.Random(SEED)
    holds: list[float] = []
    filling = True

    async def knock() -> None:
        while filling:
            await asyncio.sleep(0.05)
            begun = time.perf_counter()
            async with db.write():
                holds.append((time.perf_counter() - begun) * 1_000)

    knocking = asyncio.create_task(knock())
    spent = 0.0
    for start in range(0, rows, 500):
        page = [make(item, rows, chance) for item in range(start, min(start + 500, rows))]
        begun = time.perf_counter()
        await snapshots.by_ids(number, [item.workflow_id for item in page])
        await snapshots.save(number, page)
        spent += time.perf_counter() - begun
        await asyncio.sleep(0)
    filling = False
    await knocking
    holds.sort()
    return {
        "rows_per_sec": rows / spent,
        "writer_wait_p50_ms": statistics.median(holds),
        "writer_wait_p99_ms": holds[int(len(holds) * 0.99)],
        "writer_wait_max_ms": holds[-1],
    }


async def search(db: Database, number: int, rows: int) -> dict[str, dict[str, float]]:
    """Search by every filter, in both orders; milliseconds by kind."""
    reader, chance = SnapshotSearch(db), random.Random(SEED)
    took: dict[str, list[float]] = {}
    # Of the processor alone, for a machine that others use as well.
    work: dict[str, list[float]] = {}

    async def look(name: str, filters: SnapshotFilters, *, descending: bool) -> None:
        begun, worked = time.perf_counter(), time.process_time()
        await reader.page(number, filters, limit=PAGE, descending=descending)
        took.setdefault(name, []).append((time.perf_counter() - begun) * 1_000)
        work.setdefault(name, []).append((time.process_time() - worked) * 1_000)

    for turn in range(SEARCHES):
        for name, filters in (*questions(rows, chance), *meetings()):
            await look(name, filters, descending=bool(turn % 2))
    for count in COMBINED:
        for turn in range(COMBINED_SEARCHES):
            await look(f"any {count} filters", any_filters(count, chance), descending=bool(turn % 2))
    figures = {}
    for name, times in took.items():
        times.sort()
        figures[name] = {
            "p50_ms": statistics.median(times),
            "p95_ms": times[int(len(times) * 0.95)],
            "max_ms": times[-1],
            "cpu_p95_ms": sorted(work[name])[int(len(times) * 0.95)],
        }
    return figures


async def measure(folder: Path, rows: int) -> dict[str, Any]:
    """Everything; a folder that holds such a database already is searched only."""
    db = await Database.open(folder)
    try:
        applications, snapshots = Applications(db), Snapshots(db)
        application, created = await applications.register("local", "shop", now=datetime.now(UTC))
        source = await snapshots.ensure_source(application.id)
        figures: dict[str, Any] = {}
        if created:
            figures["ingest"] = await fill(db, source.number, rows)
        figures["database_mib"] = db.path.stat().st_size / 2**20
        figures["search"] = await search(db, source.number, rows)
        return figures
    finally:
        await db.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench snapshots", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="keeps the database for the next run")
    options = parser.parse_args()
    # As in a server.
    gc.freeze()
    gc.set_threshold(*COLLECTION_THRESHOLDS)
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measure(options.folder or Path(folder), options.rows))
    for name, value in {**figures.get("ingest", {}), "database_mib": figures["database_mib"]}.items():
        print(f"{name}: {value:,.1f}")
    for name, times in figures["search"].items():
        verdict = "" if times["p95_ms"] < 50 else "  over 50 ms"
        print(f"{name:40}" + "".join(f"{key} {value:8.2f}  " for key, value in times.items()) + verdict)


if __name__ == "__main__":
    main()
