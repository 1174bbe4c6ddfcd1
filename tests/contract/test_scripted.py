"""The API over executors that do what real ones seldom do: older SDKs, silence, errors, deadlines."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from support.executor import ScriptedExecutor
from support.served import Run, Served, served

from conductor_lite import protocol
from conductor_lite.config import Settings

APP = "/v2/orgs/local/apps/shop"
PERIOD = {"startTime": "2026-01-01T00:00:00Z", "endTime": "2026-01-02T00:00:00Z"}
WORKFLOW = protocol.WorkflowRecord(workflow_id="w-1", status="PENDING")

#: What each operation asks besides looking for the workflow or schedule: method, path, body, message.
ASKING: list[tuple[str, str, Any, Any]] = [
    ("GET", "/workflows", None, protocol.ListWorkflows),
    ("POST", "/workflows/search", {}, protocol.ListWorkflows),
    ("GET", "/workflows/w-1", None, protocol.GetWorkflow),
    ("GET", "/workflows/w-1/steps", None, protocol.ListSteps),
    ("GET", "/workflows/w-1/events", None, protocol.GetWorkflowEvents),
    ("GET", "/workflows/w-1/notifications", None, protocol.GetWorkflowNotifications),
    ("GET", "/workflows/w-1/streams", None, protocol.GetWorkflowStreams),
    ("GET", "/workflows/w-1/export", None, protocol.ExportWorkflow),
    ("POST", "/workflows/aggregates", {"groupByStatus": True}, protocol.GetWorkflowAggregates),
    ("POST", "/steps/aggregates", {"groupByStatus": True}, protocol.GetStepAggregates),
    ("POST", "/workflows/w-1/cancel", None, protocol.Cancel),
    ("POST", "/workflows/w-1/resume", None, protocol.Resume),
    ("POST", "/workflows/w-1/fork", None, protocol.ForkWorkflow),
    ("DELETE", "/workflows/w-1", None, protocol.Delete),
    ("POST", "/workflows/import", {"serializedWorkflow": "x"}, protocol.ImportWorkflow),
    ("POST", "/workflows/bulk-cancel", {"workflowIds": ["w-1"]}, protocol.Cancel),
    ("POST", "/workflows/bulk-resume", {"workflowIds": ["w-1"]}, protocol.Resume),
    ("POST", "/workflows/bulk-delete", {"workflowIds": ["w-1"]}, protocol.Delete),
    (
        "POST",
        "/workflows/bulk-fork-from-failure",
        {"workflowIds": ["w-1"], "fromStep": 1},
        protocol.ForkFromFailure,
    ),
    ("GET", "/queues", None, protocol.ListQueues),
    ("GET", "/queues/q", None, protocol.GetQueue),
    ("GET", "/schedules", None, protocol.ListSchedules),
    ("GET", "/schedules/s", None, protocol.GetSchedule),
    ("POST", "/schedules/s/pause", None, protocol.PauseSchedule),
    ("POST", "/schedules/s/resume", None, protocol.ResumeSchedule),
    ("POST", "/schedules/s/trigger", None, protocol.TriggerSchedule),
    ("POST", "/schedules/s/backfill", PERIOD, protocol.BackfillSchedule),
    ("GET", "/versions", None, protocol.ListApplicationVersions),
    ("PATCH", "/versions/latest", {"versionName": "1"}, protocol.SetLatestApplicationVersion),
]


#: How long an executor gets to answer where it never does.
SILENCE_SECS = 0.5


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs an async function on a served conductor; further settings as given."""

    def run(body: Callable[[Served], Awaitable[Any]], **changes: Any) -> Any:
        settings = Settings(data_dir=tmp_path / "data", port=0, dev=True, **changes)

        async def whole() -> Any:
            async with served(settings) as scene:
                await scene.application_id()
                return await body(scene)

        return asyncio.run(whole())

    return run


def executor(executor_id: str = "e-1") -> ScriptedExecutor:
    """One that knows of one workflow, one schedule and one version, and is silent on all else."""
    scripted = ScriptedExecutor(executor_id)
    scripted.info = msgspec.structs.replace(scripted.info, language="go", dbos_version="0.4.2")
    schedule = protocol.ScheduleRecord(schedule_name="s", workflow_name="w", cron="* * * * *")
    version = protocol.ApplicationVersionRecord(version_id="v", version_name="1")
    for kind, reply in (
        (protocol.GetWorkflow, protocol.GetWorkflowReply(workflow=WORKFLOW)),
        (protocol.ListWorkflows, protocol.ListWorkflowsReply(workflows=[WORKFLOW])),
        (protocol.GetSchedule, protocol.GetScheduleReply(schedule=schedule)),
        (protocol.ListApplicationVersions, protocol.ListApplicationVersionsReply(versions=[version])),
    ):
        scripted.answers(kind, reply)
    return scripted


def reply_to(message: Any, error: str) -> Any:
    """The reply to a message of this kind that reports an error."""
    name = message.__name__ + "Reply"
    return getattr(protocol, name)(error_message=error)


