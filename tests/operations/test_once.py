"""Requests and forms that are sent twice: done once, across failures and restarts."""

import asyncio
import hashlib
import threading
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
from support.executor import ScriptedExecutor
from support.served import APPLICATION, LOCAL, Run, Served, served

from conductor_lite import server
from conductor_lite.begun import note_change
from conductor_lite.client import AsyncClient, RetryPolicy, calls
from conductor_lite.clock import Clock
from conductor_lite.config import Settings
from conductor_lite.errors import NoHealthyExecutorError, NotFoundError, StandingLostError, StoreError
from conductor_lite.operations import once, workflow_actions
from conductor_lite.operations.applications import ApplicationChanges
from conductor_lite.operations.once import Attempt, Caution, Outcome
from conductor_lite.protocol import (
    ForkWorkflow,
    ForkWorkflowReply,
    GetSchedule,
    GetScheduleReply,
    GetWorkflow,
    GetWorkflowReply,
    ListApplicationVersions,
    ListApplicationVersionsReply,
    Restart,
    Resume,
    ResumeReply,
    ScheduleRecord,
    TriggerSchedule,
    TriggerScheduleReply,
    WorkflowRecord,
)

SHOP = "/v2/orgs/local/apps/shop"
PLAIN = Caution()
FORK = f"{SHOP}/workflows/order-7/fork"
TRIGGER = f"{SHOP}/schedules/nightly/trigger"
RESUME = f"{SHOP}/workflows/bulk-resume"
RULES = f"{SHOP}/alerting-rules"
RULE = {"ruleType": "SlowQueue", "ruleMetadata": {"thresholdSecs": 60}}


class Orders:
    """An application's workflows, behind an executor that can be made to do a thing and not to say so."""

    def __init__(self) -> None:
        self.workflows = {"order-7": WorkflowRecord(workflow_id="order-7", status="SUCCESS")}
        self.triggered = 0
        self.silent = False
        self.executor = ScriptedExecutor("exec-1")
        self.executor.on(GetWorkflow, self._get)
        self.executor.on(ForkWorkflow, self._fork)
        self.executor.on(TriggerSchedule, self._trigger)
        schedule = ScheduleRecord(schedule_name="nightly", workflow_name="report", cron="0 3 * * *")
        self.executor.answers(GetSchedule, GetScheduleReply(schedule=schedule))

    async def _get(self, request: GetWorkflow) -> GetWorkflowReply:
        return GetWorkflowReply(workflow=self.workflows.get(request.workflow_id))

    async def _fork(self, request: ForkWorkflow) -> ForkWorkflowReply | None:
        body = request.body
        assert body.new_workflow_id is not None
        if body.new_workflow_id in self.workflows:
            return ForkWorkflowReply(error_message="IntegrityError: it exists already")
        self.workflows[body.new_workflow_id] = WorkflowRecord(
            workflow_id=body.new_workflow_id, status="PENDING", forked_from=body.workflow_id
        )
        return None if self.silent else ForkWorkflowReply(new_workflow_id=body.new_workflow_id)

    async def _trigger(self, request: TriggerSchedule) -> TriggerScheduleReply | None:
        self.triggered += 1
        return None if self.silent else TriggerScheduleReply(workflow_id=f"run-{self.triggered}")


async def sent(scene: Served, path: str, key: str, body: Any = None, **headers: str) -> httpx.Response:
    return await scene.http("POST", path, json=body, headers={"Idempotency-Key": key, **headers})


