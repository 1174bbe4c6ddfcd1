"""Retention: what is sent to whom, when, and what is kept of it; with scripted executors and a fake clock."""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from support.executor import ScriptedExecutor
from support.fake_clock import START, FakeClock
from support.served import APPLICATION, LOCAL, Run, Served
from support.wait import wait_until_async

from conductor_lite.errors import (
    ConflictError,
    InvalidError,
    NoHealthyExecutorError,
    NotFoundError,
    UnsupportedMessageError,
)
from conductor_lite.fleet.changes import Changes
from conductor_lite.operations.applications import ApplicationChanges
from conductor_lite.policies import retention
from conductor_lite.policies.retention import RetentionPolicy, body_of
from conductor_lite.protocol import (
    GetWorkflowAggregates,
    GetWorkflowAggregatesReply,
    Reply,
    Retention,
    RetentionBody,
    RetentionReply,
    WorkflowAggregateRecord,
)
from conductor_lite.store.applications import Applications
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.records import ApplicationRecord
from conductor_lite.store.retention import RetentionRuns
from conductor_lite.store.snapshot_records import WorkflowSnapshot
from conductor_lite.store.snapshots import Snapshots

DAY_MS = 86_400_000


class Clearing:
    """A policy of a scene, moved by hand; the server's own stands still."""

    def __init__(self, scene: Served) -> None:
        self.scene, self.clock = scene, FakeClock()
        self.again()

    def again(self) -> None:
        """As after a restart of the conductor."""
        db = self.scene.conductor.db
        self.policy = RetentionPolicy(
            self.scene.conductor.fleet,
            Applications(db),
            RetentionRuns(db),
            AuditLog(db),
            Changes(),
            self.clock,
            random.Random(1),
        )

    async def round(self, later_secs: float = 0) -> None:
        self.clock.advance(later_secs)
        await self.policy.round()

    async def record(self) -> ApplicationRecord:
        found = await Applications(self.scene.conductor.db).get("local", APPLICATION)
        assert found is not None
        return found


@pytest.fixture
def clearing(run: Run) -> Callable[..., Any]:
    """Runs an async function on a scene and its policy."""

    def clearing(body: Callable[[Served, Clearing], Any]) -> Any:
        async def whole(scene: Served) -> Any:
            await scene.conductor._policies.stop()
            return await body(scene, Clearing(scene))

        return run(whole)

    return clearing


async def executor(scene: Served, name: str = "asked") -> ScriptedExecutor:
    """One that clears what it is told to."""
    made = ScriptedExecutor(name, "1", scene.workload)
    made.answers(Retention, RetentionReply(success=True))
    return await scene.connected(made)


async def settings(scene: Served, **changes: Any) -> None:
    await scene.application_id()
    await scene.conductor.operations.applications.update(LOCAL, APPLICATION, ApplicationChanges(**changes))


def bodies(made: ScriptedExecutor) -> list[RetentionBody]:
    return [request.body for request in made.requests if isinstance(request, Retention)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (None, 1_000_000, None)),
        ({"gc_rows_threshold": None, "gc_time_threshold_ms": DAY_MS}, (-DAY_MS, None, None)),
        ({"gc_rows_threshold": 5, "global_timeout_ms": 1_000}, (None, 5, -1_000)),
        # SDKs look for the row of that number, and fail at none.
        ({"gc_rows_threshold": 0}, (None, 1, None)),
    ],
)
def test_settings_are_told_as_published(given: dict[str, Any], expected: tuple[Any, ...]) -> None:
    record = ApplicationRecord(
        id="a", organization_id="local", name="shop", created_at=START, updated_at=START, **given
    )
    now_ms = round(START.timestamp() * 1_000)
    body = body_of(record, START)
    cutoff, rows, timeout = expected
    assert body == RetentionBody(
        gc_cutoff_epoch_ms=None if cutoff is None else now_ms + cutoff,
        gc_rows_threshold=rows,
        gc_batch_size=1_000,
        timeout_cutoff_epoch_ms=None if timeout is None else now_ms + timeout,
    )


def test_age_beyond_1970_is_1970() -> None:
    record = ApplicationRecord(
        id="a",
        organization_id="local",
        name="shop",
        created_at=START,
        updated_at=START,
        gc_time_threshold_ms=2**63 - 1,
    )
    assert body_of(record, START).gc_cutoff_epoch_ms == 0


def test_one_executor_is_asked_about_once_an_hour_and_not_right_after_the_start(
    clearing: Callable[..., Any],
) -> None:
    async def body(scene: Served, policy: Clearing) -> None:
        first, second = await executor(scene, "first"), await executor(scene, "second")

        def asked() -> int:
            return len(bodies(first)) + len(bodies(second))

        await policy.round()
        assert asked() == 0
        await policy.round(later_secs=600)
        assert asked() == 1
        for _ in range(53):
            await policy.round(later_secs=60)
        assert asked() == 1
        for _ in range(14):
            await policy.round(later_secs=60)
        assert asked() == 2
        runs = await scene.conductor.operations.retention.list(LOCAL, APPLICATION)
        assert [run.status for run in runs] == ["succeeded", "succeeded"]
        assert [entry.status for entry in await scene.audit("application.retention")] == ["success"] * 2

    clearing(body)


