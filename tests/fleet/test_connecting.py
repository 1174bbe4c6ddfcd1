"""Executors' sockets from the handshake to the end: who is refused, who is taken in, who is replaced."""

import asyncio
import json
import logging
import time
from typing import Any

import msgspec
import pytest
from support.executor import ScriptedExecutor
from support.served import APPLICATION, LOCAL, Run, Served
from support.wait import wait_until_async
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from conductor_lite.auth.keys import KEY_PREFIX, _checksum
from conductor_lite.protocol import ExecutorInfo, ListQueues, ListQueuesReply


async def refusal(scene: Served, application: str, key: str) -> dict[str, Any]:
    """The body of the refusal, which an SDK prints."""
    with pytest.raises(InvalidStatus) as caught:
        await connect(f"{scene.ws_url}/websocket/{application}/{key}", proxy=None)
    response = caught.value.response
    assert response.headers["content-type"] == "application/json"
    body: dict[str, Any] = json.loads(response.body or b"")
    assert body["status"] == response.status_code
    assert body["message"].endswith(".") or "run 'conductor-lite" in body["message"]
    assert key not in response.body.decode() if response.body else True
    return body


def forgery(key: str) -> str:
    """A key of the same id with another secret, and the checksum that belongs to it."""
    body = key[5:17] + ("b" if key[17] == "a" else "a") + key[18:60]
    return KEY_PREFIX + body + _checksum(body)


def test_refusals_are_told_apart_and_say_why(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "conductor_lite")
    caplog.set_level(logging.WARNING, "uvicorn")
    keys: list[str] = []

    async def body(scene: Served) -> None:
        await scene.application_id("shop")
        await scene.application_id("other")
        good = await scene.key("websocket.connect", name="good")
        reader = await scene.key("application.read", name="reader")
        limited = await scene.key("websocket.connect", name="limited", apps=("other",))
        revoked = await scene.key("websocket.connect", name="revoked")
        await scene.conductor.operations.keys.revoke(LOCAL, "revoked")
        mistyped = good[:-1] + ("a" if good[-1] != "a" else "b")
        forged = forgery(good)
        keys.extend([good, reader, limited, revoked, mistyped, forged])

        assert "cut short" in (await refusal(scene, "shop", mistyped))["message"]
        assert "unknown or revoked" in (await refusal(scene, "shop", forged))["message"]
        for bad in (revoked, forged, mistyped, "nonsense", good[:40]):
            assert (await refusal(scene, "shop", bad))["status"] == 401
        assert "may not connect" in (await refusal(scene, "shop", reader))["message"]
        assert (await refusal(scene, "shop", reader))["status"] == 403
        assert (await refusal(scene, "shop", limited))["status"] == 403
        # Whether an application exists is not for a key of other applications to find out.
        assert (await refusal(scene, "unknown", limited))["status"] == 403
        missing = await refusal(scene, "unknown", good)
        assert missing["status"] == 404
        assert "conductor-lite app register unknown" in missing["message"]
        assert (await refusal(scene, "No-Such-Name", good))["status"] == 404
        await scene.executor("a", key=good)
        await scene.connected(ScriptedExecutor("b"), key=good)

    run(body, dev=False)
    assert "refused with 401" in caplog.text
    for key in keys:
        assert key not in caplog.text
        # Nor the secret alone.
        assert key[17:60] not in caplog.text