def test_a_request_sent_twice_is_done_once_and_tells_the_same_both_times(run: Run) -> None:
    async def body(scene: Served) -> None:
        orders = Orders()
        await scene.connected(orders.executor)
        # At the same time, and afterwards.
        both = await asyncio.gather(*(sent(scene, FORK, "k-1", {"startStep": 2}) for _ in range(2)))
        third = await sent(scene, FORK, '"k-1"', {"startStep": 2})
        assert [answer.status_code for answer in (*both, third)] == [201] * 3, third.text
        assert both[0].json() == both[1].json() == third.json()
        assert sorted(answer.headers.get("idempotency-replayed", "") for answer in both) == ["", "true"]
        assert third.headers["idempotency-replayed"] == "true"
        assert orders.executor.count(ForkWorkflow) == 1
        # Another request under that key, another key, somebody else's, and none.
        refused = await sent(scene, FORK, "k-1", {"startStep": 3})
        assert refused.status_code == 422
        assert "another request" in refused.json()["detail"]
        await sent(scene, FORK, "k-2", {"startStep": 2})
        key = await scene.key("application.write")
        await sent(scene, FORK, "k-1", {"startStep": 2}, Authorization=f"Bearer {key}")
        await scene.http("POST", FORK, json={"startStep": 2})
        assert orders.executor.count(ForkWorkflow) == 4
        # Restarted under a key, it is forked, so that the new id is known before.
        anew = [await sent(scene, f"{SHOP}/workflows/order-7/restart", "r-1") for _ in range(2)]
        assert anew[0].json() == anew[1].json()
        assert anew[0].json()["workflowId"] in orders.workflows
        assert (orders.executor.count(ForkWorkflow), orders.executor.count(Restart)) == (5, 0)
        for odd in ("", "with space", "x" * 256, "ü".encode().decode("latin-1")):
            wrong = await scene.http("POST", FORK, headers=[(b"Idempotency-Key", odd.encode("latin-1"))])
            assert wrong.status_code == 422
            assert wrong.json()["errors"][0]["location"] == "header.Idempotency-Key"

    run(body)


def test_what_is_not_known_to_be_done_is_looked_for_or_left_to_the_caller_even_after_a_restart(
    tmp_path: Path,
) -> None:
    settings = Settings(data_dir=tmp_path / "data", port=0, dev=True, request_timeout_secs=0.3)
    orders = Orders()

    async def silent(scene: Served) -> None:
        await scene.application_id()
        nobody = await sent(scene, TRIGGER, "t-0")
        assert nobody.status_code == 503
        await scene.connected(orders.executor)
        # Nothing had been done, so the key is free.
        assert (await sent(scene, TRIGGER, "t-0")).json() == {"workflowId": "run-1"}
        orders.silent = True
        assert (await sent(scene, FORK, "f-1", {"startStep": 2})).status_code == 502
        assert (await sent(scene, TRIGGER, "t-1")).status_code == 502
        orders.silent = False

    async def restarted(scene: Served) -> None:
        await scene.connected(orders.executor)
        found = await sent(scene, FORK, "f-1", {"startStep": 2})
        assert found.status_code == 201
        made = [id_ for id_, one in orders.workflows.items() if one.forked_from == "order-7"]
        assert [found.json()["workflowId"]] == made
        unknown = await sent(scene, TRIGGER, "t-1")
        assert unknown.status_code == 409
        assert "is not known" in unknown.json()["detail"]
        assert (await sent(scene, TRIGGER, "t-0")).json() == {"workflowId": "run-1"}
        assert orders.triggered == 2

    async def whole() -> None:
        for part in (silent, restarted):
            async with served(settings) as scene:
                await part(scene)

    asyncio.run(whole())


