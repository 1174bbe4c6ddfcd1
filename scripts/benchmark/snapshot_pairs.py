"""Searches by every pair and triple of filters that each match tens of thousands and together nothing.

`scripts/bench pairs [--rows N] [--folder DIR]` fills an application whose workflows each have one thing that
a filter asks for, and one whose workflows have two, so that any two meet and any three never do. It tells
what takes longest.
"""

import argparse
import asyncio
import gc
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from conductor_lite.server import COLLECTION_THRESHOLDS
from conductor_lite.store.applications import Applications
from conductor_lite.store.database import Database
from conductor_lite.store.snapshot_attributes import facts_asked_for
from conductor_lite.store.snapshot_records import Place, SnapshotFilters, WorkflowSnapshot
from conductor_lite.store.snapshot_search import SnapshotSearch
from conductor_lite.store.snapshots import Snapshots

START_MS = 1_760_000_000_000
#: Days that the workflows are spread over.
SPREAD_MS = 30 * 86_400_000
HOUR_MS = 3_600_000
PAGE = 100
LIMIT_MS = 50
SEED = 7
#: What was completed or dequeued when the filter asks for it was so within this.
SPAN = (START_MS + SPREAD_MS + HOUR_MS, START_MS + SPREAD_MS + 30 * HOUR_MS)

_Values = dict[str, Any]

#: What a filter asks for, and what a workflow has that it matches.
KINDS: dict[str, tuple[_Values, Callable[[random.Random], _Values]]] = {
    "status": ({"status": ("ERROR", "CANCELLED")}, lambda _: {"status": "ERROR"}),
    "name": ({"workflow_name": ("rare",)}, lambda _: {"workflow_name": "rare"}),
    "user": ({"authenticated_user": ("robot",)}, lambda _: {"authenticated_user": "robot"}),
    "version": ({"application_version": ("beta",)}, lambda _: {"application_version": "beta"}),
    "executor": ({"executor_id": ("big",)}, lambda _: {"executor_id": "big"}),
    "queue": ({"queue_name": ("bulk",)}, lambda _: {"queue_name": "bulk"}),
    "schedule": ({"schedule_name": ("nightly",)}, lambda _: {"schedule_name": "nightly"}),
    "parent": ({"parent_workflow_id": ("root",)}, lambda _: {"parent_workflow_id": "root"}),
    "has parent": ({"has_parent": True}, lambda chance: {"parent_workflow_id": f"p-{chance.randrange(999)}"}),
    "forked from": ({"forked_from": ("origin",)}, lambda _: {"forked_from": "origin"}),
    "was forked from": ({"was_forked_from": True}, lambda _: {"was_forked_from": True}),
    "prefix": ({"workflow_id_prefix": ("batch-",)}, lambda _: {"workflow_id": "batch-"}),
    "attribute": ({"facts": facts_asked_for({"tier": "gold"})}, lambda _: {"tier": "gold"}),
    "attribute 2": ({"facts": facts_asked_for({"region": "eu"})}, lambda _: {"region": "eu"}),
    "completed": ({"completed": SPAN}, lambda chance: {"completed_at_epoch_ms": chance.randrange(*SPAN)}),
    "dequeued": ({"dequeued": SPAN}, lambda chance: {"dequeued_at_epoch_ms": chance.randrange(*SPAN)}),
}
#: Filters that match few, beside those.
SPARSE: dict[str, dict[str, Any]] = {
    "few: user": {"authenticated_user": ("customer-77",)},
    "few: attribute": {"facts": facts_asked_for({"tenant": "t77"})},
    "few: prefix": {"workflow_id_prefix": ("w-0000777",)},
    "few: parent": {"parent_workflow_id": ("p-77",)},
    "few: completed": {"completed": (START_MS + 5 * HOUR_MS, START_MS + 5 * HOUR_MS + 600_000)},
}


def make(number: int, rows: int, things: int, chance: random.Random) -> WorkflowSnapshot:
    """One workflow of many customers and versions, which has so many things that a filter asks for."""
    created = START_MS + number * SPREAD_MS // rows
    ended = created + int(chance.expovariate(1 / 60_000))
    attributes = {"tenant": f"t{chance.randrange(2_000)}", "region": "us", "tier": "none"}
    values: dict[str, Any] = {
        "workflow_id": "w-",
        "created_at_epoch_ms": created,
        "status": "SUCCESS",
        "finished": True,
        "workflow_name": f"workflow_{int(chance.paretovariate(1)) % 40}",
        "authenticated_user": f"customer-{chance.randrange(50_000)}" if chance.random() < 0.3 else None,
        "updated_at_epoch_ms": ended,
        "queue_name": f"queue_{chance.randrange(12)}" if chance.random() < 0.6 else None,
        "application_version": f"v{number * 20 // rows}",
        "executor_id": f"executor-{number * 20 // rows}-{chance.randrange(10)}",
        "priority": 0,
        "was_forked_from": False,
        "dequeued_at_epoch_ms": ended - 1_000,
        "completed_at_epoch_ms": ended,
        "application_name": "shop",
    }
    for kind in chance.sample(sorted(KINDS), things):
        for name, value in KINDS[kind][1](chance).items():
            (attributes if name in attributes else values)[name] = value
    values["workflow_id"] += f"{number:08}"
    values["attributes"] = str(attributes).replace("'", '"')
    return WorkflowSnapshot(**values)


def asked(*names: str) -> SnapshotFilters:
    """The filters of some kinds together."""
    together: _Values = {}
    for name in names:
        for field, value in _filter(name).items():
            together[field] = together.get(field, ()) + value if field == "facts" else value
    return SnapshotFilters(**together)


