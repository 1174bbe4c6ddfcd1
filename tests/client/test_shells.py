"""Both clients against a server: real sockets, a real database, an executor that is scripted."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from support.executor import ScriptedExecutor
from support.ports import lasting_port
from support.served import APPLICATION, Served, served

from conductor_lite import errors
from conductor_lite.api.schemas.tokens import CreateTokenInputBody
from conductor_lite.api.schemas.workflow_search import WorkflowSearchBody
from conductor_lite.api.schemas.workflows import Workflow
from conductor_lite.client import AsyncClient, Client, RetryPolicy, calls
from conductor_lite.config import Settings
from conductor_lite.protocol import ListWorkflows, ListWorkflowsReply, WorkflowRecord

TOTAL = 1_234
#: A workflow as the API sends it, but for its id.
WORKFLOW = {field.encode_name: None for field in msgspec.structs.fields(Workflow)} | {
    "status": "SUCCESS",
    "priority": 0,
    "wasForkedFrom": False,
}


async def with_workflows(place: Served, total: int) -> ScriptedExecutor:
    """An executor whose application has this many workflows."""
    workflows = [WorkflowRecord(workflow_id=f"wf-{number}", status="SUCCESS") for number in range(total)]

    async def listing(request: ListWorkflows) -> ListWorkflowsReply:
        start = request.body.offset or 0
        return ListWorkflowsReply(workflows=workflows[start : start + (request.body.limit or total)])

    executor = ScriptedExecutor("one", "1", place.workload)
    executor.on(ListWorkflows, listing)
    return await place.connected(executor)


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Callable[[Served], Any]], None]:
    async def whole(body: Callable[[Served], Any]) -> None:
        async with served(Settings(dev=True, port=0, data_dir=tmp_path / "data")) as place:
            await place.application_id()
            await body(place)

    return lambda body: asyncio.run(whole(body))


def test_blocking_client_lists_everything_and_keeps_at_most_a_page(run: Any) -> None:
    async def body(place: Served) -> None:
        executor = await with_workflows(place, TOTAL)

        def work() -> list[str]:
            with Client(place.url) as client:
                listing = calls.search_workflows(APPLICATION, WorkflowSearchBody())
                return [workflow.workflow_id for workflow in client.stream(listing)]

        assert await asyncio.to_thread(work) == [f"wf-{number}" for number in range(TOTAL)]
        assert executor.count(ListWorkflows) == 3

    run(body)


def test_asynchronous_client_does_the_same(run: Any) -> None:
    async def body(place: Served) -> None:
        await with_workflows(place, TOTAL)
        async with AsyncClient(place.url) as client:
            listing = calls.search_workflows(APPLICATION, WorkflowSearchBody(limit=600))
            found = [workflow.workflow_id async for workflow in client.stream(listing)]
            assert found == [f"wf-{number}" for number in range(600)]
            sizes = [len(page) async for page in client.pages(calls.list_workflows(APPLICATION))]
            assert sizes == [500, 500, 234]

    run(body)


def test_both_present_their_key_and_are_refused_without_it(run: Any) -> None:
    async def body(place: Served) -> None:
        async with AsyncClient(place.url) as owner:
            reach = CreateTokenInputBody(permissions=["application.read"])
            token = (await owner.run(calls.create_token("reader", reach))).token
        async with AsyncClient(place.url, key=token) as reader:
            assert [app.name for app in await reader.run(calls.list_apps())] == [APPLICATION]
            with pytest.raises(errors.ForbiddenError):
                await reader.run(calls.delete_app(APPLICATION))
        async with AsyncClient(place.url, key=token[:-1]) as stranger:
            with pytest.raises(errors.UnauthenticatedError):
                await stranger.run(calls.list_apps())

        def work() -> None:
            with Client(place.url, key=token) as client, pytest.raises(errors.ForbiddenError):
                client.run(calls.list_tokens())

        await asyncio.to_thread(work)

    run(body)


def test_names_that_need_encoding_arrive_as_they_are(run: Any) -> None:
    async def body(place: Served) -> None:
        await with_workflows(place, 0)
        async with AsyncClient(place.url) as client:
            for name in ("a/b", "..", "é ?#%2F", "."):
                await client.run(calls.create_token(name))
                assert name in [token.token_name for token in await client.run(calls.list_tokens())]
                await client.run(calls.delete_token(name))
            assert await client.run(calls.list_tokens()) == []

    run(body)


def test_a_server_without_executors_is_asked_again_and_then_told_so() -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(503, headers={"Retry-After": "0"}, json={"detail": "Nobody is there."})

    retry = RetryPolicy(attempts=3)
    with Client("http://127.0.0.1:1", retry=retry, transport=httpx.MockTransport(answer)) as client:
        with pytest.raises(errors.NoHealthyExecutorError, match="Nobody"):
            client.run(calls.list_queues("shop"))
        assert len(requests) == 3
        with pytest.raises(errors.NoHealthyExecutorError):
            client.run(calls.rewind_workflow("shop", "x"))
        assert len(requests) == 4
        with pytest.raises(errors.NoHealthyExecutorError):
            client.run(calls.restart_workflow("shop", "x"))
        assert len({request.headers["Idempotency-Key"] for request in requests[4:]}) == 1
        assert len(requests) == 7


async def collect(stream: AsyncIterator[Any], found: list[Any]) -> None:
    async for item in stream:
        found.append(item)  # noqa: PERF401 - what came before an error is to be kept


def test_a_list_whose_next_part_fails_ends_in_an_error() -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        if b'"offset":0' in await request.aread():
            return httpx.Response(
                200, json=[{**WORKFLOW, "workflowId": str(number)} for number in range(500)]
            )
        return httpx.Response(504, json={"detail": "Too slow."})

    async def whole() -> None:
        async with AsyncClient("http://127.0.0.1:1", transport=httpx.MockTransport(answer)) as client:
            stream: AsyncIterator[Any] = client.stream(calls.search_workflows("shop"))
            found: list[Any] = []
            with pytest.raises(errors.DeadlineExceededError):
                await collect(stream, found)
            assert len(found) == 500

    asyncio.run(whole())


def test_no_server_is_an_error_that_names_the_address() -> None:
    url = f"http://127.0.0.1:{lasting_port()}"
    with Client(url) as client, pytest.raises(errors.UnreachableError, match=url):
        client.run(calls.list_apps())


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8090", "ftp://x", "http://", "http://dbos_key@host", "http://h/?k=dbos_key"],
)
def test_an_address_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        Client(url)
    assert "dbos_key" not in str(caught.value)


@pytest.mark.parametrize("key", ["dbos_é", "dbos_a\nb"])
def test_a_key_that_cannot_be_one_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        Client("http://127.0.0.1:1", key=key)
    assert "dbos_" not in str(caught.value)