def test_keys_are_forgotten_after_a_day_or_when_there_are_too_many_and_long_answers_are_not_kept(
    run: Run, monkeypatch: Any
) -> None:
    monkeypatch.setattr(once, "MAX_KEYS", 3)
    monkeypatch.setattr(once, "MAX_ANSWER_BYTES", 10)

    class Moved(Clock):
        jumped = passed = timedelta()

        def now(self) -> datetime:
            return super().now() + self.passed + self.jumped

        def monotonic(self) -> float:
            return super().monotonic() + self.passed.total_seconds()

    monkeypatch.setattr(server, "Clock", Moved)

    async def body(scene: Served) -> None:
        done: list[str] = []

        async def work(attempt: Attempt, answer: bytes = b"short") -> bytes:
            done.append(attempt.new_id)
            return answer

        async def long(attempt: Attempt) -> bytes:
            return await work(attempt, b"longer than that")

        async def ask(key: str, work: Any = work, caution: Caution = PLAIN) -> Outcome:
            return await scene.conductor.operations.once.run(LOCAL, key, {"a": 1}, work, caution)

        assert (await ask("a")).replayed is False
        assert (await ask("a")).replayed is True
        # A calendar that jumps ahead is not believed at once; a day that passes by both clocks is.
        Moved.jumped = once.EXPIRY + timedelta(seconds=1)
        assert (await ask("a")).replayed is True
        Moved.jumped, Moved.passed = timedelta(), once.EXPIRY + timedelta(seconds=1)
        assert (await ask("a")).replayed is False
        assert len(set(done)) == len(done) == 2
        assert (await ask("long", long)).answer == b"longer than that"
        [error] = await asyncio.gather(ask("long", long), return_exceptions=True)
        assert "too long to be kept" in str(error)
        for key in "bcde":
            await ask(key)
        assert (await ask("a")).replayed is False
        assert (await ask("e")).replayed is True

        # What may have been done in part, or was cut off by a lost right, is not simply tried again.
        async def fails(attempt: Attempt) -> bytes:
            note_change()
            raise failure

        failure: Exception = NoHealthyExecutorError("nobody")
        for key, caution, again in (
            ("x", Caution(in_parts=True), "is not known"),
            ("y", Caution(), "nobody"),
        ):
            for expected in ("nobody", again):
                [error] = await asyncio.gather(ask(key, fails, caution), return_exceptions=True)
                assert expected in str(error)
        failure = StandingLostError("revoked")
        for expected in ("revoked", "is not known"):
            [error] = await asyncio.gather(ask("z", fails), return_exceptions=True)
            assert expected in str(error)
        assert not scene.conductor.operations.once._busy

    run(body)


def test_a_key_stays_taken_only_once_something_may_have_been_done(run: Run, monkeypatch: Any) -> None:
    monkeypatch.setattr(workflow_actions, "CHUNK_SIZE", 1)
    two = {"workflowIds": ["order-7", "order-8"]}
    forked = {"workflowIds": ["order-7"], "fromLastFailure": True}

    async def breaks(*_: object) -> None:
        raise StoreError("the disk is full")

    async def body(scene: Served) -> None:
        await scene.application_id()
        context = scene.conductor.operations.once._context

        async def statuses(path: str, key: str, asked: Any) -> list[int]:
            return [(await sent(scene, path, key, asked)).status_code for _ in range(2)]

        # Nobody is connected, or the database fails before anything is sent: clients try again with that key.
        for path, asked in ((RESUME, two), (f"{SHOP}/workflows/bulk-fork-from-failure", forked)):
            assert await statuses(path, f"none-{path}", asked) == [503, 503]
        with monkeypatch.context() as patch:
            patch.setattr(context.applications, "get", breaks)
            for path, asked in ((RESUME, two), (TRIGGER, None)):
                assert await statuses(path, "broken", asked) == [503, 503]
        orders = Orders()
        orders.executor.answers(ListApplicationVersions, ListApplicationVersionsReply())
        orders.executor.answers(Resume, ResumeReply(success=True))
        await scene.connected(orders.executor)
        assert await statuses(RESUME, f"none-{RESUME}", two) == [204, 204]
        assert await statuses(TRIGGER, "broken", None) == [201, 201]
        assert (orders.executor.count(Resume), orders.triggered) == (2, 1)
        # Deleted between two messages; and done, but the audit log could not be written.
        found = [await context.applications.by_id(await scene.application_id())]

        async def soon_gone(*_: object) -> object:
            return found.pop() if found else None

        with monkeypatch.context() as patch:
            patch.setattr(context.applications, "by_id", soon_gone)
            assert await statuses(RESUME, "half", two) == [404, 409]
        with monkeypatch.context() as patch:
            patch.setattr(context.audit_log, "append", breaks)
            for path, asked in ((RESUME, two), (TRIGGER, None), (RULES, RULE)):
                assert await statuses(path, f"done-{path}", asked) == [503, 409]
        assert (orders.executor.count(Resume), orders.triggered) == (5, 2)

    run(body)


