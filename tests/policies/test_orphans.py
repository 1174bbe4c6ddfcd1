"""The orphan sweep, with scripted executors on real sockets and clocks that tests set."""

import random
from itertools import pairwise
from typing import Any

import pytest
from support.executor import ScriptedExecutor
from support.figures import Clocks
from support.served import APPLICATION, LOCAL, Run, Served
from support.wait import wait_until_async

from conductor_lite.errors import NotFoundError
from conductor_lite.fleet.changes import Changes
from conductor_lite.operations.applications import ApplicationChanges
from conductor_lite.policies.orphans import (
    BREATHER,
    JITTER,
    LOOK_SECS,
    MAX_BACKOFF,
    MAX_LISTED,
    SETTLE_SECS,
    OrphanSweep,
)
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
#: Seconds after which a look is due in any case.
SURELY_SECS = LOOK_SECS * (1 + JITTER)


class Sweep:
    """An orphan sweep of a scene, round by round."""

    def __init__(self, scene: Served) -> None:
        self.clocks = Clocks()
        conductor = scene.conductor
        self.policy = OrphanSweep(
            conductor.fleet, Applications(conductor.db), Changes(), self.clocks, random.Random(1)
        )

    async def round(self, later_secs: float = 0) -> None:
        """One round, which may find that nothing is due."""
        self.clocks.pass_secs(later_secs)
        await self.policy.round()

    async def look(self) -> None:
        """As many rounds as it takes until it looks."""
        await self.round()
        await self.round(SURELY_SECS)


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
        offset, limit = request.body.offset or 0, request.body.limit
        workflows = [
            WorkflowRecord(
                workflow_id=f"wf-{id_}", status="PENDING", executor_id=id_, application_version=version
            )
            for id_, version in sorted(scene.workload.pending)
        ]
        return ListWorkflowsReply(workflows=workflows[offset:][:limit])

    executor.on(GetWorkflowAggregates, aggregates)
    executor.on(ListWorkflows, listing)
    # On a slow machine the server's own sweep would look as well.
    await scene.conductor._policies.stop()
    return await scene.connected(executor)


async def unknown(scene: Served) -> list[str]:
    """Who the overview says is unknown."""
    overview = await scene.conductor.operations.overviews.application(LOCAL, APPLICATION)
    return [item.executor_id or "" for item in overview.attention if item.kind == "unknown_executor"]


async def listed(scene: Served) -> set[tuple[str, str]]:
    """The same as the API lists them: executor id and version."""
    found = await scene.conductor.operations.executors.list_unknown(LOCAL, APPLICATION)
    return {(item.executor_id, item.application_version) for item in found}


def recovered(executor: ScriptedExecutor) -> list[Any]:
    return [request.executor_ids for request in executor.requests if isinstance(request, Recovery)]


@pytest.mark.parametrize("old_sdk", [False, True])
def test_an_executor_that_was_never_on_record_is_shown_and_not_touched(run: Run, old_sdk: bool) -> None:
    async def body(scene: Served) -> None:
        asked, sweep = await executor_that_tells(scene, old_sdk=old_sdk), Sweep(scene)
        scene.workload.pending.add(LOST)
        await sweep.look()
        await sweep.round(later_secs=3_600)
        assert await unknown(scene) == ["lost"]
        assert recovered(asked) == []
        scene.workload.pending.clear()
        await sweep.look()
        assert await unknown(scene) == []

    run(body)


def test_who_is_on_record_is_no_orphan(run: Run) -> None:
    async def body(scene: Served) -> None:
        _, sweep = await executor_that_tells(scene), Sweep(scene)
        scene.workload.pending.add(("asked", "1"))
        await sweep.look()
        assert await unknown(scene) == []
        scene.workload.pending.add(("asked", "of another version"))
        await sweep.look()
        assert await unknown(scene) == ["asked"]

    run(body)


def test_one_click_recovers_it_and_the_click_is_audited(run: Run) -> None:
    async def body(scene: Served) -> None:
        asked, sweep = await executor_that_tells(scene), Sweep(scene)
        scene.workload.pending.add(LOST)
        await sweep.look()
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
            LOCAL, APPLICATION, ApplicationChanges(recover_unknown_executors=True, executor_timeout_secs=150)
        )
        scene.workload.pending.add(LOST)
        await sweep.look()
        # A calendar that is set forward makes nobody late.
        sweep.clocks.jump(86_400)
        await sweep.round(later_secs=SURELY_SECS)
        await sweep.round(later_secs=SURELY_SECS)
        assert await unknown(scene) == ["lost"]
        assert recovered(asked) == []
        await sweep.round(later_secs=SURELY_SECS)
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
        await sweep.look()
        await sweep.round(later_secs=SURELY_SECS)
        await scene.await_status("dying", None)
        assert recovered(asked) == [["dying"], ["dying"]]
        assert scene.workload.pending == set()

    run(body)


def test_whom_an_earlier_run_of_the_conductor_forgot_is_known_and_recovered_again(run: Run) -> None:
    async def before(scene: Served) -> None:
        await scene.executor("asked")
        dying = await scene.executor("dying")
        await dying.vanish()
        await scene.await_status("dying", None)

    async def after(scene: Served) -> None:
        asked, sweep = await executor_that_tells(scene), Sweep(scene)
        scene.workload.pending |= {("dying", "1"), ("dying", "another version"), LOST}
        await sweep.look()
        # Only those are for a person to judge whom nobody has ever seen.
        assert await listed(scene) == {("dying", "another version"), LOST}
        await sweep.round(later_secs=SURELY_SECS)
        await scene.await_status("dying", None)
        assert recovered(asked) == [["dying"]]
        assert scene.workload.pending == {("dying", "another version"), LOST}

    run(before)
    run(after)