def _filter(name: str) -> _Values:
    return SPARSE[name] if name in SPARSE else KINDS[name][0]


def _are_one(names: Sequence[str]) -> bool:
    """Whether two of them are one filter, or one says what another does."""
    fields = [field for name in names for field in _filter(name) if field != "facts"]
    return len(set(fields)) < len(fields) or {"parent", "has parent"} <= set(names)


def questions(things: int) -> Iterator[tuple[str, SnapshotFilters]]:
    """Searches that find nothing but what chance has it: one more filter than any workflow has of them."""
    if things == 1:
        for name in (*KINDS, *SPARSE):
            yield name, asked(name)
        for names in itertools.product(SPARSE, KINDS):
            if not _are_one(names):
                yield " + ".join(names), asked(*names)
    for names in itertools.combinations(KINDS, things + 1):
        if not _are_one(names):
            yield " + ".join(names), asked(*names)


async def fill(db: Database, name: str, rows: int, things: int) -> int:
    """An application's workflows; gives its number."""
    application, created = await Applications(db).register("local", name, now=datetime.now(UTC))
    snapshots, chance = Snapshots(db), random.Random(SEED)
    source = await snapshots.ensure_source(application.id)
    for start in range(0, rows if created else 0, 500):
        page = [make(number, rows, things, chance) for number in range(start, min(start + 500, rows))]
        await snapshots.save(source.number, page)
    return source.number


class Times:
    """How long searches of one kind took, in milliseconds by the clock and of the processor alone."""

    def __init__(self) -> None:
        self.clock: list[float] = []
        self.processor: list[float] = []

    async def of(self, search: Awaitable[object]) -> None:
        """Measure one."""
        begun, worked = time.perf_counter(), time.process_time()
        await search
        self.clock.append((time.perf_counter() - begun) * 1_000)
        self.processor.append((time.process_time() - worked) * 1_000)


def p95(times: Iterable[float]) -> float:
    """What all but one of twenty stay within."""
    ordered = sorted(times)
    return ordered[int(len(ordered) * 0.95)]


async def search(
    db: Database, number: int, things: int, turns: int, only: str
) -> tuple[dict[str, Times], Times]:
    """Search by all of them, in both orders, from the beginning, from the middle and within a stretch."""
    reader, took, bare = SnapshotSearch(db), {}, Times()
    middle = Place(created_at_epoch_ms=START_MS + SPREAD_MS // 2, number=0)
    stretch = (START_MS + SPREAD_MS // 10, START_MS + SPREAD_MS * 9 // 10)
    for name, filters in questions(things):
        if only not in name:
            continue
        times = took.setdefault(name, Times())
        ways: list[tuple[SnapshotFilters, _Values]] = [
            (filters, {}),
            (filters, {"after": middle}),
            (filters, {"offset": 300}),
            (msgspec.structs.replace(filters, created=stretch), {}),
        ]
        for _ in range(turns):
            # A machine that others use is slower now and then.
            await bare.of(reader.page(number, SnapshotFilters(), limit=PAGE))
            for (some, options), descending in itertools.product(ways, (False, True)):
                await times.of(reader.page(number, some, limit=PAGE, descending=descending, **options))
    return took, bare


async def measure(folder: Path, rows: int, turns: int, slowest: int, only: str) -> None:
    """Fill where need be, search, and print."""
    db = await Database.open(folder)
    try:
        for name, things in (("pairs", 1), ("triples", 2)):
            number = await fill(db, name, rows, things)
            took, bare = await search(db, number, things, turns, only)
            if took:
                report(name, took, bare, slowest)
        print(f"database_mib: {db.path.stat().st_size / 2**20:,.1f}")
    finally:
        await db.close()


def report(name: str, took: dict[str, Times], bare: Times, slowest: int) -> None:
    """Print how long all took together, and those that took longest."""
    for what in ("clock", "processor"):
        every = list(itertools.chain.from_iterable(getattr(times, what) for times in took.values()))
        over = sum(p95(getattr(times, what)) >= LIMIT_MS for times in took.values())
        print(
            f"{name}, by the {what}: {len(took)} searches, p50 {statistics.median(every):.1f} ms,"
            f" p95 {p95(every):.1f}, max {max(every):.1f}; {over} with a p95 over {LIMIT_MS} ms;"
            f" no filter at all p50 {statistics.median(getattr(bare, what)):.1f}"
        )
    usual = statistics.median(bare.processor)
    for kind in sorted(took, key=lambda kind: -p95(took[kind].processor))[:slowest]:
        times = took[kind]
        worked = p95(times.processor)
        print(
            f"  {kind:45} clock best {min(times.clock):6.1f} p95 {p95(times.clock):6.1f}"
            f"  processor p95 {worked:6.1f} ({worked / usual:.1f} times no filter)"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench pairs", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of each application")
    parser.add_argument("--turns", type=int, default=3, help="times that each search is made in each way")
    parser.add_argument("--slowest", type=int, default=20, help="how many to list")
    parser.add_argument("--only", default="", help="those whose name has this in it")
    parser.add_argument("--folder", type=Path, help="keeps the database for the next run")
    options = parser.parse_args()
    # As in a server.
    gc.freeze()
    gc.set_threshold(*COLLECTION_THRESHOLDS)
    with tempfile.TemporaryDirectory() as folder:
        kept = options.folder or Path(folder)
        asyncio.run(measure(kept, options.rows, options.turns, options.slowest, options.only))


if __name__ == "__main__":
    main()
