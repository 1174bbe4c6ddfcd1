"""Workflows read from an executor or from snapshots: which, when, and how callers are told."""

import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from support.executor import ScriptedExecutor
from support.history import History
from support.served import APPLICATION, LOCAL, Run, Served

from conductor_lite.auth.actor import LOCAL_ORGANIZATION
from conductor_lite.clock import Clock
from conductor_lite.errors import ConflictError, NoHealthyExecutorError, NotFoundError
from conductor_lite.operations.applications import ApplicationChanges
from conductor_lite.policies.snapshot_sync import Sync
from conductor_lite.policies.snapshots import Snapshots
from conductor_lite.protocol import Delete, DeleteReply, GetWorkflow, GetWorkflowReply, WorkflowFilters
from conductor_lite.store.applications import Applications
from conductor_lite.store.snapshots import Snapshots as SnapshotStore

WORKFLOWS = f"/v2/orgs/local/apps/{APPLICATION}/workflows"


async def _connected(scene: Served, history: History) -> ScriptedExecutor:
    executor = ScriptedExecutor("e1")
    history.answer_through(executor)

    async def one(request: GetWorkflow) -> GetWorkflowReply:
        return GetWorkflowReply(workflow=history.workflows.get(request.workflow_id))

    executor.on(GetWorkflow, one)
    return await scene.connected(executor)


async def _take_snapshots(scene: Served) -> None:
    db = scene.conductor.db
    application = await Applications(db).get(LOCAL_ORGANIZATION, APPLICATION)
    assert application is not None
    store = SnapshotStore(db)
    policy = Snapshots(scene.conductor.fleet, Applications(db), store, Clock(), random.Random(1))
    source = await store.ensure_source(application.id)
    await policy.sync(application, Sync(store, source.number, source.progress))


def _history() -> History:
    now = int(Clock().now().timestamp() * 1_000)
    history = History()
    for number in range(1_100):
        history.add(f"w{number:04}", now - 10_000 + number, output="payload", workflow_name="charge")
    return history


def _away(body: Callable[[Served, History], Awaitable[Any]]) -> Callable[[Served], Awaitable[Any]]:
    """The body runs after snapshots were taken and the executor has left."""

    async def whole(scene: Served) -> None:
        history = _history()
        executor = await _connected(scene, history)
        await _take_snapshots(scene)
        await executor.leave()
        await scene.await_status("e1", "DISCONNECTED")
        await body(scene, history)

    return whole


def test_an_executor_answers_while_one_is_connected(run: Run) -> None:
    async def body(scene: Served) -> None:
        await _connected(scene, _history())
        for path in (WORKFLOWS, f"{WORKFLOWS}/w0001"):
            answer = await scene.http("GET", path)
            assert answer.status_code == 200
            assert answer.headers["served-from"] == "executor"
            assert "snapshot-at" not in answer.headers
        answer = await scene.http("GET", f"{WORKFLOWS}/w0001?source=snapshot")
        assert answer.status_code == 404

    run(body)


def test_snapshots_answer_when_none_is(run: Run) -> None:
    async def body(scene: Served, history: History) -> None:
        everything = await scene.http("GET", WORKFLOWS)
        assert everything.headers["served-from"] == "snapshot"
        assert everything.headers["snapshot-at"].endswith("Z")
        assert [item["workflowId"] for item in everything.json()] == sorted(history.workflows)
        assert {item["output"] for item in everything.json()} == {None}
        query = {"limit": 3, "offset": 2, "sortDesc": True}
        some = await scene.http("POST", f"{WORKFLOWS}/search", json=query)
        assert [item["workflowId"] for item in some.json()] == ["w1097", "w1096", "w1095"]
        one = await scene.http("GET", f"{WORKFLOWS}/w0007")
        assert (one.headers["served-from"], one.json()["workflowName"]) == ("snapshot", "charge")
        assert (await scene.http("GET", f"{WORKFLOWS}/other")).status_code == 404
        assert (await scene.http("GET", f"{WORKFLOWS}/w0007/steps")).status_code == 503

    run(_away(body))