def test_an_application_without_executors_is_passed_over(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scene.application_id()
        await Sweep(scene).look()
        assert await unknown(scene) == []

    run(body)


def test_it_looks_a_moment_after_a_start_then_at_intervals_and_after_each_recovery(run: Run) -> None:
    async def body(scene: Served) -> None:
        asked, sweep = await executor_that_tells(scene), Sweep(scene)
        application_id = await scene.application_id()

        async def looks(later_secs: float) -> bool:
            before = asked.count(GetWorkflowAggregates)
            await sweep.round(later_secs)
            return asked.count(GetWorkflowAggregates) > before

        assert not await looks(0)
        assert not await looks(SETTLE_SECS - 1)
        assert await looks(1)
        assert not await looks(LOOK_SECS * (1 - JITTER) - 1)
        assert await looks(LOOK_SECS * 2 * JITTER + 1)
        dying = await scene.executor("dying")
        await dying.vanish()
        await wait_until_async(
            lambda: scene.conductor.fleet.recoveries(application_id) == 1, 10, "a recovery to end"
        )
        assert await looks(0)
        assert not await looks(1)
        # Whoever comes back after an absence of all gets its moment as well.
        await asked.leave()
        await scene.await_status("asked", "DISCONNECTED")
        await sweep.round(1)
        asked = await executor_that_tells(scene)
        assert not await looks(0)
        assert await looks(SETTLE_SECS)

    run(body)


def test_of_a_shared_database_each_application_looks_at_its_own_work(run: Run) -> None:
    async def body(scene: Served) -> None:
        asked, sweep = await executor_that_tells(scene, old_sdk=True), Sweep(scene)

        async def listing(request: ListWorkflows) -> Reply:
            return ListWorkflowsReply(
                workflows=[
                    WorkflowRecord(
                        workflow_id=owner,
                        status="PENDING",
                        executor_id=owner,
                        application_version="1",
                        application_name=name,
                    )
                    for owner, name in (("ours", APPLICATION), ("theirs", "bank"), ("nobody's", None))
                ]
            )

        asked.on(ListWorkflows, listing)
        await sweep.look()
        assert sorted(await unknown(scene)) == ["nobody's", "ours"]
        # One that can count is told whose work to count.
        counting = [item for item in asked.requests if isinstance(item, GetWorkflowAggregates)]
        assert {tuple(item.body.application_name or ()) for item in counting} == {(APPLICATION,)}

    run(body)


def test_an_orphan_behind_many_pending_workflows_is_found_by_listings_too(run: Run) -> None:
    async def body(scene: Served) -> None:
        _, sweep = await executor_that_tells(scene, old_sdk=True), Sweep(scene)
        scene.workload.pending |= {("asked", f"{number}") for number in range(MAX_LISTED)}
        scene.workload.pending.add(("lost behind them", "1"))
        await sweep.look()
        assert "lost behind them" in await unknown(scene)

    run(body)


def test_an_application_that_cannot_tell_or_is_slow_is_asked_less_and_holds_up_nobody(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(scene: Served) -> None:
        sweep = Sweep(scene)
        fleet, bank_id = scene.conductor.fleet, await scene.application_id("bank")
        shop, bank = ScriptedExecutor("e1"), ScriptedExecutor("e2")
        nobody = GetWorkflowAggregatesReply(aggregates=[])
        shop.answers(GetWorkflowAggregates, GetWorkflowAggregatesReply(error_message="the database is away"))
        bank.answers(GetWorkflowAggregates, nobody)
        await scene.connected(shop)
        await bank.connect(scene.ws_url, "bank")
        await wait_until_async(lambda: fleet.is_present(bank_id), 5, "the other application to connect")

        async def looks(executor: ScriptedExecutor, rounds: int, secs: float) -> list[int]:
            found = []
            for number in range(rounds):
                before = executor.count(GetWorkflowAggregates)
                await sweep.round(secs)
                found += [number] * (executor.count(GetWorkflowAggregates) - before)
            return found

        await sweep.round()
        failed = await looks(shop, 40, SURELY_SECS)
        waits = [later - earlier for earlier, later in pairwise(failed)]
        assert waits[:2] == [2, 4]
        assert set(waits[2:]) <= {MAX_BACKOFF - 1, MAX_BACKOFF}
        # The other one, at the same time.
        assert bank.count(GetWorkflowAggregates) == 40
        assert sweep.policy.notes == ("1 application does not tell who owns the work there",)

        async def slowly(request: GetWorkflowAggregates) -> Reply:
            sweep.clocks.pass_secs(30)
            return nobody

        shop.on(GetWorkflowAggregates, slowly)
        while sweep.policy.notes:
            await sweep.round(SURELY_SECS)
        # It had its rest of ten minutes before it was asked again, even after a recovery.
        monkeypatch.setattr(fleet, "recoveries", lambda application_id: 1)
        assert await looks(shop, 6, BREATHER * 30 / 5 - 1) == [5]
        await bank.vanish()

    run(body)
