"""Jobs on all workflows of a filter: what they hit, how they go on when something fails, and how they end."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from support.executor import ScriptedExecutor
from support.served import APPLICATION, LOCAL, Run, Served
from support.shelf import Shelf
from support.wait import wait_until_async

from conductor_lite.auth.actor import Actor
from conductor_lite.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from conductor_lite.operations import bulk, bulk_job
from conductor_lite.operations.bulk import MAX_QUEUED, BulkJob, BulkOptions, narrowed
from conductor_lite.operations.workflow_actions import CHUNK_SIZE
from conductor_lite.protocol import (
    Cancel,
    CancelReply,
    Delete,
    ForkFromFailure,
    GetQueue,
    GetQueueReply,
    ListWorkflows,
    Resume,
    WorkflowFilters,
)

UNTIL = "2036-01-01T00:00:00+00:00"
READER = Actor(
    subject_type="user", subject_id="r", display="reader", permissions=frozenset({"application.read"})
)


def filters(**values: Any) -> WorkflowFilters:
    return WorkflowFilters(end_time=UNTIL, **values)


def up_to_the_last(shelf: Shelf) -> WorkflowFilters:
    newest = max(record.created_at_epoch_ms or 0 for record in shelf.workflows.values())
    return WorkflowFilters(
        status=["ERROR"], end_time=datetime.fromtimestamp(newest / 1_000 + 0.0005, UTC).isoformat()
    )


async def start(scene: Served, action: Any, which: WorkflowFilters, **options: Any) -> BulkJob:
    jobs = scene.conductor.operations.bulk_jobs
    return await jobs.start(LOCAL, APPLICATION, action, which, target="all of them", **options)


async def now(scene: Served, job: BulkJob) -> BulkJob:
    return await scene.conductor.operations.bulk_jobs.get(LOCAL, APPLICATION, job.id)


async def until(scene: Served, job: BulkJob, condition: Callable[[BulkJob], bool]) -> BulkJob:
    async def reached() -> bool:
        return condition(await now(scene, job))

    await wait_until_async(reached, 20, "the job")
    return await now(scene, job)


async def finished(scene: Served, job: BulkJob) -> BulkJob:
    return await until(scene, job, lambda seen: seen.is_over)


async def with_shelf(scene: Served) -> tuple[Shelf, ScriptedExecutor]:
    shelf = Shelf()
    executor = shelf.serve(ScriptedExecutor("exec-1"))
    await scene.connected(executor)
    return shelf, executor


async def start_and_lose(scene: Served, shelf: Shelf, executor: ScriptedExecutor, *, at: int) -> BulkJob:
    """Begin to cancel everything, and lose the executor while it works on the message of this number."""
    reached = asyncio.Event()

    async def vanishing(request: Cancel) -> Any:
        if executor.count(Cancel) < at:
            return await shelf._cancel(request)
        reached.set()
        return None

    executor.on(Cancel, vanishing)
    job = await start(scene, "cancel", filters())
    await reached.wait()
    await executor.vanish()
    return job


def test_what_leaves_the_filter_by_being_cancelled_hides_nothing(run: Run) -> None:
    async def body(scene: Served) -> None:
        shelf, executor = await with_shelf(scene)
        shelf.fill(1_250, status="PENDING")
        shelf.fill(3, prefix="ended", status="ERROR")
        job = await start(
            scene, "cancel", filters(status=["PENDING"]), options=BulkOptions(with_children=True)
        )
        assert job.state == "gathering"
        job = await finished(scene, job)
        assert (job.state, job.total, job.done, job.failed, job.problem) == ("done", 1_250, 1_250, 0, "")
        assert shelf.statuses() == {"CANCELLED": 1_250, "ERROR": 3}
        asked = [request for request in executor.requests if isinstance(request, Cancel)]
        assert [len(request.workflow_ids or ()) for request in asked] == [CHUNK_SIZE] * 6 + [50]
        assert all(request.cancel_children for request in asked)
        [begun] = await scene.audit("workflow.bulk_job")
        assert begun.details["target"] == "all of them"
        [entry] = await scene.audit("workflow.bulk_cancel")
        assert (entry.details["workflow_count"], entry.details["done"]) == (1_250, 1_250)

    run(body)


def test_workflows_that_come_later_are_not_hit_and_those_that_moved_meanwhile_are(run: Run) -> None:
    async def body(scene: Served) -> None:
        shelf, executor = await with_shelf(scene)
        shelf.fill(900, status="PENDING")
        answer = executor._script[ListWorkflows]
        pages = 0

        async def moving(request: ListWorkflows) -> Any:
            nonlocal pages
            pages += 1
            reply = await answer(request)
            if pages == 1:
                # Those of the first page end, which moves the others by as much.
                for number in range(100):
                    shelf.add(f"wf-{number:05}", status="SUCCESS", created_at_epoch_ms=1)
                shelf.fill(20, prefix="late", status="PENDING", created_at_epoch_ms=2_200_000_000_000)
            return reply

        executor.on(ListWorkflows, moving)
        job = await finished(scene, await start(scene, "delete", filters(status=["PENDING"])))
        assert job.state == "done"
        left = {id_ for id_, record in shelf.workflows.items() if record.status == "PENDING"}
        assert left == {f"late-{number:05}" for number in range(20)}

    run(body)


def test_forks_are_not_forked_again_though_they_fail_at_once(run: Run) -> None:
    async def body(scene: Served) -> None:
        shelf, executor = await with_shelf(scene)
        shelf.fill(450, status="ERROR")
        bounds = up_to_the_last(shelf)
        options = BulkOptions(queue_name="slow", application_version="2")
        job = await finished(scene, await start(scene, "fork_from_failure", bounds, options=options))
        assert (job.state, job.done) == ("done", 450)
        assert sum(record.forked_from is not None for record in shelf.workflows.values()) == 450
        asked = [request.body for request in executor.requests if isinstance(request, ForkFromFailure)]
        assert {(body.queue_name, body.application_version, body.from_last_failure) for body in asked} == {
            ("slow", "2", True)
        }

    run(body)


def test_one_that_is_gone_does_not_keep_the_others_from_being_done(run: Run) -> None:
    async def body(scene: Served) -> None:
        shelf, _ = await with_shelf(scene)
        shelf.fill(500, status="CANCELLED")
        gone = ["wf-00003", "wf-00420"]

        def vanish(request: Any) -> None:
            for id_ in gone:
                shelf.workflows.pop(id_, None)

        shelf.before = vanish
        job = await finished(scene, await start(scene, "resume", filters(status=["CANCELLED"])))
        assert (job.state, job.done, job.failed) == ("done", 498, 2)
        assert [failure.workflow_id for failure in job.failures] == gone
        assert "wf-00003 does not exist" in job.failures[0].reason
        assert shelf.statuses() == {"ENQUEUED": 498}

    run(body)


def test_it_gives_up_when_nothing_succeeds(run: Run) -> None:
    async def body(scene: Served) -> None:
        shelf, executor = await with_shelf(scene)
        shelf.fill(1_000, status="PENDING")

        async def failing(request: Cancel) -> Any:
            return CancelReply(success=False, error_message="OperationalError: disk full")

        executor.on(Cancel, failing)
        job = await finished(scene, await start(scene, "cancel", filters()))
        assert job.state == "failed"
        assert "OperationalError: disk full" in job.problem
        assert executor.count(Cancel) == bulk_job.MAX_FAILURES + 1

    run(body)


def test_it_waits_for_an_executor_and_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_job, "PAUSE_SECS", 0.05)

    async def body(scene: Served) -> None:
        shelf, executor = await with_shelf(scene)
        shelf.fill(600, status="PENDING")
        job = await start_and_lose(scene, shelf, executor, at=3)
        job = await until(scene, job, lambda seen: seen.state == "waiting")
        assert (job.done, job.total) == (400, 600)
        assert "executor" in job.problem
        await scene.connected(shelf.serve(ScriptedExecutor("exec-2")))
        job = await finished(scene, job)
        assert (job.state, job.done, job.problem) == ("done", 600, "")
        # None was tried while nobody was there.
        assert len(await scene.audit("workflow.bulk_cancel")) == 2

    run(body)


def test_it_gives_up_waiting_and_says_how_far_it_got(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_job, "PAUSE_SECS", 0.02)
    monkeypatch.setattr(bulk_job, "PATIENCE_SECS", 0.1)

    async def body(scene: Served) -> None:
        shelf, executor = await with_shelf(scene)
        shelf.fill(600, status="PENDING")
        job = await start_and_lose(scene, shelf, executor, at=2)
        job = await finished(scene, job)
        assert (job.state, job.done, job.total) == ("failed", 200, 600)
        assert "gave up" in job.problem
        assert "same filter" in job.problem

    run(body)


def test_a_fork_nobody_confirmed_is_not_asked_for_twice(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_job, "PAUSE_SECS", 0.02)

    async def body(scene: Served) -> None:
        shelf, executor = await with_shelf(scene)
        shelf.fill(300, status="ERROR")
        asked = asyncio.Event()

        async def silent(request: ForkFromFailure) -> Any:
            await shelf._fork(request)
            asked.set()
            return None

        executor.on(ForkFromFailure, silent)
        job = await start(scene, "fork_from_failure", up_to_the_last(shelf))
        await asked.wait()
        await executor.vanish()
        await scene.connected(shelf.serve(ScriptedExecutor("exec-2")))
        job = await finished(scene, job)
        assert (job.state, job.done, job.failed) == ("done", 100, 200)
        assert "look before you fork again" in job.failures[0].reason
        assert sum(record.forked_from is not None for record in shelf.workflows.values()) == 300

    run(body)


def test_it_stops_after_the_message_under_way_and_the_next_has_its_turn(run: Run) -> None:
    async def body(scene: Served) -> None:
        shelf, executor = await with_shelf(scene)
        jobs = scene.conductor.operations.bulk_jobs
        shelf.fill(1_000, status="PENDING")
        under_way, may_answer = asyncio.Event(), asyncio.Event()

        async def slowly(request: Delete) -> Any:
            under_way.set()
            await may_answer.wait()
            return await shelf._delete(request)

        executor.on(Delete, slowly)
        first = await start(scene, "delete", filters())
        second = await start(scene, "cancel", filters(status=["PENDING"]))
        third = await start(scene, "cancel", filters())
        await under_way.wait()
        assert [job.state for job in await jobs.list(LOCAL, APPLICATION)] == ["queued", "queued", "working"]
        assert executor.count(Cancel) == 0
        await jobs.stop(LOCAL, APPLICATION, first.id)
        assert (await jobs.stop(LOCAL, APPLICATION, third.id)).state == "stopped"
        may_answer.set()
        first = await finished(scene, first)
        assert (first.state, first.done, first.problem) == ("stopped", 200, "Stopped by local user.")
        second = await finished(scene, second)
        assert (second.state, second.done) == ("done", 800)
        [entry] = await scene.audit("workflow.bulk_delete")
        assert (entry.status, entry.details["done"]) == ("failure", 200)
        assert entry.details["error"] == "Stopped by local user."
        # It is over already; that is no error.
        assert (await jobs.stop(LOCAL, APPLICATION, first.id)).problem == "Stopped by local user."

    run(body)


def test_it_ends_when_the_key_that_began_it_is_revoked_and_what_waits_for_its_turn_never_begins(
    run: Run,
) -> None:
    async def body(scene: Served) -> None:
        shelf, executor = await with_shelf(scene)
        operations = scene.conductor.operations
        shelf.fill(1_000, status="PENDING")
        actor = await scene.actor(await scene.key("application.read", "application.write", name="ci"))
        under_way, may_answer = asyncio.Event(), asyncio.Event()

        async def slowly(request: Cancel) -> Any:
            under_way.set()
            await may_answer.wait()
            return await shelf._cancel(request)

        executor.on(Cancel, slowly)
        jobs = operations.bulk_jobs
        first = await jobs.start(actor, APPLICATION, "cancel", filters(), target="all")
        second = await jobs.start(actor, APPLICATION, "delete", filters(), target="all")
        await under_way.wait()
        await operations.keys.revoke(LOCAL, "ci")
        may_answer.set()
        reason = "Stopped: the API key that started it, ci, was revoked meanwhile."
        for job, done in ((first, 200), (second, 0)):
            job = await finished(scene, job)
            assert (job.state, job.done, job.problem) == ("stopped", done, reason)
        assert shelf.statuses() == {"CANCELLED": 200, "PENDING": 800}
        [cancelled] = await scene.audit("workflow.bulk_cancel")
        assert (cancelled.status, cancelled.details["done"], cancelled.details["error"]) == (
            "failure",
            200,
            reason,
        )

        async def written_down() -> bool:
            return len(await scene.audit("workflow.bulk_job_stop")) == 2

        await wait_until_async(written_down, 5, "both entries")
        entry = (await scene.audit("workflow.bulk_job_stop"))[0]
        assert (entry.subject_type, entry.details) == (
            "system",
            {"job_id": first.id, "done": 200, "reason": reason},
        )

    run(body)


def test_a_message_that_waits_for_its_turn_is_not_sent_when_the_key_is_revoked_meanwhile(run: Run) -> None:
    async def body(scene: Served) -> None:
        shelf, executor = await with_shelf(scene)
        shelf.fill(100, status="PENDING")
        actor = await scene.actor(await scene.key("application.read", "application.write", name="ci"))
        [connection] = scene.conductor.fleet._registry.connections()
        others: list[asyncio.Task[Any]] = []
        may_answer = asyncio.Event()

        async def in_the_way(request: GetQueue) -> Any:
            await may_answer.wait()
            return GetQueueReply()

        async def listed(request: ListWorkflows) -> Any:
            # From now on all turns are taken.
            others.extend(asyncio.create_task(scene.ask(GetQueue(name=f"{number}"))) for number in range(16))
            await wait_until_async(lambda: executor.count(GetQueue) >= 15, 10, "the others to be asked")
            return await shelf._list(request)

        executor.on(GetQueue, in_the_way)
        executor.on(ListWorkflows, listed)
        jobs = scene.conductor.operations.bulk_jobs
        job = await jobs.start(actor, APPLICATION, "cancel", filters(), target="all")
        await until(scene, job, lambda seen: seen.state == "working")
        await wait_until_async(lambda: connection._turns._waiters, 10, "the message to wait for its turn")
        await scene.conductor.operations.keys.revoke(LOCAL, "ci")
        may_answer.set()
        job = await finished(scene, job)
        reason = "Stopped: the API key that started it, ci, was revoked meanwhile."
        assert (job.state, job.done, job.problem) == ("stopped", 0, reason)
        assert executor.count(Cancel) == 0
        await asyncio.gather(*others)

    run(body)


def test_another_application_that_gets_the_name_does_not_get_the_rest(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_job, "PAUSE_SECS", 0.05)

    async def body(scene: Served) -> None:
        shelf, executor = await with_shelf(scene)
        operations = scene.conductor.operations
        shelf.fill(600, status="PENDING")
        under_way, remade = asyncio.Event(), asyncio.Event()

        async def slowly(request: Cancel) -> Any:
            under_way.set()
            await remade.wait()
            return await shelf._cancel(request)

        executor.on(Cancel, slowly)
        job = await start(scene, "cancel", filters())
        running = operations.bulk_jobs._jobs[job.id]
        await under_way.wait()
        await operations.applications.delete(LOCAL, APPLICATION)
        other = Shelf()
        other.fill(600, status="PENDING")
        namesake = other.serve(ScriptedExecutor("exec-2"))
        await scene.application_id()
        await scene.connected(namesake)
        remade.set()
        await wait_until_async(lambda: running.job.is_over, 20, "the job")
        assert running.job.state == "stopped"
        assert running.job.problem == f"Stopped: the application {APPLICATION} was deleted meanwhile."
        assert namesake.count(Cancel) == 0
        assert other.statuses() == {"PENDING": 600}

    run(body)


def test_a_second_click_begins_nothing_and_a_crowd_is_sent_away(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "GRACE_SECS", 0.2)

    async def body(scene: Served) -> None:
        shelf, executor = await with_shelf(scene)
        shelf.fill(10, status="PENDING")
        executor.ignores(Cancel)
        both = await asyncio.gather(*(start(scene, "cancel", filters(), job_id="a-job-id") for _ in range(2)))
        assert both[0].id == both[1].id == "a-job-id"
        await wait_until_async(lambda: executor.count(Cancel), 5, "the message")
        assert executor.count(Cancel) == 1
        for _ in range(MAX_QUEUED):
            await start(scene, "cancel", filters())
        with pytest.raises(ConflictError):
            await start(scene, "cancel", filters())
        # The server stops within its grace, whatever is under way.
        await asyncio.wait_for(scene.conductor.operations.bulk_jobs.stop_all(), 60)
        assert (await now(scene, both[0])).state == "stopped"

    run(body)


def test_who_may_what(run: Run) -> None:
    async def body(scene: Served) -> None:
        shelf, _ = await with_shelf(scene)
        shelf.fill(10)
        jobs = scene.conductor.operations.bulk_jobs
        job = await finished(scene, await start(scene, "delete", filters()))
        assert (await jobs.get(READER, APPLICATION, job.id)).done == 10
        with pytest.raises(ForbiddenError):
            await jobs.start(READER, APPLICATION, "delete", filters(), target="")
        with pytest.raises(ForbiddenError):
            await jobs.stop(READER, APPLICATION, job.id)
        with pytest.raises(InvalidError):
            await jobs.start(LOCAL, APPLICATION, "delete", WorkflowFilters(), target="")
        with pytest.raises(InvalidError):
            await jobs.start(LOCAL, APPLICATION, "delete", filters(), target="", job_id="../x")
        with pytest.raises(NotFoundError):
            await jobs.get(LOCAL, APPLICATION, "another")
        await scene.application_id("billing")
        with pytest.raises(NotFoundError):
            await jobs.get(LOCAL, "billing", job.id)
        with pytest.raises(ConflictError):
            await jobs.start(LOCAL, "billing", "delete", filters(), target="", job_id=job.id)
        assert [entry.status for entry in await scene.audit("workflow.bulk_job")] == [
            "success",
            *["failure"] * 4,
        ]

    run(body)


@pytest.mark.parametrize(
    ("action", "asked", "chosen", "left"),
    [
        ("cancel", None, False, ["PENDING", "ENQUEUED", "DELAYED"]),
        ("cancel", ["ERROR", "PENDING"], False, ["PENDING"]),
        ("cancel", ["SUCCESS"], False, None),
        ("resume", None, False, ["CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]),
        ("resume", ["ENQUEUED"], False, ["ENQUEUED"]),
        ("resume", None, True, ["CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED", "ENQUEUED", "DELAYED"]),
        ("fork_from_failure", ["SUCCESS", "ERROR"], False, ["ERROR"]),
        ("delete", ["SUCCESS"], False, ["SUCCESS"]),
    ],
)
def test_only_what_an_action_changes_is_hit(
    action: Any, asked: list[str] | None, chosen: bool, left: list[str] | None
) -> None:
    found = narrowed(action, WorkflowFilters(status=asked), chosen=chosen)
    assert (None if found is None else found.status) == left


def test_an_sdk_that_passes_over_a_filter_is_given_nothing_to_do(run: Run) -> None:
    async def body(scene: Served) -> None:
        shelf, executor = await with_shelf(scene)
        shelf.fill(3, status="PENDING", authenticated_user="ada")
        shelf.fill(3, prefix="other", status="PENDING")

        async def knows_no_users(request: ListWorkflows) -> Any:
            body = msgspec.structs.replace(request.body, authenticated_user=None)
            return await shelf._list(ListWorkflows(body=body))

        executor.on(ListWorkflows, knows_no_users)
        job = await finished(scene, await start(scene, "cancel", filters(authenticated_user=["ada"])))
        assert (job.state, job.done) == ("failed", 0)
        assert "'authenticated_user'" in job.problem
        assert shelf.statuses() == {"PENDING": 6}

    run(body)


def test_resume_is_asked_of_the_executors(run: Run) -> None:
    async def body(scene: Served) -> None:
        shelf, executor = await with_shelf(scene)
        shelf.fill(2, status="CANCELLED")
        job = await start(scene, "resume", filters(), options=BulkOptions(queue_name="slow"))
        assert (await finished(scene, job)).done == 2
        [asked] = [request for request in executor.requests if isinstance(request, Resume)]
        assert asked.queue_name == "slow"

    run(body)