async def ask(scene: Served, method: str, path: str, body: Any, **options: Any) -> httpx.Response:
    answer = await scene.http(method, APP + path, json=body, **options)
    assert answer.status_code < 400 or answer.headers["content-type"] == "application/problem+json"
    return answer


async def ask_each(
    scene: Served,
    make: Callable[[Any], ScriptedExecutor | None],
    wanted: Callable[[httpx.Response, Any], bool],
) -> None:
    """Each operation in turn, its own executor connected; all whose answer is not as wanted are named."""
    wrong: list[str] = []
    for method, path, body, message in ASKING:
        one = make(message)
        if one is not None:
            await scene.connected(one)
        answer = await ask(scene, method, path, body)
        if not wanted(answer, message):
            wrong.append(f"{method} {path}: {answer.status_code} {answer.text}")
    assert not wrong, "\n".join(wrong)


def reporting(error: str) -> Callable[[Any], ScriptedExecutor]:
    """Makes an executor that reports this error when it is asked one kind of message."""

    def make(message: Any) -> ScriptedExecutor:
        # Under the same id: it takes the place of the one before.
        scripted = executor()
        scripted.answers(message, reply_to(message, error))
        return scripted

    return make


def test_message_that_the_sdk_does_not_know_is_501_with_language_version_and_message(run: Run) -> None:
    def wanted(answer: httpx.Response, message: Any) -> bool:
        words = ("go", "0.4.2", protocol.message_type(message))
        return answer.status_code == 501 and all(word in answer.json()["detail"] for word in words)

    run(lambda scene: ask_each(scene, reporting("Unknown message type"), wanted))


def test_error_that_an_executor_reports_is_502_with_its_last_line_and_the_whole_report(run: Run) -> None:
    report = "Something failed: Traceback (most recent call last):\n  File x\nValueError: no such luck\n\n"

    def wanted(answer: httpx.Response, message: Any) -> bool:
        problem = answer.json()
        return (answer.status_code, problem["detail"], problem["report"]) == (
            502,
            "ValueError: no such luck",
            report,
        )

    run(lambda scene: ask_each(scene, reporting(report), wanted))


def test_nobody_to_ask_is_503_with_a_time_to_come_back(run: Run) -> None:
    def wanted(answer: httpx.Response, message: Any) -> bool:
        return (answer.status_code, answer.headers.get("retry-after")) == (503, "5")

    run(lambda scene: ask_each(scene, lambda message: None, wanted))


def test_silence_of_every_executor_is_502(run: Run) -> None:
    async def scenario(scene: Served) -> None:
        silent = [executor("e-1"), executor("e-2")]
        for one in silent:
            one.ignores(protocol.ListQueues, protocol.Cancel)
            await scene.connected(one)
        assert (await ask(scene, "GET", "/queues", None)).status_code == 502
        assert [one.count(protocol.ListQueues) for one in silent] == [1, 1]
        assert (await ask(scene, "POST", "/workflows/w-1/cancel", None)).status_code == 502

    run(scenario, request_timeout_secs=SILENCE_SECS)


def test_deadline_of_the_callers_own_is_504_and_no_earlier(run: Run) -> None:
    async def scenario(scene: Served) -> None:
        silent = executor()
        silent.ignores(protocol.ListQueues)
        await scene.connected(silent)
        began = time.monotonic()
        answer = await ask(scene, "GET", "/queues", None, headers={"Conductor-Deadline-Secs": "0.2"})
        assert answer.status_code == 504
        assert time.monotonic() - began > 0.15
        answer = await ask(scene, "GET", "/queues", None, headers={"Conductor-Deadline-Secs": "60"})
        assert answer.status_code == 502

    run(scenario, request_timeout_secs=SILENCE_SECS)


def test_deadline_holds_for_all_questions_of_an_operation_together(run: Run) -> None:
    async def scenario(scene: Served) -> None:
        slow = executor()

        async def answer_late(request: Any) -> Any:
            await asyncio.sleep(0.15)
            return protocol.GetWorkflowReply(workflow=WORKFLOW)

        slow.on(protocol.GetWorkflow, answer_late)
        slow.ignores(protocol.Cancel)
        await scene.connected(slow)
        headers = {"Conductor-Deadline-Secs": "0.3"}
        answer = await ask(scene, "POST", "/workflows/w-1/cancel", None, headers=headers)
        assert answer.status_code in (502, 504)
        (entry,) = await scene.audit("workflow.cancel")
        assert (entry.status, entry.details["error"]) == ("failure", answer.json()["detail"])

    run(scenario, request_timeout_secs=SILENCE_SECS)


def test_deadline_that_is_none_is_422(run: Run) -> None:
    async def scenario(scene: Served) -> None:
        for text in ("", "0", "-1", "nan", "inf", "1e3", "3601", "a", "1,5"):
            answer = await ask(scene, "GET", "/queues", None, headers={"Conductor-Deadline-Secs": text})
            assert answer.status_code == 422, text
            assert answer.json()["errors"][0]["location"] == "header.Conductor-Deadline-Secs"

    run(scenario)


