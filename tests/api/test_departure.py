"""Callers that go away before their answer: reads are given up, changes are seen through to the audit log."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import uvloop
from support.executor import ScriptedExecutor
from support.served import APPLICATION, Served, served
from support.wait import wait_until_async

from conductor_lite.config import Settings
from conductor_lite.protocol import (
    Cancel,
    CancelReply,
    ExecutorInfo,
    GetWorkflow,
    GetWorkflowReply,
    ListQueues,
    ListQueuesReply,
    ListWorkflows,
    WorkflowRecord,
)
from conductor_lite.protocol.base import Reply, Request

APP = f"/v2/orgs/local/apps/{APPLICATION}"


def run(tmp_path: Path, body: Callable[[Served, ScriptedExecutor], Awaitable[None]]) -> None:
    """Run ``body`` with one executor, which takes one request at a time."""

    async def whole() -> None:
        settings = Settings(data_dir=tmp_path / "data", port=0, dev=True, max_in_flight_requests=1)
        async with served(settings) as scene:
            await body(scene, await scene.executor("a"))

    uvloop.run(whole())


async def begin(scene: Served, method: str, path: str, content: str = "") -> asyncio.StreamWriter:
    """Send a request and do not wait for its answer."""
    url = urlsplit(scene.url)
    _, writer = await asyncio.open_connection(url.hostname, url.port)
    head = f"{method} {path} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n{content}".encode())
    await writer.drain()
    return writer


async def asked(executor: ScriptedExecutor, kind: type[Request[Reply]]) -> None:
    await wait_until_async(lambda: executor.count(kind) == 1, 5, f"a {kind.__name__} to arrive")


def test_read_of_a_caller_who_left_frees_its_turn_at_the_executor(tmp_path: Path) -> None:
    async def body(scene: Served, executor: ScriptedExecutor) -> None:
        executor.ignores(ListQueues)
        caller = await begin(scene, "GET", f"{APP}/queues")
        await asked(executor, ListQueues)
        caller.close()
        # The only turn would be taken for request_timeout_secs otherwise.
        async with asyncio.timeout(25):
            await scene.ask(ExecutorInfo())

    run(tmp_path, body)


def test_search_of_a_caller_who_left_frees_its_turn_too(tmp_path: Path) -> None:
    async def body(scene: Served, executor: ScriptedExecutor) -> None:
        executor.ignores(ListWorkflows)
        caller = await begin(scene, "POST", f"{APP}/workflows/search", '{"limit": 3}')
        await asked(executor, ListWorkflows)
        caller.close()
        async with asyncio.timeout(25):
            await scene.ask(ExecutorInfo())

    run(tmp_path, body)


def test_caller_who_stays_is_answered_however_long_it_takes(tmp_path: Path) -> None:
    async def body(scene: Served, executor: ScriptedExecutor) -> None:
        executor.ignores(ListQueues)
        asking = asyncio.create_task(scene.http("GET", f"{APP}/queues"))
        await asked(executor, ListQueues)
        request, request_id = executor.unanswered[-1]
        assert isinstance(request, ListQueues)
        await executor.reply(ListQueuesReply(), request_id)
        assert (await asking).json() == []

    run(tmp_path, body)


def test_change_that_a_caller_did_not_wait_for_is_made_and_audited(tmp_path: Path) -> None:
    async def body(scene: Served, executor: ScriptedExecutor) -> None:
        found = GetWorkflowReply(workflow=WorkflowRecord(workflow_id="w", status="PENDING"))
        executor.answers(GetWorkflow, found)
        executor.ignores(Cancel)
        caller = await begin(scene, "POST", f"{APP}/workflows/w/cancel", "{}")
        await asked(executor, Cancel)
        _, request_id = executor.unanswered[-1]
        caller.close()
        await caller.wait_closed()
        await executor.reply(CancelReply(success=True), request_id)

        async def audited() -> list[str]:
            return [entry.status for entry in await scene.audit("workflow.cancel")]

        await wait_until_async(audited, 5, "the audit entry")
        assert await audited() == ["success"]

    run(tmp_path, body)
