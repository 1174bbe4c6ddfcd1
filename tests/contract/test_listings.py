"""Long listings: sent page by page in little memory, whole or visibly cut off, and in nobody's way."""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.executor import ScriptedExecutor
from support.process import Process
from support.served import Run, Served, served
from support.wait import wait_until_async

from conductor_lite import protocol
from conductor_lite.config import Settings

CROWD = Path(__file__).parents[1] / "apps" / "crowd.py"
WORKFLOWS = "/v2/orgs/local/apps/shop/workflows"
COUNT = 100_000
MARK = b'"workflowId":'
MAX_GROWTH_BYTES = 40_000_000
MAX_TURN_SECS = 0.010
MIB = 1 << 20


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs an async function on a served conductor."""
    settings = Settings(data_dir=tmp_path / "data", port=0, dev=True)

    def run(body: Callable[[Served], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            async with served(settings) as scene:
                await scene.application_id()
                return await body(scene)

        return asyncio.run(whole())

    return run


def resident_bytes() -> int:
    """Memory that this process has now."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except FileNotFoundError:
        pytest.skip("needs /proc")
    return pages * 4_096


class Watch:
    """What the event loop's thread did while the listing went on."""

    def __init__(self) -> None:
        self.turns: list[float] = []
        self.peak_bytes = 0

    async def __call__(self) -> None:
        """Measure the processor time of each turn of the loop: the wall's is the machine's business too."""
        while True:
            began = time.thread_time()
            await asyncio.sleep(0)
            self.turns.append(time.thread_time() - began)
            if len(self.turns) % 200 == 0:
                self.peak_bytes = max(self.peak_bytes, resident_bytes())


@asynccontextmanager
async def crowd(scene: Served, log: Path, count: int) -> AsyncIterator[Process]:
    """A process of the crowd program, connected."""
    url = f"{scene.ws_url}/websocket/shop/any-key"
    with Process([sys.executable, CROWD, url, "--count", str(count)], log) as process:
        await wait_until_async(lambda: scene.views().get("crowd"), 20, "the crowd to connect")
        yield process


def measure(url: str) -> tuple[int, int]:
    """How many workflows a listing of all holds, and how many bytes; keeps none of it."""
    found = size = 0
    tail = b""
    with httpx.stream("POST", f"{url}{WORKFLOWS}/search", json={}, trust_env=False, timeout=60) as answer:
        assert answer.status_code == 200
        assert "content-length" not in answer.headers
        for chunk in answer.iter_bytes():
            tail += chunk
            found += tail.count(MARK)
            size += len(chunk)
            # A mark may stand astride two chunks, and is not to be counted twice.
            tail = tail[-len(MARK) + 1 :]
    return found, size


def test_a_hundred_thousand_workflows_neither_fill_memory_nor_hold_up_the_loop(
    run: Run, tmp_path: Path
) -> None:
    async def scenario(scene: Served) -> None:
        async with crowd(scene, tmp_path / "crowd.log", COUNT):
            # What is made once and kept is not the listing's.
            await scene.http("GET", f"{WORKFLOWS}?limit=2000")
            watch = Watch()
            before = resident_bytes()
            watching = asyncio.create_task(watch())
            # In a thread: only the loop's own is measured.
            found, size = await asyncio.to_thread(measure, scene.url)
            watching.cancel()
        assert found == COUNT
        assert size > COUNT * 600
        growth = watch.peak_bytes - before
        assert growth < MAX_GROWTH_BYTES
        slowest = sorted(watch.turns)[-3:]
        print(f"{size / MIB:.0f} MiB sent, {growth / MIB:.1f} MiB more in memory, slowest turns {slowest}")
        # One may be the garbage collector's.
        assert slowest[-2] < MAX_TURN_SECS

    run(scenario)


def test_limit_and_offset_hold_across_pages(run: Run, tmp_path: Path) -> None:
    async def scenario(scene: Served) -> None:
        async with crowd(scene, tmp_path / "crowd.log", 3_000):
            every = (await scene.http("GET", WORKFLOWS)).json()
            assert len({item["workflowId"] for item in every}) == 3_000
            some = (await scene.http("GET", f"{WORKFLOWS}?limit=1201&offset=700")).json()
            assert some == every[700:1901]
            assert (await scene.http("GET", f"{WORKFLOWS}?offset=3000")).json() == []

    run(scenario)