def test_what_an_older_sdk_leaves_out_is_null(run: Run) -> None:
    async def scenario(scene: Served) -> None:
        await scene.connected(executor())
        workflow = (await ask(scene, "GET", "/workflows/w-1", None)).json()
        assert (workflow.pop("workflowId"), workflow.pop("status")) == ("w-1", "PENDING")
        assert set(workflow.values()) == {None}
        (version,) = (await ask(scene, "GET", "/versions", None)).json()
        assert (version["versionTimestamp"], version["createdAt"]) == (None, None)

    run(scenario)


def test_queue_of_an_older_sdk_has_no_polling_interval(run: Run) -> None:
    async def scenario(scene: Served) -> None:
        older = executor()
        reply = protocol.GetQueueReply(queue=protocol.QueueRecord(name="q"))
        older.answers(protocol.GetQueue, reply)
        await scene.connected(older)
        assert (await ask(scene, "GET", "/queues/q", None)).json()["pollingIntervalSecs"] is None

    run(scenario)


def test_numbers_texts_and_times_are_passed_on_exactly(run: Run) -> None:
    record = protocol.WorkflowRecord(
        workflow_id="w-1 ä/☃",
        status="A_NEW_STATUS",
        created_at_epoch_ms=0,
        updated_at_epoch_ms=1_799_999_999_999,
        deadline_epoch_ms=-1,
        timeout_ms=2**53 + 1,
        priority=-5,
        attributes='{"a": 1}',
        was_forked_from=True,
        workflow_class_name="C",
        workflow_config_name="c",
        authenticated_user="u",
        authenticated_roles='["r"]',
        assumed_role="r",
    )

    async def scenario(scene: Served) -> None:
        exact = executor()
        exact.answers(protocol.GetWorkflow, protocol.GetWorkflowReply(workflow=record))
        await scene.connected(exact)
        workflow = (await ask(scene, "GET", "/workflows/w-1%20%C3%A4%2F%E2%98%83", None)).json()
        assert {name: value for name, value in workflow.items() if value is not None} == {
            "workflowId": "w-1 ä/☃",
            "status": "A_NEW_STATUS",
            "createdAt": "1970-01-01T00:00:00.000Z",
            "updatedAt": "2027-01-15T07:59:59.999Z",
            "deadline": "1969-12-31T23:59:59.999Z",
            "timeoutMs": 2**53 + 1,
            "priority": -5,
            "attributes": '{"a": 1}',
            "wasForkedFrom": True,
            "workflowClass": "C",
            "workflowConfig": "c",
            "user": "u",
            "roles": '["r"]',
            "assumedRole": "r",
        }
        assert exact.requests[-1] == protocol.GetWorkflow(workflow_id="w-1 ä/☃")

    run(scenario)


def test_restart_forks_from_the_first_step_where_the_sdk_no_longer_restarts(run: Run) -> None:
    async def scenario(scene: Served) -> None:
        newer = executor()
        newer.answers(protocol.Restart, protocol.RestartReply(error_message="Unknown message type"))
        newer.answers(protocol.ForkWorkflow, protocol.ForkWorkflowReply(new_workflow_id="w-2"))
        await scene.connected(newer)
        answer = await ask(scene, "POST", "/workflows/w-1/restart", None)
        assert (answer.status_code, answer.json()) == (201, {"workflowId": "w-2"})
        fork = newer.requests[-1]
        assert isinstance(fork, protocol.ForkWorkflow)
        assert (fork.body.workflow_id, fork.body.start_step) == ("w-1", 0)
        assert [entry.status for entry in await scene.audit("workflow.restart")] == ["success"]

    run(scenario)


def test_resume_goes_to_the_latest_version_only(run: Run) -> None:
    async def scenario(scene: Served) -> None:
        both = [executor("e-1"), ScriptedExecutor("e-2", "2")]
        versions = [
            protocol.ApplicationVersionRecord(version_name="1", version_timestamp_epoch_ms=5),
            protocol.ApplicationVersionRecord(version_name="2", version_timestamp_epoch_ms=9),
        ]
        for one in both:
            reply = protocol.ListApplicationVersionsReply(versions=versions)
            one.answers(protocol.ListApplicationVersions, reply)
            one.answers(protocol.GetWorkflow, protocol.GetWorkflowReply(workflow=WORKFLOW))
            one.answers(protocol.Resume, protocol.ResumeReply(success=True))
            await scene.connected(one)
        for _ in range(4):
            assert (await ask(scene, "POST", "/workflows/w-1/resume", None)).status_code == 204
        assert [one.count(protocol.Resume) for one in both] == [0, 4]

    run(scenario)


def test_success_false_without_a_reason_is_502(run: Run) -> None:
    async def scenario(scene: Served) -> None:
        odd = executor()
        odd.answers(protocol.Cancel, protocol.CancelReply(success=False))
        await scene.connected(odd)
        assert (await ask(scene, "POST", "/workflows/w-1/cancel", None)).status_code == 502

    run(scenario)