def test_restart_of_the_conductor_does_not_clear_again(clearing: Callable[..., Any]) -> None:
    async def body(scene: Served, policy: Clearing) -> None:
        asked = await executor(scene)
        await policy.round()
        await policy.round(later_secs=600)
        policy.again()
        await policy.round()
        await policy.round(later_secs=1_800)
        assert len(bodies(asked)) == 1
        await policy.round(later_secs=2_200)
        assert len(bodies(asked)) == 2

    clearing(body)


def test_application_without_thresholds_is_left_alone(clearing: Callable[..., Any]) -> None:
    async def body(scene: Served, policy: Clearing) -> None:
        asked = await executor(scene)
        await settings(scene, gc_rows_threshold=None)
        await policy.round()
        await policy.round(later_secs=7_200)
        assert bodies(asked) == []
        with pytest.raises(InvalidError, match="is off"):
            await policy.policy.run(await policy.record())

    clearing(body)


def test_application_that_is_away_is_cleared_when_it_returns(clearing: Callable[..., Any]) -> None:
    async def body(scene: Served, policy: Clearing) -> None:
        await scene.application_id()
        await policy.round()
        await policy.round(later_secs=7_200)
        with pytest.raises(NoHealthyExecutorError):
            await policy.policy.run(await policy.record())
        asked = await executor(scene)
        await policy.round(later_secs=60)
        assert len(bodies(asked)) == 1

    clearing(body)


def test_a_calendar_that_jumps_ahead_makes_no_workflow_older(clearing: Callable[..., Any]) -> None:
    async def body(scene: Served, policy: Clearing) -> None:
        asked = await executor(scene)
        await settings(scene, gc_time_threshold_ms=30 * DAY_MS, global_timeout_ms=DAY_MS)
        await policy.round()
        policy.clock.set_back(-400 * 86_400)
        await policy.round(later_secs=600)
        (told,) = bodies(asked)
        now_ms = round(START.timestamp() * 1_000) + 600_000
        assert told.gc_cutoff_epoch_ms == now_ms - 30 * DAY_MS
        assert told.timeout_cutoff_epoch_ms == now_ms - DAY_MS
        # And what would go is told by the same.
        asked.answers(GetWorkflowAggregates, GetWorkflowAggregatesReply())
        operations = scene.conductor.operations.retention
        operations._context.retention = policy.policy
        await operations.preview(LOCAL, APPLICATION)
        ends = {item.body.end_time for item in asked.requests if isinstance(item, GetWorkflowAggregates)}
        cutoffs = (told.gc_cutoff_epoch_ms, told.timeout_cutoff_epoch_ms)
        assert ends - {None} == {datetime.fromtimestamp(at / 1_000, UTC).isoformat() for at in cutoffs}

    clearing(body)


def test_runs_never_overlap_and_one_that_nobody_waits_for_is_noted(clearing: Callable[..., Any]) -> None:
    async def body(scene: Served, policy: Clearing) -> None:
        asked, done = await executor(scene), asyncio.Event()

        async def slowly(request: Retention) -> Reply:
            await done.wait()
            return RetentionReply(success=True)

        asked.on(Retention, slowly)
        record = await policy.record()
        first = asyncio.create_task(policy.policy.run(record))
        await wait_until_async(lambda: len(bodies(asked)) == 1, 5, "the first run")
        with pytest.raises(ConflictError, match="under way"):
            await policy.policy.run(record)
        await policy.round(later_secs=7_200)
        assert len(bodies(asked)) == 1
        first.cancel()
        done.set()
        runs = RetentionRuns(scene.conductor.db)
        await wait_until_async(lambda: runs.list(record.id, limit=1), 5, "the run to be noted")

    clearing(body)