def lister(pages: Callable[[Any], Any]) -> ScriptedExecutor:
    """An executor whose listings a function makes from the request's filters."""
    scripted = ScriptedExecutor("e-1")

    async def handler(request: Any) -> Any:
        return pages(request.body)

    scripted.on(protocol.ListWorkflows, handler)
    return scripted


def records(names: list[str]) -> protocol.ListWorkflowsReply:
    return protocol.ListWorkflowsReply(
        workflows=[protocol.WorkflowRecord(workflow_id=name, status="PENDING") for name in names]
    )


def test_workflows_that_arrive_between_pages_make_none_appear_twice(run: Run) -> None:
    started = itertools.count(2_000, 7)

    def pages(body: Any) -> Any:
        # Newest first, and before every page 7 more have begun.
        names = [f"w-{number}" for number in range(next(started), 0, -1)]
        return records(names[body.offset : body.offset + body.limit])

    async def scenario(scene: Served) -> None:
        await scene.connected(lister(pages))
        listed = [
            item["workflowId"] for item in (await scene.http("GET", f"{WORKFLOWS}?sortDesc=true")).json()
        ]
        assert len(listed) == len(set(listed))
        assert {f"w-{number}" for number in range(1, 2_001)} <= set(listed)
        some = (await scene.http("GET", f"{WORKFLOWS}?sortDesc=true&limit=1300")).json()
        assert len({item["workflowId"] for item in some}) == 1_300

    run(scenario)


async def receive(scene: Served, received: list[bytes]) -> None:
    """Collect what arrives of a listing, however it ends."""
    async with (
        httpx.AsyncClient(base_url=scene.url, trust_env=False, timeout=60) as client,
        client.stream("GET", WORKFLOWS) as answer,
    ):
        assert answer.status_code == 200
        # Not `extend`, which would keep nothing of what came before a failure.
        async for chunk in answer.aiter_bytes():
            received += [chunk]


def test_failure_in_the_middle_cuts_the_answer_off(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    def pages(body: Any) -> Any:
        if body.offset:
            return protocol.ListWorkflowsReply(error_message="RuntimeError: the database is gone")
        return records([f"w-{number}" for number in range(body.limit)])

    async def scenario(scene: Served) -> None:
        await scene.connected(lister(pages))
        received: list[bytes] = []
        with pytest.raises(httpx.RemoteProtocolError):
            await receive(scene, received)
        assert received[0].startswith(b"[")
        assert b'{"workflowId":"w-0"' in b"".join(received)
        with pytest.raises(json.JSONDecodeError):
            json.loads(b"".join(received))
        # Others are still answered.
        assert (await scene.http("GET", f"{WORKFLOWS}?limit=1")).status_code == 200

    run(scenario)
    (line,) = [record for record in caplog.records if record.name == "conductor_lite.api.paging"]
    assert "the database is gone" in line.getMessage()
    assert line.exc_info is None


def test_failure_on_the_first_page_is_a_problem(run: Run) -> None:
    async def scenario(scene: Served) -> None:
        reply = protocol.ListWorkflowsReply(error_message="RuntimeError: the database is gone")
        await scene.connected(lister(lambda body: reply))
        answer = await scene.http("GET", WORKFLOWS)
        assert (answer.status_code, answer.json()["detail"]) == (502, "RuntimeError: the database is gone")

    run(scenario)


def test_executor_that_repeats_its_first_page_for_ever_is_not_asked_for_ever(run: Run) -> None:
    async def scenario(scene: Served) -> None:
        same = lister(lambda body: records([f"w-{number}" for number in range(body.limit)]))
        await scene.connected(same)
        with pytest.raises(httpx.RemoteProtocolError):
            await scene.http("GET", WORKFLOWS)
        assert same.count(protocol.ListWorkflows) < 20

    run(scenario)


def test_caller_who_leaves_in_the_middle_stops_the_asking(run: Run) -> None:
    async def scenario(scene: Served) -> None:
        endless = lister(
            lambda body: records([f"w-{number}" for number in range(body.offset, body.offset + body.limit)])
        )
        await scene.connected(endless)
        async with (
            httpx.AsyncClient(base_url=scene.url, trust_env=False, timeout=60) as client,
            client.stream("GET", WORKFLOWS) as answer,
        ):
            await anext(answer.aiter_bytes())

        async def quiet() -> bool:
            # That nothing comes takes a while to see: pages came a few milliseconds apart.
            before = len(endless.requests)
            await asyncio.sleep(0.15)
            return len(endless.requests) == before

        await wait_until_async(quiet, 10, "the executor to be left alone")

    run(scenario)