def test_key_for_one_application_connects_to_it_alone(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scene.application_id()
        key = await scene.key("websocket.connect", apps=(APPLICATION,))
        await scene.executor("a", key=key)

    run(body, dev=False)


def test_development_mode_takes_any_key_and_registers_applications(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scene.executor("a", key="whatever/it%20is")
        assert [entry.target_id for entry in await scene.audit("application.create")] == [APPLICATION]
        await scene.executor("b", key="something-else")
        (entry,) = await scene.audit("application.create")
        assert entry.details["reason"] == "it connected in development mode"
        (application,) = await scene.conductor.operations.applications.list(LOCAL)
        assert application.record.executor_timeout_secs == 1

    run(body)


@pytest.mark.parametrize("name", ["ab", "Shop", "shop%20two", "a" * 257, "sh%C3%B6p", "shop.two", "sh%0Aop"])
def test_development_mode_registers_no_bad_names(run: Run, name: str) -> None:
    async def body(scene: Served) -> None:
        assert "a name has 3 to 256 characters" in (await refusal(scene, name, "any"))["message"]
        assert await scene.conductor.operations.applications.list(LOCAL) == []

    run(body)


def test_peer_that_does_not_introduce_itself_is_closed_in_time(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = ScriptedExecutor("silent")
        executor.ignores(ExecutorInfo)
        started = time.monotonic()
        await executor.connect(scene.ws_url, APPLICATION)
        code, reason = await executor.closing()
        assert code == 1008
        assert "introduce" in reason
        assert time.monotonic() - started > 0.35
        assert scene.views() == {}

    run(body, handshake_timeout_secs=0.4)


@pytest.mark.parametrize(
    "changes",
    [
        {"executor_id": ""},
        {"executor_id": "x" * 257},
        {"application_version": "v" * 1_025},
        {"error_message": "the database is down"},
    ],
)
def test_peer_with_an_impossible_identity_is_closed(run: Run, changes: dict[str, str]) -> None:
    async def body(scene: Served) -> None:
        executor = ScriptedExecutor("a")
        executor.info = msgspec.structs.replace(executor.info, **changes)
        await executor.connect(scene.ws_url, APPLICATION)
        assert (await executor.closing())[0] == 1008
        assert scene.views() == {}

    run(body)


def test_the_longest_executor_id_is_taken_in(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scene.executor("x" * 256, "v" * 1_024)

    run(body)


def test_newer_socket_of_an_executor_replaces_the_older(run: Run) -> None:
    async def body(scene: Served) -> None:
        older = await scene.executor("a")
        newer = await scene.executor("a")
        code, reason = await older.closing()
        assert code == 4000
        assert "replaced" in reason
        assert scene.statuses() == {"a": "HEALTHY"}
        newer.answers(ListQueues, ListQueuesReply())
        await scene.ask(ListQueues())
        assert newer.count(ListQueues) == 1
        # It was never away.
        assert scene.view("a").dead_at is None

    run(body)


def test_request_at_a_replaced_socket_moves_on(run: Run) -> None:
    async def body(scene: Served) -> None:
        older = await scene.executor("a")
        older.ignores(ListQueues)
        spare = await scene.executor("b")
        spare.answers(ListQueues, ListQueuesReply())
        asking = asyncio.create_task(scene.ask(ListQueues()))
        await wait_until_async(lambda: older.count(ListQueues), 5, "the request to arrive")
        await scene.executor("a")
        await asking
        assert spare.count(ListQueues) == 1

    # Much longer than the test may take: it is the replacement that ends the wait.
    run(body, request_timeout_secs=30)


def test_same_id_with_another_version_is_another_executor(run: Run) -> None:
    async def body(scene: Served) -> None:
        older = await scene.executor("a", "1")
        await scene.executor("a", "2")
        assert scene.view("a", "1").status == "DISCONNECTED"
        assert scene.view("a", "1").connected_at is None
        assert (await older.closing())[0] == 4000
        assert scene.view("a", "2").status == "HEALTHY"
        # Version 1 of it is gone; asked about it, the newcomer says that nothing is pending.
        await scene.await_status("a", None, "1")
        assert scene.view("a", "2").status == "HEALTHY"

    run(body)


def test_socket_gone_before_it_introduced_itself_leaves_nothing_behind(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = ScriptedExecutor("a")
        executor.ignores(ExecutorInfo)
        await executor.connect(scene.ws_url, APPLICATION)
        await wait_until_async(lambda: executor.count(ExecutorInfo), 5, "the question")
        await executor.vanish()
        await scene.executor("b")
        assert scene.statuses() == {"b": "HEALTHY"}

    run(body)


def test_hundred_reconnects_at_once_leave_one_socket_each(run: Run) -> None:
    async def body(scene: Served) -> None:
        executors = [ScriptedExecutor(f"e{number % 10}") for number in range(100)]
        await asyncio.gather(*(executor.connect(scene.ws_url, APPLICATION) for executor in executors))

        def settled() -> bool:
            open_ones = [e for e in executors if e.connection.close_code is None]
            return len(open_ones) == 10 and list(scene.statuses().values()) == ["HEALTHY"] * 10

        await wait_until_async(settled, 10, "one socket for each id")
        assert len({e.executor_id for e in executors if e.connection.close_code is None}) == 10
        await asyncio.gather(*(executor.vanish() for executor in executors))

    run(body, handshake_timeout_secs=10)


def test_revoking_a_key_disconnects_its_executors_and_keeps_them_out(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scene.application_id()
        first, second = await scene.key(name="first"), await scene.key(name="second")
        loser = await scene.executor("a", key=first)
        await scene.executor("b", key=second)
        await scene.conductor.operations.keys.revoke(LOCAL, "first")
        assert (await loser.closing())[0] == 1008
        assert (await refusal(scene, APPLICATION, first))["status"] == 401
        await scene.await_status("a", "DISCONNECTED")
        assert scene.view("b").status == "HEALTHY"

    run(body, dev=False)


def test_deleting_an_application_closes_its_sockets(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scene.application_id()
        key = await scene.key()
        executor = await scene.executor("a", key=key)
        await scene.conductor.operations.applications.delete(LOCAL, APPLICATION)
        assert (await executor.closing())[0] == 1008
        assert (await refusal(scene, APPLICATION, key))["status"] == 404
        assert scene.views() == {}

    run(body, dev=False)


def test_stopping_tells_every_executor_going_away(run: Run) -> None:
    executors: list[ScriptedExecutor] = []

    async def body(scene: Served) -> None:
        executors.extend([await scene.executor("a"), await scene.executor("b")])
        await scene.conductor.stop()
        assert [(await executor.closing())[0] for executor in executors] == [1001, 1001]

    run(body)


def test_what_a_peer_says_when_it_closes_is_logged_short_and_on_one_line(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "conductor_lite")

    async def body(scene: Served) -> None:
        executor = await scene.executor("a")
        await executor.connection.close(4321, "first line\nsecond line")
        await scene.await_status("a", "DISCONNECTED")

    run(body)
    (line,) = [r.getMessage() for r in caplog.records if "disconnected" in r.getMessage()]
    assert "\n" not in line
    assert "4321" in line


def test_connection_of_a_web_page_is_refused(run: Run) -> None:
    async def body(scene: Served) -> None:
        with pytest.raises(InvalidStatus) as caught:
            await connect(
                f"{scene.ws_url}/websocket/{APPLICATION}/any",
                origin=Origin("http://evil.example"),
                proxy=None,
            )
        assert caught.value.response.status_code == 403

    run(body)


def test_executor_that_went_before_its_reply_was_read_is_not_taken_in(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = ScriptedExecutor("a")
        await executor.connect(scene.ws_url, APPLICATION)
        await wait_until_async(lambda: executor.count(ExecutorInfo), 5, "the question")
        await executor.vanish()
        await wait_until_async(lambda: "HEALTHY" not in scene.statuses().values(), 5, "nobody to be healthy")
        with pytest.raises(ConnectionClosed):
            await executor.send("{}")

    run(body)
