"""The orphan sweep, with scripted executors on real sockets and a calendar that tests set."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.executor import ScriptedExecutor
from support.served import APPLICATION, LOCAL, Run, Served

from conductor_lite.clock import Clock
from conductor_lite.errors import NotFoundError
from conductor_lite.fleet.changes import Changes
from conductor_lite.operations.applications import ApplicationChanges
from conductor_lite.policies.orphans import OrphanSweep
from conductor_lite.protocol import (
    GetWorkflowAggregates,
    GetWorkflowAggregatesReply,
    ListWorkflows,
    ListWorkflowsReply,
    Recovery,
    Reply,
    WorkflowAggregateRecord,
    WorkflowRecord,
)
from conductor_lite.store.applications import Applications

LOST = ("lost", "1")


class Calendar(Clock):
    """A calendar that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


class Sweep:
    """An orphan sweep of a scene, round by round."""

    def __init__(self, scene: Served) -> None:
        self._calendar = Calendar()
        conductor = scene.conductor
        self._policy = OrphanSweep(conductor.fleet, Applications(conductor.db), Changes(), self._calendar)

    async def round(self, later_secs: float = 0) -> None:
        self._calendar.time += timedelta(seconds=later_secs)
        await self._policy.round()


async def executor_that_tells(scene: Served, *, old_sdk: bool = False) -> ScriptedExecutor:
    """One whose database holds what ``scene.workload`` says."""
    executor = ScriptedExecutor("asked", "1", scene.workload)

    async def aggregates(request: GetWorkflowAggregates) -> Reply:
        if old_sdk:
            return GetWorkflowAggregatesReply(error_message="Unknown message type")
        groups = [
            WorkflowAggregateRecord(group={"executor_id": id_, "application_version": version}, count=2)
            for id_, version in sorted(scene.workload.pending)
        ]
        return GetWorkflowAggregatesReply(aggregates=groups)

    async def listing(request: ListWorkflows) -> Reply:
        return ListWorkflowsReply(
            workflows=[
                WorkflowRecord(
                    workflow_id=f"wf-{id_}", status="PENDING", executor_id=id_, application_version=version
                )
                for id_, version in sorted(scene.workload.pending)
            ]
        )

    executor.on(GetWorkflowAggregates, aggregates)
    executor.on(ListWorkflows, listing)
    return await scene.connected(executor)


async def unknown(scene: Served) -> list[str]:
    """Who the overview says is unknown."""
    overview = await scene.conductor.operations.overviews.application(LOCAL, APPLICATION)
    return [item.executor_id or "" for item in overview.attention if item.kind == "unknown_executor"]


def recovered(executor: ScriptedExecutor) -> list[Any]:
    return [request.executor_ids for request in executor.requests if isinstance(request, Recovery)]


@pytest.mark.parametrize("old_sdk", [False, True])
def test_an_executor_that_was_never_on_record_is_shown_and_not_touched(run: Run, old_sdk: bool) -> None:
    async def body(scene: Served) -> None:
        asked, sweep = await executor_that_tells(scene, old_sdk=old_sdk), Sweep(scene)
        scene.workload.pending.add(LOST)
        await sweep.round()
        await sweep.round(later_secs=3_600)
        assert await unknown(scene) == ["lost"]
        assert recovered(asked) == []
        scene.workload.pending.clear()
        await sweep.round()
        assert await unknown(scene) == []

    run(body)


def test_who_is_on_record_is_no_orphan(run: Run) -> None:
    async def body(scene: Served) -> None:
        _, sweep = await executor_that_tells(scene), Sweep(scene)
        scene.workload.pending.add(("asked", "1"))
        await sweep.round()
        assert await unknown(scene) == []
        scene.workload.pending.add(("asked", "of another version"))
        await sweep.round()
        assert await unknown(scene) == ["asked"]

    run(body)


def test_one_click_recovers_it_and_the_click_is_audited(run: Run) -> None:
    async def body(scene: Served) -> None:
        asked, sweep = await executor_that_tells(scene), Sweep(scene)
        scene.workload.pending.add(LOST)
        await sweep.round()
        await scene.conductor.operations.executors.recover_unknown(LOCAL, APPLICATION, *LOST)
        await scene.await_status("lost", None)
        assert recovered(asked) == [["lost"]]
        assert await unknown(scene) == []
        assert [entry.status for entry in await scene.audit("executor.recover_unknown")] == ["success"]
        with pytest.raises(NotFoundError, match="no unknown executor 'lost'"):
            await scene.conductor.operations.executors.recover_unknown(LOCAL, APPLICATION, *LOST)

    run(body)


def test_with_the_setting_it_is_recovered_by_itself_once_it_had_its_timeout(run: Run) -> None:
    async def body(scene: Served) -> None:
        asked, sweep = await executor_that_tells(scene), Sweep(scene)
        await scene.conductor.operations.applications.update(
            LOCAL, APPLICATION, ApplicationChanges(recover_unknown_executors=True, executor_timeout_secs=30)
        )
        scene.workload.pending.add(LOST)
        await sweep.round()
        await sweep.round(later_secs=29)
        assert recovered(asked) == []
        await sweep.round(later_secs=1)
        await scene.await_status("lost", None)
        assert recovered(asked) == [["lost"]]

    run(body)


def test_what_a_recovery_left_behind_is_recovered_again_without_the_setting(run: Run) -> None:
    async def body(scene: Served) -> None:
        asked, dying, sweep = await executor_that_tells(scene), await scene.executor("dying"), Sweep(scene)
        scene.workload.pending.add(("dying", "1"))
        await dying.vanish()
        await scene.await_status("dying", None)
        # Its database had failed half-way: the row turns up although nothing was said to be pending.
        scene.workload.pending.add(("dying", "1"))
        await sweep.round()
        await sweep.round(later_secs=1)
        await scene.await_status("dying", None)
        assert recovered(asked) == [["dying"], ["dying"]]
        assert scene.workload.pending == set()

    run(body)


def test_an_application_without_executors_is_passed_over(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scene.application_id()
        await Sweep(scene).round()
        assert await unknown(scene) == []

    run(body)
