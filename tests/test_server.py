"""The composed server: heartbeats on the wire, ports and signals, stopping, and what it says of itself."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop
from support.executor import ScriptedExecutor
from support.served import APPLICATION, Run, Served, served
from support.wait import wait_until_async

from conductor_lite import __version__, server
from conductor_lite.config import Settings
from conductor_lite.errors import StartupError
from conductor_lite.logs import configure_logging
from conductor_lite.protocol import ListQueues, ListQueuesReply

KEY = "a-key-of-development-that-nobody-may-see"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", port=0, dev=True, executor_timeout_secs=60)


@pytest.fixture
def run(settings: Settings) -> Run:
    def run(body: Callable[[Served], Awaitable[Any]], **changes: Any) -> Any:
        async def whole() -> Any:
            async with served(msgspec.structs.replace(settings, **changes)) as scene:
                return await body(scene)

        return uvloop.run(whole())

    return run


def test_health_names_the_version(run: Run) -> None:
    async def body(scene: Served) -> None:
        answer = await scene.http("GET", "/healthz")
        assert answer.status_code == 200
        assert answer.json()["status"] == "ok"
        assert answer.json()["version"] == __version__

    run(body)


def test_network_that_swallows_everything_is_noticed_by_pings(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scene.executor("well")
        cut_off = await scene.executor("cut-off")
        started = time.monotonic()
        # It reads nothing any more, so no pong goes out; its socket stays open.
        cut_off.connection.transport.pause_reading()
        await scene.await_status("cut-off", "DISCONNECTED")
        assert time.monotonic() - started > 0.3
        # Several intervals later whoever answers is still there.
        assert scene.view("well").status == "HEALTHY"

    run(body, ping_interval_secs=0.2, ping_timeout_secs=0.4)


def test_stopping_lets_requests_under_way_finish(settings: Settings) -> None:
    async def body() -> None:
        async with served(settings) as scene:
            executor = await scene.executor("a")
            asking = asyncio.create_task(scene.ask(ListQueues()))
            await wait_until_async(lambda: executor.count(ListQueues), 5, "the request")
            stopping = asyncio.create_task(scene.conductor.stop())
            await asyncio.sleep(0)
            _, request_id = executor.unanswered[-1]
            await executor.reply(ListQueuesReply(), request_id)
            assert isinstance(await asking, ListQueuesReply)
            await stopping
            assert (await executor.closing())[0] == 1001

    uvloop.run(body())


def test_stopping_does_not_wait_for_ever_for_a_silent_executor(settings: Settings) -> None:
    async def body() -> None:
        async with served(settings) as scene:
            executor = await scene.executor("a")
            asking = asyncio.create_task(scene.ask(ListQueues(), deadline_secs=60))
            await wait_until_async(lambda: executor.count(ListQueues), 5, "the request")
            started = time.monotonic()
            await scene.conductor.stop()
            assert time.monotonic() - started < 30
            with pytest.raises(Exception, match=r"stopping|closed"):
                await asking
            # Stopping twice is stopping once.
            await scene.conductor.stop()

    uvloop.run(body())


def test_newcomer_while_the_server_stops_is_sent_away(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scene.executor("a")
        await scene.conductor.stop()
        late = ScriptedExecutor("late")
        await late.connect(scene.ws_url, APPLICATION)
        assert (await late.closing())[0] in (1001, 1008)
        assert "late" not in scene.statuses()

    run(body)


def test_taken_port_is_said_before_the_data_folder_is_touched(settings: Settings, tmp_path: Path) -> None:
    async def body() -> None:
        async with served(settings) as scene:
            port = int(scene.url.rsplit(":", 1)[1])
            other = msgspec.structs.replace(settings, port=port, data_dir=tmp_path / "other")

            async def nothing(*arguments: object) -> None:
                pytest.fail("it became ready")

            with pytest.raises(StartupError, match=rf"127\.0\.0\.1:{port}.*--port"):
                await server.serve(other, nothing, nothing)
        assert not (tmp_path / "other").exists()

    asyncio.run(body())


def test_ipv6_loopback_is_served_and_its_url_is_one(tmp_path: Path) -> None:
    async def body() -> None:
        async with served(Settings(data_dir=tmp_path, port=0, host="::1", dev=True)) as scene:
            assert re.fullmatch(r"http://\[::1\]:\d+", scene.url)
            assert (await scene.http("GET", "/healthz")).status_code == 200
            await scene.executor("a")

    uvloop.run(body())


def test_no_log_line_of_any_level_holds_a_key(
    run: Run, capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def restore() -> None:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.getLogger("conductor_lite").setLevel(logging.NOTSET)
        logging.getLogger("uvicorn").setLevel(logging.NOTSET)

    request.addfinalizer(restore)
    configure_logging("debug")
    logging.getLogger("uvicorn").setLevel(logging.DEBUG)

    async def body(scene: Served) -> None:
        await scene.executor("a", key=KEY)
        await (await scene.executor("b", key=f"{KEY}/b")).vanish()
        await scene.await_status("b", "DISCONNECTED")
        await scene.http("GET", f"/websocket/{APPLICATION}/{KEY}")
        await scene.http("GET", f"/v2/orgs/local/apps?key={KEY}", headers={"Authorization": f"Bearer {KEY}"})

    run(body)
    output = capfd.readouterr()
    assert "Executor a of shop connected" in output.err
    assert KEY not in output.err + output.out
