"""The search box: any id or name, in every application that the reader sees, within a few seconds."""

import time

import pytest
from operations.test_snapshots import _take_snapshots
from support.executor import ScriptedExecutor
from support.history import History
from support.served import APPLICATION, LOCAL, Run, Served
from support.wait import wait_until_async

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ
from conductor_lite.clock import Clock
from conductor_lite.errors import ForbiddenError, InvalidError
from conductor_lite.operations import search
from conductor_lite.operations.search import Found
from conductor_lite.protocol import (
    ListQueues,
    ListQueuesReply,
    ListSchedules,
    ListSchedulesReply,
    ListWorkflows,
    ListWorkflowsReply,
    QueueRecord,
    ScheduleRecord,
)

OTHER = "billing"


def _executor(executor_id: str, *workflow_ids: str, queue: str, schedule: str = "") -> ScriptedExecutor:
    """One whose application has these workflows, each a second newer than the one before."""
    now = int(Clock().now().timestamp() * 1_000)
    history = History()
    for number, workflow_id in enumerate(workflow_ids):
        history.add(workflow_id, now - 60_000 + number * 1_000, workflow_name="charge")
    executor = ScriptedExecutor(executor_id)
    history.answer_through(executor)

    async def list_workflows(request: ListWorkflows) -> ListWorkflowsReply:
        prefix = str(request.body.workflow_id_prefix or "")
        found = [item for item in history.list(request.body) if item.workflow_id.startswith(prefix)]
        return ListWorkflowsReply(workflows=found)

    executor.on(ListWorkflows, list_workflows)
    schedules = [ScheduleRecord(schedule_name=schedule)] if schedule else []
    executor.answers(ListQueues, ListQueuesReply(queues=[QueueRecord(name=queue)]))
    executor.answers(ListSchedules, ListSchedulesReply(schedules=schedules))
    return executor


async def _two_applications(scene: Served) -> tuple[ScriptedExecutor, ScriptedExecutor]:
    first = _executor("e-first", "order-1", "order-2", "same", queue="orders", schedule="nightly-orders")
    second = _executor("e-second", "order-9", "same", queue="mail")
    await scene.connected(first)
    other_id = await scene.application_id(OTHER)
    await second.connect(scene.ws_url, OTHER)
    await wait_until_async(
        lambda: any(view.status == "HEALTHY" for view in scene.conductor.fleet.executors(other_id)),
        5,
        "the second executor to connect",
    )
    return first, second


async def _find(scene: Served, text: str, actor: Actor = LOCAL) -> Found:
    return await scene.conductor.operations.search.find(actor, text)


def _ids(found: Found) -> list[tuple[str, str]]:
    return [(match.application_name, match.workflow_id) for match in found.workflows]


def test_a_whole_id_is_found_in_whichever_application_has_it(run: Run) -> None:
    async def body(scene: Served) -> None:
        first, _ = await _two_applications(scene)
        before = first.count(ListWorkflows)
        found = await _find(scene, " order-9 ")
        assert (_ids(found), found.exact, found.unasked) == ([(OTHER, "order-9")], True, ())
        # Found by its whole id, so nothing that costs more was asked.
        assert first.count(ListWorkflows) == before + 1
        assert first.count(ListQueues) == 0
        assert sorted(_ids(await _find(scene, "same"))) == [(OTHER, "same"), (APPLICATION, "same")]

    run(body)


def test_a_prefix_finds_workflows_newest_first_and_names_besides(run: Run) -> None:
    async def body(scene: Served) -> None:
        await _two_applications(scene)
        found = await _find(scene, "order")
        assert set(_ids(found)) == {(APPLICATION, "order-1"), (APPLICATION, "order-2"), (OTHER, "order-9")}
        created = [match.created_at_epoch_ms or 0 for match in found.workflows]
        assert created == sorted(created, reverse=True)
        assert not found.exact
        assert {(match.kind, match.name, match.application_name) for match in found.named} == {
            ("queue", "orders", APPLICATION),
            ("schedule", "nightly-orders", APPLICATION),
        }
        assert [(m.kind, m.name) for m in (await _find(scene, "E-SEC")).named] == [("executor", "e-second")]
        assert [match.kind for match in (await _find(scene, "bill")).named] == ["application"]
        assert (await _find(scene, "or")).workflows == ()

    run(body)


def test_more_than_is_shown_is_said(run: Run) -> None:
    async def body(scene: Served) -> None:
        ids = [f"job-{number}" for number in range(search.WORKFLOWS_PER_APPLICATION + 5)]
        await scene.connected(_executor("e1", *ids, queue="q"))
        found = await _find(scene, "job-")
        assert len(found.workflows) == search.WORKFLOWS_PER_APPLICATION
        assert found.more_in == (APPLICATION,)
        with pytest.raises(InvalidError):
            await _find(scene, "x" * (search.MAX_TEXT_LENGTH + 1))

    run(body)


def test_only_what_the_reader_may_see_is_found(run: Run) -> None:
    async def body(scene: Served) -> None:
        _, second = await _two_applications(scene)
        key = await scene.key(name="order-bot")
        limited = Actor(
            subject_type="api_key",
            subject_id="k",
            display="k",
            permissions=frozenset({APPLICATION_READ}),
            application_ids=frozenset({await scene.application_id()}),
        )
        asked = len(second.requests)
        found = await _find(scene, "order", limited)
        assert {name for name, _ in _ids(found)} == {APPLICATION}
        assert {match.kind for match in found.named} == {"queue", "schedule"}
        assert len(second.requests) == asked
        for text in ("order", key[:17]):
            assert ("api_key", "order-bot") in {(m.kind, m.name) for m in (await _find(scene, text)).named}
        with pytest.raises(ForbiddenError):
            await _find(
                scene,
                "order",
                Actor(subject_type="user", subject_id="u", display="u", permissions=frozenset()),
            )

    run(body)


def test_an_application_that_is_away_is_searched_in_its_snapshot_and_named(run: Run) -> None:
    async def body(scene: Served) -> None:
        first, _ = await _two_applications(scene)
        await _take_snapshots(scene)
        await scene.application_id("never-there")
        await first.leave()
        await scene.await_status("e-first", "DISCONNECTED")
        exact = await _find(scene, "order-1")
        assert (_ids(exact), exact.workflows[0].from_snapshot) == ([(APPLICATION, "order-1")], True)
        found = await _find(scene, "order-")
        by_snapshot = {match.workflow_id: match.from_snapshot for match in found.workflows}
        assert by_snapshot == {"order-1": True, "order-2": True, "order-9": False}
        unasked = {item.application_name: item for item in found.unasked}
        assert {name: item.reason for name, item in unasked.items()} == {
            APPLICATION: "away",
            "never-there": "away",
        }
        assert unasked[APPLICATION].snapshot_at is not None
        assert unasked["never-there"].snapshot_at is None

    run(body)


def test_an_executor_that_does_not_answer_holds_nobody_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PATIENCE_SECS", 0.5)

    async def body(scene: Served) -> None:
        first, _ = await _two_applications(scene)
        first.ignores(ListWorkflows, ListQueues, ListSchedules)
        asked = len(first.requests)
        begun = time.monotonic()
        found = await _find(scene, "order-")
        # Waited for once, though there are two rounds of questions.
        assert time.monotonic() - begun < 30
        assert len(first.requests) == asked + 1
        assert _ids(found) == [(OTHER, "order-9")]
        assert [(item.application_name, item.reason) for item in found.unasked] == [(APPLICATION, "silent")]

    run(body)