def test_application_that_takes_long_holds_up_no_other_and_runs_once(
    clearing: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PATIENCE_SECS", 0.05)

    async def body(scene: Served, policy: Clearing) -> None:
        slow, done = await executor(scene), asyncio.Event()

        async def slowly(request: Retention) -> Reply:
            await done.wait()
            return RetentionReply(success=True)

        slow.on(Retention, slowly)
        await policy.round()
        await policy.round(later_secs=600)
        await wait_until_async(lambda: len(bodies(slow)) == 1, 20, "the first run")
        bank = ScriptedExecutor("bank", "1", scene.workload)
        bank.answers(Retention, RetentionReply(success=True))
        bank_id = await scene.application_id("bank")
        await bank.connect(scene.ws_url, "bank")

        async def is_cleared() -> bool:
            await policy.round(later_secs=600)
            return len(bodies(bank)) == 1

        await wait_until_async(is_cleared, 20, "the other application to be cleared")
        assert len(bodies(slow)) == 1
        done.set()
        runs, record = RetentionRuns(scene.conductor.db), await policy.record()
        for application_id in (record.id, bank_id):
            await wait_until_async(partial(runs.list, application_id, limit=1), 20, "the runs to be noted")
        await bank.vanish()
        await policy.policy.stop()

    clearing(body)


def test_settings_that_change_while_an_application_waits_for_its_turn_count(
    clearing: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(scene: Served, policy: Clearing) -> None:
        asked = await executor(scene)
        await policy.round()
        policy.clock.advance(600)
        everyone, applications = Applications.all, policy.policy._applications

        async def all_then_changed(store: Applications) -> list[ApplicationRecord]:
            records = await everyone(store)
            await settings(scene, gc_rows_threshold=7)
            return records

        monkeypatch.setattr(type(applications), "all", all_then_changed)
        await policy.policy.round()
        assert [body.gc_rows_threshold for body in bodies(asked)] == [7]

    clearing(body)


def test_executor_that_falls_silent_may_be_at_it_so_no_other_is_asked(clearing: Callable[..., Any]) -> None:
    async def body(scene: Served, policy: Clearing) -> None:
        silent = await executor(scene, "silent")
        silent.ignores(Retention)
        run = asyncio.create_task(policy.policy.run(await policy.record()))
        await wait_until_async(lambda: len(bodies(silent)) == 1, 5, "the run")
        other = await executor(scene, "other")
        await silent.vanish()
        ended = await run
        assert (ended.status, ended.executor_id) == ("unanswered", "silent")
        assert bodies(other) == []

    clearing(body)


def test_run_that_fails_says_why_and_is_repeated_later(clearing: Callable[..., Any]) -> None:
    async def body(scene: Served, policy: Clearing) -> None:
        asked = await executor(scene)
        asked.answers(Retention, RetentionReply(success=False, error_message="disk full"))
        await policy.round()
        await policy.round(later_secs=600)
        (run,) = await scene.conductor.operations.retention.list(LOCAL, APPLICATION)
        assert (run.status, run.error) == ("failed", "disk full")
        (entry,) = await scene.audit("application.retention")
        assert (entry.status, entry.details["error"]) == ("failure", "disk full")
        await policy.round(later_secs=4_500)
        assert len(bodies(asked)) == 1
        await policy.round(later_secs=4_500)
        assert len(bodies(asked)) == 2

    clearing(body)


def test_preview_counts_and_changes_nothing(clearing: Callable[..., Any]) -> None:
    async def body(scene: Served, policy: Clearing) -> None:
        asked = await executor(scene)
        await settings(scene, gc_time_threshold_ms=DAY_MS, gc_rows_threshold=8, global_timeout_ms=1_000)

        async def counts(request: GetWorkflowAggregates) -> Reply:
            wanted = request.body.status
            # Several applications may share a database.
            assert request.body.application_name == [APPLICATION]
            count = 10 if wanted is None else 2 if "PENDING" in wanted else 5
            return GetWorkflowAggregatesReply(aggregates=[WorkflowAggregateRecord(count=count)])

        asked.on(GetWorkflowAggregates, counts)
        preview = await scene.conductor.operations.retention.preview(LOCAL, APPLICATION)
        assert (preview.total_count, preview.too_old_count) == (10, 5)
        assert (preview.too_many_count, preview.timed_out_count) == (2, 2)
        assert bodies(asked) == []

    clearing(body)


def test_preview_counts_snapshots_while_no_executor_is_there_that_can_count(
    clearing: Callable[..., Any],
) -> None:
    async def body(scene: Served, policy: Clearing) -> None:
        await scene.application_id()
        record = await policy.record()
        operations = scene.conductor.operations.retention
        with pytest.raises(NoHealthyExecutorError):
            await operations.preview(LOCAL, APPLICATION)
        with pytest.raises(NotFoundError):
            await operations.preview(LOCAL, APPLICATION, "snapshot")
        snapshots = Snapshots(scene.conductor.db)
        number = (await snapshots.ensure_source(record.id)).number
        now_ms = round(time.time() * 1_000)
        await snapshots.save(
            number,
            [
                WorkflowSnapshot(
                    workflow_id=f"{finished}-{age_ms}",
                    created_at_epoch_ms=now_ms - age_ms,
                    status="SUCCESS" if finished else "PENDING",
                    finished=finished,
                )
                for finished in (True, False)
                for age_ms in (1_000, 2 * DAY_MS, 3 * DAY_MS)
            ],
        )
        await settings(
            scene, gc_time_threshold_ms=DAY_MS, gc_rows_threshold=5, global_timeout_ms=DAY_MS * 5 // 2
        )
        preview = await operations.preview(LOCAL, APPLICATION)
        assert (preview.total_count, preview.too_old_count) == (6, 2)
        assert (preview.too_many_count, preview.timed_out_count) == (1, 1)
        assert preview.served.source == "snapshot"
        old = await executor(scene)
        old.answers(GetWorkflowAggregates, GetWorkflowAggregatesReply(error_message="Unknown message type"))
        with pytest.raises(UnsupportedMessageError):
            await operations.preview(LOCAL, APPLICATION, "executor")
        for source in ("auto", "snapshot"):
            preview = await operations.preview(LOCAL, APPLICATION, source)
            assert (preview.total_count, preview.served.source) == (6, "snapshot")

    clearing(body)