def test_what_is_deleted_through_the_server_is_gone_from_snapshots_at_once(run: Run) -> None:
    async def body(scene: Served) -> None:
        history = _history()
        executor = await _connected(scene, history)
        executor.answers(Delete, DeleteReply(success=True))
        await _take_snapshots(scene)
        # The oldest: a pass cannot tell that from what retention has collected.
        assert (await scene.http("DELETE", f"{WORKFLOWS}/w0000")).status_code == 204
        many = [f"w{number:04}" for number in range(1, 301)]
        answer = await scene.http("POST", f"{WORKFLOWS}/bulk-delete", json={"workflowIds": [*many, "nobody"]})
        assert answer.status_code == 204
        executor.answers(Delete, DeleteReply(error_message="no"))
        assert (await scene.http("DELETE", f"{WORKFLOWS}/w0301")).status_code == 502
        left = await scene.http("GET", f"{WORKFLOWS}?source=snapshot")
        assert [item["workflowId"] for item in left.json()] == sorted(history.workflows)[301:]

    run(body)


def test_who_wants_an_executor_gets_no_snapshot(run: Run) -> None:
    async def body(scene: Served, history: History) -> None:
        for method, path in (
            ("GET", WORKFLOWS),
            ("POST", f"{WORKFLOWS}/search"),
            ("GET", f"{WORKFLOWS}/w0007"),
        ):
            assert (await scene.http(method, f"{path}?source=executor")).status_code == 503
            assert (await scene.http(method, f"{path}?source=snapshot")).status_code == 200
            assert (await scene.http(method, f"{path}?source=rumour")).status_code in (400, 422)

    run(_away(body))


def test_without_snapshots_everything_is_as_it_was(run: Run) -> None:
    async def body(scene: Served) -> None:
        snapshots = scene.conductor.operations.snapshots
        with pytest.raises(NoHealthyExecutorError):
            await snapshots.search(LOCAL, APPLICATION, WorkflowFilters())
        with pytest.raises(NotFoundError, match="have been taken yet"):
            await snapshots.search(LOCAL, APPLICATION, WorkflowFilters(), "snapshot")

    run(body)


def test_a_key_for_another_application_finds_neither(run: Run) -> None:
    async def body(scene: Served, history: History) -> None:
        await scene.application_id("another")
        key = await scene.key("application.read", apps=("another",))
        for source in ("auto", "snapshot"):
            answer = await scene.http(
                "GET", f"{WORKFLOWS}?source={source}", headers={"Authorization": f"Bearer {key}"}
            )
            assert answer.status_code == 404

    run(_away(body))


def test_the_state_of_snapshots_and_a_full_pass_are_had_over_http(run: Run) -> None:
    path = f"/v2/orgs/local/apps/{APPLICATION}/snapshots"

    async def body(scene: Served, history: History) -> None:
        before = (await scene.http("GET", path)).json()
        assert before.pop("syncedAt").endswith("Z")
        assert before == {
            "workflowCount": 1_100,
            "fullPassAt": None,
            "fullPassPending": False,
            "error": None,
        }
        assert (await scene.http("POST", f"{path}/full-pass")).status_code == 204
        assert (await scene.http("GET", path)).json()["fullPassPending"]
        key = await scene.key("application.read")
        refused = await scene.http("POST", f"{path}/full-pass", headers={"Authorization": f"Bearer {key}"})
        assert refused.status_code == 403
        await scene.application_id("another")
        assert (await scene.http("GET", path.replace(APPLICATION, "another"))).status_code == 404

    run(_away(body))


def test_a_pass_through_everything_is_asked_for_and_audited(run: Run) -> None:
    async def body(scene: Served, history: History) -> None:
        snapshots = scene.conductor.operations.snapshots
        await snapshots.request_full_pass(LOCAL, APPLICATION)
        status = await snapshots.status(LOCAL, APPLICATION)
        assert (status.workflows, status.full_pass_pending, status.full_pass_at) == (1_100, True, None)
        assert [entry.status for entry in await scene.audit("snapshots.full_pass")] == ["success"]
        executor = await _connected(scene, history)
        del history.workflows["w0500"]
        await _take_snapshots(scene)
        status = await snapshots.status(LOCAL, APPLICATION)
        assert (status.workflows, status.full_pass_pending, status.error) == (1_099, False, None)
        assert status.full_pass_at is not None
        await executor.leave()
        await scene.conductor.operations.applications.update(
            LOCAL, APPLICATION, ApplicationChanges(snapshots_enabled=False)
        )
        with pytest.raises(ConflictError):
            await snapshots.request_full_pass(LOCAL, APPLICATION)

    run(_away(body))