def test_what_was_written_keeps_its_key_taken_though_the_operation_says_nothing_of_it(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scene.application_id()
        applications = scene.conductor.operations.applications
        changes = ApplicationChanges(executor_timeout_secs=50)

        async def writes(attempt: Attempt) -> bytes:
            await applications.update(LOCAL, APPLICATION, changes)
            raise NotFoundError("and then it failed")

        async def is_refused(attempt: Attempt) -> bytes:
            await applications.update(LOCAL, "no such application", changes)
            return b""

        async def rolls_back(attempt: Attempt) -> bytes:
            async with scene.conductor.db.write():
                raise NotFoundError("before the commit")

        async def failures(work: Any) -> list[str]:
            ask, caution = scene.conductor.operations.once.run, Caution(in_parts=True)
            once_and_again = [
                await asyncio.gather(ask(LOCAL, work.__name__, {}, work, caution), return_exceptions=True)
                for _ in range(2)
            ]
            return [str(error) for [error] in once_and_again]

        first, second = await failures(writes)
        assert first == "and then it failed"
        assert "is not known" in second
        # An entry of the audit log is no part of it, and what came to nothing changed nothing.
        refused = await failures(is_refused)
        assert ["There is no application" in text for text in refused] == [True, True]
        assert await failures(rolls_back) == ["before the commit"] * 2
        assert len(await scene.audit("application.update")) == 3

    run(body)


def test_long_requests_are_told_apart_without_holding_others_up(run: Run, monkeypatch: Any) -> None:
    hashed: list[tuple[int, bool]] = []
    loop_thread = threading.get_ident()

    def sha256(content: bytes) -> Any:
        hashed.append((len(content), threading.get_ident() == loop_thread))
        return hashlib.sha256(content)

    monkeypatch.setattr(once, "hashlib", SimpleNamespace(sha256=sha256))

    async def body(scene: Served) -> None:
        async def work(attempt: Attempt) -> bytes:
            return b"done"

        async def ask(text: str, other: str = "x") -> Outcome:
            asked = ["import", Restart(workflow_id=text), other]
            return await scene.conductor.operations.once.run(LOCAL, "k", asked, work, PLAIN)

        text = '"' * 300_000
        assert [(await ask(text)).replayed for _ in range(2)] == [False, True]
        # Neither hashed in the loop's thread nor written as JSON, which nothing else can go on beside.
        assert max(length for length, in_loop in hashed if not in_loop) == len(text)
        assert not [length for length, in_loop in hashed if in_loop]
        for wrong in ((text[:-1] + "x",), (text, "y"), ("short",)):
            [error] = await asyncio.gather(ask(*wrong), return_exceptions=True)
            assert "another request" in str(error)

    run(body)


def test_the_client_sends_a_key_and_tries_again_with_the_same(run: Run) -> None:
    async def body(scene: Served) -> None:
        orders = Orders()
        keys: list[str] = []

        class Unsteady(httpx.AsyncHTTPTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                answer = await super().handle_async_request(request)
                keys.append(request.headers["Idempotency-Key"])
                if len(keys) == 1:
                    await answer.aread()
                    return httpx.Response(503, headers={"Retry-After": "0"})
                return answer

        await scene.connected(orders.executor)
        async with AsyncClient(scene.url, retry=RetryPolicy(), transport=Unsteady()) as client:
            started = await client.run(calls.trigger_schedule("shop", "nightly"))
            await client.run(calls.trigger_schedule("shop", "nightly"))
        assert started.workflow_id == "run-1"
        assert keys[0] == keys[1] != keys[2]
        assert orders.triggered == 2

    run(body)
