"""Deaths and what follows, with scripted executors: who is asked, how often, and what the audit log keeps."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.executor import ScriptedExecutor
from support.served import APPLICATION, LOCAL, Run, Served
from support.wait import wait_until_async

from conductor_lite.fleet import recovery
from conductor_lite.fleet.views import RecoveryView
from conductor_lite.operations.applications import ApplicationChanges
from conductor_lite.protocol import (
    ExistPendingWorkflows,
    ExistPendingWorkflowsReply,
    ListQueues,
    Recovery,
    RecoveryReply,
    Reply,
)
from conductor_lite.store.records import AuditEntry

RECOVERY = "executor.recovery"


def recovered_ids(executor: ScriptedExecutor) -> list[list[str]]:
    """The ids of each ``recovery`` that arrived, in order."""
    return [sorted(r.executor_ids) for r in executor.requests if isinstance(r, Recovery)]


def recovery_of(scene: Served, executor_id: str) -> RecoveryView:
    """How far the recovery of a dead executor is."""
    view = scene.view(executor_id).recovery
    assert view is not None
    return view


async def dies(scene: Served, executor: ScriptedExecutor) -> None:
    """It vanishes and leaves a workflow behind."""
    scene.workload.pending.add((executor.executor_id, executor.version))
    await executor.vanish()


async def audited(scene: Served, count: int) -> list[AuditEntry]:
    """The first so many audit entries of recoveries, once they are there."""

    async def entries() -> Any:
        found = await scene.audit(RECOVERY)
        return found if len(found) >= count else None

    found: list[AuditEntry] = await wait_until_async(entries, 10, f"{count} audit entries")
    return found


def test_dead_executor_is_recovered_on_its_own_version_and_forgotten(run: Run) -> None:
    async def body(scene: Served) -> None:
        dying, heir = await scene.executor("dying"), await scene.executor("heir")
        stranger = await scene.executor("stranger", "2")
        started = time.monotonic()
        await dies(scene, dying)
        await scene.await_status("dying", None)
        assert time.monotonic() - started >= 1
        assert recovered_ids(heir) == [["dying"]]
        assert recovered_ids(stranger) == []
        asked = [r for e in (heir, stranger) for r in e.requests if isinstance(r, ExistPendingWorkflows)]
        assert [(r.executor_id, r.application_version) for r in asked] == [("dying", "1")]
        (entry,) = await audited(scene, 1)
        assert (entry.status, entry.subject_id, entry.target_id) == ("success", "conductor", "shop")
        details: dict[str, Any] = dict(entry.details)
        assert 1 <= details.pop("detection_secs") < 60
        assert 0 <= details.pop("recovery_secs") < 60
        assert details == {
            "executor_ids": ["dying"],
            "application_version": "1",
            "recovered_by": "heir",
            "confirmed": ["dying"],
            "attempts": 1,
        }

    run(body)


def test_returning_within_the_timeout_is_no_death(run: Run) -> None:
    async def body(scene: Served) -> None:
        flapping, heir = await scene.executor("flapping"), await scene.executor("heir")
        later = await scene.executor("later")
        for _ in range(3):
            await dies(scene, flapping)
            await scene.await_status("flapping", "DISCONNECTED")
            assert scene.view("flapping").dead_at is not None
            flapping = await scene.executor("flapping")
        # By the time that who went after it is dead it would be so, too.
        await dies(scene, later)
        await scene.await_status("later", None)
        assert scene.statuses() == {"flapping": "HEALTHY", "heir": "HEALTHY"}
        assert recovered_ids(heir) + recovered_ids(flapping) == [["later"]]
        assert scene.workload.pending == {("flapping", "1")}

    run(body)


def test_recovery_does_not_wait_behind_what_others_ask_for(run: Run) -> None:
    async def body(scene: Served) -> None:
        heir, dying = await scene.executor("heir"), await scene.executor("dying")
        heir.ignores(ListQueues)
        application_id = await scene.application_id()
        # Twice as many as there are turns.
        asking = [
            asyncio.create_task(scene.conductor.fleet.ask(application_id, ListQueues(), executor_id="heir"))
            for _ in range(8)
        ]
        await wait_until_async(lambda: heir.count(ListQueues) == 4, 5, "all turns to be taken")
        scene.workload.pending.add(("dying", "1"))
        await dying.vanish()
        await scene.await_status("dying", None)
        assert scene.workload.pending == set()
        assert (heir.count(Recovery), heir.count(ListQueues)) == (1, 4)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    run(body, request_timeout_secs=60)


def test_five_hundred_deaths_at_once_are_one_message_to_one_executor(run: Run) -> None:
    async def body(scene: Served) -> None:
        heirs = [await scene.executor("heir-1"), await scene.executor("heir-2")]
        most = 0
        under_way = 0

        def counted(executor: ScriptedExecutor) -> None:
            async def look(request: ExistPendingWorkflows) -> Reply:
                nonlocal most, under_way
                under_way += 1
                most = max(most, under_way)
                await asyncio.sleep(0.001)
                under_way -= 1
                return ExistPendingWorkflowsReply(
                    exist=(request.executor_id, request.application_version) in scene.workload.pending
                )

            executor.on(ExistPendingWorkflows, look)

        for heir in heirs:
            counted(heir)
        dying = [ScriptedExecutor(f"e{number}", "1", scene.workload) for number in range(500)]
        for start in range(0, 500, 50):
            wave = dying[start : start + 50]
            await asyncio.gather(
                *(executor.connect(scene.ws_url, APPLICATION, open_timeout=60) for executor in wave)
            )
        await wait_until_async(lambda: len(scene.statuses()) == 502, 20, "all to connect")
        await asyncio.gather(*(dies(scene, executor) for executor in dying))

        def all_have_been_away_for_a_second() -> bool:
            since = [
                view.dead_at - timedelta(seconds=3_600)
                for by_version in scene.views().values()
                for view in by_version.values()
                if view.status == "DISCONNECTED" and view.dead_at is not None
            ]
            return len(since) == 500 and max(since) < datetime.now(UTC) - timedelta(seconds=1)

        # Sockets break one after the other; a shorter timeout makes all of them overdue at one instant.
        await wait_until_async(all_have_been_away_for_a_second, 20, "all to be disconnected for long")
        await scene.conductor.operations.applications.update(
            LOCAL, APPLICATION, ApplicationChanges(executor_timeout_secs=1)
        )
        await wait_until_async(lambda: len(scene.statuses()) == 2, 20, "all to be forgotten")
        messages = recovered_ids(heirs[0]) + recovered_ids(heirs[1])
        assert messages == [sorted(executor.executor_id for executor in dying)]
        assert sum(heir.count(ExistPendingWorkflows) for heir in heirs) == 500
        assert 1 < most <= recovery.CONCURRENT_QUESTIONS
        (entry,) = await audited(scene, 1)
        details: dict[str, Any] = dict(entry.details)
        assert len(details["executor_ids"]) == len(details["confirmed"]) == 500

    # Enough turns at each socket that they are not what bounds the questions.
    waits = {"executor_timeout_secs": 3_600, "request_timeout_secs": 30, "handshake_timeout_secs": 60}
    run(body, max_in_flight_requests=200, **waits)


def test_refusal_is_answered_by_asking_another_after_a_while(run: Run) -> None:
    async def body(scene: Served) -> None:
        dying = await scene.executor("dying")
        broken, well = await scene.executor("broken"), await scene.executor("well")
        asked_at: list[tuple[str, float]] = []

        def recovering(executor: ScriptedExecutor, reply: RecoveryReply) -> None:
            async def recover(request: Recovery) -> Reply:
                asked_at.append((executor.executor_id, time.monotonic()))
                if reply.success:
                    scene.workload.pending.clear()
                return reply

            executor.on(Recovery, recover)

        recovering(broken, RecoveryReply(success=False, error_message="Traceback\nits database is down"))
        recovering(well, RecoveryReply(success=True))
        # Two requests under way make the one that works the busier one, so that it is not asked first.
        well.ignores(ListQueues)
        busy = [asyncio.create_task(scene.ask(ListQueues(), executor_id="well")) for _ in range(2)]
        await wait_until_async(lambda: well.count(ListQueues) == 2, 5, "it to be busy")
        await dies(scene, dying)
        await scene.await_status("dying", None)
        assert [executor_id for executor_id, _ in asked_at] == ["broken", "well"]
        assert asked_at[1][1] - asked_at[0][1] > 0.9
        failure, success = await audited(scene, 2)
        assert (failure.status, failure.details["recovered_by"]) == ("failure", None)
        assert failure.details["error"] == "its database is down"
        assert (success.status, success.details["recovered_by"]) == ("success", "well")
        assert (failure.details["attempts"], success.details["attempts"]) == (1, 2)
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)

    run(body, request_timeout_secs=30)


def test_executor_that_vanishes_amid_a_recovery_is_followed_by_another(run: Run) -> None:
    async def body(scene: Served) -> None:
        dying = await scene.executor("dying")
        heirs = [await scene.executor(f"heir-{number}") for number in range(3)]
        vanished: list[str] = []

        def fragile(executor: ScriptedExecutor) -> None:
            async def recover(request: Recovery) -> Reply | None:
                if not vanished:
                    vanished.append(executor.executor_id)
                    executor.connection.transport.abort()
                    return None
                scene.workload.pending -= {(id_, "1") for id_ in request.executor_ids}
                return RecoveryReply(success=True)

            executor.on(Recovery, recover)

        for heir in heirs:
            fragile(heir)
        await dies(scene, dying)
        await scene.await_status("dying", None)
        assert scene.workload.pending == set()
        (entry,) = await audited(scene, 1)
        assert entry.details["recovered_by"] not in vanished

    run(body)


def test_success_that_recovered_nothing_is_not_believed(run: Run) -> None:
    async def body(scene: Served) -> None:
        dying, heir = await scene.executor("dying"), await scene.executor("heir")
        honest = heir._recover

        async def recover(request: Recovery) -> Reply:
            if heir.count(Recovery) < 3:
                return RecoveryReply(success=True)
            return await honest(request)

        heir.on(Recovery, recover)
        await dies(scene, dying)
        await scene.await_status("dying", "DEAD")
        await wait_until_async(lambda: heir.count(Recovery) == 1, 5, "a recovery")
        await wait_until_async(lambda: recovery_of(scene, "dying").stage == "retrying", 5, "a retry to wait")
        assert "still has pending" in (recovery_of(scene, "dying").error or "")
        await scene.await_status("dying", None)
        assert recovered_ids(heir) == [["dying"]] * 3
        # Attempts 1 and 2 failed, 3 succeeded; of failures the 1st, 2nd, 4th, 8th ... are kept.
        entries = await audited(scene, 3)
        assert [(e.status, e.details["attempts"]) for e in entries] == [
            ("failure", 1),
            ("failure", 2),
            ("success", 3),
        ]
        assert entries[0].details["confirmed"] == []

    run(body)


def test_answer_that_could_not_read_the_database_forgets_nobody(run: Run) -> None:
    async def body(scene: Served) -> None:
        dying, heir = await scene.executor("dying"), await scene.executor("heir")
        heir.answers(
            ExistPendingWorkflows, ExistPendingWorkflowsReply(exist=False, error_message="no database")
        )
        await dies(scene, dying)
        await wait_until_async(lambda: heir.count(ExistPendingWorkflows), 5, "the question")
        await wait_until_async(lambda: recovery_of(scene, "dying").error, 5, "its failure to be noted")
        assert scene.view("dying").status == "DEAD"
        heir.on(ExistPendingWorkflows, heir._look_for_pending)
        await scene.await_status("dying", None)

    run(body)


def test_stranded_version_is_kept_shown_and_recovered_the_moment_it_returns(run: Run) -> None:
    async def body(scene: Served) -> None:
        old = await scene.executor("old", "1")
        await scene.executor("new", "2")
        await dies(scene, old)

        def stranded() -> bool:
            view = scene.view("old").recovery
            return view is not None and view.stage == "stranded"

        await wait_until_async(stranded, 10, "its version to be stranded")
        (version,) = [v for v in scene.conductor.fleet.versions(await scene.application_id()) if v.dead]
        assert version.application_version == "1"
        assert version.stranded_since is not None
        heir = await scene.executor("heir", "1")
        started = time.monotonic()
        await scene.await_status("old", None)
        assert time.monotonic() - started < 30
        assert recovered_ids(heir) == [["old"]]

    run(body)


def test_dead_without_pending_work_on_another_version_is_forgotten_without_a_recovery(run: Run) -> None:
    async def body(scene: Served) -> None:
        old = await scene.executor("old", "1")
        new = await scene.executor("new", "2")
        await old.vanish()
        await scene.await_status("old", None)
        assert recovered_ids(new) == []

    run(body)


def test_last_one_of_an_application_waits_for_somebody_to_come(run: Run) -> None:
    async def body(scene: Served) -> None:
        last = await scene.executor("last")
        await dies(scene, last)
        await scene.await_status("last", "DEAD")
        assert recovery_of(scene, "last").stage == "waiting"
        heir = await scene.executor("heir")
        await scene.await_status("last", None)
        assert recovered_ids(heir) == [["last"]]

    run(body)


def test_dead_executor_that_returns_before_it_was_recovered_goes_on(run: Run) -> None:
    async def body(scene: Served) -> None:
        last = await scene.executor("last")
        await dies(scene, last)
        await scene.await_status("last", "DEAD")
        returned = await scene.executor("last")
        assert scene.statuses() == {"last": "HEALTHY"}
        assert recovered_ids(returned) == []
        assert scene.workload.pending == {("last", "1")}

    run(body)


def test_executor_timeout_of_an_application_can_be_shortened_while_it_counts(run: Run) -> None:
    async def body(scene: Served) -> None:
        dying = await scene.executor("dying")
        await scene.executor("heir")
        await dies(scene, dying)
        await scene.await_status("dying", "DISCONNECTED")
        await scene.conductor.operations.applications.update(
            LOCAL, APPLICATION, ApplicationChanges(executor_timeout_secs=1)
        )
        await scene.await_status("dying", None)

    run(body, executor_timeout_secs=3_600)


def test_fault_of_ours_in_a_recovery_leaves_nobody_behind(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(scene: Served) -> None:
        dying, heir = await scene.executor("dying"), await scene.executor("heir")
        ask = recovery.RecoveryDesk._ask_recovery
        faults: list[int] = []

        async def faulty(desk: recovery.RecoveryDesk, *arguments: Any) -> str:
            if not faults:
                faults.append(1)
                raise ZeroDivisionError
            return await ask(desk, *arguments)

        monkeypatch.setattr(recovery.RecoveryDesk, "_ask_recovery", faulty)
        await dies(scene, dying)
        await scene.await_status("dying", None)
        assert faults
        assert recovered_ids(heir) == [["dying"]]

    run(body)
